"""Softmax and its cross-entropy, compiled.

Rows are taken some at once: then eˣ is computed by vector instructions however few classes there
are. The largest of a row is found by its bits, whose order as integers is that of the numbers: a
maximum of floats does not vectorise, for it would have to look out for NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuae.backends.numba_compile import PIECE, kernel, part
from gpuae.backends.numba_kernels import weight_of
from gpuae.backends.numba_math import exp


@kernel
def softmax(
    z: Any,
    words: Any,
    lowest: Any,
    bias: Any,
    target: Any,
    row_weights: Any,
    factor: float,
    total: Any,
    sums: Any,
) -> None:
    """Write the softmax, or the delta of its cross-entropy if there are sums to add it to.

    `words` are the bits of z as integers, of which `lowest` is the lowest. Without a target, which
    may be None, no loss is added to total; the weights of rows and the sums may be None.
    """
    value = 0.0
    rows = max(1, PIECE // z.shape[1])
    for first in range(0, z.shape[0], rows):
        piece = slice(first, first + rows)
        own = z[piece]
        wanted = None if target is None else target[piece]
        weights = None if row_weights is None else row_weights[piece]
        value -= _lower(own, words[piece], lowest, bias, wanted, weights)
        flat = own.reshape(own.size)
        for j in range(flat.size):
            flat[j] = exp(flat[j])
        value += _share(own, wanted, weights, factor, sums)
    if target is not None:
        total[0] += value


@part
def _lower(z: Any, words: Any, lowest: Any, bias: Any, target: Any, row_weights: Any) -> Any:
    """Replace each row by what it is below its largest z + bias; return the sum of that by target.

    A row counts by its weight. Where a target is 0 nothing is added, however far below its z is.
    """
    top = np.empty(1, z.dtype)
    top_word = top.view(words.dtype)
    product = 0.0
    for i in range(z.shape[0]):
        weight = weight_of(row_weights, i)
        highest = lowest
        for j in range(z.shape[1]):
            z[i, j] += bias[j]
        for j in range(z.shape[1]):
            word = words[i, j] ^ ~lowest if words[i, j] < 0 else words[i, j]
            highest = word if word > highest else highest
        top_word[0] = highest ^ ~lowest if highest < 0 else highest
        for j in range(z.shape[1]):
            if target is not None:
                wanted = weight * np.float64(target[i, j])
                below = np.float64(z[i, j]) - np.float64(top[0])
                product += wanted * (0.0 if wanted == 0.0 else below)
            z[i, j] -= top[0]
    return product


@part
def _share(z: Any, target: Any, row_weights: Any, factor: float, sums: Any) -> Any:
    """Turn exponentials into shares of their row's sum or deltas; return the logarithms' part."""
    number = z.dtype.type
    value = 0.0
    for i in range(z.shape[0]):
        own = weight_of(row_weights, i)
        size = weight = 0.0
        for j in range(z.shape[1]):
            size += np.float64(z[i, j])
            if target is not None:
                weight += own * np.float64(target[i, j])
        value += weight * math.log(size)
        if sums is None:
            for j in range(z.shape[1]):
                z[i, j] = number(np.float64(z[i, j]) / size)
        else:
            for j in range(z.shape[1]):
                error = weight / size * np.float64(z[i, j]) - own * np.float64(target[i, j])
                z[i, j] = number(factor * error)
                sums[j] += z[i, j]
    return value
