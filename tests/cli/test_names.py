"""Columns and rows keep their names from the table to the scores; what is missing or held out."""

from __future__ import annotations

import csv
import json
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

NAMES = ("a", "b", "c", "d")
VALUES = np.random.default_rng(0).random((30, 4)).astype(np.float32)
FIT = ("--hidden", 2, "--epochs", 2, "--patience", 0)


def table(name, columns, delimiter=","):
    lines = [columns, *zip(*columns.values(), strict=True)]
    Path(name).write_text("\n".join(delimiter.join(map(str, line)) for line in lines) + "\n")
    return name


def columns_of(values=VALUES):
    return dict(zip(NAMES, values.T.astype(str), strict=True))


@pytest.fixture
def spectra(gpuae):
    """A table with ids, labels and a comment among its numbers."""
    return make_spectra()


def make_spectra():
    ids = {"sample": [f"s{i}" for i in range(30)]}
    others = {"species": ["u", "v"] * 15, "comment": ["none"] * 30}
    return table("spectra.csv", ids | columns_of() | others)


CHOSEN = ("--columns", "a:c", "--id-column", "sample", "--label-column", "species")


@pytest.fixture
def model(once):
    def make(gpuae):
        done = gpuae("fit", make_spectra(), "-o", "m.h5", *FIT, *CHOSEN)
        assert done.code == 0, done.err

    once("model-of-spectra", make)
    return "m.h5"


def test_a_model_keeps_the_names_of_the_columns_it_was_trained_on(model):
    with h5py.File(model) as file:
        assert file["model/feature_names"].asstr()[:].tolist() == ["a", "b", "c"]


def test_names_ids_and_labels_are_carried_into_every_output(gpuae, model, spectra):
    carried = ("--id-column", "sample", "--label-column", "species")
    paths = {"encode": "features", "score": "scores", "reconstruct": "data"}
    for command, folder in paths.items():
        done = gpuae(command, model, spectra, "-o", f"{command}.h5", *carried)
        assert done.code == 0, done.err
        assert done.err.count("note: of 7 columns the 3 columns of m.h5 are taken by name") == 1
        with h5py.File(f"{command}.h5") as file:
            assert file[f"{folder}/row_id"].asstr()[:3].tolist() == ["s0", "s1", "s2"]
            assert file[f"{folder}/y"].asstr()[:3].tolist() == ["u", "v", "u"]
    with h5py.File("reconstruct.h5") as file:
        assert file["data/feature_names"].asstr()[:].tolist() == ["a", "b", "c"]


def test_columns_in_another_order_give_the_same_codes(gpuae, model, spectra):
    turned = dict(reversed(columns_of().items()))
    table("turned.csv", turned)
    assert gpuae("encode", model, spectra, "-o", "one.h5").code == 0
    assert gpuae("encode", model, "turned.csv", "-o", "two.h5").code == 0
    with h5py.File("one.h5") as one, h5py.File("two.h5") as two:
        np.testing.assert_array_equal(one["features/code"][:], two["features/code"][:])


def test_a_model_remembers_which_columns_were_ids_and_labels(gpuae, model, spectra):
    done = gpuae("score", model, spectra, "-o", "s.csv")
    assert "note: the column 'sample' is taken as the row_id, as for m.h5" in done.err
    first = Path("s.csv").read_text().splitlines()[1]
    assert first.startswith("s0,u,")
    bare = table("bare.csv", columns_of())
    assert gpuae("score", model, bare, "-o", "bare.csv", "--force").code == 2  # its own input
    assert gpuae("score", model, bare, "-o", "t.csv").code == 0
    assert Path("t.csv").read_text().splitlines()[1] == "1," + first.removeprefix("s0,u,")


def test_a_list_of_columns_that_files_have_no_room_for_leaves_its_hash(gpuae):
    names = [f"a rather long name of column {number}" for number in range(3000)]
    Path("wide.csv").write_text(",".join(names) + "\n" + (",".join(["0.5"] * 3000) + "\n") * 4)
    done = gpuae("convert", "wide.csv", "w.h5", "--columns", ",".join(names))
    assert done.code == 0, done.err
    with h5py.File("w.h5") as file:
        options = json.loads(file.attrs["provenance_json"])["options"]
    assert options == {"columns_sha256": sha256(",".join(names).encode()).hexdigest()}


