"""How long training takes on a GPU and on the CPU, about: what `device=auto` goes by.

A GPU needs a while to begin and some microseconds for each step, however small it is; a CPU
computes more slowly. Both are reckoned for the work at hand. The constants are of an NVIDIA H200
and of cores with AVX2 or AVX-512 (bench/README.md). Where both take about as long, the rule may be
wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

GPU_BEGINS = 1.5
"""Seconds until a process has a GPU and its kernels."""
GPU_STEP = 4e-5
"""Seconds of a step that hardly computes anything."""
GPU_FLOPS = 2e13
"""A second in float32, in steps of middle size, on a GPU of so many processors:"""
GPU_PROCESSORS = 132
TRANSFER = 2.5e9
"""Bytes a second from memory that is not pinned."""
CPU_STEP = 5e-6
CPU_FLOPS = 6e10
"""A second in float32 of a core; half of it in float64."""


@dataclass(frozen=True)
class Strength:
    """What a GPU has: multiprocessors, and how many times as fast float32 is as float64."""

    processors: int
    single_to_double: int


@dataclass(frozen=True)
class Work:
    """What there is to compute.

    Attributes
    ----------
    steps
        How many.
    flops
        Multiplications and additions in all of them.
    moved
        Bytes of rows that a GPU has to be given.
    double
        Whether it is float64.
    busy
        Cores that a step keeps busy.
    """

    steps: float
    flops: float
    moved: float
    double: bool
    busy: int

    def on_gpu(self, gpu: Strength) -> float:
        """Return about how many seconds a GPU needs, with its start."""
        rate = GPU_FLOPS * gpu.processors / GPU_PROCESSORS
        rate /= gpu.single_to_double if self.double else 1
        computing = self.steps * GPU_STEP + self.flops / rate
        return GPU_BEGINS + self.moved / TRANSFER + computing

    def on_cpu(self) -> float:
        """Return about how many seconds the CPU needs."""
        rate = CPU_FLOPS * self.busy / (2 if self.double else 1)
        return self.steps * CPU_STEP + self.flops / rate
