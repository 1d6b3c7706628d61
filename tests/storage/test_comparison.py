import zlib

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.features import scores_output
from gpuae.storage.kinds.model_file import write_model
from gpuae.storage.provenance import lineage
from gpuae.storage.provenance.comparison import differences


@pytest.fixture
def pair(tmp_path):
    """A function that makes two files, each filled by a function, and returns how they differ."""

    def compare(one, other):
        for name, build in (("a.h5", one), ("b.h5", other)):
            with h5py.File(tmp_path / name, "w") as file:
                build(file)
        return list(differences(InputFile(tmp_path / "a.h5"), InputFile(tmp_path / "b.h5")))

    return compare


def holding(values, **options):
    return lambda file: file.create_dataset("x", data=values, **options)


def test_the_same_values_are_the_same_in_any_layout(pair):
    values = np.random.default_rng(0).random((3000, 40)).astype("f4")
    values[5, 5] = np.nan
    packed = holding(values, chunks=(70, 7), compression="gzip", dtype=">f4")
    assert pair(holding(values), packed) == []


@pytest.mark.parametrize("hostile", ["a.h5", "b.h5"])
def test_a_hostile_chunk_is_refused_in_either_file(pair, tmp_path, hostile):
    values = np.zeros((1024, 4), np.float32)
    packed = holding(values, chunks=(256, 4), compression="gzip")
    assert pair(packed, packed) == []
    with h5py.File(tmp_path / hostile, "r+") as file:
        file["x"].id.write_direct_chunk((256, 0), zlib.compress(bytes(50_000_000)))
    with pytest.raises(InputError, match="a chunk"):
        list(differences(InputFile(tmp_path / "a.h5"), InputFile(tmp_path / "b.h5")))


@pytest.mark.parametrize(
    ("one", "other", "count", "largest"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.5, 5.0], 2, 2.0),
        ([1.0, np.nan, np.inf], [np.nan, np.nan, 1.0], 2, None),
        ([1e308, 0.0], [-1e308, 1.0], 2, 1.0),
        ([2**62, 1], [2**62 + 1, 1], 1, 1.0),
        ([-(2**63)], [2**63 - 1], 1, 2.0**64),
        ([b"a", b"b"], [b"a", b"c"], 1, None),
        (3.0, 4.0, 1, 1.0),
    ],
)
def test_how_many_values_differ_and_how_far(pair, one, other, count, largest):
    (found,) = pair(holding(one), holding(other))
    assert (found.path, found.count, found.largest) == ("/x", count, largest)
    assert found.what.startswith(f"{count} of {np.size(one)} values differ")


def test_differences_are_found_in_every_block(pair, monkeypatch):
    monkeypatch.setattr("gpuae.storage.content_hash.canonical.BLOCK_BYTES", 64)
    one = np.zeros((1000, 4))
    other = one.copy()
    other[[3, 500, 999], 1] = 1, 7, 2
    (found,) = pair(holding(one), holding(other))
    assert (found.count, found.largest) == (3, 7.0)


@pytest.mark.parametrize(
    ("one", "other", "path", "what"),
    [
        (holding([1]), holding([1.0]), "/x", "is int64 in one and float64 in the other"),
        (holding([1]), holding([[1]]), "/x", "has the shapes (1,) and (1, 1)"),
        (holding([1]), lambda f: f.create_group("x"), "/x", "a group in the other"),
        (holding([1]), lambda f: None, "/x", "is only in"),
        (lambda f: f.attrs.create("n", 1), lambda f: f.attrs.create("n", 2), "/@n", "1 and 2"),
        (lambda f: f.attrs.create("n", "a"), lambda f: f.attrs.create("n", 2), "/@n", "is text"),
        (lambda f: f.attrs.create("n", 1), lambda f: None, "/@n", "is only in one"),
    ],
)
def test_every_other_difference_is_named(pair, one, other, path, what):
    (found,) = pair(one, other)
    assert found.path == path
    assert what in found.what


def test_timings_and_the_hash_make_no_difference(tmp_path, model_of):
    for name, seconds in (("a.h5", 1.0), ("b.h5", 2.0)):
        history = {"epoch": np.arange(2), "seconds": np.full(2, seconds)}
        write_model(tmp_path / name, model_of(history=history), force=False)
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        del file.attrs["content_sha256"]
    assert (tmp_path / "a.h5").read_bytes() != (tmp_path / "b.h5").read_bytes()
    assert list(differences(InputFile(tmp_path / "a.h5"), InputFile(tmp_path / "b.h5"))) == []


def scored(tmp_path, name, model_of, *, seed=0, seconds=0.0, provenant=True):
    """Write scores that were made from a model of this seed, trained in this time."""
    folder = tmp_path / name
    folder.mkdir()
    rows = tmp_path / "rows.csv"
    rows.write_text("a\n1\n")
    attributes = {"seed": seed}
    if provenant:
        data = lineage.source_file("data", InputFile(rows), str(rows))
        attributes |= lineage.attributes("fit", [data])
    history = {"epoch": np.arange(2), "seconds": np.full(2, seconds)}
    model = folder / "m.h5"
    write_model(model, model_of(history=history, attributes=attributes), force=False)
    made = lineage.attributes("score", [lineage.source_file("model", InputFile(model), str(model))])
    with scores_output(folder / "s.h5", 2, force=False, attributes=made) as out:
        out.write(0, np.ones(2))
    return folder / "s.h5"


def test_of_a_model_it_counts_what_made_it_and_not_how_long_that_took(tmp_path, model_of):
    one = scored(tmp_path, "one", model_of, seconds=1.0)
    assert (
        list(differences(InputFile(one), InputFile(scored(tmp_path, "two", model_of, seconds=2.0))))
        == []
    )
    found = differences(InputFile(one), InputFile(scored(tmp_path, "three", model_of, seed=1)))
    assert [entry.path for entry in found] == ["/@model_sha256", "/@provenance_json"]


def test_of_a_model_that_does_not_say_what_made_it_the_hash_counts(tmp_path, model_of):
    paths = [
        scored(tmp_path, str(seconds), model_of, seconds=seconds, provenant=False)
        for seconds in (1.0, 2.0)
    ]
    assert [entry.path for entry in differences(*map(InputFile, paths))] == [
        "/@model_sha256",
        "/@provenance_json",
    ]


def test_a_file_that_cannot_be_read_is_an_input_error(pair, tmp_path):
    pair(holding([1]), holding([1]))
    (tmp_path / "b.h5").write_bytes(b"no")
    with pytest.raises(InputError, match=r"b\.h5"):
        list(differences(InputFile(tmp_path / "a.h5"), InputFile(tmp_path / "b.h5")))
