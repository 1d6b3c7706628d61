"""Rows in Zarr folders and archives of both versions, as zarr and anndata write them."""

import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_matrix

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, ReadOptions, open_data
from gpuae.importers.zarr_rows import ZarrRows
from gpuae.storage.files import limits

zarr = pytest.importorskip("zarr")
ROWS = np.random.default_rng(0).random((40, 6)).astype(np.float32)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name="a.zarr", values=ROWS, version=3, chunks=(7, 4), **options):
    """Write one array, which is the root."""
    shape = chunks if len(chunks) == values.ndim else values.shape
    zarr.create_array(name, data=values, chunks=shape, zarr_format=version, **options)
    return name


def packed(name):
    """Put a folder into an archive."""
    with zipfile.ZipFile(f"{name}.zip", "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(Path(name).rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(name))
    return f"{name}.zip"


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("memory", [0, 10_000])
@pytest.mark.parametrize("pack", [str, packed])
def test_an_array_is_read_at_once_or_by_its_chunks(folder, version, memory, pack):
    x = open_data(pack(written(version=version)), memory=memory).x
    assert isinstance(x, ZarrRows if memory == 0 else np.ndarray)
    assert x.dtype == np.float32
    for rows in (slice(0, 40), slice(5, 9), slice(39, 40)):
        np.testing.assert_array_equal(x[rows], ROWS[rows])


@pytest.mark.parametrize("dtype", ["f2", "f8", ">f4", "i1", "i8", "u2", "?"])
@pytest.mark.parametrize("version", [2, 3])
def test_numbers_keep_their_values(folder, dtype, version):
    values = (ROWS * 100).astype(dtype)
    x = open_data(written(values=values, version=version)).x
    assert x.tolist() == values.astype(np.float64).tolist()


def test_shards_and_rows_of_several_dimensions(folder):
    zarr.create_array("s.zarr", data=ROWS, chunks=(4, 3), shards=(8, 6))
    np.testing.assert_array_equal(open_data("s.zarr", memory=0).x[3:30], ROWS[3:30])
    images = ROWS.reshape(40, 2, 3)
    dataset = open_data(written(values=images, chunks=(5, 1, 2)), memory=0)
    np.testing.assert_array_equal(dataset.x[:40], ROWS)
    assert dataset.image_shape == (2, 3)


def group(version=3, **arrays):
    root = zarr.open_group("g.zarr", mode="w", zarr_format=version)
    for name, values in arrays.items():
        root.create_array(name.replace("__", "/"), data=values)
    zarr.consolidate_metadata("g.zarr")
    return "g.zarr"


@pytest.mark.filterwarnings("ignore:.*onsolidated")
@pytest.mark.parametrize("version", [2, 3])
def test_of_the_arrays_of_a_group_one_is_clear_named_or_listed(folder, version):
    labels = np.arange(40) % 3
    dataset = open_data(group(version, deep__x=ROWS, deep__y=labels, weights=np.ones(3)))
    np.testing.assert_array_equal(dataset.x, ROWS)
    assert dataset.y.tolist() == labels.tolist()
    assert dataset.source == "g.zarr::deep/x"
    name = group(version, one=ROWS, two=ROWS[:, :2])
    with pytest.raises(InputError, match=r"give FILE::NAME .* two \(40, 2\) float32"):
        open_data(name)
    assert open_data(f"{name}::/two").x.shape == (40, 2)
    with pytest.raises(InputError, match="holds no array 'three'; the arrays in it are"):
        open_data(f"{name}::three")


def test_an_array_without_a_name_is_listed_by_its_place(folder):
    written("rows.zarr")
    with pytest.raises(InputError, match=r"the arrays in it are the root \(40, 6\) float32"):
        open_data("rows.zarr::three")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_anndata_in_zarr_has_its_names(folder, version, form):
    anndata = pytest.importorskip("anndata")
    monkey = getattr(anndata.settings, "zarr_write_format", None)
    if monkey is None and version == 3:
        pytest.skip("this anndata writes version 2 only")
    counts = np.random.default_rng(1).poisson(0.5, (9, 4)).astype(np.float32)
    data = anndata.AnnData(form(counts))
    data.obs_names = [f"cell {number}" for number in range(9)]
    data.var_names = ["a", "b", "c", "d"]
    with anndata.settings.override(zarr_write_format=version):
        data.write_zarr("cells.zarr")
    dataset = open_data("cells.zarr", memory=0)
    np.testing.assert_array_equal(dataset.x[:9], counts)
    assert dataset.row_id[8] == "cell 8"
    assert dataset.feature_names == ("a", "b", "c", "d")
    chosen = open_data("cells.zarr", options=ReadOptions(columns="d,b"))
    np.testing.assert_array_equal(chosen.x, counts[:, [3, 1]])


@pytest.mark.filterwarnings("ignore")
def test_a_matrix_by_columns_is_refused(folder):
    anndata = pytest.importorskip("anndata")
    anndata.AnnData(csc_matrix(ROWS)).write_zarr("cells.zarr")
    with pytest.raises(InputError, match=r"cells\.zarr::X: is stored by columns"):
        open_data("cells.zarr")


def test_chunks_that_are_not_stored_are_told(folder):
    next(Path(written(), "c", "2").iterdir()).unlink()
    assert "1 of 12 chunks are not stored" in open_data("a.zarr").notes[0]


def change(name="a.zarr", **values):
    """Change what an array of version 3 says of itself."""
    path = Path(name, "zarr.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


REFUSED = {
    "a codec": ({"codecs": [{"name": "numcodecs.pickle"}]}, "is packed by 'numcodecs.pickle'"),
    "one within": (
        {"codecs": [{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "x"}]}}]},
        "is packed by 'x', which is not unpacked",
    ),
    "huge": ({"shape": [10**9, 10**9]}, "declares 4000000000000000000 bytes and stores"),
    "chunks": (
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10**6, 10**6]}}},
        "has chunks of 3814697 MiB",
    ),
    "no chunks": (
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 1]}}},
        "is not described as an array",
    ),
    "tiny chunks": (
        {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1]}}},
        "cannot be read as Zarr",
    ),
    "a shape": ({"shape": [-1, 6]}, "is not described as an array"),
    "many axes": ({"shape": [1] * 70}, "is not described as an array"),
    "a type": ({"data_type": "complex64"}, "holds records where numbers"),
    "one axis": ({"shape": [240]}, "has chunks of 2 dimensions"),
    "units": ({"attributes": {"scale_factor": 0.1}}, "has scale_factor 0.1, which says"),
    "missing": ({"attributes": {"_FillValue": -999}}, "has _FillValue -999"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_an_array_that_lies_or_runs_something_is_refused(folder, values, message):
    written()
    change(**values)
    with pytest.raises(InputError, match=rf"a\.zarr.*{message}") as caught:
        open_data("a.zarr")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "message"),
    [("<f4", "is packed by 'pickle', which is not unpacked"), ("|O", "holds text or objects")],
)
def test_a_pickle_among_the_filters_of_version_2_is_not_run(folder, dtype, message):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (Path("sprung"),))

    written(version=2, compressors=None, filters=None)
    described = Path("a.zarr", ".zarray")
    own = json.loads(described.read_text()) | {"filters": [{"id": "pickle"}], "dtype": dtype}
    described.write_text(json.dumps(own))
    for chunk in Path("a.zarr").glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=message):
        open_data("a.zarr")
    assert not Path("sprung").exists()


