import sys

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import filters
from gpuae.storage.kinds.dataset_file import open_dataset

ROWS = np.arange(400, dtype=np.float32).reshape(50, 8)


@pytest.fixture
def plugin():
    return pytest.importorskip("hdf5plugin")


@pytest.fixture
def zstd(plugin, tmp_path):
    """A file that zstd has compressed."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=ROWS, chunks=(10, 8), compression=plugin.Zstd())
    return tmp_path / "a.h5"


def test_filters_of_hdf5plugin_are_read_where_it_is_allowed(zstd):
    with limits.allow_filters():
        np.testing.assert_array_equal(open_dataset(InputFile(zstd), "x").x, ROWS)


def test_the_package_is_named_where_it_is_missing(zstd, monkeypatch):
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with (
        limits.allow_filters(),
        pytest.raises(InputError, match=r"uses the filter zstd, .* pip install hdf5plugin"),
    ):
        open_dataset(InputFile(zstd), "x")


REFUSED = r"a\.h5::/x: uses the filter zstd, .* give --allow-filters if you trust its source"


def test_they_are_refused_until_they_are_allowed_and_again_afterwards(zstd):
    with pytest.raises(InputError, match=REFUSED):
        open_dataset(InputFile(zstd), "x")
    with limits.allow_filters():
        assert open_dataset(InputFile(zstd), "x").x.shape == ROWS.shape
    with limits.trust_size(), pytest.raises(InputError, match=REFUSED):
        open_dataset(InputFile(zstd), "x")


def test_an_installed_package_alone_allows_nothing(run_python, zstd):
    run_python(
        "import hdf5plugin\nfrom pathlib import Path\n"
        "from gpuae.errors import InputError\n"
        "from gpuae.storage.files.input_file import InputFile\n"
        "from gpuae.storage.kinds.dataset_file import open_dataset\n"
        f"try: open_dataset(InputFile(Path({str(zstd)!r})), 'x')\n"
        "except InputError as error: assert '--allow-filters' in str(error)\n"
        "else: raise AssertionError('it was read')"
    )


def test_a_filter_that_nobody_knows_is_refused_whatever_is_allowed(zstd, monkeypatch):
    monkeypatch.setattr(filters, "OF_PLUGIN", {})
    with limits.allow_filters(), pytest.raises(InputError, match="a filter other than gzip"):
        open_dataset(InputFile(zstd), "x")


def test_its_filters_are_known_by_their_numbers(plugin):
    assert set(filters.OF_PLUGIN) == set(plugin.FILTERS.values())


def test_it_is_not_loaded_for_anything_else(run_python, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=ROWS, compression="gzip")
    run_python(
        "import sys\nfrom pathlib import Path\n"
        "from gpuae.importers import open_data\n"
        f"open_data({str(tmp_path)!r} + '/a.h5::x')\n"
        "assert 'hdf5plugin' not in sys.modules"
    )
