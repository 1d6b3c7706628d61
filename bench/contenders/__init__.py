"""Contenders of the cases that only `bench.run` has; see `gpuae.benchmark.contenders`."""
