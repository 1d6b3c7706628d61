import bz2
import gzip
import hashlib
import lzma
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gpuae.errors import InputError
from gpuae.importers import table, table_header
from gpuae.importers.narrow import survive_as_written
from gpuae.importers.options import ReadOptions
from gpuae.storage.files import limits
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.rows import pages


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
    dataset = table.load(InputFile(path))
    np.testing.assert_array_equal(dataset.x, values)
    assert dataset.feature_names == tuple(names)
    assert dataset.y is None
    assert dataset.row_id is None
    assert dataset.notes == ()


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (("1", "0.25", "33554432", "-0.0"), "float32"),
        (("2460000.6", "2460000.7"), "float64"),
        (("1e-47", "1"), "float64"),
        (("1700000000.25", "1"), "float64"),
        (("16777217", "-123456789"), "float64"),
        (("1e39", "-1e300"), "float64"),
        (("1e17", "0.5"), "float64"),
        (("100000000000000000000", "0.5"), "float64"),
        (("9007199254740993", "-1"), "int64"),
        (("18446744073709551615", "1"), "uint64"),
    ],
)
def test_numbers_keep_their_value_and_take_as_little_room_as_that_allows(written, cells, dtype):
    dataset = table.load(InputFile(written("a\n" + "\n".join(cells))))
    assert dataset.x.dtype == dtype
    read = int if dtype.endswith("int64") else float
    assert [value for (value,) in dataset.x.tolist()] == list(map(read, cells))


@pytest.mark.parametrize("value", ["0.1", "-1.10", "12345.6", "0.12573022", "1.2573e-30", "3e-24"])
def test_decimals_of_float32_are_float32_unless_float64_is_computed_in(written, value):
    text = f"a\n{value}\n7\n"
    dataset = loaded(written, text)
    assert dataset.x.dtype == np.float32
    assert dataset.x[0, 0] == np.float32(value)
    assert loaded(written, text, wide=True).x[0, 0] == float(value)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(5, 17))
def test_what_is_narrowed_is_what_was_written(value, digits):
    decimal = float(f"{value:.{digits}g}")
    shortest = float(str(np.float32(decimal)))
    if survive_as_written(np.array([decimal])):
        assert decimal in (shortest, float(np.float32(decimal)))
    elif decimal != np.rint(decimal) and abs(np.float32(decimal)) >= np.finfo(np.float32).tiny:
        assert decimal != shortest


@pytest.mark.parametrize(
    "other", ["0.5", "99999999999999999999", "NA", pytest.param("9" * 5000, id="long")]
)
def test_integers_that_would_be_rounded_are_refused(written, other):
    path = written(f"a,b\n1,2\n9007199254740993,{other}\n")
    with pytest.raises(InputError, match="line 3, column 'a': '9007199254740993' is an integer"):
        table.load(InputFile(path), ReadOptions(missing=True))


@pytest.mark.parametrize("name", ["label", "Labels", "TARGET", "y", "class"])
@pytest.mark.parametrize(
    ("cells", "kind", "labels"),
    [
        (("1", "2"), "i", [1, 2]),
        (("1.5", "2"), "f", [1.5, 2]),
        (("cat", " dog"), "U", ["cat", "dog"]),
        (("1e-05", "-2"), "f", [1e-05, -2]),
        (("01", "1"), "U", ["01", "1"]),
        (("1.10", "1.1"), "U", ["1.10", "1.1"]),
        (("1.0", "1"), "U", ["1.0", "1"]),
        (("1E5", "2"), "U", ["1E5", "2"]),
        (("1_000", "2"), "U", ["1_000", "2"]),
        (("12345678901234567890123", "2"), "U", ["12345678901234567890123", "2"]),
        (("9007199254740993", "2"), "i", [9007199254740993, 2]),
        (("nan", "2"), "U", ["nan", "2"]),
    ],
)
def test_a_column_with_a_label_name_is_y_and_this_is_told(written, name, cells, kind, labels):
    dataset = table.load(InputFile(written(f"a,{name},b\n1,{cells[0]},2\n3,{cells[1]},4\n")))
    assert dataset.y.dtype.kind == kind
    assert dataset.y.tolist() == labels
    assert dataset.x.tolist() == [[1, 2], [3, 4]]
    assert dataset.feature_names == ("a", "b")
    assert dataset.notes == (f"the column {name!r} is taken as the labels y, not as a feature",)


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize(
    ("ids", "expected"), [((0, 1), [0, 1]), ((7, 8), [7, 8]), (("a 1", "b"), ["a 1", "b"])]
)
def test_an_unnamed_first_column_that_counts_or_names_rows_is_row_id(written, name, ids, expected):
    dataset = table.load(InputFile(written(f"{name},a\n{ids[0]},1.5\n{ids[1]},2.5\n")))
    assert dataset.row_id.tolist() == expected
    assert dataset.x.tolist() == [[1.5], [2.5]]
    assert dataset.notes == ("the unnamed first column is taken as row_id",)


