import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpuae.errors import InputError
from gpuae.importers import table
from gpuae.importers.options import ReadOptions


@pytest.fixture
def written(tmp_path):
    def write(text, name="a.csv", encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    return write


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays("f4", hnp.array_shapes(min_dims=2, max_dims=2), elements=FINITE),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_of_numbers_survives(tmp_path_factory, values, delimiter, end):
    names = [f"column {i}" for i in range(values.shape[1])]
    lines = [names, *([repr(float(cell)) for cell in row] for row in values)]
    path = tmp_path_factory.mktemp("table") / "a.csv"
    path.write_bytes("".join(delimiter.join(line) + end for line in lines).encode())
    dataset = table.load(path)
    np.testing.assert_array_equal(dataset.x, values)
    assert dataset.feature_names == tuple(names)
    assert dataset.y is None
    assert dataset.row_id is None
    assert dataset.notes == ()


def test_values_are_float32(written):
    assert table.load(written("a,b\n0.1,2\n")).x.dtype == np.float32


@pytest.mark.parametrize("value", ["16777217", "-123456789", "1e39", "-1e300"])
def test_values_that_float32_would_lose_are_kept_as_float64(written, value):
    dataset = table.load(written(f"a,b\n0.1,{value}\n"))
    assert dataset.x.dtype == np.float64
    assert dataset.x[0, 1] == float(value)


def test_large_integers_that_float32_holds_do_not_double_the_size(written):
    assert table.load(written("a,b\n0.1,33554432\n")).x.dtype == np.float32


@pytest.mark.parametrize("name", ["label", "Labels", "TARGET", "y", "class"])
@pytest.mark.parametrize(
    ("cells", "kind", "labels"),
    [
        (("1", "2"), "i", [1, 2]),
        (("1.5", "2"), "f", [1.5, 2]),
        (("cat", " dog"), "U", ["cat", "dog"]),
    ],
)
def test_a_column_with_a_label_name_is_y_and_this_is_told(written, name, cells, kind, labels):
    dataset = table.load(written(f"a,{name},b\n1,{cells[0]},2\n3,{cells[1]},4\n"))
    assert dataset.y.dtype.kind == kind
    assert dataset.y.tolist() == labels
    assert dataset.x.tolist() == [[1, 2], [3, 4]]
    assert dataset.feature_names == ("a", "b")
    assert dataset.notes == (f"the column {name!r} is taken as the labels y",)


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize(
    ("ids", "expected"), [((0, 1), [0, 1]), ((7, 8), [7, 8]), (("a 1", "b"), ["a 1", "b"])]
)
def test_an_unnamed_first_column_that_counts_or_names_rows_is_row_id(written, name, ids, expected):
    dataset = table.load(written(f"{name},a\n{ids[0]},1.5\n{ids[1]},2.5\n"))
    assert dataset.row_id.tolist() == expected
    assert dataset.x.tolist() == [[1.5], [2.5]]
    assert dataset.notes == ("the unnamed first column is taken as row_id",)


def test_an_unnamed_first_column_of_other_numbers_is_a_feature(written):
    dataset = table.load(written(",a\n3,1\n9,2\n"))
    assert dataset.row_id is None
    assert dataset.feature_names == ("column 1", "a")
    assert dataset.x.tolist() == [[3, 1], [9, 2]]


def test_quotes_byte_order_mark_blank_lines_and_blanks_are_understood(written):
    text = '\ufeff\n"name, with comma", b \n"1", 2\n\n 3,"4"\n'
    dataset = table.load(written(text))
    assert dataset.feature_names == ("name, with comma", "b")
    assert dataset.x.tolist() == [[1, 2], [3, 4]]


def test_a_label_with_a_line_break_does_not_shift_the_rows(written):
    dataset = table.load(written('a,label,b\n1,"two\nlines",2\n3,one,4\n'))
    assert dataset.y.tolist() == ["two\nlines", "one"]
    assert dataset.x.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,4\n", "first row is all numbers, so there is no header"),
        ("400.5;402\n3;4\n", "first row is all numbers, so there is no header"),
        ("a,b\n", "has a header and no rows"),
        ("\n\n", "has no header"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells and the header 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells and the header 2"),
        ("a,b\n1,2\nx1,4\n", "line 3, column 'a': 'x1' is not a number"),
        ("a;b\n1;2,5\n", "line 2, column 'b': '2,5' is not a number"),
        ("a,b\n1,1_000\n", "line 2, column 'b': '1_000' is not a number"),
        ("a,\n1,?\n", r"line 2, column 'column 2': '\?' is not a number"),
        ("a,b\n1,\n ,4\n", "2 cells are empty, the first at line 2, column 'b'"),
        ("y,label,b\n1,2,3\n", "'y' and 'label' could all be the labels; give --label-column"),
        ("label\n1\n", "no column of features"),
        (",label\n0,1\n1,1\n", "no column of features"),
        ("a,b\n1,\0\n", "NUL"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(written, text, message):
    path = written(text)
    with pytest.raises(InputError, match=message) as caught:
        table.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_text_in_another_encoding_is_refused(written):
    with pytest.raises(InputError, match="is not UTF-8 text"):
        table.load(written("größe,b\n1,2\n", encoding="latin-1"))


def test_a_cell_that_never_ends_is_refused(written):
    with pytest.raises(InputError, match="cannot be split into cells"):
        table.load(written('a,b\n1,"' + "2" * 200_000))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("anything\n3\n4\n", [3, 4]),
        (",anything\n0,a\n1,b\n", ["a", "b"]),
        ("a,label\n0.5,1\n0.6,2\n", [1, 2]),
    ],
)
def test_labels_are_the_only_column_or_the_one_with_that_name(written, text, labels):
    assert table.load_labels(written(text)).tolist() == labels


def test_labels_are_not_guessed_among_several_columns(written):
    with pytest.raises(InputError, match="has 2 columns; name the one of labels `label`"):
        table.load_labels(written("a,b\n1,2\n"))


def test_real_spectra_are_read_within_a_second(shared_data):
    start = time.perf_counter()
    dataset = table.load(shared_data / "spectra" / "milk.csv")
    assert time.perf_counter() - start < 1
    assert dataset.x.shape == (450, 601)
    assert dataset.x[0, 0] == np.float32(2.39752603)
    assert sorted(set(dataset.y.tolist())) == list(range(1, 10))
    assert dataset.row_id[1] == "1/02/2018.1"
    assert dataset.feature_names[:2] == ("2", "3")


# Columns that a person, or a model, chooses

CHOOSABLE = "sample,a,b,y,comment\ns1,1,2,3,good\ns2,4,5,6,bad\n"


def loaded(written, text=CHOOSABLE, **options):
    return table.load(written(text), ReadOptions(**options))


def test_columns_are_chosen_in_the_order_given_and_the_rest_is_not_read(written):
    dataset = loaded(written, columns="b,a", id_column="sample", label_column="comment")
    assert dataset.feature_names == ("b", "a")
    assert dataset.x.tolist() == [[2, 1], [5, 4]]
    assert dataset.row_id.tolist() == ["s1", "s2"]
    assert dataset.y.tolist() == ["good", "bad"]
    assert dataset.notes == ()


def test_a_column_that_is_asked_for_is_a_feature_whatever_its_name(written):
    dataset = loaded(written, columns="a,y")
    assert dataset.feature_names == ("a", "y")
    assert dataset.y is None


def test_a_range_passes_over_labels_and_ids(written):
    dataset = loaded(written, columns="1-4", id_column="sample")
    assert dataset.feature_names == ("a", "b")
    assert dataset.y.tolist() == [3, 6]


def test_a_column_named_row_id_identifies_rows(written):
    dataset = loaded(written, "row_id,a\nx,1\ny,2\n")
    assert dataset.row_id.tolist() == ["x", "y"]
    assert dataset.notes == ("the column 'row_id' is taken as the row_id",)


def test_an_index_gives_way_to_a_column_of_ids(written):
    dataset = loaded(written, ",name,a\n0,u,1\n1,v,2\n", id_column="name")
    assert dataset.row_id.tolist() == ["u", "v"]
    assert dataset.feature_names == ("a",)
    assert dataset.notes == ("the unnamed first column is an index and left out",)


def test_the_columns_of_a_model_are_taken_by_name(written):
    dataset = loaded(written, names=("y", "a"), names_of="m.h5")
    assert dataset.feature_names == ("y", "a")
    assert dataset.x.tolist() == [[3, 1], [6, 4]]
    assert dataset.y is None
    assert dataset.notes == ("of 5 columns the 2 columns of m.h5 are taken by name",)


def test_nothing_is_said_where_the_columns_are_the_models(written):
    text = ",a,b,label\n0,1,2,3\n1,4,5,6\n"
    dataset = loaded(written, text, names=("a", "b"), names_of="m.h5")
    assert dataset.row_id.tolist() == [0, 1]
    assert [note for note in dataset.notes if "m.h5" in note] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": "c"}, "--columns: no column is named 'c'"),
        ({"id_column": "samples"}, "--id-column: no column is named 'samples'; did you mean 'sam"),
        ({"label_column": "a", "columns": "a,b"}, "--label-column: 'a' is one of the features"),
        ({"columns": "a,comment"}, "line 2, column 'comment': 'good' is not a number"),
        ({"names": ("a", "bb"), "names_of": "m.h5"}, "lacks 1 column of m.h5, the first is 'bb'"),
    ],
)
def test_columns_that_cannot_be_had_are_refused(written, options, message):
    with pytest.raises(InputError, match=message):
        loaded(written, **options)


