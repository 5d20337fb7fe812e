"""A pilot's network for other programs."""
