"""Using a model: encode, decode, reconstruct and score, a block of rows at a time.

Threads take whole blocks and hand each result to a sink, so memory stays flat however many rows
there are; a row's result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import Device, get_ops, resolve_device
from gpuae.backends.ops import Array, Clock, DeviceOps, Ops, Rows
from gpuae.conveyor import SLOTS, Conveyor, block_rows
from gpuae.errors import InputError
from gpuae.machine import ANY, Machine
from gpuae.memory import data_memory
from gpuae.model.calibration import Judged
from gpuae.model.classifier import Classification
from gpuae.model.counts import check_counts
from gpuae.model.feed import Feed, Restore
from gpuae.model.missing import filled
from gpuae.model.model import Model
from gpuae.model.propagation import Propagation, Sums
from gpuae.model.tile import Tile
from gpuae.model.unlike import Unlike
from gpuae.steps import Step, step
from gpuae.storage.rows import row_blocks
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.pages import is_large
from gpuae.training.thread_pool import ThreadPool, available_cores

BLOCK_ROWS = 256
GPU_BLOCK_ROWS = 16 * BLOCK_ROWS

Sink: TypeAlias = Callable[[int, NDArray[Any]], None]
"""Takes the number of a block's first row and the block's results; called from several threads."""
Note: TypeAlias = Callable[[str], None]
"""Takes a remark that a person should hear."""

Comparison: TypeAlias = Callable[[int, NDArray[Any], NDArray[Any], NDArray[Any]], None]
"""Takes the number of a block's first row, its rows as they are, preprocessed, and rebuilt."""


