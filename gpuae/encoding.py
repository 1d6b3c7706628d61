"""Using a model: encode, decode, reconstruct and score, a block of rows at a time.

Threads take whole blocks and hand each result to a sink, so memory stays flat however many rows
there are; a row's result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import get_ops, resolve_device
from gpuae.backends.ops import Array, Clock, Ops, Rows
from gpuae.errors import InputError
from gpuae.model.feed import Feed, Restore
from gpuae.model.model import Model
from gpuae.model.propagation import Propagation, Sums
from gpuae.model.tile import Tile
from gpuae.training.crew import Crew, available_cores

BLOCK_ROWS = 256
GPU_BLOCK_ROWS = 16 * BLOCK_ROWS

Sink: TypeAlias = Callable[[int, NDArray[Any]], None]
"""Takes the number of a block's first row and the block's results; called from several threads."""


class Workbench:
    """One thread's buffers: a tile and what brings rows into it and out of it."""

    def __init__(self, model: Model, ops: Ops, x: NDArray[Any], block_rows: int) -> None:
        config, network = model.config, model.network
        self.ops = ops
        self.model = model
        self.tile = Tile.allocate(self.ops, network, config, block_rows, training=False)
        views = network.views(self.ops.asarray(model.parameters))
        self.propagation = Propagation(self.ops, network, config, views)
        self.sums = Sums.allocate(self.ops, network)
        self.errors = self.ops.empty((block_rows,), "float64")
        # float64, because the data's own units may have a large offset
        self.restored = self.ops.empty((block_rows, network.columns), "float64")
        self._restore = Restore.create(self.ops, model.preprocess, config)
        self._clock = Clock(self.ops.zeros((4,), "int64"), self.ops.zeros((1,), "float64"))
        self._order = self.ops.asarray(np.arange(block_rows))
        self._x = x
        self._feed = Feed.create(self.ops, x[:0], model.preprocess, config, noisy=False)

    def load(self, start: int, stop: int) -> Tile:
        """Bring rows into the tile, preprocessed."""
        tile = self.tile.rows_between(0, stop - start)
        feed = replace(self._feed, source=self.ops.asarray(self._x[start:stop]))
        feed.load(tile, Rows(self._order, self._clock, 0, stop - start))
        return tile

    def encode(self, start: int, stop: int) -> Tile:
        """Bring rows to the code."""
        tile = self.load(start, stop)
        self.propagation.encode(tile, None, None)
        return tile

    def restore(self, tile: Tile, output: Array) -> NDArray[Any]:
        """Return outputs in the data's own units."""
        restored = self.restored[: tile.rows]
        self._restore.apply(output, tile.scaled, restored)
        return self.ops.to_host(restored)


Work: TypeAlias = Callable[[Workbench, int, int], None]


