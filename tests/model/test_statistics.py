"""Column statistics: NumPy's, whatever the offset, and however the rows fall into blocks."""

from fractions import Fraction

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.model import statistics
from gpuae.model.missing import learn_fill
from gpuae.model.statistics import blocks, column_statistics

MEAN = Config(missing="mean")


def everything(x):
    return column_statistics(x, np.arange(len(x)))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
def test_statistics_are_numpys(dtype):
    x = (100 * np.random.default_rng(0).random((200, 7))).astype(dtype)
    own = everything(x)
    assert own.count == 200
    np.testing.assert_array_equal(own.lowest, x.min(axis=0))
    np.testing.assert_array_equal(own.highest, x.max(axis=0))
    np.testing.assert_allclose(own.mean, x.mean(axis=0, dtype=float), rtol=1e-14)
    np.testing.assert_allclose(own.variance, x.var(axis=0, dtype=float), rtol=1e-13)
    assert own.total_mean == pytest.approx(x.mean(dtype=float), rel=1e-14)
    assert own.total_deviation == pytest.approx(x.std(dtype=float), rel=1e-13)


def test_only_the_chosen_rows_count():
    x = np.random.default_rng(1).random((50, 3))
    rows = np.array([3, 9, 40])
    own = column_statistics(x, rows)
    assert own.count == 3
    np.testing.assert_allclose(own.mean, x[rows].mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(own.variance, x[rows].var(axis=0), rtol=1e-13)


@pytest.mark.parametrize("rows_of_a_block", [1, 2, 7, 64, 1000])
def test_a_huge_offset_leaves_the_variance_right(monkeypatch, rows_of_a_block):
    """Variance 1/12 on an offset of 10⁹: the mean of squares alone would lose all its digits."""
    noise = np.random.default_rng(2).random((500, 4))
    x = 1e9 + noise
    monkeypatch.setattr(statistics, "BLOCK_BYTES", rows_of_a_block * 4 * 8)
    own = everything(x)
    exact = x - 1e9  # exactly what is left of the noise
    np.testing.assert_allclose(own.variance, exact.var(axis=0), rtol=1e-6)
    np.testing.assert_allclose(own.mean - 1e9, exact.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("rows_of_a_block", [1, 3, 64, 1000])
def test_blocks_hold_every_row_once_in_order(monkeypatch, rows_of_a_block):
    x = np.arange(300, dtype=np.int32).reshape(100, 3)
    monkeypatch.setattr(statistics, "BLOCK_BYTES", rows_of_a_block * 3 * 8)
    rows = np.arange(99, -1, -3)
    parts = list(blocks(x, rows))
    assert all(len(part) <= rows_of_a_block and part.dtype == np.int32 for part in parts)
    np.testing.assert_array_equal(np.concatenate(parts), x[rows])


def test_merging_blocks_does_not_change_the_statistics(monkeypatch):
    x = np.random.default_rng(3).standard_normal((1000, 5)) * [1, 1e3, 1e-3, 1, 1]
    whole = everything(x)
    monkeypatch.setattr(statistics, "BLOCK_BYTES", 37 * 5 * 8)
    parts = everything(x)
    for name in ("lowest", "highest"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(parts.variance, whole.variance, rtol=1e-12)


@pytest.mark.parametrize(
    "x",
    [
        2**50 + np.random.default_rng(5).integers(-1, 2, (3000, 2)),
        1e15 + 4 * np.random.default_rng(5).standard_normal((3000, 2)),
        np.append([1e15], np.random.default_rng(5).standard_normal(2999))[:, None],
    ],
)
@pytest.mark.parametrize("rows_of_a_block", [7, 5000])
def test_means_far_from_zero_are_exact(monkeypatch, x, rows_of_a_block):
    monkeypatch.setattr(statistics, "BLOCK_BYTES", rows_of_a_block * x.shape[1] * 8)
    exact = [float(sum(map(Fraction, column.tolist())) / len(x)) for column in x.T]
    close = {"rtol": 1.2e-16, "atol": 1e-13 * x.std()}
    np.testing.assert_allclose(everything(x).mean, exact, **close)
    np.testing.assert_allclose(learn_fill(x * 1.0, np.arange(len(x)), MEAN), exact, **close)


def test_a_single_row_has_no_variance():
    own = everything(np.array([[3.0, -1.0]]))
    assert own.variance.tolist() == [0, 0]
    assert own.mean.tolist() == [3, -1]
