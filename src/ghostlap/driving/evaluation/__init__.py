"""Closed loop: a pilot drives the embedded simulator, and figures say how well."""
