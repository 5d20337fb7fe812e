"""Models that people already have, of Keras 1 to 3, as pilots; nothing inside them is executed."""