def test_an_unnamed_first_column_of_other_numbers_is_a_feature(written):
    dataset = table.load(InputFile(written(",a\n3.00,1\n9.00,2\n")))
    assert dataset.row_id is None
    assert dataset.feature_names == ("column 1", "a")
    assert dataset.x.tolist() == [[3, 1], [9, 2]]


def test_quotes_byte_order_mark_blank_lines_and_blanks_are_understood(written):
    text = '\ufeff\n"name, with comma", b \n"1", 2\n\n 3,"4"\n'
    dataset = table.load(InputFile(written(text)))
    assert dataset.feature_names == ("name, with comma", "b")
    assert dataset.x.tolist() == [[1, 2], [3, 4]]


def test_a_label_with_a_line_break_does_not_shift_the_rows(written):
    dataset = table.load(InputFile(written('a,label,b\n1,"two\nlines",2\n3,one,4\n')))
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
        table.load(InputFile(path))
    assert str(caught.value).startswith(f"{path}: ")


def test_text_in_another_encoding_is_refused(written):
    with pytest.raises(InputError, match="is not UTF-8 text"):
        table.load(InputFile(written("größe,b\n1,2\n", encoding="latin-1")))


def test_a_cell_that_never_ends_is_refused(written):
    with pytest.raises(InputError, match="cannot be split into cells"):
        table.load(InputFile(written('a,b\n1,"' + "2" * 200_000)))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("anything\n3\n4\n", [3, 4]),
        (",anything\n0,a\n1,b\n", ["a", "b"]),
        ("a,label\n0.5,1\n0.6,2\n", [1, 2]),
    ],
)
def test_labels_are_the_only_column_or_the_one_with_that_name(written, text, labels):
    assert table.load_labels(InputFile(written(text)), 2).tolist() == labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [("cat\ndog\n", ["cat", "dog"]), ("3\n4\n", [3, 4]), ("0,cat\n1,dog\n", None)],
)
def test_labels_need_no_header_where_their_number_tells_that_there_is_none(written, text, labels):
    path = written(text)
    if labels is None:
        with pytest.raises(InputError, match="has 2 columns"):
            table.load_labels(InputFile(path), 2)
    else:
        assert table.load_labels(InputFile(path), 2).tolist() == labels


def test_labels_are_not_guessed_among_several_columns(written):
    with pytest.raises(InputError, match="has 2 columns; name the one of labels `label`"):
        table.load_labels(InputFile(written("a,b\n1,2\n")), 1)


def test_real_spectra_are_read_within_a_second(shared_data):
    start = time.process_time()
    dataset = table.load(InputFile(shared_data / "spectra" / "milk.csv"))
    assert time.process_time() - start < 1
    assert dataset.x.shape == (450, 601)
    assert dataset.x[0, 0] == 2.39752603
    assert sorted(set(dataset.y.tolist())) == list(range(1, 10))
    assert dataset.row_id[1] == "1/02/2018.1"
    assert dataset.feature_names[:2] == ("2", "3")


# Columns that a person, or a model, chooses

CHOOSABLE = "sample,a,b,y,comment\ns1,1,2,3,good\ns2,4,5,6,bad\n"


def loaded(written, text=CHOOSABLE, **options):
    return table.load(InputFile(written(text)), ReadOptions(**options))


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


@pytest.mark.parametrize("cell", ["?", "-999", "-999.0"])
def test_other_cells_stand_for_missing_values_where_that_is_said(written, cell):
    text = f"a,b\n1,{cell}\n3,4\n"
    dataset = loaded(written, text, missing=True, na_values=("?", "-999"))
    np.testing.assert_array_equal(dataset.x, [[1, np.nan], [3, 4]])
    with pytest.raises(InputError, match=f"1 cell seems to stand for .* .'{cell}'.*line 2, col"):
        loaded(written, text, na_values=("?", "-999"))


