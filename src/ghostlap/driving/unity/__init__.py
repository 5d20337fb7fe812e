"""Udacity's simulator: its wire protocol, and a client that behaves as it does."""
