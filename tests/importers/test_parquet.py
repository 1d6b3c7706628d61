import datetime
from contextlib import suppress
from dataclasses import replace
from importlib import util
from pathlib import Path

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import ReadOptions, open_data, parquet_rows
from gpuae.storage.files import limits
from gpuae.storage.rows import pages

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def written(tmp_path):
    """A function that writes columns to a parquet file and returns its name."""

    def write(name="a.parquet", row_group_size=None, **columns):
        pq.write_table(pa.table(columns), tmp_path / name, row_group_size=row_group_size)
        return str(tmp_path / name)

    return write


def load(spec, **options):
    return open_data(spec, options=ReadOptions(**options))


def test_numbers_are_features_text_is_left_out_and_names_are_kept(written):
    path = written(a=[1.5, 2.5], note=["x", "y"], b=[3, 4], label=["cat", "dog"])
    dataset = load(path)
    assert dataset.feature_names == ("a", "b")
    assert dataset.x.tolist() == [[1.5, 3], [2.5, 4]]
    assert dataset.y.tolist() == ["cat", "dog"]
    assert dataset.source_path is not None
    assert "left out, because they hold no numbers: note" in dataset.notes


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_row_groups_follow_each_other(written, size):
    values = np.random.default_rng(0).random((20, 3)).astype(np.float32)
    columns = {f"c{i}": values[:, i] for i in range(3)}
    ids = [f"row {i}" for i in range(20)]
    dataset = load(written(row_group_size=size, row_id=ids, **columns))
    np.testing.assert_array_equal(dataset.x, values)
    assert dataset.row_id.tolist() == ids


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (("uint8", "uint8"), "uint8"),
        (("int16", "int64"), "int64"),
        (("float32", "float32"), "float32"),
        (("float32", "float64"), "float64"),
        (("float16", "float16"), "float32"),
        (("bool", "bool"), "float32"),
        (("int64", "float32"), "float64"),
    ],
)
def test_rows_have_the_type_that_holds_all_columns(written, types, expected):
    columns = {f"c{i}": np.array([0, 1, 1], kind) for i, kind in enumerate(types)}
    x = load(written(**columns)).x
    assert x.dtype == expected
    assert x.tolist() == [[0, 0], [1, 1], [1, 1]]


LARGE = 2**53 + 1


@pytest.mark.parametrize(
    "others",
    [
        {"b": [0.5, 1.5]},
        {"b": pa.array([2**64 - 1, 1], "uint64")},
        {"a": pa.array([LARGE, None], "int64")},
    ],
)
def test_integers_that_would_be_rounded_are_refused(written, others):
    path = written(**{"a": [LARGE, 2], **others})
    with pytest.raises(InputError, match=r"'[ab]' holds integers that float64 would round"):
        load(path, missing=True)
    assert load(written(a=[LARGE, 2])).x.tolist() == [[LARGE], [2]]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([LARGE, None], "int64"), [str(LARGE), ""]),
        (pa.array([LARGE, 2], "int64"), [LARGE, 2]),
        (pa.array(["007", "7"]), ["007", "7"]),
        (pa.array([1.5, None], "float64"), None),
    ],
)
def test_ids_keep_their_value(written, ids, expected):
    found = load(written(row_id=ids, a=[0.5, 1.5])).row_id.tolist()
    assert found == expected or (expected is None and found[0] == 1.5 and np.isnan(found[1]))


def test_decimals_are_numbers(written):
    from decimal import Decimal

    assert load(written(a=[Decimal("1.25"), Decimal("2.50")])).x.tolist() == [[1.25], [2.5]]


def test_nulls_are_refused_by_place_or_missing_values(written):
    path = written(row_group_size=2, a=[1.0, 2.0, None, 4.0], b=pa.array([1, 2, 3, None], "uint8"))
    with pytest.raises(InputError, match=r"2 values are missing, the first in column 'a', row 3;"):
        load(path)
    x = load(path, missing=True).x
    np.testing.assert_array_equal(x, [[1, 1], [2, 2], [np.nan, 3], [4, np.nan]])
    assert load(path, columns="b", missing=True).x.dtype == np.float32


