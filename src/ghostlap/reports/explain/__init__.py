"""Where a pilot looks, and whether it would steer back."""
