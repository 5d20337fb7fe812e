"""Drives in which a pilot fails, and what its network computed before it did."""
