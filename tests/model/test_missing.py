import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.model import statistics
from gpuae.model.missing import filled, filled_once, learn_fill

MEAN = Config(missing="mean")
NAN = np.nan


@pytest.mark.parametrize("block_bytes", [8, 1 << 25])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_fill_is_the_mean_of_what_is_there_in_the_chosen_rows(monkeypatch, dtype, block_bytes):
    monkeypatch.setattr(statistics, "BLOCK_BYTES", block_bytes)
    random = np.random.default_rng(0)
    x = (1e4 + random.random((60, 5))).astype(dtype)
    x[random.random((60, 5)) < 0.4] = NAN
    rows = np.arange(0, 60, 2)
    expected = np.nanmean(x[rows].astype(np.float64), axis=0)
    np.testing.assert_allclose(learn_fill(x, rows, MEAN), expected, rtol=1e-14)


def test_nothing_is_filled_where_missing_values_are_refused():
    x = np.array([[NAN, 1.0]])
    assert learn_fill(x, np.arange(1), Config()) is None
    assert filled(x, None) is x
    assert filled_once(x, None) is x


@pytest.mark.parametrize(
    ("names", "message"),
    [(("a", "b", "c"), "column 'b' and 1 more has no value"), (None, "column 2 .counted from 1.")],
)
def test_a_column_without_any_value_in_training_is_refused_by_name(names, message):
    x = np.array([[1, NAN, NAN], [2, NAN, NAN], [3, 4, NAN]])
    with pytest.raises(InputError, match=message):
        learn_fill(x, np.arange(2), MEAN, names)


def test_filling_leaves_the_persons_own_rows_alone():
    x = np.array([[1, NAN], [3, 4]], np.float32)
    own = x.copy()
    fill = np.array([7.0, 8.0])
    np.testing.assert_array_equal(filled_once(x, fill), [[1, 8], [3, 4]])
    np.testing.assert_array_equal(filled(x, fill)[0:1], [[1, 8]])
    np.testing.assert_array_equal(x, own)


def test_rows_that_lack_nothing_are_not_copied():
    x = np.ones((3, 2))
    assert filled_once(x, np.zeros(2)) is x
    integers = np.ones((3, 2), np.uint8)
    assert filled(integers, np.zeros(2)) is integers
