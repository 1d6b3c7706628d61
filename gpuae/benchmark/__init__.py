"""Speed: training beside its matrix products alone, on CPU and GPU, and beside PyTorch and JAX."""
