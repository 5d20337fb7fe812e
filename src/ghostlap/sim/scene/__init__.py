"""What stands along a road, what it is made of, and in which light."""
