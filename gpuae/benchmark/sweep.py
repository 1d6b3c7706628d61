"""From which network and batch on does a GPU pay: 784-W-784 by width W and batch size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from gpuae.benchmark.cases import PLAIN, Case
from gpuae.benchmark.line_up import ours
from gpuae.benchmark.turns import Pace, measure

COLUMNS = 784
FEWEST_STEPS = 4
OPERATIONS = 1e11
"""Of an epoch, about; more where that many rows would be fewer than some steps."""


@dataclass(frozen=True)
class Sweep:
    """Which widths of the hidden layer and batch sizes are measured, on how many rows at most."""

    widths: tuple[int, ...] = (64, 256, 1024, 4096)
    batches: tuple[int, ...] = (32, 256, 2048)
    most_rows: int = 16_384

    def cases(self) -> Iterator[Case]:
        """Yield a case for each pair."""
        for batch in self.batches:
            for width in self.widths:
                settings = {"hidden": (width,), "batch_size": batch, **PLAIN}
                what = f"{COLUMNS}-{width}-{COLUMNS}, relu, bce, batch {batch}"
                yield Case(f"{width}/{batch}", what, COLUMNS, self._rows(width, batch), settings)

    def _rows(self, width: int, batch: int) -> int:
        rows = min(self.most_rows, OPERATIONS / (6 * 2 * COLUMNS * width))
        return batch * max(FEWEST_STEPS, round(rows / batch))


QUICK = Sweep(widths=(64, 256), batches=(32, 256), most_rows=1024)


@dataclass(frozen=True)
class Point:
    """Rows a second by device, of one width and batch size."""

    width: int
    batch_size: int
    rows_per_second: dict[str, float]

    def gain(self, gpu: str) -> float:
        """Return how many times as fast as the CPU this GPU is."""
        return self.rows_per_second[gpu] / self.rows_per_second["cpu"]


def measure_point(case: Case, devices: Sequence[str], threads: int | None, pace: Pace) -> Point:
    """Time gpuae on each device in turns."""
    figures = measure(case, [ours(device, threads) for device in devices], pace).figures
    speeds = {own.device: case.rows / value.median for own, value in figures.items()}
    return Point(case.widths[1], case.batch_size, speeds)


def pays_from(points: Sequence[Point], gpu: str) -> dict[int, int | None]:
    """Return by batch size the width from which on the GPU is as fast as the CPU, if there is one.

    It is as fast at that width and at all larger ones that were measured.
    """
    found: dict[int, int | None] = {}
    for batch, row in _by_batch(points).items():
        paying = takewhile(lambda point: point.gain(gpu) >= 1, reversed(row))
        found[batch] = min((point.width for point in paying), default=None)
    return found


def verdicts(points: Sequence[Point], gpu: str) -> Iterator[str]:
    """Yield a sentence for each batch size: from where on the GPU pays."""
    start = pays_from(points, gpu)
    for batch, row in _by_batch(points).items():
        gains = {point.width: point.gain(gpu) for point in row}
        least, most = f"{min(gains.values()):.3g}", f"{max(gains.values()):.3g}"
        width = start[batch]
        if width is None:
            end = f", {most} times at best" if max(gains.values()) < 1 else " at the largest width"
            yield f"batch {batch}: {gpu} is not faster than the CPU{end}"
        elif width == row[0].width:
            yield f"batch {batch}: {gpu} always pays, {least} to {most} times as fast as the CPU"
        else:
            there = f"{gains[width]:.3g} times as fast as the CPU there"
            yield f"batch {batch}: {gpu} pays from a width of {width} on, {there}"


def _by_batch(points: Sequence[Point]) -> dict[int, list[Point]]:
    """Return the points of each batch size, by width."""
    rows: dict[int, list[Point]] = {}
    for point in sorted(points, key=lambda own: (own.batch_size, own.width)):
        rows.setdefault(point.batch_size, []).append(point)
    return rows
