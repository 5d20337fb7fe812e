"""What a network sees of a picture, and what may happen to it before."""