# Values that are missing


@pytest.mark.parametrize("cell", ["", " ", "NA", "nan", "NaN", "null", "n/a"])
def test_values_may_be_missing_where_that_is_said(written, cell):
    text = f"a,b\n1,{cell}\n3,4\n"
    dataset = loaded(written, text, missing=True)
    np.testing.assert_array_equal(dataset.x, np.array([[1, np.nan], [3, 4]], np.float32))
    assert dataset.x.dtype == np.float32


def test_other_words_are_no_missing_values(written):
    with pytest.raises(InputError, match="line 3, column 'b': 'none' is not a number"):
        loaded(written, "a,b\n1,\n3,none\n", missing=True)


# Sizes


def test_a_table_that_does_not_fit_into_memory_is_refused_before_it_is_read(written, monkeypatch):
    path = written("a,b\n" + "1,2\n" * 100)
    monkeypatch.setattr("gpuae.storage.limits.physical_memory", lambda: 2000)
    monkeypatch.setattr(type(path), "read_text", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(InputError, match=r"memory; convert it in parts .* npy or HDF5"):
        table.load(path)


def test_one_long_label_does_not_make_all_of_them_long(written):
    path = written("a,label\n1," + "b" * 100_000 + "\n" + "1,b\n" * 4000)
    with pytest.raises(InputError, match="holds over 1024 MiB of text; shorten it"):
        table.load(path)


def test_a_message_shows_little_of_a_long_cell(written):
    with pytest.raises(InputError, match="line 2, column 'b'") as caught:
        table.load(written("a,b\n1," + "x" * 100_000))
    assert len(str(caught.value)) < 400