def for_each_block(
    model: Model,
    x: NDArray[Any],
    work: Work,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Call work(bench, start, stop) for all blocks of rows of x, on several threads.

    A block starts at a multiple of BLOCK_ROWS. On a GPU one thread fills the queue.
    """
    rows, chosen = len(x), resolve_device(device)
    block_rows = GPU_BLOCK_ROWS if chosen.is_gpu else BLOCK_ROWS
    starts = range(0, rows, block_rows)
    size = max(1, min(threads or available_cores(), len(starts)))
    size = 1 if chosen.is_gpu else size
    held = max(1, min(block_rows, rows))
    benches = [Workbench(model, get_ops(chosen), x, held) for _ in range(size)]

    def member(index: int) -> None:
        for start in starts[index::size]:
            work(benches[index], start, min(start + block_rows, rows))
            if crew.stopping:
                return

    with benches[0].ops.session(), Crew(size) as crew:
        crew.run(member)


def encode(
    model: Model,
    x: NDArray[Any],
    sink: Sink,
    *,
    layer: int | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Hand the code of each row of x (n, d) to the sink, or another encoder layer's activation.

    Parameters
    ----------
    layer
        Counts encoder layers from 1; None is the code.
    """
    check_columns(model, x.shape[1])
    index = layer_index(model, layer)

    def work(bench: Workbench, start: int, stop: int) -> None:
        tile = bench.encode(start, stop)
        _hand_over(sink, start, bench.ops.to_host(tile.outputs[index]))

    for_each_block(model, x, work, device, threads)


def decode(
    model: Model,
    codes: NDArray[Any],
    sink: Sink,
    *,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Hand the reconstruction, in the data's own units, of each row of codes (n, k) to the sink."""
    code_size = model.network.code_size
    if codes.shape[1] != code_size:
        raise InputError(f"the codes have {codes.shape[1]} columns and the model's {code_size}")

    def work(bench: Workbench, start: int, stop: int) -> None:
        tile = bench.tile.rows_between(0, stop - start)
        code = tile.outputs[model.network.code]
        bench.ops.assign(code, codes[start:stop].astype(code.dtype))
        bench.propagation.decode(tile, None)
        _hand_over(sink, start, bench.restore(tile, bench.propagation.reconstruct(tile)))

    for_each_block(model, codes, work, device, threads)


def reconstruct(
    model: Model, x: NDArray[Any], sink: Sink, *, device: str = "auto", threads: int | None = None
) -> None:
    """Hand x̂, in the data's own units, of each row of x (n, d) to the sink."""
    check_columns(model, x.shape[1])

    def work(bench: Workbench, start: int, stop: int) -> None:
        tile = bench.encode(start, stop)
        bench.propagation.decode(tile, None)
        _hand_over(sink, start, bench.restore(tile, bench.propagation.reconstruct(tile)))

    for_each_block(model, x, work, device, threads)


def score(
    model: Model, x: NDArray[Any], sink: Sink, *, device: str = "auto", threads: int | None = None
) -> None:
    """Hand each row's error to the sink: the mean over columns of (x̂ − x)², preprocessed units."""
    check_columns(model, x.shape[1])

    def work(bench: Workbench, start: int, stop: int) -> None:
        tile = bench.encode(start, stop)
        bench.propagation.decode(tile, None)
        errors = bench.errors[: stop - start]
        bench.ops.row_errors(bench.propagation.reconstruct(tile), tile.clean, errors)
        _hand_over(sink, start, bench.ops.to_host(errors))

    for_each_block(model, x, work, device, threads)


def _hand_over(sink: Sink, start: int, block: NDArray[Any]) -> None:
    """Give a block to the sink.

    Raises
    ------
    InputError
        Where a row's values were so large that its result is no finite number.
    """
    finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if not finite.all():
        row = start + int(np.argmin(finite))
        raise InputError(
            f"row {row} (counted from 0) is so far from the training data that its result is not "
            "finite; check its values"
        )
    sink(start, block)


def into(out: NDArray[Any]) -> Sink:
    """Return a sink that fills an array of as many rows."""

    def sink(start: int, block: NDArray[Any]) -> None:
        out[start : start + len(block)] = block

    return sink


def check_columns(model: Model, columns: int) -> None:
    """Refuse data of another width than the model's.

    Raises
    ------
    InputError
        Saying both widths.
    """
    expected = model.network.columns
    if columns != expected:
        raise InputError(
            f"the data have {columns} columns and the model was trained on {expected}; "
            "give data of the same columns"
        )


def layer_index(model: Model, layer: int | None) -> int:
    """Return the index of an encoder layer that is counted from 1; None is the code.

    Raises
    ------
    InputError
        Where the model has no such layer.
    """
    depth = model.network.depth
    if layer is not None and not 1 <= layer <= depth:
        layers = "layer 1 only" if depth == 1 else f"layers 1 to {depth}"
        raise InputError(f"--layer {layer}: the encoder has {layers}")
    return (layer or depth) - 1
