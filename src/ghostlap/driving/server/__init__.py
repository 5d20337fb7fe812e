"""Driving Udacity's simulator: a server on port 4567."""
