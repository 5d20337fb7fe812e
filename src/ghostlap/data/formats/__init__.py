"""Data in and out, models out: what other people's tools read and write."""