def test_missing_values_are_told_from_text(written):
    message = r"2 cells seem to stand for missing values \('NA', 'null'\), the first at line 2"
    with pytest.raises(InputError, match=message) as caught:
        loaded(written, "a,b\n1,NA\nnull,4\n")
    assert "missing=mean" in str(caught.value)


def test_all_columns_of_text_are_told_at_once(written):
    with pytest.raises(InputError) as caught:
        loaded(written, "name,a,town\nAda,1,Ulm\nBob,2,Bern\n")
    assert "2 columns hold text: 'name' (line 2: 'Ada'), 'town' (line 2: 'Ulm')" in str(
        caught.value
    )
    assert "say what text means by --categorical, --times" in str(caught.value)


# Headers


IRIS = "5.5,3.5,setosa\n4.25,3.0,setosa\n"
SPECTRA = ",".join(map(str, range(400, 416, 2)))


@pytest.mark.parametrize(
    "text",
    [IRIS, "sample,400,402\ns1,1,2\n", "1,NA,x\n2,3,y\n", "7,,x\n2,3,y\n", "1,2,y\n3,4,n\n"],
)
def test_a_first_row_that_may_be_one_of_the_rows_is_not_lost(written, text):
    with pytest.raises(InputError, match="may name the columns or be the first of the rows"):
        loaded(written, text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,400,402\n1,1,2\n", ("a", "400", "402")),
        (",400,402\n0,1,2\n1,3,4\n", ("400", "402")),
        ("label,400,402\nx,1,2\n", ("400", "402")),
        ("sample,400,b\ns1,1,2\n", None),
    ],
)
def test_numbers_are_names_beside_a_name_that_can_be_nothing_else(written, text, names):
    if names is None:
        names, text = ("400", "b"), text.replace("sample", "row_id")
    assert loaded(written, text).feature_names == names


def test_many_numbers_that_only_ascend_are_names_and_this_is_told(written):
    text = f"sample,{SPECTRA}\ns1{',1' * 8}\n"
    dataset = loaded(written, text, id_column="sample")
    assert dataset.feature_names == tuple(SPECTRA.split(","))
    assert "the first row is taken as names of the columns; if not, say which" in dataset.notes[0]


def test_without_a_header_columns_are_known_by_number(written):
    dataset = loaded(written, IRIS, header=False, label_column="3")
    assert dataset.x.tolist() == [[5.5, 3.5], [4.25, 3.0]]
    assert dataset.y.tolist() == ["setosa", "setosa"]
    assert dataset.feature_names is None
    with pytest.raises(InputError, match="line 1, column 'column 3': 'setosa' is not a number"):
        loaded(written, IRIS, header=False)


def test_a_header_may_be_all_numbers_where_that_is_said(written):
    dataset = loaded(written, "400.5,402\n1,2\n", header=True)
    assert dataset.feature_names == ("400.5", "402")
    assert dataset.x.tolist() == [[1, 2]]


# Ways of writing a table


ROWS = [[1, 2.5], [-3, 4.5e1]]


@pytest.mark.parametrize(
    "text",
    [
        "a|b\n1|2.5\n-3|4.5e1\n",
        "a b\n1 2.5\n-3 4.5e1\n",
        "  a    b  \r\n  1  2.5\r\n -3 4.5e1\r\n",
        "# made by hand\n# a b\n1 2.5\n-3 4.5e1\n",
        "# a,b\n1,2.5\n-3,4.5e1\n",
        "a,b\r1,2.5\r-3,4.5e1\r",
        "# one comment, of two\n\n# another\na,b\n1,2.5\n-3,4.5e1\n",
    ],
)
def test_pipes_blanks_and_comments_are_understood(written, text):
    dataset = table.load(InputFile(written(text)))
    assert dataset.feature_names == ("a", "b")
    assert dataset.x.tolist() == ROWS


def test_lines_are_counted_with_comments(written):
    with pytest.raises(InputError, match="line 5, column 'b': 'x' is not a number"):
        table.load(InputFile(written("# one\n# two\na b\n1 2\n3 x\n")))


def test_names_may_hold_blanks(written):
    dataset = table.load(InputFile(written("body mass\n3\n4\n")))
    assert dataset.feature_names == ("body mass",)


