import json
import tracemalloc
from dataclasses import replace

import h5py
import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, walk
from gpuae.storage.hdf5.nodes import Dataset
from gpuae.storage.kinds.compressed_file import CompressedContents, Grid, compressed_output
from gpuae.storage.kinds.dataset_file import write_dataset
from gpuae.storage.kinds.features import features_output, scores_output
from gpuae.storage.kinds.model_file import read_model, write_model
from gpuae.storage.provenance import lineage
from gpuae.storage.provenance.comparison import differences
from gpuae.storage.provenance.verification import verify
from gpuae.storage.rows.metadata import RowMetadata

KINDS = ("dataset", "model", "features", "scores", "compressed")


@pytest.fixture
def files(tmp_path, model_of, full_dataset):
    """One file of each kind, made from one another, by kind."""
    paths = {kind: tmp_path / f"{kind}.h5" for kind in KINDS}
    write_dataset(paths["dataset"], full_dataset, force=False, attributes=made("convert"))
    attributes = {"seed": 1, "device": "cpu", **made("fit", data=paths["dataset"])}
    write_model(paths["model"], model_of(attributes=attributes), force=False)
    attributes = made("encode", model=paths["model"], data=paths["dataset"])
    beside = {"metadata": full_dataset.metadata.of_rows, "attributes": attributes}
    with features_output(paths["features"], (7, 2), force=False, **beside) as out:
        out.write(0, full_dataset.x[:, :2])
    with scores_output(paths["scores"], 7, force=False, **beside) as out:
        out.write(0, full_dataset.x[:, 0])
    write_compressed(paths["compressed"], model_of(), full_dataset, attributes)
    return paths


def write_compressed(path, model, dataset, attributes):
    decoder = replace(model, encoder=(), history={}, attributes={})
    grid = Grid(np.ones(2), np.arange(2))
    beside = RowMetadata(dataset.y, dataset.row_id)
    written = CompressedContents(decoder, grid, np.dtype(np.float32), beside)
    shape, options = (7, 2), {"force": False, "attributes": attributes}
    with compressed_output(path, shape, np.dtype(np.int16), 7, written, **options) as out:
        out.write(0, np.arange(14, dtype=np.int16).reshape(shape))


def made(command, **sources):
    files = [
        lineage.source_file(role, InputFile(path), str(path)) for role, path in sources.items()
    ]
    return lineage.attributes(command, files)


def as_checkpoint(path, edit):
    """Make a model file one of a checkpoint, as somebody without our hash would."""
    with edit(path) as file:
        file.attrs["kind"] = "checkpoint"
        file["state/step"] = np.arange(3)
        del file.attrs["content_sha256"]


def problems(path):
    (verdict,) = verify([path])
    return verdict.problems


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_right(files, kind):
    (verdict,) = verify([files[kind]])
    assert verdict.ok, verdict
    assert verdict.kind == kind
    assert verdict.hashed


def test_files_that_were_made_from_one_another_are_found_to_be(files):
    verdicts = {verdict.kind: verdict for verdict in verify(list(files.values()))}
    assert all(verdict.ok for verdict in verdicts.values())
    assert verdicts["features"].made_from == (files["dataset"], files["model"])
    assert verdicts["dataset"].source_of == tuple(files[kind] for kind in KINDS[1:])


def test_another_model_under_the_same_or_as_the_only_one_is_found_out(files, model_of):
    write_model(files["model"], model_of(attributes={"seed": 7}), force=True)
    verdicts = {verdict.kind: verdict for verdict in verify(list(files.values()))}
    (problem,) = verdicts["features"].problems
    assert "was made from another model than" in problem
    assert verdicts["model"].ok
    renamed = files["model"].rename(files["model"].with_name("other.h5"))
    assert not all(verdict.ok for verdict in verify([files["features"], renamed]))


def test_files_that_have_nothing_to_do_with_each_other_are_right(files, tmp_path, model_of):
    for name in ("one.h5", "two.h5"):
        write_model(tmp_path / name, model_of(attributes={"device": name}), force=False)
    paths = [files["features"], tmp_path / "one.h5", tmp_path / "two.h5"]
    assert all(verdict.ok for verdict in verify(paths))


