"""Pilots: networks with their preprocessing; models in and out."""
