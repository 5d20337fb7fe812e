"""The expert drives, and a Udacity recording of it is written."""
