"""A line on the terminal that says how far a command is, once it takes longer than a second."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import Any

from gpuae import steps

WAIT_SECONDS = 1.0
"""From the start of a command to its line."""
TICK_SECONDS = 0.2
BAR = 20
"""Width of the bar, which narrow terminals do without."""
CLEAR = "\r\x1b[K"

_hidden = 0
"""How many others are showing something in place of the line."""


@contextmanager
def hidden() -> Iterator[None]:
    """Show no line, for something else shows how far the work is, or nothing is to be awaited."""
    global _hidden  # noqa: PLW0603 - there is one terminal
    _hidden += 1
    try:
        yield
    finally:
        _hidden -= 1


@contextmanager
def status_line(command: str) -> Iterator[None]:
    """Show how far a command is, where standard error is a terminal that can change a line."""
    if not can_change_lines():
        yield
        return
    line = _Line(command, sys.stderr)
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Cleared(own, line) for own in streams)
    try:
        with line:
            yield
    finally:
        sys.stdout, sys.stderr = streams


def can_change_lines() -> bool:
    """Whether standard error is a terminal on which a line can be written anew."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class _Line:
    """Is written anew a few times a second by a thread of its own."""

    def __init__(self, command: str, stream: Any) -> None:
        self._command, self._stream = command, stream
        self._began = time.perf_counter()
        self._ended = Event()
        self._lock = RLock()
        self._shown = ""
        self._between_lines = True
        self._thread = Thread(target=self._run, daemon=True, name="gpuae status line")

    def __enter__(self) -> _Line:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self.clear()

    def clear(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._shown:
                self._shown = ""
                self._stream.write(CLEAR)
                self._stream.flush()

    def write(self, stream: Any, text: str) -> int:
        """Write to a stream what others have to say, where the line was."""
        with self._lock:
            self.clear()
            if text:
                self._between_lines = text.endswith("\n")
            count: int = stream.write(text)
            return count

    def _run(self) -> None:
        if self._ended.wait(WAIT_SECONDS):
            return
        while not self._ended.wait(TICK_SECONDS):
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            if _hidden or not self._between_lines:
                return
            seconds = time.perf_counter() - self._began
            width = shutil.get_terminal_size().columns - 1
            text = worded(self._command, steps.current(), seconds, width, self._has_bars)
            if text == self._shown:
                return
            self._shown = text
            self._stream.write(CLEAR + text)
            self._stream.flush()

    @property
    def _has_bars(self) -> bool:
        return "utf" in (getattr(self._stream, "encoding", None) or "").lower()


class _Cleared:
    """A standard stream that takes the line away before anything is written."""

    def __init__(self, stream: Any, line: _Line) -> None:
        self._stream, self._line = stream, line

    def write(self, text: str) -> int:
        return self._line.write(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # what is written to it is not seen here
            self._line.clear()
        return getattr(self._stream, name)


def worded(
    command: str, step: steps.Step | None, seconds: float, width: int, bars: bool = True
) -> str:
    """Word how far a command is, in at most `width` characters: what matters most comes first."""
    parts = [command]
    if step is not None and step.total:
        share = min(1.0, step.done / step.total)
        parts += [_bar(share, "━─" if bars else "#-"), f"{share:4.0%}"]
    parts.append(f"{seconds:.0f} s")
    if step is not None:
        total = f" of {step.total:,}" if step.total else ""
        parts.append(f"{step.done:,}{total} {step.unit}")
    if len("  ".join(parts)) > width and len(parts) > 3:
        del parts[1]
    while len("  ".join(parts)) > width and len(parts) > 1:
        parts.pop()
    return "  ".join(parts)[: max(0, width)]


def _bar(share: float, characters: str) -> str:
    filled = round(share * BAR)
    return characters[0] * filled + characters[1] * (BAR - filled)
