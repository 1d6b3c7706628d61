"""Lets tests that hold NumPy arrays call the operations of a real GPU."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest


class OnGpu:
    """Takes every array of a call to the GPU and brings it back afterwards."""

    def __init__(self, ops):
        self._ops, self.name = ops, ops.name

    def recorders(self, threads, meet):
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

        def call(*arguments, **named):
            there = {}
            result = operation(
                *(self._taken(own, there) for own in arguments),
                **{key: self._taken(own, there) for key, own in named.items()},
            )
            for host, device in there.values():
                if host.flags.writeable:
                    host[...] = self._ops.to_host(device).reshape(host.shape).view(host.dtype)
            return result

        return call

    def _taken(self, value, there):
        if isinstance(value, np.ndarray):
            if id(value) not in there:
                there[id(value)] = value, self._ops.asarray(value)
            return there[id(value)][1]
        if is_dataclass(value):
            own = {field.name: getattr(value, field.name) for field in fields(value)}
            return replace(value, **{name: self._taken(one, there) for name, one in own.items()})
        return value
