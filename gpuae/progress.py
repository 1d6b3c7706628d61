"""How far training is: counted, worded, and shown in Python as one line that changes."""

from __future__ import annotations

import html
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gpuae.config import Config
from gpuae.training.history import EpochRecord, Silence
from gpuae.training.pace import Pace

SHOWN_SECONDS = 0.2
"""Between two states of a line."""
LINE_SECONDS = 5.0
"""Between two lines, where a line cannot change."""


class Meter(Silence):
    """Counts rows and time, and words the figures of an epoch."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.stage = ""
        self.last: EpochRecord | None = None

    def chosen(self, config: Config, columns: int, rows: int, reasons: Mapping[str, str]) -> None:
        """Hear how many epochs there will be."""
        self.pace.epochs = config.resolved("epochs")

    def stage_starts(self, stage: str) -> None:
        """Name it with all that is said from now on."""
        self.stage = f"{stage}, "

    def training_starts(self, config: Config, columns: int, rows: int) -> None:
        """Start the clock."""
        self.last = None
        self.pace.start(config.resolved("epochs"), rows)

    def rows_done(self, epoch: int, rows: int) -> None:
        """Hear that so many rows of an epoch (from 1) are done."""
        self.pace.rows_done(epoch, rows)

    def epoch_done(self, record: EpochRecord) -> None:
        """Hear how an epoch ended."""
        self.last = record

    @property
    def epochs(self) -> int:
        """How many there will be at most."""
        return self.pace.epochs

    def losses(self) -> str:
        """Word the last epoch's losses."""
        if self.last is None:
            return ""
        val_loss = self.last.val_loss
        text = f"loss {self.last.loss:.5g}"
        return text if math.isnan(val_loss) else f"{text}  val_loss {val_loss:.5g}"

    def speed(self) -> str:
        """Word the rate and the time left."""
        left = self.pace.seconds_left
        return "" if left is None else f"{self.pace.rate:,.0f} rows/s  {duration(left)} left"

    def at(self, epoch: int) -> str:
        """Word all of this in a line."""
        parts = (
            f"{self.stage}epoch {epoch}/{self.epochs}",
            self.losses(),
            f"{self.pace.share:.0%}",
            self.speed(),
        )
        return "  ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """Word a time, as exactly as a person wants to know it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


@dataclass(frozen=True)
class State:
    """What there is to see at one moment."""

    text: str
    share: float
    """Of all rows of all epochs, from 0 to 1; NaN where that is not known."""

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return a bar and the text, for a notebook."""
        value = "" if math.isnan(self.share) else f' value="{self.share:.3f}"'
        return f"<progress{value}></progress> {html.escape(self.text)}"


class Progress(Meter):
    """Shows training while it runs: in a notebook a bar that moves, elsewhere lines."""

    def __init__(self) -> None:
        super().__init__()
        self._show, self._seconds = _place()
        self._shown = -math.inf

    def folds_done(self, epoch: int, val_loss: float) -> None:
        """Show how far the search for the best number of epochs is."""
        text = f"rows held out in turn: epoch {epoch}/{self.epochs}  val_loss {val_loss:.5g}"
        self._now(text, epoch / max(1, self.epochs))

    def rows_done(self, epoch: int, rows: int) -> None:
        """Show it, if it is time to."""
        super().rows_done(epoch, rows)
        self._now(self.at(epoch), self.pace.share)

    def end(self, result: str) -> None:
        """Show how it ended, in place of how far it is."""
        self._show(State(result, 1.0))

    def _now(self, text: str, share: float) -> None:
        if time.perf_counter() - self._shown >= self._seconds:
            self._shown = time.perf_counter()
            self._show(State(text, share))


def _place() -> tuple[Callable[[State], None], float]:
    """Return what shows a state, and how many seconds lie between two."""
    if not _in_notebook():
        return _print, LINE_SECONDS
    display: Any = import_module("IPython.display").display
    handle: Any = None

    def update(state: State) -> None:
        nonlocal handle
        if handle is None:
            handle = display(state, display_id=True)
        else:
            handle.update(state)

    return update, SHOWN_SECONDS


def _in_notebook() -> bool:
    """Whether this runs in a cell of a notebook; IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _print(state: State) -> None:
    print(state, file=sys.stderr, flush=True)
