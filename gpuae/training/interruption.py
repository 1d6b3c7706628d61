"""Ctrl-C, heard where training can stop and go on later."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from gpuae.training.thread_pool import INTERRUPTING


class Interrupted(Exception):  # noqa: N818 it is no error
    """Training stops here, and everything is as it has to be to go on."""


class Interruption:
    """Remembers the first signal that would have interrupted the block; the second one does.

    A context manager. Only the main thread is ever interrupted.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in INTERRUPTING}
            self._before = {n: handler for n, handler in handlers.items() if callable(handler)}
            for number in self._before:
                signal.signal(number, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stop_if_asked(self) -> None:
        """End training here if it was asked to.

        Raises
        ------
        Interrupted
            If so.
        """
        if self.asked:
            raise Interrupted

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self._before[number](number, frame)
        self.asked = True
