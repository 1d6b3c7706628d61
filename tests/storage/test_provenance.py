import json
from hashlib import sha256

import h5py
import pytest

from gpuae.errors import InputError
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.model_file import write_model
from gpuae.storage.provenance import lineage
from gpuae.storage.provenance.lineage import Record, SourceFile, source_file


@pytest.fixture
def chain(tmp_path, model_of):
    """Attributes of features, made from a model that was made from a table."""
    (tmp_path / "rows.csv").write_text("a\n1\n")
    data = source_file("data", InputFile(tmp_path / "rows.csv"), str(tmp_path / "rows.csv"))
    made = lineage.attributes("fit", [data])
    path = tmp_path / "model.h5"
    write_model(path, model_of(attributes={"seed": 3, "device": "cpu", **made}), force=False)
    model = source_file("model", InputFile(path), str(path))
    return lineage.attributes("encode", [model, data], {"layer": 2})


def test_a_file_says_what_made_it_and_what_made_its_sources(chain, tmp_path):
    record = Record.of(chain, "features.h5")
    assert (record.command, record.options) == ("encode", {"layer": 2})
    model, data = record.sources
    assert (model.role, model.name, data.role, data.name) == (
        *("model", "model.h5"),
        *("data", "rows.csv"),
    )
    assert model.sha256 == sha256((tmp_path / "model.h5").read_bytes()).hexdigest()
    assert data.sha256 == sha256(b"a\n1\n").hexdigest()
    assert (model.made.command, model.made.seed, model.made.device) == ("fit", 3, "cpu")
    assert model.made.settings["hidden"] == [4, 2]
    assert model.made.sources == (data,)
    assert data.made is None


def test_the_hashes_of_model_and_data_have_attributes_of_their_own(chain):
    record = Record.of(chain, "features.h5")
    assert chain["model_sha256"] == record.sources[0].sha256
    assert chain["source_sha256"] == record.sources[1].sha256


def test_no_folder_is_told(chain, tmp_path):
    assert str(tmp_path) not in chain["provenance_json"]


def test_a_path_in_a_file_is_told(tmp_path):
    path = tmp_path / "any.h5"
    with h5py.File(path, "w") as file:
        file["run/x"] = [1]
    source = source_file("data", InputFile(path), f"{path}::/run/x")
    assert (source.name, source.inner, source.made) == ("any.h5", "/run/x", None)


def test_built_in_data_have_no_hash(tmp_path):
    made = lineage.attributes("fit", [source_file("data", None, "digits")])
    assert made.keys() == {"provenance_json"}
    assert Record.of(made, "m.h5").sources == (SourceFile(role="data", name="digits"),)


def test_the_chain_is_told_in_indented_lines(chain):
    made = {"created_by": "gpuae 9", "device": "cuda:0", "gpu": "A, cuBLAS 13.1.2"}
    record = Record.of({**chain, **made}, "f.h5")
    told = "encode, gpuae 9, device cuda:0, gpu A, cuBLAS 13.1.2, layer 2"
    assert record.heading() == told
    lines = list(record.source_lines())
    assert [line.split(" (")[0] for line in lines] == [
        "model model.h5",
        "  data rows.csv",
        "data rows.csv",
    ]
    assert lines[0].endswith("fit, gpuae 0.1.0, seed 3, device cpu")


def test_the_deepest_levels_give_way_when_the_chain_is_too_long():
    digest = "ab" * 32
    record = Record(command="first", settings={"long": "x" * 20_000})
    for depth in range(6):
        source = SourceFile(role="model", name=f"{depth}.h5", sha256=digest, made=record)
        record = Record(command="next", sources=(source,), settings={"long": "x" * 20_000})
    text = record.to_json()
    assert 20_000 < len(text) < 65_536
    found, names = Record.model_validate_json(text), []
    while found is not None:
        names.append(found.sources[0].name)
        last, found = found.sources[0], found.sources[0].made
    assert names == ["5.h5", "4.h5", "3.h5"]
    assert last.cut
    assert last.sha256 == digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 5000,
        '{"command": "\udc80"}',
        json.dumps({"sources": 3}),
        json.dumps({"sources": [{"role": "data"}]}),
        json.dumps({"sources": [{"role": "data", "name": "x", "sha256": "short"}]}),
    ],
)
def test_what_is_no_provenance_is_an_input_error(text):
    with pytest.raises(InputError, match=r"f\.h5: does not say what made it"):
        Record.of({"provenance_json": text}, "f.h5")


def test_names_that_a_later_version_adds_are_ignored():
    text = json.dumps(
        {"command": "fit", "later": [1], "sources": [{"role": "a", "name": "b", "c": 1}]}
    )
    assert Record.of({"provenance_json": text}, "f.h5").sources[0].name == "b"


def test_a_chain_of_any_length_can_be_read():
    """Each model starts from the one before, as with --init-from."""
    made = lineage.attributes("fit", [SourceFile(role="data", name="digits")])
    for number in range(100):
        before = Record.of(made, "the one before")
        source = SourceFile(role="init_from", name=f"{number}.h5", sha256="0" * 64, made=before)
        made = lineage.attributes("fit", [source])
    lines = list(Record.of(made, "the last").source_lines())
    assert "init_from 99.h5" in lines[0]
    assert len(lines) == lineage.DEEPEST


def test_a_long_option_is_told_by_its_beginning_and_its_hash():
    lists = ["a" * 70_000, "a" * 70_000 + "b"]
    made = [lineage.attributes("fit", (), {"columns": text}) for text in lists]
    told = [str(Record.of(own, "x.h5").options["columns"]) for own in made]
    assert told[0].startswith("a" * 1000 + "…")
    assert sha256(lists[0].encode()).hexdigest() in told[0]
    assert told[0] != told[1]
