"""Commands that are given many files, or a table through a pipe."""

import gzip
import io
import json
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

from gpuae.storage.provenance.lineage import MOST_PARTS

FIT = ("--hidden", "4,2", "--epochs", 2, "--patience", 0)


@pytest.fixture
def shards(gpuae, model, rows):
    """The rows of the model once more, in three files."""
    Path("shards").mkdir()
    paths = [Path(f"shards/s{number}.npy") for number in (8, 9, 10)]
    for path, part in zip(paths, np.split(rows, [7, 21]), strict=True):
        np.save(path, part)
    return paths


@pytest.fixture
def piped(monkeypatch):
    """A function that has a command find these bytes on its standard input."""

    def pipe(content):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    return pipe


def weights(path):
    with h5py.File(path) as file:
        return [file[f"model/encoder/{layer}/weight"][:] for layer in range(2)]


def sources(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs["provenance_json"])["sources"]


GIVEN = {"a pattern": ("shards/s*.npy",), "a folder": ("shards",), "names": ("8", "9", "10")}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_training_on_parts_is_training_on_the_whole(gpuae, shards, given):
    names = [f"shards/s{name}.npy" if name.isdigit() else name for name in given]
    done = gpuae("fit", *names, "-o", "parts.h5", *FIT)
    assert done.code == 0, done.err
    assert "in this order: s8.npy, s9.npy, s10.npy" in done.err
    for part, whole in zip(weights("parts.h5"), weights("model.h5"), strict=True):
        np.testing.assert_array_equal(part, whole)


def test_each_file_and_its_hash_are_in_the_provenance(gpuae, shards):
    assert gpuae("fit", "shards/*.npy", "-o", "parts.h5", *FIT).code == 0
    (source,) = sources("parts.h5")
    digests = [sha256(path.read_bytes()).hexdigest() for path in shards]
    lines = [f"{own}  {path.name}\n" for own, path in zip(digests, shards, strict=True)]
    assert source["name"] == "s8.npy … s10.npy"
    assert source["sha256"] == sha256("".join(lines).encode()).hexdigest()
    assert [own["sha256"] for own in source["parts"]] == digests
    assert [own["name"] for own in source["parts"]] == [path.name for path in shards]
    shown = gpuae("inspect", "parts.h5").out
    assert f"    data s9.npy ({digests[1][:12]}…)" in shown


def test_verify_knows_each_file_and_finds_one_that_is_another(gpuae, shards):
    assert gpuae("fit", "shards/*.npy", "-o", "parts.h5", *FIT).code == 0
    done = gpuae("verify", "parts.h5", *shards)
    assert done.code == 0, done.out
    assert "made from shards/s8.npy, shards/s9.npy, shards/s10.npy" in done.out
    np.save(shards[1], np.zeros((14, 6)))
    done = gpuae("verify", "parts.h5", *shards)
    assert done.code == 1
    assert "was made from another data than shards/s9.npy" in done.out


def test_hashes_computed_while_codes_are_written_are_those_of_the_files(gpuae, shards):
    done = gpuae("encode", "model.h5", "shards/*.npy", "-o", "codes.h5")
    assert done.code == 0, done.err
    made = sources("codes.h5")[1]
    assert [own["sha256"] for own in made["parts"]] == [
        sha256(path.read_bytes()).hexdigest() for path in shards
    ]
    assert gpuae("verify", "codes.h5", "model.h5", *shards).code == 0


@pytest.mark.parametrize("memory", ["1", "1GB"])
def test_codes_scores_and_reconstructions_are_those_of_the_whole(gpuae, shards, memory):
    for use in ("encode", "score", "reconstruct"):
        for data, out in (("rows.npy", "whole.csv"), ("shards", "parts.csv")):
            done = gpuae(use, "model.h5", data, "-o", out, "--force", "--memory", memory)
            assert done.code == 0, done.err
        assert Path("whole.csv").read_bytes() == Path("parts.csv").read_bytes()
    whole, parts = (
        json.loads(gpuae("evaluate", "model.h5", data, "--json").out)
        for data in ("rows.npy", "shards/*")
    )
    assert whole == parts


def test_many_files_become_one_data_set(gpuae, shards, rows):
    assert gpuae("convert", *shards, "all.h5").code == 0
    with h5py.File("all.h5") as file:
        np.testing.assert_array_equal(file["data/x"], rows)


@pytest.mark.long
def test_a_report_about_many_files(gpuae, shards):
    pytest.importorskip("jinja2")
    done = gpuae("report", "model.h5", "shards/*.npy", "-o", "page.html")
    assert done.code == 0, done.err
    assert "s8.npy … s10.npy" in Path("page.html").read_text("utf-8")


def test_many_files_have_a_size_together(gpuae, shards):
    done = gpuae("compress", "model.h5", *shards, "-o", "small.h5", "--json")
    assert json.loads(done.out)["input_file"] == sum(path.stat().st_size for path in shards)


def test_rows_held_out_may_be_in_many_files(gpuae, shards):
    done = gpuae("fit", "rows.npy", "-o", "m.h5", *FIT, "--validation-data", "shards/*.npy")
    assert done.code == 0, done.err
    assert sources("m.h5")[1]["role"] == "validation_data"
    assert len(sources("m.h5")[1]["parts"]) == 3


def test_an_output_is_none_of_the_files_that_a_pattern_names(gpuae, shards):
    assert gpuae("convert", "rows.npy", "shards/one.h5").code == 0
    before = Path("shards/one.h5").read_bytes()
    for command in (
        ("fit", "shards/*", "-o", "shards/one.h5", *FIT),
        ("encode", "model.h5", "shards/*", "-o", "shards/one.h5"),
        ("convert", "shards/*", "shards/one.h5"),
    ):
        refused(gpuae(*command, "--force"), "shards/one.h5: is the input")
    assert Path("shards/one.h5").read_bytes() == before


