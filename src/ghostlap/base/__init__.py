"""What everything stands on: errors, files, folder locks, processes."""
