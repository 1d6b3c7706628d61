"""Kernels that bring rows into a batch: pick, cast, scale, and put noise on them.

Random words are drawn a row at a time into a scratch row, four columns a call of Philox, so that
the loop over the calls and the loop over the columns both vectorise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gpuae.backends.numba_compile import elementwise, kernel
from gpuae.backends.numba_math import cos_turn, log, log1p, sin_turn
from gpuae.backends.ops import EPOCH, ROW_BASE, START
from gpuae.backends.philox import MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1

CACHE_LINE = 64
AHEAD = 4
"""How many rows ahead of the one that is scaled memory is asked for the next."""
PREFETCHED = 4096
"""Columns of a row that are asked for; beyond, the processor has understood by itself."""
_LOW_WORD = np.uint64(0xFFFFFFFF)
_WORD_BITS = np.uint64(32)


@elementwise
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return the four words of a counter (uint64 values below 2³²) under a key."""
    for _ in range(ROUNDS):
        product_0 = c0 * np.uint64(MULTIPLIER_0)
        product_1 = c2 * np.uint64(MULTIPLIER_1)
        c0 = (product_1 >> _WORD_BITS) ^ c1 ^ k0
        c2 = (product_0 >> _WORD_BITS) ^ c3 ^ k1
        c1 = product_1 & _LOW_WORD
        c3 = product_0 & _LOW_WORD
        k0 = (k0 + np.uint64(WEYL_0)) & _LOW_WORD
        k1 = (k1 + np.uint64(WEYL_1)) & _LOW_WORD
    return c0, c1, c2, c3


