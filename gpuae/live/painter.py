"""Puts what is known of a run on the board, within a share of the time of one core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gpuae.errors import GpuaeError
from gpuae.live.board import Board
from gpuae.live.packed import packed, packed_panel
from gpuae.live.run import Run
from gpuae.live.weights import Seen
from gpuae.machine import Machine
from gpuae.model.model import Model
from gpuae.pictures.picture import Picture
from gpuae.pictures.sample import Sample
from gpuae.training.budget import Budget

TICK_SECONDS = 0.4
CURVE_SECONDS = 2.0
SHARE, CREDIT = 0.007, 0.05
"""What it may take of the time of a core, and seconds of that which it may have saved up."""
MOST_UNITS = {"images": 64, "curves": 36, "bars": 24}
"""That are drawn, by what each is drawn as."""
MOST_CELLS = 200_000
"""Of the weights of all that are drawn."""


class Painter:
    """Looks at a run now and then, as long as a page is open."""

    def __init__(self, run: Run, board: Board) -> None:
        self._run, self._board = run, board
        self._budget = Budget(SHARE, CREDIT)
        self._used = self._drawn = 0.0

    async def paint(self) -> None:
        """Go on until the board is closed."""
        self._used = time.thread_time()
        while not self._board.closed:
            await self._board.somebody()
            self._tick()
            await asyncio.sleep(TICK_SECONDS)

    def finish(self) -> None:
        """Put all of it on the board, whatever it takes."""
        self._words()
        self._curves()
        self._weights(self._run.weights.take())

    def _tick(self) -> None:
        now = time.thread_time()
        self._budget.spend(now - self._used)
        self._used = now
        free = self._budget.free
        self._words()
        if free or time.monotonic() - self._drawn > CURVE_SECONDS:
            self._curves()
        if free:
            self._weights(self._run.weights.take())
            self._run.weights.ask()

    def _words(self) -> None:
        run = self._run
        self._board.put("subject", vars(run.subject))
        self._board.put("status", run.status())
        self._board.put("progress", run.progress())
        self._board.put("log", run.lines())

    def _curves(self) -> None:
        self._drawn = time.monotonic()
        self._board.put("curves", [packed_panel(panel) for panel in self._run.panels()])

    def _weights(self, seen: Seen | None) -> None:
        if seen is None:
            return
        self._picture("weights", seen, _units)
        sample = self._run.sample
        if sample is not None:
            note = self._run.sample_note
            self._picture("reconstructions", seen, lambda model: _rebuilt(model, sample, note))

    def _picture(self, name: str, seen: Seen, draw: Callable[[Model], Picture]) -> None:
        shown: dict[str, Any]
        try:
            with np.errstate(all="ignore"):  # training says itself that it has diverged
                shown = packed(draw(seen.model))
        except GpuaeError as error:
            shown = {"problem": str(error)}
        except Exception as error:  # training goes on, whatever cannot be drawn
            shown = {"problem": f"cannot be drawn, by a defect of gpuae ({error!r})"}
        self._board.put(name, {**shown, "where": seen.where})


def _units(model: Model) -> Picture:
    from gpuae.pictures.geometry import Geometry
    from gpuae.pictures.weights import weights

    most = min(MOST_UNITS[Geometry.of(model).kind], MOST_CELLS // model.network.columns)
    return weights(model, count=max(1, most))


def _rebuilt(model: Model, sample: Sample, note: str) -> Picture:
    from gpuae.pictures.reconstructions import reconstructions

    picture = reconstructions(model, sample, machine=Machine("numpy", 1))
    return replace(picture, notes=(*picture.notes, note)) if note else picture
