"""Columns of categories and of times: what becomes of a table's cells, by csv and by parquet."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpuae.errors import InputError
from gpuae.importers import ReadOptions, open_data
from gpuae.importers import categories as found
from gpuae.importers.times import seconds
from gpuae.storage.kinds.dataset_file import write_dataset
from gpuae.storage.rows.categorical import CategoricalColumn

TABLE = "mass,colour,size,when\n1,red,0.1,1970-01-02\n2, blue ,0.2,1970-01-01T01:00:00\n3,red,0.3,"
WHOLE = TABLE + "1970-01-01T00:00:00.5+00:30\n"


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Read a text as a table."""
    monkeypatch.chdir(tmp_path)

    def read(text, **options):
        (tmp_path / "a.csv").write_text(text)
        return open_data("a.csv", options=ReadOptions(**options))

    return read


def test_numbers_come_first_and_each_category_has_a_column(opened):
    data = opened(WHOLE, columns="mass,size", categorical="colour")
    assert data.feature_names == ("mass", "size", "colour=blue", "colour=red")
    assert data.x.tolist() == np.float32([[1, 0.1, 0, 1], [2, 0.2, 1, 0], [3, 0.3, 0, 1]]).tolist()
    assert data.categorical == (CategoricalColumn("colour", ("blue", "red")),)


def test_times_are_seconds_since_1970_among_the_numbers(opened):
    data = opened(WHOLE, categorical="2", times="when")
    assert data.feature_names[:3] == ("mass", "size", "when")
    assert data.x[:, 2].tolist() == [86400.0, 3600.0, -1799.5]
    assert data.x[:, 1].tolist() == [0.1, 0.2, 0.3]
    assert data.x.dtype == np.float64


def test_a_table_of_categories_alone_is_bytes(opened):
    data = opened("a,b\nx,u\ny,u\n", categorical="a:b")
    assert data.x.dtype == np.uint8
    assert data.x.tolist() == [[1, 0, 1], [0, 1, 1]]


def test_a_table_without_names_finds_its_columns_by_number(opened):
    data = opened("1,red\n2,blue\n", header=False, categorical="2")
    assert data.feature_names is None
    known = opened("1,blue\n", header=False, known=data.categorical, names_of="m.h5")
    assert known.x.tolist() == [[1, 1, 0]]


