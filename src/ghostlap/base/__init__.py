"""What everything stands on: errors, files, folder locks, the engine that runs tasks."""
