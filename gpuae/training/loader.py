"""How rows reach those who compute: they are there, or brought ahead of the work on them."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.ops import Array, DeviceOps, Ops, Program
from gpuae.storage.rows.pages import release_pages
from gpuae.training.batches import Order

SLOTS = 4
SLOT_BYTES = 64 << 20


class Loader(Protocol):
    """Rows of one matrix, in the order of an epoch; a context manager.

    Attributes
    ----------
    source
        Where rows are on the device.
    places
        Where in it the rows of an epoch are, one after the other; None: at their numbers.
    """

    source: Array
    places: Array | None

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def start(self, order: Order, position: int = 0) -> None:
        """Begin with the row at this position of an order."""
        ...

    def replay(self, program: Program, rows: int, times: int) -> None:
        """Replay a program that takes so many rows, from where the order stands."""
        ...


class ResidentLoader:
    """All rows are there.

    Parameters
    ----------
    rows_at_once
        Of a large memory map: after so many rows what was read of it is let go. None: it all stays.
    """

    places = None

    def __init__(self, ops: Ops, x: NDArray[Any], rows_at_once: int | None = None) -> None:
        self.source = ops.asarray(x)
        self._x, self._rows_at_once = x, rows_at_once

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing was begun."""

    def start(self, order: Order, position: int = 0) -> None:
        """Nothing has to be brought."""

    def replay(self, program: Program, rows: int, times: int) -> None:
        """Replay, as often at once as the memory map allows."""
        if self._rows_at_once is None:
            program.replay(times)
            return
        most = max(1, self._rows_at_once // rows)
        while times:
            now = min(times, most)
            program.replay(now)
            release_pages(self._x)
            times -= now


class StreamedLoader:
    """Rows are copied to a device through a ring of slots; a slot holds whole steps.

    Parameters
    ----------
    unit
        Slots hold a multiple of so many rows.
    """

    def __init__(self, ops: DeviceOps, x: NDArray[Any], unit: int) -> None:
        self._x = x
        units = max(1, SLOT_BYTES // max(1, unit * x.shape[1] * x.dtype.itemsize))
        self._ring = ops.ring(x, unit * units, SLOTS)
        self.source = self._ring.rows
        self.places = ops.asarray(np.arange(len(x)) % len(self._ring.rows))
        self._position = self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the ring to the queue."""

    def start(self, order: Order, position: int = 0) -> None:
        """Forget where the last order stood."""
        self._ring.start(order, position // self._ring.slot_rows)
        self._position, self._rows = position, len(order)

    def replay(self, program: Program, rows: int, times: int) -> None:
        """Replay as often as the rows of a slot allow, slot by slot."""
        slot_rows = self._ring.slot_rows
        while times:
            slot, within = divmod(self._position, slot_rows)
            fitting = min(times, max(1, (slot_rows - within) // rows))
            self._ring.acquire(slot)
            program.replay(fitting)
            self._position += fitting * rows
            times -= fitting
            if self._position in (self._rows, (slot + 1) * slot_rows):
                self._ring.release(slot)
                release_pages(self._x)


def device_loader(ops: DeviceOps, x: NDArray[Any], *, unit: int, reserve: int) -> Loader:
    """Keep the rows of x (n, d) on the device if there is room, else bring them as they are needed.

    What is computed does not depend on it. `reserve` bytes are left for training itself.
    """
    return ResidentLoader(ops, x) if ops.holds(x, reserve) else StreamedLoader(ops, x, unit)
