"""The doctor: findings about a recording, and a clean copy of its good part."""
