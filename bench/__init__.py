"""Benchmarks of gpuae: see README.md."""
