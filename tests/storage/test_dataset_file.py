import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpuae.errors import InputError, OutputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.dataset_file import open_dataset, write_dataset
from gpuae.storage.rows import row_blocks, row_types
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

LABELS = st.one_of(
    st.sampled_from(["i8", "u1", "f4", "f8"]).flatmap(
        lambda dtype: hnp.arrays(dtype, 3, elements={"allow_nan": False} if "f" in dtype else None)
    ),
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
        min_size=3,
        max_size=3,
    ).map(np.array),
)


def assert_same(one, other):
    np.testing.assert_array_equal(one.x, other.x, strict=True)
    for name in ("y", "row_id"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.feature_names == other.feature_names
    assert one.image_shape == other.image_shape


def test_a_data_set_comes_back_with_all_that_is_known_of_it(tmp_path, full_dataset):
    path = tmp_path / "a.h5"
    write_dataset(path, full_dataset, force=False)
    opened = open_dataset(InputFile(path))
    assert_same(opened, full_dataset)
    assert opened.source == str(path)
    assert opened.source_path == path


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(row_types.STORED_TYPES)), LABELS, st.data())
def test_every_type_of_rows_and_labels_survives(tmp_path_factory, dtype, y, data):
    x = data.draw(hnp.arrays(dtype, st.tuples(st.just(3), st.integers(1, 5))))
    path = tmp_path_factory.mktemp("data") / "a.h5"
    write_dataset(path, Dataset(x, "x", metadata=RowMetadata(y=y)), force=False)
    assert_same(open_dataset(InputFile(path)), Dataset(x, "x", metadata=RowMetadata(y=y)))


def test_rows_are_mapped_and_cannot_be_changed(tmp_path, full_dataset):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    x = open_dataset(InputFile(tmp_path / "a.h5")).x
    assert isinstance(x, np.memmap)
    assert x.flags.aligned
    with pytest.raises(ValueError, match="read-only"):
        x[0, 0] = 1


def test_rows_are_written_a_block_at_a_time(tmp_path, full_dataset, monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", 50)
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    assert_same(open_dataset(InputFile(tmp_path / "a.h5")), full_dataset)


def test_the_layout_is_the_one_of_the_specification(tmp_path, full_dataset):
    attributes = {"source_sha256": "00ff", "seed": 3}
    write_dataset(tmp_path / "a.h5", full_dataset, force=False, attributes=attributes)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["format"] == "gpuae"
        assert file.attrs["format_version"] == "1.0"
        assert file.attrs["kind"] == "dataset"
        assert file.attrs["created_by"].startswith("gpuae ")
        assert file.attrs["source_sha256"] == "00ff"
        assert file.attrs["seed"] == 3
        assert sorted(file["data"]) == ["feature_names", "row_id", "x", "y"]
        assert file["data/x"].chunks is None
        assert list(file["data/x"].attrs["image_shape"]) == [2, 3]
        assert file["data/y"].asstr()[1] == "dög"
        assert file["data/feature_names"].asstr()[2] == "ü"


def test_equal_data_sets_are_equal_files(tmp_path, full_dataset):
    for name in ("a.h5", "b.h5"):
        write_dataset(tmp_path / name, full_dataset, force=False)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_an_existing_file_is_replaced_only_by_force(tmp_path, full_dataset):
    path = tmp_path / "a.h5"
    write_dataset(path, full_dataset, force=False)
    with pytest.raises(OutputError, match="exists already"):
        write_dataset(path, full_dataset, force=False)
    write_dataset(path, full_dataset, force=True)


@pytest.mark.parametrize(
    ("given", "stored"),
    [("?", "f4"), ("f2", "f4"), (">f8", "f8"), (">u2", "u2"), ("<f4", "f4"), ("i8", "i8")],
)
@pytest.mark.parametrize("options", [{}, {"chunks": (2, 2), "compression": "gzip"}])
def test_anyones_numbers_are_read_in_their_stored_type(tmp_path, given, stored, options):
    rows = np.array([[0, 1], [1, 1], [1, 0]]).astype(given)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("deep/er/x", data=rows, **options)
    opened = open_dataset(InputFile(tmp_path / "a.h5"), "deep/er/x")
    assert opened.x.dtype == np.dtype(stored)
    np.testing.assert_array_equal(opened.x, rows)
    assert opened.source == f"{tmp_path}/a.h5::/deep/er/x"
    assert isinstance(opened.x, np.memmap) == (not options and given in ("<f4", "i8"))


def test_integers_of_an_odd_width_are_converted_and_not_mapped(tmp_path):
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_precision(12)
    kind.set_offset(4)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple((2, 2))
        created = h5py.Dataset(h5py.h5d.create(file.id, b"x", kind, space))
        created[...] = [[1, -2], [3, 4]]
    np.testing.assert_array_equal(
        open_dataset(InputFile(tmp_path / "a.h5"), "x").x, [[1, -2], [3, 4]]
    )


def test_a_user_block_before_the_file_does_not_shift_the_rows(tmp_path):
    rows = np.arange(20.0).reshape(4, 5)
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=2048) as file:
        file["x"] = rows
    opened = open_dataset(InputFile(tmp_path / "a.h5"), "x")
    assert isinstance(opened.x, np.memmap)
    np.testing.assert_array_equal(opened.x, rows)


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [((5, 4, 3), (4, 3)), ((5, 4, 3, 2), (4, 3, 2)), ((5, 2, 2, 2, 2), None), ((5, 6), None)],
)
def test_more_dimensions_are_rows_of_the_flattened_rest(tmp_path, shape, image_shape):
    values = np.arange(np.prod(shape)).reshape(shape)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = values
    opened = open_dataset(InputFile(tmp_path / "a.h5"), "x")
    np.testing.assert_array_equal(opened.x, values.reshape(5, -1))
    assert opened.image_shape == image_shape


