"""Nearest neighbours among codes, in Python and by the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.cli import run
from gpuae.errors import InputError
from gpuae.neighbors import nearest, row_numbers

CODES = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)


def by_hand(codes, asked, count, metric):
    """Return numbers and distances by comparing everything with everything."""
    a, b = codes.astype(float), asked.astype(float)
    if metric == "cosine":
        a, b = (own / np.linalg.norm(own, axis=1, keepdims=True) for own in (a, b))
        distances = 1 - b @ a.T
    else:
        distances = np.sqrt(((b[:, None] - a) ** 2).sum(axis=2))
    numbers = np.argsort(distances, axis=1, kind="stable")[:, :count]
    return numbers, np.take_along_axis(distances, numbers, axis=1)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("width", [3, 40])
def test_neighbours_are_those_found_by_hand(monkeypatch, metric, width):
    monkeypatch.setattr("gpuae.neighbors.BLOCK_ROWS", 3)
    codes = np.random.default_rng(1).standard_normal((60, width)).astype(np.float32)
    found = nearest(codes[:50], codes[50:], 4, metric=metric)
    numbers, distances = by_hand(codes[:50], codes[50:], 4, metric)
    np.testing.assert_array_equal(found.numbers, numbers)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-9)


def test_a_row_is_not_its_own_neighbour_and_equal_rows_are():
    codes = np.vstack([CODES, CODES[:1], CODES[:1]])
    found = nearest(codes, codes, 5, own=np.arange(len(codes)))
    assert (found.numbers != np.arange(len(codes))[:, None]).all()
    assert found.numbers[0, :2].tolist() == [60, 61]
    assert found.distances[60, :3].tolist() == [0.0, 0.0, found.distances[0, 2]]


def test_more_equal_rows_than_neighbours_leave_no_gap():
    codes = np.ones((30, 2))
    found = nearest(codes, codes, 3, own=np.arange(30))
    assert found.numbers.shape == (30, 3)
    assert (found.numbers != np.arange(30)[:, None]).all()
    assert not found.distances.any()


@pytest.mark.parametrize(("count", "own"), [(0, None), (61, None), (60, np.arange(60))])
def test_there_are_not_more_neighbours_than_other_rows(count, own):
    with pytest.raises(InputError, match=f"k={count}: there are .* give a k from 1 to"):
        nearest(CODES, CODES, count, own=own)


def test_row_numbers_are_counted_from_zero_and_keep_their_order():
    assert row_numbers("7, 0,3-5", 8, "rows").tolist() == [7, 0, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8", "rows has no row 8; its 8 rows are numbered from 0 to 7"),
        ("5-9", "has no row 9"),
        ("9" * 5000, "has no row 9999"),
        ("5-3", "5-3 runs backwards"),
        ("1-", "'1-' where a row or a range"),
        ("-1", "'-1' where a row or a range"),
        ("1,,2", "'' where a row or a range"),
        ("1-2-3", "'1-2-3' where a row or a range"),
        ("1 2", "'1 2' where a row or a range"),
    ],
)
def test_rows_that_are_none_are_refused(text, words):
    with pytest.raises(InputError, match=words) as refusal:
        row_numbers(text, 8, "rows")
    assert len(str(refusal.value)) < 300


# The command


@pytest.fixture
def shell(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def files(shell):
    """A table of 40 rows with ids and labels, a model of it, and its codes."""
    rows = np.random.default_rng(0).random((40, 6)).round(3)
    lines = [f"s{i},{'uv'[i % 2]},{','.join(map(str, row))}" for i, row in enumerate(rows)]
    Path("rows.csv").write_text("\n".join(["row_id,label,a,b,c,d,e,f", *lines]) + "\n")
    fit = ("--hidden", "4,2", "--epochs", 2, "--patience", 0)
    assert shell("fit", "rows.csv", "-o", "m.h5", *fit)[0] == 0
    assert shell("encode", "m.h5", "rows.csv", "-o", "codes.h5")[0] == 0
    with h5py.File("codes.h5") as file:
        return file["features/code"][:]


def refused(outcome, *words):
    code, out, err = outcome
    (line,) = [own for own in err.splitlines() if own.startswith("Error: ")]
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    for word in words:
        assert word in line


def test_the_command_finds_what_the_codes_say_and_carries_labels_and_ids(shell, files):
    code, out, err = shell("neighbors", "m.h5", "rows.csv", "--of", "3,0-1", "-k", 4, "--json")
    assert code == 0, err
    result = json.loads(out)
    expected = nearest(files, files[[3, 0, 1]], 4, own=np.array([3, 0, 1]))
    assert [own["row"] for own in result["rows"]] == [3, 0, 1]
    for place, row in enumerate(result["rows"]):
        assert (row["row_id"], row["label"]) == (f"s{row['row']}", "uv"[row["row"] % 2])
        assert [own["row"] for own in row["neighbors"]] == expected.numbers[place].tolist()
        assert [own["distance"] for own in row["neighbors"]] == expected.distances[place].tolist()
        assert all(own["row_id"] == f"s{own['row']}" for own in row["neighbors"])


def test_codes_that_the_model_has_made_are_not_encoded_again(shell, files):
    of = ("--of", "0-9", "--json")
    encoded = shell("neighbors", "m.h5", "rows.csv", *of)
    ready = shell("neighbors", "m.h5", "codes.h5", *of)
    assert ready[:2] == encoded[:2]
    assert "taken as they are" in ready[2]
    assert "taken as they are" not in encoded[2]


def test_codes_of_another_model_are_rows_to_encode(shell, files):
    assert shell("fit", "codes.h5", "-o", "second.h5", "--hidden", 1, "--epochs", 1)[0] == 0
    assert shell("neighbors", "second.h5", "codes.h5", "--of", "0")[0] == 0
    assert shell("fit", "rows.csv", "-o", "other.h5", "--hidden", 3, "--epochs", 1)[0] == 0
    refused(shell("neighbors", "other.h5", "codes.h5", "--of", "0"), "codes.h5 has 2 columns", "6")


def test_another_layer_is_refused(shell, files):
    assert shell("encode", "m.h5", "rows.csv", "-o", "first.h5", "--layer", 1)[0] == 0
    refused(shell("neighbors", "m.h5", "first.h5", "--of", "0"), "first.h5")
    fit = ("--hidden", "2,2", "--epochs", 1, "--patience", 0)
    assert shell("fit", "rows.csv", "-o", "n.h5", *fit)[0] == 0
    assert shell("encode", "n.h5", "rows.csv", "-o", "same.h5", "--layer", 1)[0] == 0
    refused(shell("neighbors", "n.h5", "same.h5", "--of", "0"), "holds encoder layer 1")


def test_rows_of_another_file_may_have_equals_but_the_same_file_has_no_selves(shell, files):
    np.save("new.npy", np.full((2, 6), 0.5))
    Path("copy.csv").write_bytes(Path("rows.csv").read_bytes())
    two = json.loads(shell("neighbors", "m.h5", "rows.csv", "--of", "new.npy", "--json")[1])
    assert [sorted(own) for own in two["rows"]] == [["neighbors", "row"]] * 2
    for of, nearest_is_itself in (("copy.csv", True), ("./rows.csv", False)):
        found = json.loads(shell("neighbors", "m.h5", "rows.csv", "--of", of, "--json")[1])
        first = [own["neighbors"][0]["row"] == own["row"] for own in found["rows"]]
        assert first == [nearest_is_itself] * 40


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_table_has_a_line_for_each_neighbour(shell, files, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    out = f"near.{ending}"
    done = shell("neighbors", "m.h5", "rows.csv", "--of", "0,7", "-k", 2, "-o", out)
    assert done[:2] == (0, f"wrote the 2 nearest of each of 2 rows to {out}\n"), done
    if ending == "parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(out)
        lines = [{k: str(v) for k, v in line.items()} for line in table.to_pylist()]
        assert b'"of": "0,7"' in table.schema.metadata[b"provenance_json"]
    else:
        text = Path(out).read_text().splitlines()
        lines = list(csv.DictReader(text, delimiter="\t" if ending == "tsv" else ","))
    expected = nearest(files, files[[0, 7]], 2, own=np.array([0, 7]))
    assert [line["row_id"] for line in lines] == ["s0", "s0", "s7", "s7"]
    assert [line["rank"] for line in lines] == ["1", "2", "1", "2"]
    assert [int(line["neighbor_row"]) for line in lines] == expected.numbers.ravel().tolist()
    assert [line["neighbor_row_id"] for line in lines] == [
        f"s{number}" for number in expected.numbers.ravel()
    ]
    assert [float(line["distance"]) for line in lines] == expected.distances.ravel().tolist()


def test_a_table_says_by_hash_and_without_folders_which_rows_were_asked_for(shell, files, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    np.save("new.npy", np.full((2, 6), 0.5))
    asked = ("--of", tmp_path / "new.npy", "-o", "near.parquet")
    assert shell("neighbors", "m.h5", "rows.csv", *asked)[0] == 0
    made = pq.read_table("near.parquet").schema.metadata[b"provenance_json"].decode()
    assert [own["role"] for own in json.loads(made)["sources"]] == ["model", "data", "of"]
    assert str(tmp_path) not in made


def test_a_person_gets_a_line_for_each_row(shell, files):
    code, out, _ = shell("neighbors", "m.h5", "rows.csv", "--of", "0-2", "-k", 3)
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 4)
    assert lines[0].split("  ")[0] == "row"
    assert all(word in lines[0] for word in ("row_id", "label", "neighbors", "distances"))
    assert lines[1].startswith("0    s0")


def test_bad_input_of_the_command(shell, files):
    ask = ("neighbors", "m.h5", "rows.csv")
    refused(shell(*ask, "--of", "40"), "rows.csv has no row 40", "0 to 39")
    refused(shell(*ask, "--of", "3-"), "--of", "'3-'")
    refused(shell(*ask, "--of", "nothing.csv"), "nothing.csv", "no such file")
    refused(shell(*ask, "--of", ""), "folder")
    refused(shell(*ask, "--of", "0", "-k", 0), "'-k'")
    refused(shell(*ask, "--of", "0", "-k", 40), "k=40", "from 1 to 39")
    refused(shell(*ask), "--of")
    refused(shell(*ask, "--of", "0", "-o", "out.h5"), "out.h5", ".csv, .tsv or .parquet")
    refused(shell(*ask, "--of", "0", "-o", "rows.csv"), "rows.csv")
    refused(shell(*ask, "--of", "0", "-o", "rows.csv", "--force"), "rows.csv", "is the input")
    rows = np.ones((3, 6))
    rows[1, 2] = np.nan
    np.save("holes.npy", rows)
    np.save("narrow.npy", rows[:, :2])
    refused(shell(*ask, "--of", "holes.npy"), "holes.npy", "NaN")
    refused(shell("neighbors", "m.h5", "holes.npy", "--of", "0"), "holes.npy", "NaN")
    refused(shell(*ask, "--of", "narrow.npy"), "narrow.npy has 2 columns")
    refused(shell("neighbors", "codes.h5", "rows.csv", "--of", "0"), "codes.h5")
    refused(shell("neighbors", "no.h5", "codes.h5", "--of", "0"), "no.h5", "no such file")
