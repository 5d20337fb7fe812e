"""``make demo``: train a pilot on a small recording, and look at what it learned.

The recording is drawn here (a road that bends as the steering says), so that the demo needs
nothing but this package. It shows the path from a recording to a pilot, not how well one drives.
"""
