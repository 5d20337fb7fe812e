"""The preprocessing that a model's own script does, read out of its text; nothing is run."""
