"""One verb a module: what a person types, and what a notebook calls."""
