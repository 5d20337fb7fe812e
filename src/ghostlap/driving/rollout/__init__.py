"""One drive of a pilot in a simulation, tick by tick."""
