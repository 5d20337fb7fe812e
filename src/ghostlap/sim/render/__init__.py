"""The renderer: one source for CPU and CUDA."""
