"""Data frames in HDF5 as pandas writes them, tables of PyTables, and records of h5py."""

import pickle
import warnings

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import ReadOptions, open_data, pandas_hdf5
from gpuae.importers.pickled_list import unpickled_list

pd = pytest.importorskip("pandas")
tables = pytest.importorskip("tables")

LAYOUTS = (
    {"format": "fixed"},
    {"format": "table"},
    {"format": "table", "data_columns": True},
    {"format": "table", "complevel": 5, "complib": "zlib"},
)
each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda own: "-".join(map(str, own)))


def frame(**columns):
    mixed = {
        "length": [1.5, 2.5, 3.5],
        "count": np.array([4, 5, 6], np.int32),
        "width": [7.0, np.nan, 9.0],
        "big": [True, False, True],
        "when": pd.date_range("2024-05-17", periods=3),
    }
    return pd.DataFrame({**mixed, **columns}, index=["r1", "r2", "r3"])


@pytest.fixture
def save(tmp_path):
    """A function that writes a data frame and returns the path of the file."""

    def save(data, key="df", mode="w", name="frame.h5", **layout):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of objects that pandas pickles
            data.to_hdf(tmp_path / name, key=key, mode=mode, index=False, **layout)
        return str(tmp_path / name)

    return save


def refused(spec, words, **options):
    with pytest.raises(InputError, match=words) as caught:
        open_data(spec, options=ReadOptions(**options))
    assert "\n" not in str(caught.value)


@each_layout
def test_columns_keep_names_and_order_and_the_index_identifies_rows(save, layout):
    path = save(frame(), **layout)
    dataset = open_data(path, options=ReadOptions(missing=True))
    assert dataset.feature_names == ("length", "count", "width", "big")
    expected = [[1.5, 4, 7, 1], [2.5, 5, np.nan, 0], [3.5, 6, 9, 1]]
    np.testing.assert_array_equal(dataset.x, expected)
    assert dataset.row_id.tolist() == ["r1", "r2", "r3"]
    assert "left out, because they hold no numbers: when" in dataset.notes
    assert dataset.source == f"{path}::/df"
    assert len(open_data(f"{path}::/df").x) == 3


@pytest.mark.parametrize("layout", LAYOUTS[:2])
def test_numbers_keep_their_type_and_a_count_of_rows_is_no_index(save, layout):
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    dataset = open_data(save(pd.DataFrame(values, columns=[10, 20, 30]), **layout))
    np.testing.assert_array_equal(dataset.x, values)
    assert dataset.x.dtype == np.float32
    assert dataset.feature_names == ("10", "20", "30")
    assert dataset.row_id is None


@each_layout
def test_chosen_columns_labels_and_ids(save, layout):
    path = save(frame(target=[3, 1, 2]), **layout)
    options = ReadOptions(
        columns="width,length", id_column="when", weight_column="count", missing=True
    )
    dataset = open_data(path, options=options)
    assert dataset.weights.tolist() == [4, 5, 6]
    assert dataset.feature_names == ("width", "length")
    assert dataset.y.tolist() == [3, 1, 2]
    assert dataset.row_id[1].startswith("2024-05-18T00:00:00")


def test_text_and_categories_are_labels_in_the_layout_that_does_not_pickle_them(save):
    species = ["setosa", "ünlü", "setosa"]
    for values, layout in zip((species, pd.Categorical(species)), LAYOUTS[1:3], strict=True):
        path = save(frame(species=values), **layout)
        assert "left out, because they hold no numbers: when, species" in open_data(path).notes
        labelled = open_data(path, options=ReadOptions(label_column="species"))
        assert labelled.y.tolist() == species


def test_categories_and_times_become_columns(save):
    path = save(frame(species=["u", "v", "u"]), format="table")
    options = ReadOptions(columns="length", categorical="species", times="when")
    dataset = open_data(path, options=options)
    assert dataset.feature_names[:2] == ("length", "when")
    first = pd.Timestamp("2024-05-17").timestamp()
    np.testing.assert_array_equal(dataset.x[:2], [[1.5, first, 1, 0], [2.5, first + 86400, 0, 1]])
    refused(path, "'count' holds numbers, not dates or times", times="count")
    path = save(frame(species=["u", "v", "u"]))
    refused(path, "'species' holds Python objects", categorical="species")


def test_pickled_objects_are_named_and_never_unpickled(save, monkeypatch):
    path = save(frame(species=["a", "b", "c"]))
    monkeypatch.setattr(pickle, "loads", None)
    notes = open_data(path).notes
    assert any("hold Python objects (pickled" in note and "species" in note for note in notes)
    refused(path, "'species' holds Python objects", columns="species")
    refused(path, "'species' holds Python objects", label_column="species")