def test_data_of_other_formats_may_be_among_the_files_when_they_are_sources(tmp_path, model_of):
    (tmp_path / "rows.csv").write_text("a\n1\n")
    write_model(
        tmp_path / "m.h5",
        model_of(attributes=made("fit", data=tmp_path / "rows.csv")),
        force=False,
    )
    paths = [tmp_path / "rows.csv", tmp_path / "m.h5"]
    rows, model = verify(paths)
    assert rows.ok
    assert rows.source_of == (tmp_path / "m.h5",)
    assert model.made_from == (tmp_path / "rows.csv",)
    (tmp_path / "rows.csv").write_text("a\n2\n")
    rows, model = verify(paths)
    assert rows.problems == ("is not a gpuae file, nor was one of the others made from it",)
    assert "was made from another data than" in model.problems[0]


@pytest.mark.parametrize("step", [41, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["dataset", "model", "features", "scores"])
def test_every_byte_of_the_values_counts(files, kind, step):
    path = files[kind]
    content = bytearray(path.read_bytes())
    with opening.opened(InputFile(path)) as file:
        spans = {
            name: (item.offset, item.stored)
            for name, item in walk.objects(file).items()
            if isinstance(item, Dataset)
        }
    for name, (offset, size) in spans.items():
        for position in range(offset, offset + size, step):
            content[position] ^= 1 << position % 8
            path.write_bytes(content)
            content[position] ^= 1 << position % 8
            assert problems(path), f"{name}, byte {position - offset}"


@pytest.mark.parametrize("flips", [12, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(files, kind, flips):
    path = files[kind]
    whole = contents(path)
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(0)
    for position in random.choice(len(content), min(flips, len(content)), replace=False):
        bit = 1 << int(random.integers(8))
        content[position] ^= bit
        path.write_bytes(content)
        content[position] ^= bit
        if not problems(path):
            assert contents(path) == whole, position


def contents(path):
    """Return everything that a reader sees in a file."""
    seen = {}

    def take(name, item):
        seen[name] = item[()].tobytes() if isinstance(item, h5py.Dataset) else None
        seen.update({f"{name}@{key}": np.asarray(item.attrs[key]).tobytes() for key in item.attrs})

    with h5py.File(path) as file:
        take("/", file)
        file.visititems(take)
    return seen


@pytest.mark.parametrize("step", [1511, pytest.param(211, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_wrong(files, kind, step):
    content = files[kind].read_bytes()
    for size in range(0, len(content), step):
        files[kind].write_bytes(content[:size])
        assert problems(files[kind]), size


def test_a_file_without_a_hash_is_right_and_it_is_said(files, edit):
    with edit(files["features"]) as file:
        del file.attrs["content_sha256"]
    (verdict,) = verify([files["features"]])
    assert verdict.ok
    assert not verdict.hashed


def test_a_checkpoint_is_a_model_and_whatever_its_state_is(files, edit):
    as_checkpoint(files["model"], edit)
    assert not problems(files["model"])
    with edit(files["model"]) as file:
        del file["model/encoder/1/bias"]
    assert "/model/encoder/1/bias: is not in the file" in problems(files["model"])[0]


def replaced(path, value):
    def change(file):
        del file[path]
        if value is not None:
            file[path] = value

    return change


def said(name, value):
    def change(file):
        file.attrs[name] = value

    return change


WRONG = [
    ("dataset", replaced("data/x", None), "/data/x: is not in the file"),
    ("dataset", replaced("data/x", np.ones((7, 2, 3))), "has shape (7, 2, 3)"),
    ("dataset", replaced("data/y", np.ones(6)), "/data/y: has shape (6,)"),
    ("dataset", replaced("data/row_id", np.array([b"\xff"] * 7)), "not UTF-8"),
    ("dataset", replaced("data/feature_names", np.ones(6)), "holds numbers"),
    ("dataset", replaced("data/feature_names", [b"a"]), "has shape (1,)"),
    ("dataset", lambda f: f["data/x"].attrs.modify("image_shape", [2, 2]), "does not make 6"),
    ("features", replaced("features/code", np.ones((7, 2))), "is float64 where float32"),
    ("scores", replaced("scores/error", np.ones((7, 1))), "has shape (7, 1)"),
    ("model", replaced("model/decoder/0/bias", np.full(4, np.nan, "f4")), "holds NaN"),
    ("model", said("config_json", "{}"), "hidden"),
    ("model", said("config_json", "["), "does not say what made it"),
    ("model", said("format_version", "2.0"), "format version 2.0"),
    ("model", said("kind", "poem"), "the kind 'poem'"),
    ("model", said("seed", -1), "seed is -1"),
    ("model", said("source_sha256", "12"), "source_sha256 is '12'"),
    ("model", said("source_sha256", "ab" * 32), "source_sha256 contradicts"),
    ("model", said("provenance_json", "{"), "does not say what made it"),
    ("model", lambda f: f.attrs.pop("created_by"), "lacks the attribute created_by"),
    ("model", lambda f: f.update({"more": h5py.SoftLink("/model")}), "soft or external link"),
    ("model", lambda f: f.create_dataset("more", (9,), "f4"), "never written"),
    ("features", said("layer", 0), "layer is 0"),
    ("model", said("held_out_error", "small"), "held_out_error is 'small'"),
    ("model", said("held_out_explained_variance", 1.5), "held_out_explained_variance is 1.5"),
    ("features", said("content_sha256", "no"), "content_sha256 is 'no'"),
    ("features", said("content_sha256", "ab" * 32), "its content is not what was written"),
]


@pytest.mark.parametrize(("kind", "change", "message"), WRONG)
def test_what_is_wrong_is_said(files, edit, kind, change, message):
    with edit(files[kind]) as file:
        change(file)
        if not message.startswith(("content_sha256", "its content")):
            file.attrs.pop("content_sha256")
    assert message in problems(files[kind])[0]


def test_virtual_rows_are_refused(files, edit):
    with edit(files["scores"]) as file:
        layout = h5py.VirtualLayout((7,), "f8")
        layout[:] = h5py.VirtualSource("other.h5", "x", (7,))
        del file["scores/error"]
        file.create_virtual_dataset("scores/error", layout)
    assert "keeps its values in other files" in problems(files["scores"])[0]


def test_a_missing_file_is_an_input_error(files, tmp_path):
    for path in (tmp_path / "nowhere.h5", tmp_path):
        with pytest.raises(InputError, match=path.name):
            verify([files["model"], path])


def test_a_model_says_all_that_decides_it_without_saying_where_it_was(files, tmp_path):
    with h5py.File(files["features"]) as file:
        chain = json.loads(file.attrs["provenance_json"])
    assert str(tmp_path) not in json.dumps(chain)
    model = next(source for source in chain["sources"] if source["role"] == "model")
    assert model["made"]["sources"][0]["name"] == "dataset.h5"
    assert model["made"]["settings"]["hidden"] == [4, 2]


def test_a_model_that_is_read_and_written_again_has_a_hash_of_its_own(files, tmp_path):
    model = read_model(InputFile(files["model"]))
    changed = replace(model, feature_names=tuple("ghijkl"))
    write_model(tmp_path / "again.h5", changed, force=False)
    assert not problems(tmp_path / "again.h5")


def test_a_large_file_takes_little_memory(tmp_path):
    rows = np.zeros((1 << 16, 256), np.float32)
    with features_output(tmp_path / "large.h5", rows.shape, force=False, attributes={}) as out:
        out.write(0, rows)
    tracemalloc.start()
    try:
        assert not problems(tmp_path / "large.h5")
        assert not list(
            differences(InputFile(tmp_path / "large.h5"), InputFile(tmp_path / "large.h5"))
        )
        assert tracemalloc.get_traced_memory()[1] < rows.nbytes
    finally:
        tracemalloc.stop()
