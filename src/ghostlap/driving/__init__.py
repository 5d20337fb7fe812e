"""A pilot at the wheel: control, rollouts, evaluation, and the server for Udacity's simulator."""
