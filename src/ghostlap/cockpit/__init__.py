"""The cockpit: drive, teach and watch in the browser."""