def test_of_several_data_frames_one_is_named(save):
    path = save(frame())
    save(frame(), key="more/df", mode="a")
    refused(path, r"has several tables; give one of them: .*::/df, .*::/more/df")
    assert len(open_data(f"{path}::/more/df").x) == 3


def test_what_is_no_plain_data_frame_is_refused_in_a_sentence(save):
    several = pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")]))
    refused(save(several), "has columns of several levels")
    refused(f"{save(pd.Series([1.0, 2]))}::/df", "what pandas calls series")
    refused(save(pd.DataFrame(np.eye(2), columns=["a", 1])), "keeps names of columns as Python obj")
    refused(save(pd.DataFrame({"when": pd.date_range("2024", periods=2)})), "no column of numbers")


def test_large_integers_are_not_rounded(save):
    path = save(pd.DataFrame({"a": [2**60 + 1, 2], "b": [0.5, 1.5]}))
    refused(path, "'a' holds integers that float64 would round")
    assert open_data(path, options=ReadOptions(columns="a")).x[0, 0] == 2**60 + 1


def test_a_frame_larger_than_the_memory_given_is_mapped(save):
    values = np.random.default_rng(0).normal(size=(300, 4))
    for layout in LAYOUTS[:2]:
        x = open_data(save(pd.DataFrame(values), **layout), memory=100).x
        assert isinstance(x, np.memmap)
        np.testing.assert_array_equal(x, values)


class Reading(tables.IsDescription):
    time = tables.Int64Col(pos=0)
    name = tables.StringCol(8, pos=1)
    channels = tables.Float32Col(shape=(2,), pos=2)


def test_a_table_of_pytables_has_a_column_for_each_number_of_its_fields(tmp_path):
    path = str(tmp_path / "table.h5")
    with tables.open_file(path, "w") as file:
        table = file.create_table("/run", "readings", Reading, createparents=True)
        table.append([(1, b"a", (0.5, 1.5)), (2, b"b", (2.5, 3.5))])
        file.create_array("/", "plain", np.eye(3))
    for spec in (path, f"{path}::/run/readings"):
        dataset = open_data(spec)
        assert dataset.feature_names == ("time", "channels_0", "channels_1")
        np.testing.assert_array_equal(dataset.x, [[1, 0.5, 1.5], [2, 2.5, 3.5]])
    np.testing.assert_array_equal(open_data(f"{path}::/plain").x, np.eye(3))


def test_records_of_h5py_are_columns_with_names(tmp_path):
    records = np.array([(1, 2.5, b"x"), (3, 4.5, b"y")], "i4,f4,S1")
    path = tmp_path / "records.h5"
    with h5py.File(path, "w") as file:
        file["deep/records"] = records
        text = [("a", "f8"), ("words", h5py.string_dtype())]
        file.create_dataset("pointing", data=np.array([(1.0, "x")], text))
    dataset = open_data(f"{path}::/deep/records", options=ReadOptions(label_column="f2"))
    np.testing.assert_array_equal(dataset.x, [[1, 2.5], [3, 4.5]])
    assert dataset.y.tolist() == ["x", "y"]
    refused(f"{path}::/pointing", "holds records where numbers are needed")


@pytest.mark.parametrize("protocol", range(6))
def test_a_list_of_names_is_read_from_a_pickle_of_any_protocol(protocol):
    for value in (["a", "b", "a", "ü"], [1, 70_000, 2**40, -3, 0.5], [], [(1, ["a", ("b", 2)])]):
        found = unpickled_list(pickle.dumps(value, protocol))
        assert pickle.loads(pickle.dumps(value)) == [*map(_tuples, found)]


def _tuples(value):
    if isinstance(value, list) and value[:1] == [1]:
        return (1, ["a", ("b", 2)])
    return value


@pytest.mark.parametrize("levels", [60, 3000])
def test_names_of_which_the_text_has_no_end_are_no_names(levels):
    nested = ["a"]
    for _ in range(levels):
        nested = [nested, nested]
    assert pandas_hdf5._as_names(nested) is None
    assert pandas_hdf5._as_names(["a", 2, ["b", 3]]) == ["a", "2", "['b', 3]"]


class Harmful:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_do_anything_is_not_followed(protocol, capsys):
    for value in ([Harmful()], [b"bytes"], {"a": 1}, [np.int64(3)], "text"):
        assert unpickled_list(pickle.dumps(value, protocol)) is None
    content = pickle.dumps(["a", "b"], protocol)
    for end in range(len(content)):
        assert unpickled_list(content[:end]) is None
    assert capsys.readouterr().out == ""


def test_columns_of_different_lengths_are_refused(save):
    path = save(frame(), format="fixed")
    with h5py.File(path, "r+") as file:
        del file["df/block0_values"]
        file["df/block0_values"] = np.ones((4, file["df/block0_items"].shape[0]))
    chosen = {"columns": "length,width", "label_column": "count"}
    refused(path, r"has columns of \[3, 4\] rows; write it again", **chosen)