def test_a_model_remembers_how_its_table_was_written(gpuae):
    lines = [";".join([f"{i:02}", *row, "xy"[i % 2]]) for i, row in enumerate(VALUES.astype(str))]
    Path("t.csv").write_text("\n".join(lines).replace(".", ","))
    how = ("--no-header", "--decimal", ",", "--id-column", 1, "--label-column", 6)
    assert gpuae("fit", "t.csv", "-o", "n.h5", *FIT, *how).code == 0
    assert gpuae("score", "n.h5", "t.csv", "-o", "s.csv").code == 0
    assert Path("s.csv").read_text().splitlines()[1].startswith("00,x,")
    np.save("rows.npy", VALUES)
    assert gpuae("score", "n.h5", "rows.npy", "-o", "r.csv").code == 0
    refused(gpuae("score", "n.h5", "rows.npy", "-o", "q.csv", "--no-header"), "--no-header is for")


def test_a_missing_column_is_named(gpuae, model):
    table("less.csv", {"a": [1], "b": [2]})
    refused(gpuae("score", model, "less.csv", "-o", "s.h5"), "less.csv", "m.h5", "'c'")


@pytest.mark.parametrize("command", ["encode", "reconstruct", "score", "evaluate", "convert"])
def test_every_command_that_reads_data_chooses_columns(gpuae, command, tmp_path):
    np.save("rows.npy", VALUES)
    assert gpuae("fit", "rows.npy", "-o", "n.h5", *FIT, "--columns", "2-4").code == 0
    given = {"convert": ("convert", "rows.npy", "o.h5"), "evaluate": (command, "n.h5", "rows.npy")}
    arguments = given.get(command, (command, "n.h5", "rows.npy", "-o", "o.h5"))
    again = "--json" if command == "evaluate" else "--force"
    if command != "convert":
        told = gpuae(*arguments)
        assert told.code == 0
        assert "note: the columns 2-4 are taken, as for n.h5" in told.err
        refused(gpuae(*arguments, again, "--columns", "1-4"), "4", "3")
    assert gpuae(*arguments, again, "--columns", "2-4").code == 0
    refused(gpuae(*arguments, again, "--columns", "2-5"), "no column 5")
    if command == "convert":
        with h5py.File("o.h5") as file:
            np.testing.assert_array_equal(file["data/x"][:], VALUES[:, 1:])


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_every_output_may_be_a_table(gpuae, model, spectra, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    carried = ("--id-column", "sample", "--label-column", "species")
    for command, inner in (
        ("encode", "features/code"),
        ("score", "scores/error"),
        ("reconstruct", "data/x"),
    ):
        for name in (f"{command}.h5", f"{command}.{ending}"):
            assert gpuae(command, model, spectra, "-o", name, *carried).code == 0
        done = gpuae("convert", f"{command}.{ending}", f"{command}-back.h5")
        assert done.code == 0, done.err
        with h5py.File(f"{command}.h5") as one, h5py.File(f"{command}-back.h5") as two:
            values = one[inner][:].reshape(30, -1)
            np.testing.assert_array_equal(*(v.astype("f4") for v in (values, two["data/x"][:])))
            assert two["data/row_id"].asstr()[3] == "s3"
            assert two["data/y"].asstr()[3] == "v"
            names = two["data/feature_names"].asstr()[:].tolist()
        expected = {"encode": ["code_0", "code_1"], "score": ["error"], "reconstruct": [*"abc"]}
        assert names == expected[command]
    for features in ("encode.h5", f"encode.{ending}"):
        out = f"decoded-{Path(features).suffix[1:]}.csv"
        assert gpuae("decode", model, features, "-o", out).code == 0
    decoded = list(csv.DictReader(Path("decoded-h5.csv").read_text().splitlines()))
    assert list(decoded[0]) == ["row_id", "label", "a", "b", "c"]
    assert Path("decoded-h5.csv").read_text() == Path(f"decoded-{ending}.csv").read_text()


def test_another_layer_is_named_after_its_number(gpuae, spectra):
    assert (
        gpuae("fit", spectra, "-o", "deep.h5", "--hidden", "3,2", "--epochs", 1, *CHOSEN).code == 0
    )
    assert gpuae("encode", "deep.h5", spectra, "-o", "one.csv", "--layer", 1).code == 0
    assert Path("one.csv").read_text().startswith("row_id,label,layer1_0,layer1_1,layer1_2\n")


def test_a_data_set_can_be_converted_to_a_table_and_back(gpuae, spectra):
    assert gpuae("convert", spectra, "d.h5", *CHOSEN).code == 0
    assert gpuae("convert", "d.h5", "d.csv").code == 0
    assert gpuae("convert", "d.csv", "e.h5").code == 0
    with h5py.File("d.h5") as one, h5py.File("e.h5") as two:
        for name in ("x", "y", "row_id", "feature_names"):
            np.testing.assert_array_equal(one[f"data/{name}"][:], two[f"data/{name}"][:])


def test_a_model_is_no_table(gpuae, spectra):
    refused(gpuae("fit", spectra, "-o", "m.csv", *CHOSEN), "m.csv", "a model is HDF5")
    refused(gpuae("fit", spectra, "-o", "m.npy", *CHOSEN), "m.npy", "a model is HDF5")


# Missing values


@pytest.fixture
def holes(gpuae):
    values = VALUES.astype(str)
    values[3, 1] = values[7, 2] = ""
    return table("holes.csv", columns_of(values))


def test_missing_values_are_refused_unless_they_are_filled(gpuae, holes):
    refused(gpuae("fit", holes, "-o", "m.h5", *FIT), "2 cells are empty", "line 5", "missing=mean")
    assert gpuae("fit", holes, "-o", "m.h5", *FIT, "--missing", "mean").code == 0
    with h5py.File("m.h5") as file:
        assert file["preprocess/fill"].shape == (4,)
        assert file["preprocess/fill"].dtype == np.float64
        assert '"missing": "mean"' in file.attrs["config_json"]


def test_every_command_fills_as_the_model_says(gpuae, holes):
    assert gpuae("fit", holes, "-o", "m.h5", *FIT, "--missing", "mean").code == 0
    with h5py.File("m.h5") as file:
        fill = file["preprocess/fill"][:]
    values = VALUES.copy()
    values[3, 1], values[7, 2] = fill[1], fill[2]
    table("filled.csv", columns_of(values))
    for command in ("encode", "score", "reconstruct"):
        for name in ("holes", "filled"):
            done = gpuae(command, "m.h5", f"{name}.csv", "-o", f"{name}-{command}.csv")
            assert done.code == 0, done.err
        one, two = (Path(f"{name}-{command}.csv").read_text() for name in ("holes", "filled"))
        assert one == two
    figures = [
        gpuae("evaluate", "m.h5", f"{name}.csv", "--json").out for name in ("holes", "filled")
    ]
    assert figures[0] == figures[1]


def test_words_for_missing_values_are_given_and_remembered(gpuae):
    values = VALUES.astype(str)
    values[3, 1], values[7, 2] = "?", "-999"
    table("words.csv", columns_of(values))
    words = ("--na-values", "?, -999")
    refused(gpuae("fit", "words.csv", "-o", "m.h5", *FIT), "'?' is not a number", "--na-values")
    refused(gpuae("fit", "words.csv", "-o", "m.h5", *FIT, *words), "2 cells seem", "missing=mean")
    assert gpuae("fit", "words.csv", "-o", "m.h5", *FIT, *words, "--missing", "mean").code == 0
    assert gpuae("score", "m.h5", "words.csv", "-o", "s.csv").code == 0
    assert gpuae("convert", "words.csv", "w.h5", *words, "--missing", "keep").code == 0
    with h5py.File("w.h5") as file:
        assert np.argwhere(np.isnan(file["data/x"][:])).tolist() == [[3, 1], [7, 2]]
    refused(gpuae("convert", "words.csv", "v.h5", "--na-values", "?,,"), "separated by commas")


def test_a_model_that_refuses_missing_values_says_how_to_allow_them(gpuae, holes):
    table("whole.csv", columns_of())
    assert gpuae("fit", "whole.csv", "-o", "m.h5", *FIT).code == 0
    refused(gpuae("score", "m.h5", holes, "-o", "s.h5"), "holes.csv", "missing=mean")


def test_infinite_values_stay_refused_and_columns_of_nothing_too(gpuae):
    values = VALUES.copy()
    values[2, 1] = np.inf
    np.save("infinite.npy", values)
    mean = ("--missing", "mean")
    refused(gpuae("fit", "infinite.npy", "-o", "m.h5", *FIT, *mean), "infinite values", "row 3")
    table("empty.csv", columns_of() | {"c": [""] * 30})
    refused(gpuae("fit", "empty.csv", "-o", "m.h5", *FIT, *mean), "'c'", "no value")


def test_convert_keeps_missing_values_where_it_is_told_to(gpuae, holes):
    refused(gpuae("convert", holes, "d.h5"), "2 cells are empty")
    assert gpuae("convert", holes, "d.h5", "--missing", "keep").code == 0
    refused(gpuae("fit", "d.h5", "-o", "m.h5"), "d.h5", "2 of 30 rows", "missing=mean")
    assert gpuae("fit", "d.h5", "-o", "m.h5", *FIT, "--missing", "mean").code == 0


# Validation data


def test_validation_data_are_held_out_by_name(gpuae):
    table("train.csv", {"id": range(30)} | columns_of())
    table("held.csv", dict(reversed(columns_of(VALUES[:9] * 2).items())) | {"x": ["text"] * 9})
    held = ("--validation-data", "held.csv")
    done = gpuae("fit", "train.csv", "-o", "m.h5", *FIT, *held, "--id-column", "id")
    assert done.code == 0, done.err
    assert "of the variance of 9 unseen rows" in done.out
    table("sorted.csv", columns_of(VALUES[:9] * 2))
    figures = gpuae("evaluate", "m.h5", "sorted.csv", "--json").out
    with h5py.File("m.h5") as file:
        val_loss = file["train/history/val_loss"][int(file.attrs["best_epoch"]) - 1]
        sources = json.loads(file.attrs["provenance_json"])["sources"]
        assert [source["role"] for source in sources] == ["data", "validation_data"]
        assert '"validation": 0.0' in file.attrs["config_json"]
    assert json.loads(figures)["loss"] == pytest.approx(val_loss, rel=1e-4)


def test_validation_data_and_a_fraction_contradict_each_other(gpuae):
    np.save("rows.npy", VALUES)
    held = ("--validation-data", "rows.npy")
    refused(gpuae("fit", "rows.npy", "-o", "m.h5", *held, "--validation", 0.2), "leave one of them")
    Path("run.toml").write_text("validation = 0.1\n")
    refused(gpuae("fit", "rows.npy", "-o", "m.h5", *held, "--config", "run.toml"), "leave one")


def test_validation_data_of_other_columns_are_refused(gpuae):
    np.save("rows.npy", VALUES)
    np.save("less.npy", VALUES[:, :3])
    refused(gpuae("fit", "rows.npy", "-o", "m.h5", "--validation-data", "less.npy"), "3", "4")
    done = gpuae(
        "fit", "rows.npy", "-o", "m.h5", *FIT, "--columns", "1-3", "--validation-data", "rows.npy"
    )
    assert done.code == 0, done.err
    table("named.csv", columns_of())
    table("other.csv", {"a": [1], "b": [2], "c": [3], "e": [4]})
    refused(gpuae("fit", "named.csv", "-o", "n.h5", "--validation-data", "other.csv"), "'d'")


def test_the_model_does_not_replace_its_validation_data(gpuae):
    np.save("rows.npy", VALUES)
    Path("held").write_bytes(Path("rows.npy").read_bytes())
    done = gpuae("fit", "rows.npy", "-o", "held", "--validation-data", "held", "--force")
    refused(done, "held", "is the input")


# Data larger than memory


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_rows_that_stay_on_the_disk_are_treated_alike(gpuae, monkeypatch, compression):
    values = VALUES.copy()
    values[3, 1] = values[7, 2] = np.nan
    names = [name.encode() for name in NAMES]
    with h5py.File("d.h5", "w") as file:
        file.attrs.update({"format": "gpuae", "format_version": "1.0", "kind": "dataset"})
        chunks = (4, 4) if compression else None
        file.create_dataset("data/x", data=values, compression=compression, chunks=chunks)
        file["data/feature_names"] = names
    told = ("--columns", "c,a:b", "--missing", "mean", "--validation-data", "d.h5")
    scores = []
    for folder, small in (("memory", 1 << 30), ("disk", 0)):
        monkeypatch.setattr("gpuae.storage.rows.views.SMALL_BYTES", small)
        done = gpuae("fit", "d.h5", "-o", f"{folder}.h5", *FIT, *told, "--memory", "1K")
        assert done.code == 0, done.err
        done = gpuae("score", f"{folder}.h5", "d.h5", "-o", f"{folder}.csv", "--memory", "1K")
        assert done.code == 0, done.err
        scores.append(Path(f"{folder}.csv").read_text())
    assert scores[0] == scores[1]
    with h5py.File("memory.h5") as one, h5py.File("disk.h5") as two:
        weight = "model/encoder/0/weight"
        np.testing.assert_array_equal(one[weight][:], two[weight][:])
        assert one.attrs["provenance_json"] == two.attrs["provenance_json"]
        assert json.loads(one.attrs["provenance_json"])["options"] == {"columns": "c,a:b"}


def test_a_table_is_not_resumed(gpuae, model, spectra):
    done = gpuae("encode", model, spectra, "-o", "f.csv", "--resume")
    refused(done, "f.csv", "leave --resume out")
    assert not Path("f.csv").exists()
