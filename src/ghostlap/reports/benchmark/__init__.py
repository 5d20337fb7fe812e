"""Pages about results of ``ghostlap benchmark``: of one, and of several side by side."""
