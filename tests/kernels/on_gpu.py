"""Lets tests that hold NumPy arrays call the operations of a real GPU."""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from gpuae.backends.cuda_kernel import known_to_kernels

GUARD = 64
"""Numbers around every array that nobody may change."""


class OnGpu:
    """Takes every array of a call to the GPU and brings it back afterwards.

    Arrays are `shift` elements off alignment, but for products: cuBLAS chooses its kernels by
    alignment, and so the bits.
    """

    def __init__(self, ops, shift=0):
        self._ops, self.name, self._shift = ops, ops.name, shift
        if os.environ.get("GPUAE_PLAIN_MEMORY"):  # compute-sanitizer sees the ends of allocations
            import cupy

            cupy.cuda.set_allocator(None)

    def recorders(self, threads, barrier):
        pytest.skip("what is recorded works on arrays of the GPU")

    def session(self):
        return self._ops.session()

    def empty(self, shape, dtype):
        return self._ops.to_host(self._ops.empty(shape, dtype))

    def zeros(self, shape, dtype):
        return self._ops.to_host(self._ops.zeros(shape, dtype))

    def asarray(self, host):
        return self._ops.to_host(self._ops.asarray(host))

    def assign(self, target, host):
        device = self._ops.asarray(target)
        self._ops.assign(device, host)
        target[...] = self._ops.to_host(device)

    def to_host(self, array):
        return array.copy()

    def __getattr__(self, name):
        operation = getattr(self._ops, name)
        first = GUARD + (0 if name == "gemm" else self._shift)

        def call(*arguments, **named):
            there = {}
            result = operation(
                *(self._taken(own, there, first) for own in arguments),
                **{key: self._taken(own, there, first) for key, own in named.items()},
            )
            for host, device, guarded in there.values():
                after = self._ops.to_host(guarded)
                ends = after[:first], after[first + device.size :]
                assert all((own.view(np.uint8) == 0xFF).all() for own in ends), "written beyond"
                if host.flags.writeable:
                    host[...] = self._ops.to_host(device).reshape(host.shape).view(host.dtype)
            return result

        return call

    def _taken(self, value, there, first):
        if isinstance(value, np.ndarray):
            if id(value) not in there:
                there[id(value)] = value, *self._guarded(known_to_kernels(value), first)
            return there[id(value)][1]
        if is_dataclass(value):
            own = {field.name: getattr(value, field.name) for field in fields(value)}
            taken = {name: self._taken(one, there, first) for name, one in own.items()}
            return replace(value, **taken)
        return value

    def _guarded(self, host, first):
        """Return an array on the GPU, and the memory around it, whose ends are NaN."""
        size = first + host.size + GUARD
        around = np.full(size * host.itemsize, 0xFF, np.uint8).view(host.dtype)
        around[first : first + host.size] = host.ravel()
        memory = self._ops.asarray(around)
        return memory[first : first + host.size].reshape(host.shape), memory