def test_decimal_commas_are_read_where_that_is_said(written):
    text = "name;a;b\n1,5;1;2,5\n2,5;-3;4,5e1\n"
    dataset = loaded(written, text, decimal=",", id_column="name")
    assert dataset.x.tolist() == ROWS
    assert dataset.row_id.tolist() == ["1,5", "2,5"]
    with pytest.raises(InputError, match="'2,5' is not a number; if its comma is decimal"):
        loaded(written, text, id_column="name")
    with pytest.raises(InputError, match=r"line 2, column 'b': '1\.000' is not a number"):
        loaded(written, "a;b\n1;1.000\n", decimal=",")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_tables_are_read_but_no_more_than_they_may_hold(written, pack, monkeypatch):
    path = written("")
    path.write_bytes(pack(b"a,b\n1,2.5\n-3,4.5e1\n"))
    assert table.load(InputFile(path)).x.tolist() == ROWS
    path.write_bytes(pack(b"a,b\n" + b"1,2\n" * 100_000))
    monkeypatch.setattr(limits, "CAREFUL", replace(limits.CAREFUL, inflation=2, free_bytes=1000))
    monkeypatch.setattr(limits, "_stack", [limits.CAREFUL])
    with pytest.raises(InputError, match="unpacks to over 2 times its size; give --trust-size"):
        table.load(InputFile(path))
    path.write_bytes(pack(b"a,b\n1,2\n")[:-3])
    with pytest.raises(InputError, match="cannot be read"):
        table.load(InputFile(path))


def test_the_wide_text_of_spreadsheets_is_read(written):
    assert (
        table.load(InputFile(written("a\tb\n1\t2.5\n-3\t4.5e1\n", encoding="utf-16"))).x.tolist()
        == ROWS
    )


@pytest.mark.parametrize("name", ["id", "sample_id", "t"])
def test_a_feature_that_may_identify_rows_is_told(written, name):
    text = f"{name},b\n4,1\n5,1\n6,1\n"
    (note,) = loaded(written, text).notes
    assert note.startswith(f"the column {name!r} is taken as a feature; if it identifies the rows")
    assert loaded(written, text, columns=f"{name},b").notes == ()


# Sizes


def test_a_header_of_many_names_is_read(written):
    names = [f"gene {number:07}" for number in range(14_000)]
    path = written(",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n")
    assert table.load(InputFile(path)).feature_names == tuple(names)


def test_more_columns_than_any_table_has_are_refused(written, monkeypatch):
    monkeypatch.setattr(table_header, "MOST_COLUMNS", 2)
    with pytest.raises(InputError, match="has 3 columns, more than a table of text may have"):
        table.load(InputFile(written("a,b,c\n1,2,3\n")))


def test_more_numbers_than_memory_are_in_a_file(written):
    path = written("a,b\n" + "1.5,0.1\n" * 100 + "2460000.6,3\n")
    few, many = (table.load(InputFile(path), memory=most) for most in (500, 5000))
    assert (pages.is_in_memory(few.x), pages.is_in_memory(many.x)) == (False, True)
    assert few.x.dtype == many.x.dtype == np.float64
    np.testing.assert_array_equal(few.x, many.x)


def test_the_hash_of_a_table_is_known_when_it_has_been_read(written, monkeypatch):
    file = InputFile(written("a,b\n1,2\n"))
    table.load(file)
    monkeypatch.setattr(InputFile, "blocks", lambda _: pytest.fail("was read again"))
    assert file.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_so_is_that_of_a_packed_one_of_several_members(tmp_path, monkeypatch, pack):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(pack(b"a,b\n1,") + pack(b"") + pack(b"2\n"))
    file = InputFile(path)
    assert table.load(file).x.tolist() == [[1, 2]]
    monkeypatch.setattr(InputFile, "blocks", lambda _: pytest.fail("was read again"))
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_labels_that_do_not_fit_into_memory_are_refused_before_they_are_read(written, monkeypatch):
    path = written("a\n" + "1\n" * 200)
    monkeypatch.setattr("gpuae.storage.files.limits.physical_memory", lambda: 2000)
    monkeypatch.setattr(InputFile, "blocks", lambda _: pytest.fail("was read"))
    with pytest.raises(InputError, match=r"memory; convert it in parts .* npy or HDF5"):
        table.load_labels(InputFile(path), 200)


def test_one_long_label_does_not_make_all_of_them_long(written):
    path = written("a,label\n1," + "b" * 100_000 + "\n" + "1,b\n" * 4000)
    with pytest.raises(InputError, match="holds over 1024 MiB of text; shorten it"):
        table.load(InputFile(path))


def test_a_message_shows_little_of_a_long_cell(written):
    with pytest.raises(InputError, match="line 2, column 'b'") as caught:
        table.load(InputFile(written("a,b\n1," + "x" * 100_000)))
    assert len(str(caught.value)) < 400
