"""Operations recorded as calls of Python functions, for backends that know no better way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from gpuae.backends.ops import Ops


class PythonProgram:
    """Calls of Python functions."""

    def __init__(self, calls: list[Callable[[], object]]) -> None:
        self._calls = calls

    def replay(self, times: int) -> None:
        """Make all calls, so many times."""
        for _ in range(times):
            for call in self._calls:
                call()


class PythonRecorder:
    """Records calls of another object's methods, whatever they are."""

    def __init__(self, ops: object, barrier: Callable[[], object]) -> None:
        self._target, self._barrier = ops, barrier
        self._calls: list[Callable[[], object]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        method = getattr(self._target, name)
        return lambda *args, **kwargs: self._calls.append(partial(method, *args, **kwargs))

    @property
    def ops(self) -> Ops:
        """Itself, as it takes all calls there are."""
        return cast("Ops", self)

    def barrier(self) -> None:
        """Record a barrier."""
        self._calls.append(self._barrier)

    def take(self) -> PythonProgram:
        """Return the calls since the last time."""
        calls, self._calls = self._calls, []
        return PythonProgram(calls)
