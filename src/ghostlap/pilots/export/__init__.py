"""Export of a pilot's network for other programs."""
