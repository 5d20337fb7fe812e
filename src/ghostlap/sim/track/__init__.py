"""Roads: their lines, heights and widths, from files, seeds or names."""
