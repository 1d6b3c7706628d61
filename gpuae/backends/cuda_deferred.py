"""Small work that a recorder puts off until somebody needs it, to do all of it in one launch.

What a step adds up last (partial sums of columns, of losses and of squares) and the clock are works
of a few microseconds each, of which the launch is the most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.cuda_order import Span, Use
from gpuae.backends.gpu import Gpu, Recorded
from gpuae.backends.ops import Array

LAUNCH = 2.0
"""Microseconds that a kernel takes which does nothing; a product takes as much again."""
BYTES_A_MICROSECOND, WORK_A_MICROSECOND = 3e6, 1e7
"""Of a large GPU of today, about: moved, and multiplications of products of middle size."""
LANES = 32
"""Columns that a block of `finish_all` adds up at once."""

_KIND = {"float32": 0, "float64": 1}
_TOTAL, _CLOCK = 2, 3
_WORK = np.dtype(
    [
        *((name, np.int64) for name in ("kind", "first_group", "from", "to")),
        *((name, np.int64) for name in ("strips", "stride", "width", "adds")),
        ("factor", np.float64),
    ]
)
"""The struct Work of sums.cu."""


@dataclass(frozen=True)
class Columns:
    """out (n,) = (out +) the sums of columns (strips, n), flat, whose rows are `stride` apart."""

    columns: Array
    strips: int
    stride: int
    out: Array
    add_to_out: bool

    @property
    def reads(self) -> tuple[Array, ...]:
        """What is read and stays as it is."""
        return (self.columns,)

    @property
    def writes(self) -> tuple[Array, ...]:
        """What is different afterwards."""
        return (self.out,)

    @property
    def groups(self) -> int:
        """How many blocks may share the work."""
        return -(-len(self.out) // LANES)

    def row(self, gpu: Gpu) -> dict[str, float]:
        """Return the fields of its row in the table, but for the first group."""
        return {
            "kind": _KIND[self.out.dtype.name],
            "from": gpu.address(self.columns),
            "to": gpu.address(self.out),
            "strips": self.strips,
            "stride": self.stride,
            "width": len(self.out),
            "adds": self.add_to_out,
        }


@dataclass(frozen=True)
class Total:
    """total (1,) = (total +) factor·Σ partials, float64."""

    partials: Array
    factor: float
    total: Array
    add_to_total: bool

    groups = 1

    @property
    def reads(self) -> tuple[Array, ...]:
        """What is read and stays as it is."""
        return (self.partials,)

    @property
    def writes(self) -> tuple[Array, ...]:
        """What is different afterwards."""
        return (self.total,)

    def row(self, gpu: Gpu) -> dict[str, float]:
        """Return the fields of its row in the table, but for the first group."""
        return {
            "kind": _TOTAL,
            "from": gpu.address(self.partials),
            "to": gpu.address(self.total),
            "width": len(self.partials),
            "adds": self.add_to_total,
            "factor": self.factor,
        }


@dataclass(frozen=True)
class Advance:
    """The counters of a clock count a step of so many rows; corrections (3,) become Adam's."""

    counters: Array
    rows: int
    corrections: Array

    groups = 1

    @property
    def reads(self) -> tuple[Array, ...]:
        """What is read and stays as it is."""
        return ()

    @property
    def writes(self) -> tuple[Array, ...]:
        """What is different afterwards."""
        return (self.counters, self.corrections)

    def row(self, gpu: Gpu) -> dict[str, float]:
        """Return the fields of its row in the table, but for the first group."""
        known = gpu.address(self.corrections)
        return {"kind": _CLOCK, "from": known, "to": gpu.address(self.counters), "width": self.rows}


Work: TypeAlias = Columns | Total | Advance


def table_of(gpu: Gpu, works: Sequence[Work]) -> tuple[NDArray[Any], int]:
    """Return the table of `finish_all`, as int64, and the number of its groups."""
    table, groups = np.zeros(len(works), _WORK), 0
    for row, work in zip(table, works, strict=True):
        row["first_group"] = groups
        for name, value in work.row(gpu).items():
            row[name] = value
        groups += work.groups
    return table.view(np.int64), groups


def overlap(gpu: Gpu, one: Array, other: Array) -> bool:
    """Whether two arrays have memory in common, if they are no more than the bytes they span."""
    start, end = span(gpu, one)
    other_start, other_end = span(gpu, other)
    return start < other_end and other_start < end


def span(gpu: Gpu, array: Array) -> Span:
    """Return the addresses that an array spans."""
    if array.size == 0:
        return 0, 0
    start = gpu.address(array)
    steps = zip(array.shape, array.strides, strict=True)
    return start, start + sum((n - 1) * step for n, step in steps) + int(array.itemsize)


def use_of(gpu: Gpu, recorded: Recorded) -> Use:
    """Return what a call does with memory, and an estimate of how long it takes."""
    reads, writes = (
        tuple(span(gpu, own) for own in arrays) for arrays in (recorded.reads, recorded.writes)
    )
    moved = sum(own.nbytes for own in recorded.reads + recorded.writes)
    cost = LAUNCH + moved / BYTES_A_MICROSECOND
    if recorded.work:
        cost += LAUNCH + recorded.work / WORK_A_MICROSECOND
    return Use(reads, writes, cost)


def arrays_among(values: Iterable[Any]) -> Iterator[Array]:
    """Yield the arrays among the arguments of a launch."""
    return (value for value in values if hasattr(value, "strides"))