def test_a_file_of_many_that_changes_while_it_is_read_gives_nothing(gpuae, shards, monkeypatch):
    from gpuae import encoding

    own = encoding.encode

    def changed(*arguments, **named):
        shards[1].write_bytes(shards[0].read_bytes())
        return own(*arguments, **named)

    monkeypatch.setattr(encoding, "encode", changed)
    outcome = gpuae("encode", "model.h5", "shards", "-o", "out.h5", "--memory", 1)
    refused(outcome, "shards/s9.npy: has changed while it was read")
    assert not Path("out.h5").exists()


def test_of_very_many_files_as_many_are_named_as_there_is_room_for(gpuae, rows):
    Path("many").mkdir()
    for number in range(MOST_PARTS + 44):
        np.save(f"many/{'long' * 40}{number}é.npy", rows[:1] + number)
    done = gpuae("fit", "many", "-o", "m.h5", "--hidden", 2, "--epochs", 0)
    assert done.code == 0, done.err
    (source,) = sources("m.h5")
    assert source["cut"] is True
    assert len(source["sha256"]) == 64
    assert gpuae("verify", "m.h5").code == 0


TABLE = b"a,b,c,d,e,f\n" + b"".join(b"%d,%d,3,4,%d,6\n" % (i, i * i % 7, i % 5) for i in range(40))


@pytest.fixture
def table_model(gpuae):
    """A model of the table, and the table, in the working folder."""
    Path("table.csv").write_bytes(TABLE)
    assert gpuae("fit", "table.csv", "-o", "model.h5", *FIT).code == 0


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_table_through_a_pipe_is_the_table(gpuae, table_model, piped, pack):
    content = pack(TABLE)
    piped(content)
    done = gpuae("fit", "-", "-o", "piped.h5", *FIT)
    assert done.code == 0, done.err
    for one, other in zip(weights("piped.h5"), weights("model.h5"), strict=True):
        np.testing.assert_array_equal(one, other)
    digest = sha256(content).hexdigest()
    assert sources("piped.h5") == [{"role": "data", "name": "standard input", "sha256": digest}]


@pytest.mark.parametrize("use", ["encode", "score", "reconstruct"])
def test_a_pipe_may_be_what_a_model_is_used_on(gpuae, table_model, piped, use):
    piped(TABLE.replace(b",", b"\t"))
    done = gpuae(use, "model.h5", "-", "-o", "piped.csv")
    assert done.code == 0, done.err
    assert gpuae(use, "model.h5", "table.csv", "-o", "file.csv").code == 0
    assert Path("piped.csv").read_bytes() == Path("file.csv").read_bytes()


def test_a_pipe_is_measured_and_converted(gpuae, table_model, piped):
    piped(TABLE)
    measured = json.loads(gpuae("evaluate", "model.h5", "-", "--json").out)
    assert measured["rows"] == 40
    piped(TABLE)
    assert gpuae("convert", "-", "data.h5").code == 0
    with h5py.File("data.h5") as file:
        assert file["data/x"].shape == (40, 6)


def test_what_is_no_text_is_read_from_a_pipe_by_its_first_bytes(gpuae, piped, rows):
    content = io.BytesIO()
    np.save(content, rows)
    piped(content.getvalue())
    assert gpuae("convert", "-", "data.h5").code == 0
    with h5py.File("data.h5") as file:
        np.testing.assert_array_equal(file["data/x"], rows)


@pytest.mark.long
def test_two_reports_share_one_pipe(gpuae, table_model, piped):
    pytest.importorskip("jinja2")
    piped(TABLE)
    done = gpuae("report", "model.h5", "model.h5", "-", "-o", "page.html")
    assert done.code == 0, done.err


def test_a_file_called_as_the_pipe_is_has_another_name(gpuae, rows):
    Path("-").write_bytes(TABLE)
    Path("-").rename("-.csv")
    assert gpuae("convert", "./-.csv", "data.h5").code == 0


def test_a_terminal_is_no_table(gpuae, table_model, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    refused(gpuae("fit", "-", "-o", "m.h5"), "-: standard input is a terminal; pipe a table")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "standard input: delivers nothing"),
        (b"a,b\n1,x\n", "standard input: line 2, column 'b': 'x' is not a number"),
        (gzip.compress(TABLE, mtime=0)[:60], "standard input: cannot be read"),
        (b"\x00\x01\x02", "standard input: holds NUL bytes"),
    ],
    ids=["nothing", "a word", "cut short", "no text"],
)
def test_a_pipe_that_cannot_be_read_is_refused_by_its_name(gpuae, piped, content, words):
    piped(content)
    refused(gpuae("convert", "-", "out.h5"), words)
    assert not Path("out.h5").exists()


def test_a_pipe_is_read_once(gpuae, piped):
    piped(TABLE)
    fit = ("fit", "-", "-o", "m.h5", "--validation-data", "-", *FIT)
    refused(gpuae(*fit), "standard input: delivers nothing, or has been read before")


def test_a_pipe_without_end_does_not_fill_the_disk(gpuae, piped, monkeypatch):
    class Disk:
        free = 2 * len(TABLE) - 2

    monkeypatch.setattr("shutil.disk_usage", lambda _: Disk)
    piped(TABLE)
    refused(gpuae("convert", "-", "out.h5"), "delivers more than half of what")
