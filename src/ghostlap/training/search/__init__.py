"""Good options for a training, found on a subset of the recordings."""