def test_a_chunk_that_is_stored_far_too_large_is_refused(folder):
    next(Path(written(), "c", "1").iterdir()).write_bytes(bytes(10_000))
    with pytest.raises(InputError, match="stores a chunk of 112 bytes in 10000"):
        open_data("a.zarr")


def test_damaged_chunks_and_descriptions_are_refused(folder):
    chunk = next(Path(written(), "c", "1").iterdir())
    for content in (b"", b"rubbish", chunk.read_bytes()[:-3]):
        chunk.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.zarr: cannot be read as Zarr"):
            open_data("a.zarr")
    for content in ("", "[]", "{", "[" * 100_000, '{"node_type": "array"}'):
        Path("a.zarr", "zarr.json").write_text(content)
        with pytest.raises(InputError, match=r"a\.zarr.*(JSON|described|no arrays)"):
            open_data("a.zarr")


def test_a_link_out_of_the_folder_is_not_followed(folder):
    chunk = next(Path(written(), "c", "1").iterdir())
    Path("secret").write_bytes(chunk.read_bytes())
    chunk.unlink()
    chunk.symlink_to(Path("secret").resolve())
    with pytest.raises(InputError, match="leads elsewhere or is no plain file"):
        open_data("a.zarr")


def test_an_archive_that_unpacks_too_far_is_refused(folder, monkeypatch):
    monkeypatch.setattr(limits, "_stack", [replace(limits.CAREFUL, free_bytes=1000, inflation=100)])
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zarr.json", "{}")
        archive.writestr("c/0/0", bytes(10_000_000))
    with pytest.raises(InputError, match=r"bomb\.zip: declares 10000002 bytes in an archive of"):
        open_data("bomb.zip")


def test_without_the_package_the_extra_is_named(folder, monkeypatch):
    written()
    monkeypatch.setattr("gpuae.importers.zarr_store.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"Zarr needs .* pip install 'gpuae\[zarr\]'"):
        open_data("a.zarr")


def test_many_folders_are_one_matrix_and_changes_in_one_are_told(folder):
    for name, part in (("p2.zarr", ROWS[:11]), ("p10.zarr", ROWS[11:])):
        written(name, part)
    dataset = open_data("p*.zarr", memory=0)
    np.testing.assert_array_equal(dataset.x[0:40], ROWS)
    assert dataset.file.changed is None
    chunk = next(Path("p10.zarr", "c", "1").iterdir())
    chunk.write_bytes(b"other")
    assert dataset.file.changed == chunk


def test_labels_are_not_read_from_an_archive(folder):
    name = packed(written(values=np.arange(40), chunks=(40,)))
    with pytest.raises(InputError, match="labels are not read from Zarr; save them as npy"):
        LabelsFile(Path(name))