def test_a_later_minor_version_is_read_and_names_it_added_are_ignored(tmp_path, full_dataset, edit):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    with edit(tmp_path / "a.h5") as file:
        file.attrs["format_version"] = "1.7"
        file.attrs["mood"] = np.array([[1.0]])
        file["data/weights"] = np.ones(7)
        file["extra/thing"] = 1
    assert_same(open_dataset(InputFile(tmp_path / "a.h5")), full_dataset)


@pytest.mark.parametrize("version", ["2.0", "10.0", "0.9", "1", "new", "", "1.0.0", "-1.0"])
def test_another_major_version_is_refused(tmp_path, full_dataset, edit, version):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    with edit(tmp_path / "a.h5") as file:
        file.attrs["format_version"] = version
    with pytest.raises(InputError, match=r"a\.h5: has (the )?format.version"):
        open_dataset(InputFile(tmp_path / "a.h5"))


def test_a_file_that_is_no_data_set_is_answered_with_what_is_in_it(tmp_path, full_dataset, edit):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    with edit(tmp_path / "a.h5") as file:
        file.attrs["kind"] = "scores"
    with pytest.raises(
        InputError, match=r"is a gpuae scores file.*a\.h5::/data/x \(7, 6\) float32"
    ):
        open_dataset(InputFile(tmp_path / "a.h5"))
    with edit(tmp_path / "a.h5") as file:
        del file.attrs["format"]
    with pytest.raises(InputError, match=r"is not a gpuae data set.*a\.h5::/data/x"):
        open_dataset(InputFile(tmp_path / "a.h5"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("y", np.zeros(6), "the 7 rows is needed"),
        ("y", np.zeros((7, 2)), "the 7 rows is needed"),
        ("row_id", np.zeros(8), "the 7 rows is needed"),
        ("feature_names", np.array([b"a"]), "the 6 columns is needed"),
        ("feature_names", np.zeros(6), "float64 where strings are needed"),
        ("y", np.zeros(7, "c8"), "holds complex64"),
    ],
)
def test_what_does_not_fit_the_rows_is_refused(tmp_path, full_dataset, edit, name, value, message):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    with edit(tmp_path / "a.h5") as file:
        del file[f"data/{name}"]
        file[f"data/{name}"] = value
    with pytest.raises(InputError, match=message):
        open_dataset(InputFile(tmp_path / "a.h5"))


