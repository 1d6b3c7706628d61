"""Compiled code, Python alone, and Python's own csv and float say the same of any table."""

import csv
import io
import random

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import compressed, table, table_text
from gpuae.importers.options import ReadOptions
from gpuae.storage.files.input_file import InputFile

NUMBERS = [
    "0", "7", "-3", "+1", "0.1", "-0.0", ".5", "5.", "1E5", "1e-400", "1e400", "4.9e-324", "1e39",
    "0.30000000000000004", "16777217", "12345678901234567890.5",
    " 1", "2 ", '"3"', '"4"5', '" 6"', "1\x1f", "\u00a08", "\u0663", "inf", "-Infinity",
]  # fmt: skip
ODD = [
    "",
    "nan",
    "NA",
    "null",
    "-999",
    "1_0",
    "0x1",
    "x",
    "1e",
    "--1",
    "gr\u00f6\u00dfe",
    '"a""b"',
    '"1\n"',
    '"1\r\n"',
    '""',
]
INTEGERS = [
    "1",
    "+7",
    "9007199254740993",
    " 9007199254740992",
    "18446744073709551615",
    "-2",
    "9" * 25,
]
LABELS = ["cat", "7", '"two\nlines"', '"a,b"', '"say ""so"""', " dog", "\u732b", '"cut" short']


@pytest.fixture
def read_as(tmp_path, monkeypatch):
    """A function that reads a text by Python alone or by blocks of so many bytes."""

    def read(text, block_bytes=None, **options):
        path = tmp_path / "a.csv"
        path.write_bytes(text.encode())
        with monkeypatch.context() as patched:
            if block_bytes is not None:
                _always_compiled(patched, block_bytes)
            try:
                dataset = table.load(
                    InputFile(path), ReadOptions(header=True, **options), memory=1000
                )
            except InputError as error:
                return str(error)
        y = dataset.metadata.y
        return (
            dataset.x.dtype, dataset.x.shape, dataset.x.tobytes(),
            None if y is None else (y.dtype, y.tolist()), dataset.notes,
        )  # fmt: skip

    return read


def _always_compiled(patched, block_bytes):
    patched.setattr(table_text, "SMALL", 0)
    patched.setattr(table_text, "BLOCK_BYTES", block_bytes)


def drawn(random_, odd, usual=NUMBERS):
    """Return a table whose cells are odd with that probability."""
    columns, end = random_.randrange(1, 5), random_.choice(["\n", "\r\n", "\r"])
    lines = [[f"c{i}" for i in range(columns)] + ["label"]]
    for _ in range(random_.randrange(1, 30)):
        row = [random_.choice(ODD if random_.random() < odd else usual) for _ in range(columns)]
        lines.append([*row, random_.choice(LABELS)])
        if random_.random() < odd / 10:
            lines[-1].append("1")
        if random_.random() < 0.1:
            lines.append([])
    text = end.join(",".join(line) for line in lines)
    return text + random_.choice(["", end])


@pytest.mark.parametrize("odd", [0, 0.05, 0.5])
@pytest.mark.parametrize("seed", range(40))
def test_compiled_code_and_python_read_the_same(read_as, seed, odd):
    random_ = random.Random(f"{seed} {odd}")
    text = drawn(random_, odd)
    options = {"missing": random_.random() < 0.7, "wide": random_.random() < 0.3}
    if random_.random() < 0.3:
        options["na_values"] = ("-999", "x")
    alone = read_as(text, **options)
    for block_bytes in (1, 7, 100, 1 << 20):
        assert read_as(text, block_bytes, **options) == alone


@pytest.mark.parametrize("seed", range(20))
def test_compiled_code_and_python_read_the_same_integers(read_as, seed):
    random_ = random.Random(seed)
    text = drawn(random_, 0, random_.sample(INTEGERS, 3))
    assert read_as(text, 40) == read_as(text)


@pytest.mark.parametrize("block_bytes", [None, 50])
@pytest.mark.parametrize("seed", range(10))
def test_numbers_and_labels_are_what_csv_and_float_make_of_them(read_as, seed, block_bytes):
    text = drawn(random.Random(seed), 0)
    _, *rows = (row for row in csv.reader(io.StringIO(text, newline="")) if row)
    dtype, shape, x, y, _ = read_as(text, block_bytes, wide=True)
    expected = np.array([[float(cell.strip()) for cell in row[:-1]] for row in rows])
    found = np.frombuffer(x, dtype).reshape(shape)
    np.testing.assert_array_equal(found.astype(np.float64), expected)
    assert y[1] == [row[-1].strip() for row in rows]


def test_an_exponent_that_undoes_a_hundred_thousand_digits_counts(read_as):
    text = "a,b\n0." + "0" * 100_000 + "1e100001,1" + "0" * 100_000 + "e-100000\n"
    _, _, x, _, _ = read_as(text, 1 << 20)
    assert np.frombuffer(x, np.float32).tolist() == [1, 1]


def test_blank_lines_take_no_room(read_as):
    columns = 40_000
    text = ",".join(f"c{i}" for i in range(columns)) + "\n" + "1," * (columns - 1) + "1\n"
    _, shape, _, _, _ = read_as(text + "\n" * (1 << 20), 1 << 20)
    assert shape == (1, columns)


@pytest.mark.parametrize("rows", [1, 4, 40])
def test_few_lines_tell_what_a_table_of_long_ones_is(read_as, monkeypatch, rows):
    text = "a,b,label\n" + "1,2.5,x\n" * rows
    alone = read_as(text)
    monkeypatch.setattr(table_text, "WIDE", 0)
    assert read_as(text, 1 << 20) == alone


@pytest.mark.parametrize("before", [0, 100])
@pytest.mark.parametrize("beginning", ["", '"'])
def test_a_row_without_end_is_refused_before_all_of_it_is_read(
    read_as, monkeypatch, beginning, before
):
    monkeypatch.setattr(table_text, "LONGEST_ROW", 1000)
    monkeypatch.setattr(compressed, "BLOCK_BYTES", 500)
    text = "a,b\n" + "1,2\n" * before + beginning + "1," * 2000
    assert "has rows of over 0 MiB or quotes that are never closed" in read_as(text, 100)


def test_labels_in_one_endless_row_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(table_text, "SMALL", 0)
    monkeypatch.setattr(table_text, "LONGEST_ROW", 1000)
    path = tmp_path / "labels.csv"
    path.write_bytes(b"1," * 2000)
    with pytest.raises(InputError, match="has rows of over"):
        table.load_labels(InputFile(path), 1)
