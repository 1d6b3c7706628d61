"""Whatever is given as a name or a number is understood, or refused in one short sentence."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import pytest
from refusals import refused

LONG = "a" * 300
MANY = "9" * 5000


@pytest.fixture
def circle(model):
    Path("circle").symlink_to("other")
    Path("other").symlink_to("circle")


FIT = ("fit", "rows.npy", "-o", "out.h5")
ENCODE = ("encode", "model.h5", "rows.npy", "-o", "out.h5")
NAMES = {
    "data": ("fit", "{}", "-o", "out.h5"),
    "output": ("fit", "rows.npy", "-o", "{}"),
    "init": (*FIT, "--init-from", "{}"),
    "config": (*FIT, "--config", "{}"),
    "checkpoint": (*FIT, "--checkpoint", "{}"),
    "validation": (*FIT, "--validation-data", "{}"),
    "model": ("encode", "{}", "rows.npy", "-o", "out.h5"),
    "labels": ("convert", "rows.npy", "out.h5", "--labels", "{}"),
    "inspect": ("inspect", "{}"),
}


@pytest.mark.parametrize("use", NAMES)
@pytest.mark.parametrize("name", [LONG, f"{LONG}/x", "rows.npy/x", "circle", "", "nowhere/x.h5"])
def test_names_that_lead_nowhere(gpuae, circle, use, name):
    outcome = gpuae(*(part.format(name) for part in NAMES[use]))
    refused(outcome, name or ".")
    assert not Path("out.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((*FIT, "--epochs", 10**18), "epochs"),
        ((*FIT, "--hidden", ",".join(["3"] * 3000)), "at most 100 widths"),
        ((*FIT, "--hidden", 2, "--depth", 10**9), "depth"),
        ((*FIT, "--checkpoint", "run.h5", "--checkpoint-every", f"{MANY}epochs"), "every"),
        ((*FIT, "--checkpoint-every", "1s"), "needs --checkpoint FILE"),
        ((*ENCODE, "--device", "cuda:0x0"), "give auto, cpu, cuda, cuda:N or numpy"),
        ((*ENCODE, "--device", "gpu"), "give auto, cpu, cuda, cuda:N or numpy"),
        (("ft", "rows.npy"), "did you mean fit?"),
        (("nothing",), "gpuae --help lists all commands"),
    ],
)
def test_what_makes_no_sense(gpuae, model, arguments, word):
    outcome = gpuae(*arguments)
    refused(outcome, word)
    assert len(outcome.err) < 1000


@pytest.mark.parametrize("size", ["9" * 20, "9" * 400, "9" * 30 + "TB"])
def test_more_memory_than_there_can_be_is_all_of_it(gpuae, model, size):
    assert gpuae(*ENCODE, "--memory", size).code == 0


CONFIGS = {
    "digits": f"seed = {MANY}",
    "depth": "a = " + "[" * 10**4,
    "size": "#" * (2 << 20),
    "parts": "a." * 10**5 + "b = 1",
}


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_a_config_that_is_none(gpuae, model, text):
    Path("config.toml").write_text(text)
    outcome = gpuae(*FIT, "--config", "config.toml")
    refused(outcome, "config.toml")
    assert len(outcome.err) < 1000


def test_a_config_that_never_ends(gpuae, model):
    os.mkfifo("pipe")
    for name in ("pipe", "/dev/zero"):
        refused(gpuae(*FIT, "--config", name), f"{name}: is not a plain file")


@pytest.mark.parametrize("arguments", [("help",), ("--help",)])
def test_help(gpuae, arguments):
    outcome = gpuae(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert "Train an autoencoder" in outcome.out


def test_help_for_a_command(gpuae):
    assert gpuae("help", "fit") == gpuae("fit", "--help")


def test_what_hdf5_finds_wrong_is_no_defect_of_ours(gpuae, model, monkeypatch):
    """Wherever that is: not every call of HDF5's can be looked after by itself."""

    def look(input_file):
        with h5py.File(input_file.path) as file:
            return file["nothing"]

    monkeypatch.setattr("gpuae.storage.provenance.summary.summarise", look)
    refused(gpuae("inspect", "model.h5"), "is damaged", "doesn't exist")
    monkeypatch.setattr("gpuae.storage.provenance.summary.summarise", lambda path: {}["nothing"])
    assert "a defect of gpuae" in gpuae("inspect", "model.h5").err


@pytest.mark.parametrize("text", ["9" * 5000, '{"seed": ' + "9" * 5000 + "}", "[" * 20_000])
def test_settings_in_a_file_that_are_none(gpuae, model, text):
    with h5py.File(model, "r+") as file:
        file.attrs["config_json"] = text
    refused(gpuae("encode", "model.h5", "rows.npy", "-o", "out.h5"), "model.h5", "config_json")
    refused(gpuae("inspect", "model.h5"), "model.h5", "config_json")


def test_nothing_from_a_file_steers_the_terminal(gpuae, model):
    red = "\x1b[31mred\x1b]0;title\x07\r"
    with h5py.File("red\x1b[31m.h5", "w") as file:
        file.attrs["text"] = red
        file.attrs[red] = "text"
        file[red] = [1.0]
    for command in ("inspect", "verify"):
        outcome = gpuae(command, "red\x1b[31m.h5")
        assert not set("\x1b\x07\r") & set(outcome.out + outcome.err)
        assert "\\x1b[31m" in outcome.out
    outcome = gpuae("convert", "red\x1b[31m.h5", "out.h5")
    refused(outcome, "\\x1b[31m")
    assert "\x1b" not in outcome.err


def test_no_name_of_a_file_steers_the_terminal(gpuae, model):
    name = "red\x1b]0;title\x07.h5"
    for outcome in (
        gpuae("convert", "rows.npy", name),
        gpuae("fit", "rows.npy", "-o", name, "--epochs", 1, "--force"),
        gpuae("encode", "model.h5", "rows.npy", "-o", name, "--force"),
        gpuae("verify", "--same", name, name),
        gpuae("inspect", name, name),
    ):
        assert "\x1b" not in outcome.out + outcome.err
        assert "red\\x1b]0;title\\x07.h5" in outcome.out + outcome.err
