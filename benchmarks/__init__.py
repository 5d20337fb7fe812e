"""What is measured and tried outside the package."""
