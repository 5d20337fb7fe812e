"""From nothing to a pilot that drives, with proof: every stage in one command."""