@elementwise
def draw_row(row: Any, epoch: Any, stream: Any, key: Any, words: Any) -> None:
    """Fill `words`, whose length is a multiple of 4, with a row's random words."""
    for group in range(words.size // 4):
        w0, w1, w2, w3 = philox(
            np.uint64(group),
            np.uint64(row) & _LOW_WORD,
            np.uint64(epoch),
            np.uint64(stream),
            np.uint64(key[0]),
            np.uint64(key[1]),
        )
        words[4 * group] = np.uint32(w0)
        words[4 * group + 1] = np.uint32(w1)
        words[4 * group + 2] = np.uint32(w2)
        words[4 * group + 3] = np.uint32(w3)


@elementwise
def drop(words: Any, threshold: Any, kept: Any, mask: Any) -> None:
    """Write 0 where the word is below the threshold, else `kept`."""
    for j in range(mask.size):
        mask[j] = type(kept)(0) if np.int64(words[j]) < threshold else kept


@elementwise
def drop_more(words: Any, threshold: Any, kept: Any, mask: Any) -> None:
    """Multiply by 0 where the word is below the threshold, else by `kept`."""
    for j in range(mask.size):
        mask[j] *= type(kept)(0) if np.int64(words[j]) < threshold else kept


@kernel
def dropout_mask(
    order: Any,
    counters: Any,
    first: int,
    stream: int,
    key: Any,
    threshold: int,
    kept: Any,
    mask: Any,
    combine: bool,
) -> None:
    """Draw a mask of 0 and `kept`, or multiply it onto the mask that is there."""
    words = np.empty(4 * ((mask.shape[1] + 3) // 4), np.uint32)
    for i in range(mask.shape[0]):
        row = order[counters[START] + first + i] + counters[ROW_BASE]
        draw_row(row, counters[EPOCH], stream, key, words)
        if combine:
            drop_more(words, threshold, kept, mask[i])
        else:
            drop(words, threshold, kept, mask[i])


@elementwise
def masking(x: Any, words: Any, level: Any, threshold: Any, low: Any, high: Any, out: Any) -> None:
    """Set columns to zero."""
    for j in range(x.size):
        out[j] = type(level)(0) if np.int64(words[j]) < threshold else x[j]


@elementwise
def salt_pepper(
    x: Any, words: Any, level: Any, threshold: Any, low: Any, high: Any, out: Any
) -> None:
    """Set columns to their lowest or highest value."""
    for j in range(x.size):
        # all three are loaded whatever the word: a load under a condition would not vectorise
        clean, lowest, highest = x[j], low[j], high[j]
        value = highest if np.int64(words[j]) < threshold else clean
        out[j] = lowest if np.int64(words[j]) < threshold // 2 else value


@elementwise
def gaussian(x: Any, words: Any, level: Any, threshold: Any, low: Any, high: Any, out: Any) -> None:
    """Add level·normal: Box–Muller of the words (0, 1) and (2, 3) of each four."""
    number = type(level)
    unit, half = number(2.0**-32), number(2.0**-33)
    for pair in range((x.size + 1) // 2):
        j = 2 * pair
        radius = level * np.sqrt(number(-2) * log(number(words[j]) * unit + half))
        angle = number(words[j + 1]) * unit + half
        out[j] = x[j] + radius * cos_turn(angle)
        if j + 1 < x.size:
            out[j + 1] = x[j + 1] + radius * sin_turn(angle)


@elementwise
def clipped_gaussian(
    x: Any, words: Any, level: Any, threshold: Any, low: Any, high: Any, out: Any
) -> None:
    """Add level·normal, and stay within the columns' ends."""
    gaussian(x, words, level, threshold, low, high, out)
    for j in range(x.size):
        lowest, highest, value = low[j], high[j], out[j]
        value = lowest if value < lowest else value
        out[j] = highest if value > highest else value


CORRUPTIONS = {
    "masking": masking,
    "salt_pepper": salt_pepper,
    "gaussian": gaussian,
    "clipped_gaussian": clipped_gaussian,
}


@elementwise
def scale_row(source: Any, center: Any, factor: Any, low: Any, high: Any, out: Any) -> None:
    """Write clip((x − center)·factor, low, high)."""
    for j in range(out.size):
        value = (type(low)(source[j]) - center[j]) * factor[j]
        value = low if value < low else value
        out[j] = high if value > high else value


def _type_prefetch(_: Any, row: Any) -> Any:
    """Ask for the memory of a contiguous row."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(row)(context, builder, values[0])
        pointer = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        function = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(
            builder.module, kind, "llvm.prefetch.p0"
        )
        first = builder.bitcast(array.data, pointer)
        size = builder.mul(array.nitems, array.itemsize)
        line = ir.Constant(size.type, CACHE_LINE)
        lines = builder.sdiv(builder.add(size, ir.Constant(size.type, CACHE_LINE - 1)), line)
        with cgutils.for_range(builder, lines) as loop:
            place = builder.gep(first, [builder.mul(loop.index, line)])
            builder.call(function, [place, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(row), generate


prefetch: Any = intrinsic(_type_prefetch)


@elementwise
def ask_for_row(source: Any, order: Any, place: Any) -> None:
    """Let the memory fetch a row that is needed soon: rows in random order come from anywhere."""
    if place < order.size:
        prefetch(source[order[place]][:PREFETCHED])


@kernel
def gather(order: Any, counters: Any, first: int, source: Any, scaling: Any, out: Any) -> None:
    """Pick, cast and scale rows; scaling is (center, factor, low, high)."""
    center, factor, low, high = scaling
    for i in range(out.shape[0]):
        place = counters[START] + first + i
        ask_for_row(source, order, place + AHEAD)
        row = order[place]
        scale_row(source[row], center, factor, low, high, out[i])


@kernel
def normalize_rows(x: Any, total: float) -> None:
    """Bring the sum of each row to `total`, but for rows whose sum is 0."""
    for i in range(x.shape[0]):
        size = 0.0
        for j in range(x.shape[1]):
            size += np.float64(x[i, j])
        factor = x.dtype.type(1.0 if size == 0.0 else total / size)
        for j in range(x.shape[1]):
            x[i, j] *= factor


@kernel
def log1p_less(x: Any, center: Any, out: Any) -> None:
    """Write ln(1 + x) − center."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = log1p(x[i, j]) - center[j]


@kernel
def unscale(x: Any, center: Any, factor: Any, out: Any) -> None:
    """Write x / factor + center."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] / factor[j] + center[j]


def _make_corrupt(corrupt_row: Any) -> Any:
    @kernel
    def corrupt(
        order: Any, counters: Any, first: int, stream: int, x: Any, noise: Any, out: Any
    ) -> None:
        key, level, threshold, low, high = noise
        words = np.empty(4 * ((x.shape[1] + 3) // 4), np.uint32)
        for i in range(x.shape[0]):
            row = order[counters[START] + first + i] + counters[ROW_BASE]
            draw_row(row, counters[EPOCH], stream, key, words)
            corrupt_row(x[i], words, level, threshold, low, high, out[i])

    return corrupt


def _make_gather_corrupt(corrupt_row: Any) -> Any:
    @kernel
    def gather_corrupt(
        order: Any,
        counters: Any,
        first: int,
        stream: int,
        source: Any,
        scaling: Any,
        noise: Any,
        out: Any,
        noisy: Any,
    ) -> None:
        center, factor, lowest, highest = scaling
        key, level, threshold, low, high = noise
        words = np.empty(4 * ((out.shape[1] + 3) // 4), np.uint32)
        for i in range(out.shape[0]):
            place = counters[START] + first + i
            ask_for_row(source, order, place + AHEAD)
            position = order[place]
            scale_row(source[position], center, factor, lowest, highest, out[i])
            row = position + counters[ROW_BASE]
            draw_row(row, counters[EPOCH], stream, key, words)
            corrupt_row(out[i], words, level, threshold, low, high, noisy[i])

    return gather_corrupt


CORRUPT = {name: _make_corrupt(row) for name, row in CORRUPTIONS.items()}
GATHER_CORRUPT = {name: _make_gather_corrupt(row) for name, row in CORRUPTIONS.items()}
