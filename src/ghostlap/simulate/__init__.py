"""The embedded simulator as a program of its own, driven by whoever serves port 4567."""
