"""One page about one run: what was recorded, how training went, and whether the pilot drives."""
