"""Every file says what made it, and gpuae verify holds it to that."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

from gpuae.cli.verify import SHOWN_DIFFERENCES

FIT = ("fit", "data.h5", "-o", "next.h5", "--hidden", "4,2", "--epochs", 2, "--patience", 0)
MADE = {
    "data.h5": ("convert", "rows.npy", "data.h5", "--labels", "labels.npy"),
    "features.h5": ("encode", "model.h5", "data.h5", "-o", "features.h5", "--layer", 2),
    "decoded.h5": ("decode", "model.h5", "features.h5", "-o", "decoded.h5"),
    "again.h5": ("reconstruct", "model.h5", "data.h5", "-o", "again.h5"),
    "scores.h5": ("score", "model.h5", "rows.npy", "-o", "scores.h5"),
    "next.h5": (*FIT, "--init-from", "model.h5"),
}


@pytest.fixture
def made(once, model, tmp_path):
    """The outputs of all commands, in the working folder."""

    def make(gpuae):
        shutil.copytree(tmp_path, ".", dirs_exist_ok=True)
        np.save("labels.npy", np.arange(40))
        for command in MADE.values():
            assert gpuae(*command).code == 0

    once("outputs-of-all-commands", make)
    return tmp_path


def chain(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs["provenance_json"])


def test_every_commands_output_is_right_and_says_what_it_was_made_from(gpuae, made):
    done = gpuae("verify", "rows.npy", "labels.npy", "model.h5", *MADE)
    assert done.code == 0, done.out
    lines = dict(line.split(": ", 1) for line in done.out.splitlines())
    assert len(lines) == 9
    assert all(line.startswith("ok, ") for line in lines.values())
    assert "made from rows.npy, labels.npy" in lines["data.h5"]
    assert "made from model.h5, data.h5" in lines["next.h5"]
    assert "source of" in lines["rows.npy"]


def test_roles_and_options_are_told(made):
    assert [source["role"] for source in chain("data.h5")["sources"]] == ["data", "labels"]
    assert [source["role"] for source in chain("next.h5")["sources"]] == ["data", "init_from"]
    assert chain("features.h5")["options"] == {"layer": 2}
    decoded = chain("decoded.h5")
    assert [source["name"] for source in decoded["sources"]] == ["model.h5", "features.h5"]
    features = decoded["sources"][1]["made"]
    assert (features["command"], features["options"]) == ("encode", {"layer": 2})
    assert features["sources"][1]["made"]["sources"][0]["name"] == "rows.npy"


def test_inspect_shows_the_chain(gpuae, made):
    lines = gpuae("inspect", "decoded.h5").out.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(" made by decode, gpuae"))
    told = [line.partition(" (")[0] for line in lines[first + 1 :]]
    assert told == [
        "  model model.h5",
        "    data rows.npy",
        "  data features.h5",
        "    model model.h5",
        "      data rows.npy",
        "    data data.h5",
        "      data rows.npy",
        "      labels labels.npy",
    ]
    shown = json.loads(gpuae("inspect", "decoded.h5", "--json").out)["provenance"]
    assert shown["sources"] == chain("decoded.h5")["sources"]


def test_the_same_command_gives_the_same_bytes(gpuae, made):
    for name, command in MADE.items():
        if name != "next.h5":
            before = (made / name).read_bytes()
            assert gpuae(*command, "--force").code == 0
            assert (made / name).read_bytes() == before, name


def test_two_fits_are_the_same_and_so_is_what_is_made_from_them(gpuae, made):
    (made / "second").mkdir()
    fit = ("fit", "rows.npy", "--hidden", "4,2", "--epochs", 2, "--patience", 0)
    assert gpuae(*fit, "-o", "second/model.h5").code == 0
    encode = ("encode", "second/model.h5", "data.h5", "-o", "second/features.h5")
    assert gpuae(*encode).code == 0
    for name in ("model.h5", "features.h5"):
        done = gpuae("verify", "--same", name, f"second/{name}")
        assert done.code == 0, done.out
        assert "are the same, but for timings" in done.out


def test_two_that_differ_are_said_to_and_where(gpuae, made):
    done = gpuae("verify", "--same", "model.h5", "next.h5")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == "model.h5 and next.h5 differ:"
    assert len(lines) == SHOWN_DIFFERENCES + 2
    plain = json.loads(gpuae("verify", "--same", "model.h5", "next.h5", "--json").out)
    assert not plain["same"]
    weight = next(d for d in plain["differences"] if d["path"] == "/model/encoder/0/weight")
    assert weight["count"] == 24
    assert weight["largest"] > 0


def test_a_changed_file_is_wrong(gpuae, made):
    with h5py.File("features.h5", "r+") as file:
        file["features/code"][3, 1] += 1
    done = gpuae("verify", "features.h5", "scores.h5")
    assert done.code == 1
    assert "features.h5: WRONG: its content is not what was written" in done.out
    assert "scores.h5: ok" in done.out
    verdicts = json.loads(gpuae("verify", "features.h5", "scores.h5", "--json").out)
    assert [verdict["ok"] for verdict in verdicts] == [False, True]


def test_an_older_file_is_right_and_it_is_said(gpuae, made):
    with h5py.File("scores.h5", "r+") as file:
        del file.attrs["content_sha256"]
        del file.attrs["provenance_json"]
    done = gpuae("verify", "scores.h5", "model.h5", "rows.npy")
    assert "scores.h5: ok, scores; no content hash: an older file" in done.out
    assert gpuae("verify", "scores.h5").code == 0


@pytest.mark.parametrize(
    "arguments",
    [(), ("nowhere.h5",), (".",), ("--same", "model.h5"), ("--same", "a.h5", "b.h5", "c.h5")],
)
def test_wrong_usage(gpuae, made, arguments):
    done = gpuae("verify", *arguments)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_file_of_pythons_says_so_too(gpuae, tmp_path, rows):
    from gpuae import Autoencoder

    Autoencoder(hidden=2, epochs=1).fit(rows).save("fitted.h5")
    Autoencoder(hidden=2, epochs=1).partial_fit(rows).save("partial.h5")
    assert gpuae("verify", "fitted.h5", "partial.h5").code == 0
    assert chain("fitted.h5")["command"] == "Autoencoder.fit"
    assert chain("partial.h5")["command"] == "Autoencoder.partial_fit"
