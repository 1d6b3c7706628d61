"""Attributes of netCDF, which say what the numbers of a dataset mean."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, open_data
from gpuae.storage.rows import views
from gpuae.storage.rows.row_blocks import check_finite

STORED = [[1, -999, 3], [4, 5, 120]]


@pytest.fixture
def written(tmp_path):
    """A function that writes a dataset with attributes and returns how it is opened."""

    def write(values, dtype="i2", **attributes):
        path = tmp_path / "a.nc"
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset("x", data=np.array(values, dtype))
            dataset.attrs.update(attributes)
        return f"{path}::/x"

    return write


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_packed_numbers_are_unpacked_and_missing_ones_are_nan(written, shape, small, monkeypatch):
    if not small:
        monkeypatch.setattr(views, "SMALL_BYTES", 0)
        monkeypatch.setattr(views, "is_in_memory", lambda x: False)
    attributes = {
        "scale_factor": np.full(shape, 0.01),
        "add_offset": np.full(shape, 273.15),
        "_FillValue": np.full(shape, -999, "i2"),
        "valid_range": np.array([0, 100], "i2"),
    }
    dataset = open_data(written(STORED, **attributes))
    expected = np.array([[1, np.nan, 3], [4, 5, np.nan]]) * 0.01 + 273.15
    np.testing.assert_array_equal(dataset.x[0:2], expected)
    assert isinstance(dataset.x, np.ndarray) is small
    assert any("0.01 + 273.15" in note for note in dataset.notes)
    assert any("2 values are missing" in note for note in dataset.notes)
    with pytest.raises(InputError, match="2 of 2 rows hold NaN, the first at row 1, column 2"):
        check_finite(dataset.x, dataset.source)


@pytest.mark.parametrize(
    ("dtype", "attributes", "kept"),
    [
        ("i2", {"_FillValue": -999}, "float32"),
        ("i2", {"missing_value": [-999.0, 77.0]}, "float32"),
        ("i4", {"valid_min": -5}, "float64"),
        ("f4", {"_FillValue": np.float64(-999.0)}, "float32"),
        ("f8", {"valid_min": -500, "valid_max": 500.0}, "float64"),
    ],
)
def test_missing_values_alone_leave_the_others_as_they_are(written, dtype, attributes, kept):
    dataset = open_data(written(STORED, dtype, **attributes))
    np.testing.assert_array_equal(dataset.x, [[1, np.nan, 3], [4, 5, 120]])
    assert dataset.x.dtype == kept
    assert "1 value is missing" in dataset.notes[0]


@pytest.mark.parametrize(
    ("dtype", "attributes"),
    [
        ("i2", {"scale_factor": 1.0, "add_offset": 0.0, "_FillValue": np.int16(7)}),
        ("i2", {"_FillValue": np.nan, "missing_value": 1e300, "_Unsigned": "false"}),
        ("f4", {"_FillValue": np.float32(np.nan), "units": "K"}),
    ],
)
def test_attributes_that_change_nothing_leave_rows_where_they_lie(written, dtype, attributes):
    dataset = open_data(written(STORED, dtype, **attributes))
    np.testing.assert_array_equal(dataset.x, STORED)
    assert isinstance(dataset.x.base, np.memmap) or isinstance(dataset.x, np.memmap)
    assert dataset.x.dtype == dtype
    assert dataset.notes == ()


@pytest.mark.parametrize(
    ("dtype", "attributes", "message"),
    [
        ("i2", {"scale_factor": "0.01"}, "its attribute scale_factor is '0.01', which cannot"),
        ("i2", {"scale_factor": [1.0, 2.0]}, "scale_factor is .* cannot be followed"),
        ("i2", {"add_offset": np.nan}, "add_offset is nan, which cannot be followed"),
        ("i2", {"add_offset": h5py.Empty("f8")}, "add_offset is None, which cannot be followed"),
        ("i2", {"valid_range": 3}, "valid_range is 3, which cannot be followed"),
        ("i1", {"_Unsigned": "true"}, "keeps unsigned numbers in a signed type"),
    ],
)
def test_attributes_that_cannot_be_followed_are_refused(written, dtype, attributes, message):
    with pytest.raises(InputError, match=message):
        open_data(written([[1, 2]], dtype, **attributes))


def test_integers_that_would_be_rounded_are_refused(written):
    with pytest.raises(InputError, match="holds integers that float64 would round"):
        open_data(written([[2**53 + 1, -1]], "i8", _FillValue=-1))


def test_labels_with_such_attributes_are_refused(written, tmp_path):
    np.save(tmp_path / "rows.npy", np.ones((2, 2)))
    labels = Path(written([1, 2], _FillValue=-1, scale_factor=0.5))
    with pytest.raises(InputError, match="attributes of netCDF"):
        open_data(str(tmp_path / "rows.npy"), LabelsFile(labels))


def test_variables_of_the_netcdf_library_are_listed_with_their_dimensions_and_read(tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    path = tmp_path / "weather.nc"
    values = np.arange(24.0).reshape(2, 3, 4)
    with netcdf.Dataset(path, "w") as file:
        for name, size in (("time", None), ("lat", 3), ("lon", 4)):
            file.createDimension(name, size)
        wind = file.createVariable("deep/wind", "f4", ("time", "lat", "lon"), zlib=True)
        wind[:] = values
        heat = file.createVariable("heat", "i2", ("time", "lat"), fill_value=-9)
        heat.scale_factor = 0.5
        heat[:] = np.ma.masked_equal(values[:, :, 0], 4)
    with pytest.raises(InputError) as caught:
        open_data(str(path))
    assert "give FILE::/PATH" in str(caught.value)
    assert f"{path}::/heat (time 2, lat 3) int16" in str(caught.value)
    x = open_data(f"{path}::/heat").x
    np.testing.assert_array_equal(x, [[0, np.nan, 8], [12, 16, 20]])
    np.testing.assert_array_equal(open_data(f"{path}::/deep/wind").x, values.reshape(2, 12))


def test_variables_that_xarray_has_written_are_read(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    path = tmp_path / "x.nc"
    values = np.random.default_rng(0).normal(size=(5, 3))
    xarray.Dataset({"a": (("row", "column"), values)}).to_netcdf(path, engine="netcdf4")
    np.testing.assert_array_equal(open_data(f"{path}::/a").x, values)
    with pytest.raises(InputError, match=r"x.nc::/a \(row 5, column 3\) float64"):
        open_data(str(path))


def test_netcdf_before_version_4_is_told_how_to_be_converted(tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    path = tmp_path / "old.nc"
    with netcdf.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("row", 3)
        file.createVariable("a", "f4", ("row",))[:] = 1
    with pytest.raises(
        InputError, match=r"is netCDF of a format before netCDF-4; .* nccopy -k nc4"
    ):
        open_data(str(path))
