"""What is wrong with a recording, and a clean copy without it."""
