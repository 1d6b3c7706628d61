"""Decimals become the float64 that Python makes of them, or none at all."""

import random
import struct

import numpy as np
import pytest

from gpuae.backends import numba_cells as cells
from gpuae.importers.narrow import survive_as_written

SURE = [
    "0",
    "-0",
    "+0.0",
    "00012.500",
    ".5",
    "5.",
    "+.5e-3",
    "1E5",
    "1e+05",
    "0e999999999999",
    "9007199254740991",
    "9007199254740992.0",
    "9007199254740993.0",
    "4503599627370496.5",
    "4503599627370497.5",
    "1.7976931348623157e307",
    "2.2250738585072014e-300",
    "0.1000000000000000055511151231257827",
    "1." + "0" * 30,
    "123456789012345678901234567890.0",
]
UNSURE = ["1e400", "1e-400", "4.9e-324", "9007199254740993", "1e", "e5", ".", "-", "", "1_0", "0x1"]


def read(texts):
    """Return the numbers in some cells and the places of those that are left to Python."""
    block = np.frombuffer("".join(f"{text}|\n" for text in texts).encode(), np.uint8)
    values = np.full((len(texts) + 1, 1), np.nan)
    noted, state = np.empty((len(texts) + 2, 6), np.int64), np.zeros(8, np.int64)
    places = np.array([0, cells.SKIPPED])
    cells.read_cells(
        block, np.frombuffer(b"|.", np.uint8), places, np.empty(0), values, noted, state
    )
    assert state[cells.ROWS] == len(texts)
    return values[:-1, 0], set(noted[: state[cells.NOTED], cells.ROW].tolist())


@pytest.mark.parametrize("text", SURE)
def test_these_are_sure(text):
    (value,), left = read([text])
    assert not left
    assert (value, np.signbit(value)) == (float(text), text.startswith("-"))


@pytest.mark.parametrize("text", UNSURE)
def test_these_are_left_to_python(text):
    assert read([text])[1] == {0}


def drawn(random_):
    """Return a decimal of one of the ways in which numbers are written."""
    value = struct.unpack("d", struct.pack("Q", random_.getrandbits(64)))[0]
    near = random_.gauss(0, 1) * 10.0 ** random_.randrange(-30, 30)
    odd = (random_.getrandbits(53) | 1 << 52) * 2 + 1
    return random_.choice(
        [
            repr(value) if np.isfinite(value) else "1.5",
            f"{near:.{random_.randrange(24)}e}",
            f"{near:.{random_.randrange(1, 24)}g}",
            f"{random_.gauss(0, 1000):.{random_.randrange(24)}f}",
            f"{random_.getrandbits(63)}e{random_.randrange(-345, 330)}",
            str(np.float32(near)),
            f"{odd // 2}.5",
            f"{odd << random_.randrange(8)}.0",
            f"{odd}e{random_.randrange(-8, 24)}",
        ]
    )


@pytest.mark.parametrize("seed", range(5))
def test_what_is_sure_is_what_python_reads(seed):
    random_ = random.Random(seed)
    texts = [drawn(random_) for _ in range(5000)]
    values, left = read(texts)
    kept = [place for place in range(len(texts)) if place not in left]
    expected = np.array([float(texts[place]) for place in kept])
    np.testing.assert_array_equal(values[kept].view(np.int64), expected.view(np.int64))
    assert len(left) < len(texts) / 5


@pytest.mark.parametrize("digits", [6, 7, 8, 9, "shortest"])
def test_decimals_that_surely_survive_in_float32_do(digits):
    random_ = np.random.default_rng(0)
    powers = 10.0 ** random_.integers(-10, 6, 3000)
    powers[::3] *= 1 + random_.normal(size=1000) * 1e-7
    powers[1::3] *= random_.uniform(1, 10, 1000)
    values = powers.astype(np.float32)
    texts = [str(v) if digits == "shortest" else f"{v:.{digits}g}" for v in values]
    sure = np.array([not unsure(text) for text in texts])
    survive = np.array([survive_as_written(np.array([float(text)])) for text in texts])
    assert not (sure & ~survive).any()
    if digits == "shortest":
        np.testing.assert_array_equal(sure, survive)


def unsure(text):
    """Whether it is left open if the number in a cell survives in float32."""
    block = np.frombuffer(text.encode(), np.uint8)
    state = np.zeros(8, np.int64)
    noted, marks = np.empty((2, 6), np.int64), np.frombuffer(b",.", np.uint8)
    cells.read_cells(block, marks, np.array([0]), np.empty(0), np.empty((1, 1)), noted, state)
    return bool(state[cells.UNSURE] or state[cells.NOTED])