def test_categories_dates_and_numbers_can_be_labels_or_ids(written):
    day = datetime.date(2020, 2, 3)
    path = written(
        kind=pa.array(["u", None, "u"]).dictionary_encode(), day=[day] * 3, n=[7, 8, 9], a=[1.0] * 3
    )
    dataset = load(path, label_column="kind", id_column="day")
    assert dataset.y.tolist() == ["u", "", "u"]
    assert dataset.row_id.tolist() == ["2020-02-03"] * 3
    assert dataset.feature_names == ("n", "a")
    assert load(path, label_column="n").y.tolist() == [7, 8, 9]


def test_the_columns_of_a_model_are_taken_by_name(written):
    dataset = load(written(a=[1, 2], b=[3, 4], c=["x", "y"]), names=("b", "a"), names_of="m.h5")
    assert dataset.x.tolist() == [[3, 1], [4, 2]]
    assert "by name" in dataset.notes[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": "note"}, "'note' holds .*string, not numbers"),
        ({"columns": "list"}, "'list' holds list"),
        ({"columns": "nots"}, "did you mean 'note'"),
        ({"columns": "2-2"}, "no column of numbers"),
        ({"label_column": "list"}, "'list' holds list.* where numbers or text are needed"),
        ({"names": ("q",), "names_of": "m.h5"}, "lacks 1 column of m.h5"),
    ],
)
def test_columns_that_cannot_be_had_are_refused(written, options, message):
    path = written(a=[1.0], note=["x"], list=[[1.0]])
    with pytest.raises(InputError, match=message):
        load(path, **options)


def test_an_empty_table_is_refused(written):
    with pytest.raises(InputError, match="is empty"):
        load(written(a=pa.array([], "float64")))


def test_a_small_file_that_declares_much_is_refused_before_it_is_read(written, monkeypatch):
    path = written(a=np.zeros(20_000_000, np.float32))
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", None)
    with pytest.raises(InputError, match="declares 76 MiB in a file of"):
        load(path)


@pytest.mark.parametrize("size", [7, 1000])
def test_rows_beyond_the_memory_limit_are_in_a_file(written, monkeypatch, size):
    monkeypatch.setattr(parquet_rows, "BLOCK_BYTES", 100)
    values = np.random.default_rng(0).random((100, 3))
    path = written(row_group_size=size, **{f"c{i}": values[:, i] for i in range(3)})
    few, many = (open_data(path, memory=most).x for most in (1000, 100_000))
    assert (pages.is_in_memory(few), pages.is_in_memory(many)) == (False, True)
    np.testing.assert_array_equal(few, values)
    np.testing.assert_array_equal(many, values)


def test_a_long_name_is_read_where_the_size_is_trusted(written, monkeypatch):
    monkeypatch.setattr(limits, "CAREFUL", replace(limits.CAREFUL, description_bytes=1000))
    monkeypatch.setattr(limits, "_stack", [limits.CAREFUL])
    path = written(**{"x" * 5000: [1.0, 2.0]})
    with pytest.raises(InputError, match="cannot be read as parquet"):
        load(path)
    with limits.trust_size():
        assert load(path).feature_names == ("x" * 5000,)


def test_a_long_text_in_many_rows_does_not_fill_the_memory(written, monkeypatch):
    few = replace(limits.CAREFUL, text_bytes=1 << 20)
    monkeypatch.setattr(limits, "_stack", [few])
    path = written(a=np.zeros(1000, np.float32), label=["x" * 10_000] * 1000)
    with pytest.raises(InputError, match=r"'label': holds over .* of text"):
        load(path)


def test_damaged_files_are_refused(written, tmp_path):
    random = np.random.default_rng(0)
    columns = {"a": random.random(50), "label": [f"l{i % 3}" for i in range(50)]}
    whole = bytearray(Path(written(**columns)).read_bytes())
    path = tmp_path / "b.parquet"
    for cut in range(1, len(whole), 97):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError):
            load(str(path))
    for place in random.integers(0, len(whole), 150):
        mutated = whole.copy()
        mutated[place] ^= 1 << random.integers(0, 8)
        path.write_bytes(mutated)
        with suppress(InputError):
            load(str(path))


def test_without_pyarrow_the_command_that_installs_it_is_told(written, monkeypatch):
    path = written(a=[1.0])
    found = util.find_spec
    monkeypatch.setattr(
        "gpuae.storage.outputs.arrow.find_spec",
        lambda name: None if name == "pyarrow" else found(name),
    )
    with pytest.raises(InputError, match=r"pip install 'gpuae\[parquet\]'"):
        load(path)
