"""The artifact: a network with its preprocessing; models in and out."""
