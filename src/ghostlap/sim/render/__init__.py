"""Pictures of a scene: one source for CPU and CUDA."""
