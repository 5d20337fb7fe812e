"""A pilot drives, the expert or a person says what was right, the pilot learns from it."""
