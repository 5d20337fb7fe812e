"""Pictures of a recording that a person wants to see before training."""