class InferenceBuffers:
    """One thread's buffers: a tile and what brings rows into it and out of it."""

    def __init__(self, model: Model, ops: Ops, dtype: np.dtype[Any], block_rows: int) -> None:
        config, network = model.config, model.network
        self.ops = ops
        self.model = model
        self._allocate(block_rows)
        views = network.views(self.ops.asarray(model.parameters))
        self.propagation = Propagation(self.ops, network, config, views)
        self._restore = Restore.create(self.ops, model.preprocess, config)
        self._clock = Clock(self.ops.zeros((4,), "int64"), self.ops.zeros((1,), "float64"))
        self._order = self.ops.asarray(np.arange(block_rows))
        nothing = np.empty((0, network.columns), dtype)
        self._feed = Feed.create(self.ops, nothing, model.preprocess, config, noisy=False)

    def _allocate(self, block_rows: int) -> None:
        """Allocate what is written, for up to so many rows."""
        config, network = self.model.config, self.model.network
        self.tile = Tile.allocate(self.ops, network, config, block_rows, training=False)
        self.sums = Sums.allocate(self.ops, network)
        self.errors = self.ops.empty((block_rows,), "float64")
        # float64, because the data's own units may have a large offset
        self.restored = self.ops.empty((block_rows, network.columns), "float64")

    def beside(self) -> InferenceBuffers:
        """Return buffers for as many other rows, which share what is only read."""
        others = copy(self)
        others._allocate(self.tile.rows)
        return others

    def check(self, rows: NDArray[Any]) -> None:
        """Refuse raw rows (m, d) that the model cannot take.

        Raises
        ------
        InputError
            Where they should be counts and are not.
        """
        if self._feed.logs is not None:
            check_counts(rows, self.model.feature_names)

    def load(self, rows: NDArray[Any]) -> Tile:
        """Bring raw rows (m, d) into the tile, preprocessed.

        Raises
        ------
        InputError
            Where they should be counts and are not.
        """
        self.check(rows)
        return self.load_from(self.ops.asarray(rows))

    def load_from(self, source: Array) -> Tile:
        """Bring raw rows (m, d) that are on the device into the tile, preprocessed."""
        rows = len(source)
        tile = self.tile.rows_between(0, rows)
        feed = replace(self._feed, source=source)
        feed.load(tile, Rows(self._order, self._clock, 0, rows))
        return tile

    def encode(self, rows: NDArray[Any]) -> Tile:
        """Bring raw rows (m, d) to the code."""
        tile = self.load(rows)
        self.propagation.encode(tile, None, None)
        return tile

    def rebuild(self, tile: Tile) -> Array:
        """Bring loaded rows through the network and return x̂ (m, d), preprocessed."""
        self.propagation.encode(tile, None, None)
        self.propagation.decode(tile, None)
        return self.reconstruct(tile)

    def reconstruct(self, tile: Tile) -> Array:
        """Finish what `decode` left and return x̂ (m, d), preprocessed, or probabilities."""
        self.propagation.reconstruct(tile)
        return self.preprocessed(tile)

    def preprocessed(self, tile: Tile) -> Array:
        """Return finished outputs as rows are preprocessed: where they are counts, logarithms."""
        output = tile.activations[-1]
        if tile.counts is not None and self._feed.logs is not None:
            self.ops.log1p(output, self._feed.logs.center, output)
        return output

    def restore(self, tile: Tile, output: Array, rows: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return preprocessed outputs in the data's own units.

        Counts have the totals of `rows` (m, d); without them the one that all rows are brought to.
        """
        return self.model.preprocess.restored(self.ops.to_host(self.unscale(tile, output)), rows)

    def unscale(self, tile: Tile, output: Array) -> Array:
        """Return preprocessed outputs (m, d) before the scaling; but logarithms of counts stay."""
        restored = self.restored[: tile.rows]
        self._restore.apply(output, tile.scaled, restored)
        return restored


Work: TypeAlias = Callable[[InferenceBuffers, int, NDArray[Any]], None]
"""Is given the number of a block's first row and its rows."""
Compute: TypeAlias = Callable[[InferenceBuffers, Tile], tuple[Array, ...]]
"""Computes results, each (m, …), of rows that were loaded; only by operations, which a GPU records
once and carries out for each block. Returns where it leaves them."""
Take: TypeAlias = Callable[..., None]
"""Is given the number of a block's first row, its rows as they are, and each result on the host."""


def for_each_block(
    model: Model,
    x: AnyRows,
    work: Work,
    machine: Machine = ANY,
    *,
    start: int = 0,
) -> None:
    """Call work(buffers, first, rows) for all blocks of rows of x, on several threads.

    A block starts at a multiple of BLOCK_ROWS. On a GPU one thread fills the queue.

    Parameters
    ----------
    start
        The first row to work on; blocks before it are left out.
    """
    chosen = resolve_device(machine.device)
    block_rows = GPU_BLOCK_ROWS if chosen.is_gpu else BLOCK_ROWS
    blocks = -(-len(x) // block_rows)
    cores = 1 if chosen.is_gpu else machine.threads or available_cores()
    pool = ThreadPool(max(1, min(cores, blocks)))
    size = pool.size
    held = max(1, min(block_rows, len(x)))
    buffers = [InferenceBuffers(model, get_ops(chosen), x.dtype, held) for _ in range(size)]

    def share(offset: int, rows: NDArray[Any], index: int) -> None:
        for first in range(index * block_rows, len(rows), size * block_rows):
            block = rows[first : first + block_rows]
            work(buffers[index], offset + first, block)
            told.advance(len(block))
            if pool.stopping:
                return

    told: Step
    with buffers[0].ops.session(), pool, step(len(x), "rows", start) as told:
        for offset, rows in _stretches(x, start - start % block_rows, machine, GPU_BLOCK_ROWS):
            pool.run(partial(share, offset, rows))


def _stretches(
    x: AnyRows, start: int, machine: Machine, multiple: int
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield rows from `start` on as (first row, rows), all at once where they are in memory.

    Else they are a multiple of so many rows each time, but for the last ones.
    """
    memory = data_memory(None) if machine.memory is None else machine.memory
    if isinstance(x, np.ndarray) and not is_large(x, memory):
        yield start, np.asarray(x)[start:]  # parts of a memmap take longer to make
    else:
        yield from row_blocks.blocks(x, multiple=multiple, start=start)


def _through_gpu(
    model: Model,
    x: AnyRows,
    compute: Compute,
    take: Take,
    device: Device,
    machine: Machine,
    start: int,
) -> None:
    """Hand the results of all blocks of rows of x (n, d) to `take`, in order.

    Rows are brought and results are fetched beside the work on other blocks.
    """
    rows_at_once = gpu_block_rows(model, x.dtype)
    held = max(1, min(rows_at_once, len(x)))
    slots = max(1, min(SLOTS, -(-len(x) // held)))
    ops = cast(DeviceOps, get_ops(device))
    (recorder,) = ops.recorders(1, lambda: None)
    one = InferenceBuffers(model, recorder.ops, x.dtype, held)
    buffers = [one, *(one.beside() for _ in range(slots - 1))]

    def work(place: int, source: Array) -> tuple[Array, ...]:
        return compute(buffers[place], buffers[place].load_from(source))

    conveyor = Conveyor(ops, recorder, work, (held, x.shape[1]), x.dtype, slots)

    def share(offset: int, rows: NDArray[Any], _: int) -> None:
        for first, block, results in conveyor.outcomes(rows):
            one.check(block)
            take(offset + first, block, *results)
            told.advance(len(block))
            if pool.stopping:
                return

    told: Step
    pool = ThreadPool(1)
    with ops.session(), pool, step(len(x), "rows", start) as told:
        for offset, rows in _stretches(x, start - start % rows_at_once, machine, rows_at_once):
            pool.run(partial(share, offset, rows))


def gpu_block_rows(model: Model, dtype: np.dtype[Any]) -> int:
    """Return how many rows of this type pass through a GPU at once."""
    own, network = np.dtype(model.config.dtype).itemsize, model.network
    widest = max(layer.n_out for layer in network.layers)
    return block_rows(max(network.columns * max(own, dtype.itemsize), widest * own))


def _for_each_row(
    model: Model,
    x: AnyRows,
    compute: Compute,
    take: Take,
    note: Note | None = None,
    *,
    machine: Machine,
    start: int = 0,
) -> None:
    """Compute results of all rows of x (n, d), missing values filled, and hand them to `take`.

    `note` is told, in a sentence, where the rows are unlike those that the model was trained on.

    Raises
    ------
    InputError
        Where the columns do not fit.
    """
    check_columns(model, x.shape[1])
    x = filled(x, model.preprocess.fill)
    unlike = Unlike.of(model, len(x))

    def watched(first: int, rows: NDArray[Any], *results: NDArray[Any]) -> None:
        take(first, rows, *results)
        unlike.look_at(first, rows)

    watching = take if note is None else watched

    def work(buffers: InferenceBuffers, first: int, rows: NDArray[Any]) -> None:
        results = compute(buffers, buffers.load(rows))
        watching(first, rows, *map(buffers.ops.to_host, results))

    device = resolve_device(machine.device)
    if device.is_gpu:
        _through_gpu(model, x, compute, watching, device, machine, start)
    else:
        for_each_block(model, x, work, machine, start=start)
    unlike.tell(note)


def encode(
    model: Model,
    x: AnyRows,
    sink: Sink,
    *,
    layer: int | None = None,
    machine: Machine = ANY,
    start: int = 0,
    note: Note | None = None,
) -> None:
    """Hand the code of each row of x (n, d) to the sink, or another encoder layer's activation.

    Parameters
    ----------
    layer
        Counts encoder layers from 1; None is the code.
    start
        The first row that is wanted; some before it may come as well.
    note
        Is told, in a sentence, where the rows are unlike those that the model was trained on.
    """
    index = layer_index(model, layer)

    def compute(buffers: InferenceBuffers, tile: Tile) -> tuple[Array, ...]:
        buffers.propagation.encode(tile, None, None)
        return (tile.outputs[index],)

    def take(first: int, _: NDArray[Any], codes: NDArray[Any]) -> None:
        _hand_over(sink, first, codes)

    _for_each_row(model, x, compute, take, note, start=start, machine=machine)


def decode(
    model: Model,
    codes: AnyRows,
    sink: Sink,
    *,
    machine: Machine = ANY,
) -> None:
    """Hand the reconstruction, in the data's own units, of each row of codes (n, k) to the sink.

    Counts have the median total of the training rows, because a code says nothing of a row's own.
    """
    check_rebuilds(model)
    code_size = model.network.code_size
    if codes.shape[1] != code_size:
        raise InputError(f"the codes have {codes.shape[1]} columns and the model's {code_size}")

    def work(buffers: InferenceBuffers, start: int, rows: NDArray[Any]) -> None:
        tile = buffers.tile.rows_between(0, len(rows))
        code = tile.outputs[model.network.code]
        buffers.ops.assign(code, rows.astype(code.dtype))
        buffers.propagation.decode(tile, None)
        _hand_over(sink, start, buffers.restore(tile, buffers.reconstruct(tile)))

    for_each_block(model, codes, work, machine)


def reconstruct(
    model: Model,
    x: AnyRows,
    sink: Sink,
    *,
    machine: Machine = ANY,
) -> None:
    """Hand x̂, in the data's own units, of each row of x (n, d) to the sink.

    Counts have the total of their row.
    """
    check_rebuilds(model)

    def compute(buffers: InferenceBuffers, tile: Tile) -> tuple[Array, ...]:
        return (buffers.unscale(tile, buffers.rebuild(tile)),)

    def take(first: int, rows: NDArray[Any], rebuilt: NDArray[Any]) -> None:
        _hand_over(sink, first, model.preprocess.restored(rebuilt, rows))

    _for_each_row(model, x, compute, take, machine=machine)


def classify(
    model: Model,
    x: AnyRows,
    sink: Sink,
    *,
    machine: Machine = ANY,
    note: Note | None = None,
) -> None:
    """Hand the probability of each class (m, classes), of each row of x (n, d), to the sink.

    Parameters
    ----------
    note
        As of `encode`.

    Raises
    ------
    InputError
        Where the model is no classifier.
    """
    check_classifies(model)

    def compute(buffers: InferenceBuffers, tile: Tile) -> tuple[Array, ...]:
        return (buffers.rebuild(tile),)

    def take(first: int, _: NDArray[Any], probabilities: NDArray[Any]) -> None:
        _hand_over(sink, first, probabilities)

    _for_each_row(model, x, compute, take, note, machine=machine)


def compare(
    model: Model,
    x: AnyRows,
    take: Comparison,
    *,
    machine: Machine = ANY,
) -> None:
    """Hand rows of x (n, d) as they are, preprocessed, and rebuilt in those units to `take`."""
    check_rebuilds(model)

    def compute(buffers: InferenceBuffers, tile: Tile) -> tuple[Array, ...]:
        return tile.clean, buffers.rebuild(tile)

    _for_each_row(model, x, compute, take, machine=machine)


def judge(
    model: Model,
    x: AnyRows,
    take: Callable[[int, Judged], None],
    *,
    machine: Machine = ANY,
    note: Note | None = None,
) -> None:
    """Hand the scores of rows of x (n, d), and what columns have to do with them, to `take`.

    A column of categories counts as one, after the numbers.

    Parameters
    ----------
    note
        As of `score`.

    Raises
    ------
    InputError
        Where the score compares with training rows and the model has kept none, and for a row
        whose score is no finite number.
    """
    if model.config.outlier_score == "knn" and model.neighbours is None:
        raise InputError(
            "the model has kept no rows to compare with (outlier_score=knn): it was written before "
            "training ended, or goes on by partial_fit; train it by fit, to the end"
        )
    unlike = Unlike.of(model, len(x))

    def look(start: int, raw: NDArray[Any], rows: NDArray[Any], rebuilt: NDArray[Any]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            squares = (rebuilt.astype(np.float64) - rows) ** 2
            own = Judged(squares.mean(axis=1), squares)
            if note is not None:
                unlike.look_at(start, raw)
                unlike.hear_errors(own.scores)
            if model.neighbours is not None:
                own = model.neighbours.judge(rows, rebuilt)
        _check_finite_rows(start, own.scores)
        take(start, own.by_column(model.network.categories))

    compare(model, x, look, machine=machine)
    unlike.tell(note)


def score(
    model: Model,
    x: AnyRows,
    sink: Sink,
    *,
    machine: Machine = ANY,
    note: Note | None = None,
) -> None:
    """Hand each row's score to the sink, according to the model's setting `outlier_score`.

    For `mse` it is the mean over columns of (x̂ − x)² in preprocessed units.

    Parameters
    ----------
    note
        Is told, in a sentence, where the rows are unlike those that the model was trained on.

    Raises
    ------
    InputError
        For `knn`, where the model has kept no rows to compare with.
    """
    if model.config.outlier_score != "mse":
        judge(model, x, lambda start, own: sink(start, own.scores), note=note, machine=machine)
        return
    unlike = Unlike.of(model, len(x))

    def take(start: int, rows: NDArray[Any], errors: NDArray[np.float64]) -> None:
        if note is not None:
            unlike.look_at(start, rows)
            unlike.hear_errors(errors)
        _hand_over(sink, start, errors)

    row_errors(model, x, take, machine=machine)
    unlike.tell(note)


def row_errors(
    model: Model,
    x: AnyRows,
    take: Callable[[int, NDArray[Any], NDArray[np.float64]], None],
    *,
    machine: Machine = ANY,
) -> None:
    """Hand rows of x (n, d) and their errors (m,) to `take` with the number of the first row.

    The error is the mean over columns of (x̂ − x)² in preprocessed units. Errors are valid during
    the call only, and may be infinite.
    """
    check_rebuilds(model)

    def compute(buffers: InferenceBuffers, tile: Tile) -> tuple[Array, ...]:
        errors = buffers.errors[: tile.rows]
        buffers.ops.row_errors(buffers.rebuild(tile), tile.clean, errors)
        return (errors,)

    _for_each_row(model, x, compute, take, machine=machine)


def _hand_over(sink: Sink, start: int, block: NDArray[Any]) -> None:
    """Give a block to the sink.

    Raises
    ------
    InputError
        Where a row's values were so large that its result is no finite number.
    """
    _check_finite_rows(start, block)
    sink(start, block)


def _check_finite_rows(start: int, block: NDArray[Any]) -> None:
    """Refuse results (m, …) that are no finite numbers, of rows from `start` on.

    Raises
    ------
    InputError
        Naming the first row.
    """
    finite = np.isfinite(block)
    if not finite.all():
        row = start + int(np.argmin(finite.reshape(len(block), -1).all(axis=1)))
        raise InputError(
            f"row {row + 1} (counted from 1) is so far from the training data that its result is "
            "not finite; check its values"
        )


def in_float32(sink: Sink) -> Sink:
    """Return a sink that gives blocks to another one as float32.

    Raises
    ------
    InputError
        From the sink, where a finite value would become infinite.
    """

    def narrow(start: int, block: NDArray[Any]) -> None:
        if block.dtype == np.float32:
            sink(start, block)
            return
        with np.errstate(over="ignore"):
            narrowed = block.astype(np.float32)
        _check_narrowed(start, narrowed)
        sink(start, narrowed)

    return narrow


def _check_narrowed(start: int, codes: NDArray[np.float32]) -> None:
    """Refuse codes (m, k), of rows from `start` on, that were finite before they became float32.

    Raises
    ------
    InputError
        Naming the first row.
    """
    infinite = np.isinf(codes)
    if infinite.any():
        row = start + int(np.argmax(infinite.any(axis=1)))
        raise InputError(
            f"row {row} (counted from 0) has a code beyond 3.4e38, which float32 cannot hold; "
            "train a model with scale=minmax or scale=standard"
        )


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


def check_classifies(model: Model) -> Classification:
    """Return what makes a model a classifier.

    Raises
    ------
    InputError
        Where it is an autoencoder.
    """
    if model.classification is None:
        raise InputError(
            "the model is an autoencoder, which knows no classes; make a classifier of it with "
            "gpuae finetune"
        )
    return model.classification


def check_rebuilds(model: Model) -> None:
    """Refuse a classifier where rows are to be rebuilt.

    Raises
    ------
    InputError
        Saying what to give.
    """
    if model.classification is not None:
        raise InputError(
            "the model is a classifier, which has no decoder; give the autoencoder that it was "
            "made from"
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
