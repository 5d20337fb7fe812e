"""Frozen suites of drives, by which any policy is measured alike."""
