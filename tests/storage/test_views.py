import numpy as np
import pytest

from gpuae.storage.rows import views
from gpuae.storage.rows.lazy_rows import LazyRows, rows_per_chunk_of
from gpuae.storage.rows.views import (
    Columns,
    Filled,
    ScaledRows,
    Stacked,
    has_missing,
    load_if_cheap,
)

ROWS = np.arange(20, dtype=np.float32).reshape(5, 4)


class OnDisk:
    """The least that a matrix has to be."""

    rows_per_chunk = 2

    def __init__(self, rows):
        self._rows = rows
        self.shape, self.dtype = rows.shape, rows.dtype

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self._rows[rows].copy()


HOLES = np.where(ROWS % 7 == 0, np.nan, ROWS)
FILL = np.array([1.0, 2.0, 3.0, 4.0])


@pytest.fixture(params=[np.array, OnDisk], ids=["array", "matrix"])
def source(request):
    return request.param


@pytest.mark.parametrize(
    "rows", [slice(0, 5), slice(1, 3), slice(4, 9), slice(2, 2), slice(3, None)]
)
def test_every_view_gives_the_rows_that_were_asked_for(source, rows):
    expected = {
        Columns(source(ROWS), [2, 0]): ROWS[:, [2, 0]],
        Filled(source(HOLES), FILL): np.where(np.isnan(HOLES), FILL, HOLES),
        Stacked(source(ROWS[:2]), source(ROWS[2:])): ROWS,
    }
    for view, whole in expected.items():
        assert isinstance(view, LazyRows)
        assert view.shape == whole.shape
        assert len(view) == 5
        assert view.dtype == np.float32
        block = view[rows]
        np.testing.assert_array_equal(block, whole[rows])
        assert block.dtype == np.float32
        assert block.flags.c_contiguous


def test_views_of_views_are_views(source):
    view = Filled(Columns(source(HOLES), [3, 0]), FILL[[3, 0]])
    assert view[0:1].tolist() == [[3, 1]]
    assert view.rows_per_chunk == rows_per_chunk_of(source(ROWS))


def test_what_lies_below_keeps_its_values():
    large = 1e9 + np.arange(20.0).reshape(5, 4)
    stacked = Stacked(ROWS, large)
    assert stacked.dtype == np.float64
    np.testing.assert_array_equal(stacked[4:7], [ROWS[4], large[0], large[1]])


def test_small_views_become_arrays_once_and_large_ones_stay(monkeypatch):
    disk = OnDisk(ROWS)
    assert isinstance(load_if_cheap(Columns(disk, [0]), disk), np.ndarray)
    monkeypatch.setattr(views, "SMALL_BYTES", 19)
    assert isinstance(load_if_cheap(Columns(disk, [0]), disk), Columns)
    assert isinstance(load_if_cheap(Columns(ROWS, [0]), ROWS), np.ndarray)


def test_missing_values_are_found(source):
    assert has_missing(source(HOLES))
    assert not has_missing(source(ROWS))
    assert not has_missing(ROWS.astype(np.uint8))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
def test_rows_are_scaled_each_by_itself(dtype):
    x = np.random.default_rng(0).integers(0, 100, (6, 5)).astype(dtype)
    x[2] = 7
    centred = x - x.mean(axis=1, keepdims=True)
    deviation = x.std(axis=1, keepdims=True)
    wide = dtype in ("int32", "float64")
    limit = {"rtol": 1e-12 if wide else 1e-6, "atol": 1e-12 if wide else 1e-5}
    rows = ScaledRows(x, deviation=False)
    assert rows.dtype == (np.float64 if wide else np.float32)
    np.testing.assert_allclose(rows[1:4], centred[1:4], **limit)
    scaled = ScaledRows(x, deviation=True)[0:6]
    np.testing.assert_allclose(scaled, centred / np.where(deviation, deviation, 1), **limit)
    assert not scaled[2].any()


def test_rows_of_equal_values_become_0_whatever_their_mean_is_rounded_to():
    x = np.full((2, 3), 0.1)
    assert x[0].sum() / 3 != 0.1
    assert not ScaledRows(x, deviation=True)[0:2].any()


def test_missing_values_count_for_nothing_in_the_scale_of_a_row():
    x = np.array([[1, np.nan, 3], [np.nan] * 3])
    np.testing.assert_array_equal(ScaledRows(x, deviation=True)[0:2], [[-1, np.nan, 1], x[1]])