@pytest.mark.parametrize("value", [(2, 2), (0, 6), (-2, -3), (2.0, 3.0), "6", 6])
def test_an_image_shape_that_does_not_fit_is_refused(tmp_path, full_dataset, edit, value):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    with edit(tmp_path / "a.h5") as file:
        file["data/x"].attrs["image_shape"] = value
    with pytest.raises(InputError, match="image_shape"):
        open_dataset(InputFile(tmp_path / "a.h5"))
    assert open_dataset(InputFile(tmp_path / "a.h5"), "data/x").image_shape is None


def test_labels_as_strings_of_variable_length_are_read_too(tmp_path, full_dataset, edit):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    with edit(tmp_path / "a.h5") as file:
        del file["data/y"]
        file["data/y"] = ["a", "bc", "ü", "", "e", "f", "g"]
    assert open_dataset(InputFile(tmp_path / "a.h5")).y.tolist() == [
        "a",
        "bc",
        "ü",
        "",
        "e",
        "f",
        "g",
    ]


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.long)])
def test_a_file_cut_at_any_byte_is_an_input_error(tmp_path, full_dataset, every):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    content = (tmp_path / "a.h5").read_bytes()
    cut = tmp_path / "cut.h5"
    sizes = (*range(0, 2000, 7), *range(2000, len(content), 211))
    for size in (*sizes[::every], len(content) - 1):
        cut.write_bytes(content[:size])
        for inner in (None, "/data/x"):
            with pytest.raises(InputError, match=r"cut\.h5"):
                open_dataset(InputFile(cut), inner)


@pytest.mark.parametrize("changes", [40, pytest.param(200, marks=pytest.mark.long)])
def test_a_file_with_any_byte_changed_is_read_or_refused(tmp_path, full_dataset, changes):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    content = (tmp_path / "a.h5").read_bytes()
    random = np.random.default_rng(5)
    outcomes = set()
    for _ in range(changes):
        changed = bytearray(content)
        changed[random.integers(5000)] = random.integers(256)
        (tmp_path / "b.h5").write_bytes(changed)
        try:
            opened = open_dataset(InputFile(tmp_path / "b.h5"))
        except InputError:
            outcomes.add("refused")
        else:
            assert opened.x.ndim == 2
            outcomes.add("read")
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize(
    "changes",
    [{"metadata": RowMetadata(y=np.zeros(6))}, {"metadata": RowMetadata(row_id=np.zeros((7, 1)))},
     {"metadata": RowMetadata(feature_names=("a",))}, {"metadata": RowMetadata(image_shape=(2, 2))},
     {"x": np.zeros(7)}, {"x": np.zeros((0, 6))}],
)  # fmt: skip
def test_a_dataset_that_contradicts_itself_cannot_be_made(rows, changes):
    with pytest.raises(InputError, match=r"^here: "):
        Dataset(**{"x": rows, "source": "here", **changes})


def test_text_that_hdf5_cannot_hold_is_refused(tmp_path, rows):
    names = ("a", "b", "c", "d", "e", "with\0nul")
    with pytest.raises(InputError, match="NUL"):
        write_dataset(
            tmp_path / "a.h5",
            Dataset(rows, "x", metadata=RowMetadata(feature_names=names)),
            force=False,
        )
    assert not any(tmp_path.iterdir())


def test_reading_imports_neither_compilers_nor_the_command_line():
    code = (
        "import sys\n"
        "import gpuae.storage.kinds.dataset_file, gpuae.storage.kinds.model_file\n"
        "import gpuae.storage.kinds.features\n"
        "heavy = {'numba', 'scipy', 'sklearn', 'click', 'rich', 'cupy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["y", "row_id", "feature_names"])
def test_what_does_not_fit_the_rows_is_not_read(tmp_path, full_dataset, edit, name):
    write_dataset(tmp_path / "a.h5", full_dataset, force=False)
    with edit(tmp_path / "a.h5") as file:
        del file[f"data/{name}"]
        options = {"chunks": (100_000,), "compression": "gzip"}
        file.create_dataset(f"data/{name}", data=np.ones(5_000_000, "S4"), **options)
    tracemalloc.start()
    with pytest.raises(InputError, match="one value for each of the"):
        open_dataset(InputFile(tmp_path / "a.h5"))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