def test_labels_and_ids_are_no_categories_unless_they_are_named(opened):
    text = "row_id,label,colour,mass\na,1,red,1\nb,2,blue,2\n"
    data = opened(text, categorical="colour")
    assert data.y.tolist() == [1, 2]
    assert data.row_id.tolist() == ["a", "b"]
    named = opened(text, categorical="label,colour")
    assert named.y is None
    assert named.feature_names[1:3] == ("label=1", "label=2")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (WHOLE, {"categorical": "hue"}, "--categorical: no column is named 'hue'"),
        (WHOLE, {"categorical": "colour,colour"}, "--categorical: .* twice"),
        (WHOLE, {"categorical": "colour", "times": "colour"}, "--times: 'colour' is a column of c"),
        (WHOLE, {"categorical": "colour", "label_column": "colour"}, "only one thing"),
        (WHOLE, {"columns": "size", "times": "mass"}, "row 1, column 'mass': '1' is no date"),
        ("a,b\n1,x\n2,\n3,\n", {"categorical": "b"}, "2 cells of the column 'b' hold no category"),
        ("a,t\n1,2026-01-01\n2,\n", {"times": "t"}, "1 times of the column 't' are missing.*row 2"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(opened, text, options, message):
    with pytest.raises(InputError, match=message):
        opened(text, **options)


def test_too_many_values_are_perhaps_an_id(opened):
    text = "a,b\n" + "".join(f"{n},v{n}\n" for n in range(1001))
    with pytest.raises(InputError, match=r"1,001 different values.*perhaps an id"):
        opened(text, categorical="b")
    assert opened(text.rsplit("\n", 2)[0] + "\n", categorical="b").x.shape == (1000, 1001)


def test_an_empty_cell_is_a_category_of_its_own_where_values_may_be_missing(opened):
    text = "a,b,t\n1,x,2026-01-01\n2,,\n3,?,2026-01-01\n"
    data = opened(text, categorical="b", times="t", missing=True, na_values=("?",))
    assert data.categorical[0].values == ("", "x")
    assert data.x[:, 2:].tolist() == [[0, 1], [1, 0], [1, 0]]
    assert np.isnan(data.x[1, 1])


def test_a_category_that_is_not_known_is_refused_or_counts_as_none(opened):
    known = opened(WHOLE, columns="mass", categorical="colour").categorical
    own = {"names": ("mass",), "known": known, "names_of": "m.h5"}
    text = "colour,mass\nred,5\ngreen,6\n"
    with pytest.raises(InputError, match=r"row 2, column 'colour' holds 'green'.*--unknown ignore"):
        opened(text, **own)
    data = opened(text, **own, ignores_unknown=True)
    assert data.notes == ()
    more = opened("size,mass,colour\n1,5,red\n", **own)
    assert more.notes == ("of 3 columns the 2 columns of m.h5 are taken by name",)
    assert data.x.tolist() == [[5, 0, 1], [6, 0, 0]]
    assert data.feature_names == ("mass", "colour=blue", "colour=red")


def test_compiled_code_reads_the_same(opened, monkeypatch):
    expected = opened(WHOLE, categorical="colour", times="when").x
    monkeypatch.setattr("gpuae.importers.table_text.SMALL", 1)
    assert opened(WHOLE, categorical="colour", times="when").x.tolist() == expected.tolist()


def test_parquet_gives_what_csv_gives(opened, tmp_path):
    times = [datetime(1970, 1, 2, tzinfo=UTC), datetime(1970, 1, 1, 1, tzinfo=UTC), None]
    table = pa.table(
        {
            "mass": [1, 2, 4],
            "colour": pa.array(["red", "blue", None]).dictionary_encode(),
            "size": [0.1, 0.2, 0.3],
            "stamp": pa.array(times, pa.timestamp("ns", "UTC")),
            "day": pa.array([date(1970, 1, 3)] * 3),
            "text": ["1970-01-01T00:00:07"] * 3,
            "code": [7, 8, 7],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    options = ReadOptions(categorical="colour,code", times="stamp,day,text", missing=True)
    data = open_data(str(tmp_path / "a.parquet"), options=options)
    names = ("mass", "size", "stamp", "day", "text", "colour=", "colour=blue", "colour=red")
    assert data.feature_names == (*names, "code=7", "code=8")
    assert data.x[:2, :5].tolist() == [[1, 0.1, 86400, 172800, 7], [2, 0.2, 3600, 172800, 7]]
    assert np.isnan(data.x[2, 2])
    assert data.x[:, 5:].tolist() == [[0, 0, 1, 1, 0], [0, 1, 0, 0, 1], [1, 0, 0, 1, 0]]
    assert not data.notes
    with pytest.raises(InputError, match="'mass' holds int64, not dates or times"):
        open_data(str(tmp_path / "a.parquet"), options=ReadOptions(times="mass"))


@pytest.fixture
def converted(opened, tmp_path):
    data = opened(WHOLE, categorical="colour", times="when")
    write_dataset(tmp_path / "d.h5", data, force=False)
    return str(tmp_path / "d.h5")


def test_a_data_set_keeps_its_categories(converted):
    data = open_data(converted)
    assert data.categorical == (CategoricalColumn("colour", ("blue", "red")),)
    some = open_data(converted, options=ReadOptions(columns="colour,size"))
    assert some.feature_names == ("size", "colour=blue", "colour=red")
    assert some.x.tolist() == [[0.1, 0, 1], [0.2, 1, 0], [0.3, 0, 1]]
    assert open_data(converted, options=ReadOptions(columns="mass")).categorical == ()


def test_a_data_set_of_other_categories_is_brought_to_those_of_a_model(converted):
    own = {"names": ("size",), "names_of": "m.h5"}
    wider = (CategoricalColumn("colour", ("blue", "green", "red")),)
    data = open_data(converted, options=ReadOptions(**own, known=wider))
    assert data.x.tolist() == [[0.1, 0, 0, 1], [0.2, 1, 0, 0], [0.3, 0, 0, 1]]
    narrower = (CategoricalColumn("colour", ("red",)),)
    with pytest.raises(InputError, match="row 2, column 'colour' holds 'blue'"):
        open_data(converted, options=ReadOptions(**own, known=narrower))
    lenient = ReadOptions(**own, known=narrower, ignores_unknown=True)
    assert open_data(converted, options=lenient).x[:, 1].tolist() == [1, 0, 1]
    other = (CategoricalColumn("hue", ("red",)),)
    with pytest.raises(InputError, match=r"lacks the column of categories 'hue' of m\.h5"):
        open_data(converted, options=ReadOptions(**own, known=other))


def test_only_tables_have_columns_that_are_no_numbers(converted):
    for option in ("categorical", "times"):
        with pytest.raises(InputError, match=f"--{option} mass: only tables"):
            open_data(converted, options=ReadOptions(**{option: "mass"}))


def test_rows_that_hold_the_members_already_need_no_table(tmp_path):
    known = (CategoricalColumn("colour", ("blue", "red")),)
    np.save(tmp_path / "a.npy", np.eye(3))
    options = ReadOptions(names=("mass",), known=known, names_of="m.h5")
    assert open_data(str(tmp_path / "a.npy"), options=options).categorical == known


def test_a_time_is_read_once_however_often_it_comes():
    cells = ["2026-11-27T08:30:00Z"] * 3
    assert seconds(cells, "t", "a.csv", ReadOptions()).tolist() == [1795768200.0] * 3


def test_blanks_around_a_value_do_not_count():
    column, codes = found.categories([" a", "b ", "a"], "c", "a.csv", ReadOptions())
    assert column.values == ("a", "b")
    assert codes.tolist() == [0, 1, 0]
