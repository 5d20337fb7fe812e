"""From recordings to batches: reading, checking, choosing, augmenting, feeding."""
