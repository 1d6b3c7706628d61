"""Philox4x32-10: random words addressed by what they are for, never by when they are drawn.

A word is a pure function of (seed, counter), so the same row gets the same noise whatever the
backend, the batch size, the number of threads or a resumption.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011; ten rounds of the four-word variant, as in the authors' Random123 library.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

MULTIPLIER_0 = 0xD2511F53
MULTIPLIER_1 = 0xCD9E8D57
WEYL_0 = 0x9E3779B9
WEYL_1 = 0xBB67AE85
ROUNDS = 10
WORD = 0xFFFFFFFF


class Purpose(IntEnum):
    """What a stream of words is for: the low byte of the counter's last word."""

    NOISE = 1
    DROPOUT = 2
    INITIAL_WEIGHTS = 3
    ROW_ORDER = 4
    SPLIT = 5
    SAMPLE = 6
    PATCHES = 7


def stream(purpose: Purpose, layer: int) -> int:
    """Return the counter's last word: purpose + 256·layer (the input is layer 0)."""
    return int(purpose) + 256 * layer


def philox(counter: NDArray[np.uint32], key: tuple[int, int]) -> NDArray[np.uint32]:
    """Encrypt counters into random words.

    Parameters
    ----------
    counter
        Shape (..., 4).
    key
        Low and high word of the seed.

    Returns
    -------
    Words of the same shape.
    """
    c0, c1, c2, c3 = (counter[..., i].astype(np.uint64) for i in range(4))
    k0, k1 = key
    mask = np.uint64(WORD)
    for _ in range(ROUNDS):
        product_0 = c0 * np.uint64(MULTIPLIER_0)
        product_1 = c2 * np.uint64(MULTIPLIER_1)
        high_0, low_0 = product_0 >> np.uint64(32), product_0 & mask
        high_1, low_1 = product_1 >> np.uint64(32), product_1 & mask
        c0, c1, c2, c3 = high_1 ^ c1 ^ np.uint64(k0), low_1, high_0 ^ c3 ^ np.uint64(k1), low_0
        k0, k1 = (k0 + WEYL_0) & WORD, (k1 + WEYL_1) & WORD
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def key_of(seed: int) -> tuple[int, int]:
    """Split a 64-bit seed into Philox's key: its low and high word."""
    return seed & WORD, seed >> 32


def words(
    seed: int,
    purpose: Purpose,
    rows: NDArray[np.int64],
    columns: int,
    epoch: int = 0,
    layer: int = 0,
) -> NDArray[np.uint32]:
    """Return the random word of each (row, column).

    The counter is (column // 4, row, epoch, purpose + 256·layer); the word is column % 4.

    Parameters
    ----------
    rows
        Numbers of the rows in the data, shape (m,).

    Returns
    -------
    Words of shape (m, columns).
    """
    groups = -(-columns // 4)
    counter = np.empty((len(rows), groups, 4), np.uint32)
    counter[..., 0] = np.arange(groups, dtype=np.uint32)
    counter[..., 1] = (rows & WORD).astype(np.uint32)[:, None]
    counter[..., 2] = epoch
    counter[..., 3] = stream(purpose, layer)
    return philox(counter, key_of(seed)).reshape(len(rows), groups * 4)[:, :columns]


def uniforms(drawn: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Map words to the open interval (0, 1)."""
    return (drawn.astype(np.float64) + 0.5) * 2.0**-32


def normals(drawn: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Map words to standard normals by Box–Muller of the words (0, 1) and (2, 3) of each four.

    Parameters
    ----------
    drawn
        Shape (m, 4·groups).

    Source: G. Box, M. Muller, "A note on the generation of random normal deviates", 1958.
    """
    pairs = uniforms(drawn).reshape(*drawn.shape[:-1], drawn.shape[-1] // 2, 2)
    radius = np.sqrt(-2.0 * np.log(pairs[..., 0]))
    angle = 2.0 * np.pi * pairs[..., 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(drawn.shape)


def threshold(probability: float, bits: int = 32) -> int:
    """Return ⌊p·2^bits⌋: an event of this probability happens where a word is below it."""
    return int(probability * 2.0**bits)
