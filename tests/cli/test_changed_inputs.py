"""What is said of the inputs is true of what was read, also where they change meanwhile."""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from refusals import refused

from gpuae import encoding, importers
from gpuae.cli.progress import Lines
from gpuae.storage.files.background_hash import BackgroundHash
from gpuae.storage.outputs.hdf5_output import RowsOutput
from gpuae.storage.provenance import lineage

ROWS = 5000
"""Enough for a map to have pages beyond the first."""


@pytest.fixture
def rows():
    return np.random.default_rng(0).random((ROWS, 6))


@pytest.fixture
def meanwhile(monkeypatch):
    """A function that has something done just before a function is called."""

    def arrange(owner, name, do):
        own = getattr(owner, name)

        def changed(*arguments, **named):
            do()
            return own(*arguments, **named)

        monkeypatch.setattr(owner, name, changed)

    return arrange


def overwrite():
    """Change the rows in place, as whoever has them mapped sees at once."""
    np.save("other.npy", np.zeros((ROWS, 6)))
    Path("rows.npy").write_bytes(Path("other.npy").read_bytes())


def cut():
    os.truncate("rows.npy", 1 << 12)


def left_behind():
    return sorted(path.name for path in Path().iterdir() if "out" in path.name)


USES = ("encode", "score", "reconstruct")


@pytest.mark.parametrize("use", USES)
def test_rows_that_change_while_they_are_read_give_nothing(gpuae, model, meanwhile, use):
    meanwhile(encoding, use, overwrite)
    outcome = gpuae(use, "model.h5", "rows.npy", "-o", "out.h5")
    refused(outcome, "rows.npy: has changed while it was read")
    assert left_behind() == []


@pytest.mark.parametrize("use", USES)
def test_rows_that_are_cut_short_while_they_are_read_give_nothing(gpuae, model, meanwhile, use):
    meanwhile(encoding, use, cut)
    outcome = gpuae(use, "model.h5", "rows.npy", "-o", "out.h5")
    refused(outcome, "rows.npy: was cut short")
    assert left_behind() == []


def test_rows_are_encoded_while_their_file_is_hashed(gpuae, model, meanwhile):
    """The hash is not asked for before some of the codes are written."""
    written = threading.Event()
    meanwhile(RowsOutput, "write", written.set)
    meanwhile(BackgroundHash, "_digest", lambda: written.wait(10) or pytest.fail("nobody wrote"))
    assert gpuae("encode", "model.h5", "rows.npy", "-o", "out.h5").code == 0
    with h5py.File("out.h5") as file:
        assert file.attrs["source_sha256"] == sha256(Path("rows.npy").read_bytes()).hexdigest()
        assert file.attrs["source_sha256"] in file.attrs["provenance_json"]


def test_a_model_that_is_replaced_before_it_is_hashed(gpuae, model, monkeypatch):
    own = importers.open_data

    def replace_and_open(*arguments, **named):
        monkeypatch.setattr(importers, "open_data", own)
        fit = ("fit", "rows.npy", "-o", "model.h5", "--force", "--seed", 9)
        assert gpuae(*fit, "--hidden", "4,2", "--epochs", 0).code == 0
        return own(*arguments, **named)

    monkeypatch.setattr(importers, "open_data", replace_and_open)
    outcome = gpuae("encode", "model.h5", "rows.npy", "-o", "out.h5")
    refused(outcome, "model.h5: has changed while it was read")
    assert left_behind() == []


def test_rows_in_memory_may_change_once_they_are_hashed(gpuae, model, rows, meanwhile):
    names = ",".join("abcdef")
    np.savetxt("rows.csv", rows, delimiter=",", header=names, comments="")
    meanwhile(encoding, "encode", lambda: Path("rows.csv").write_text("nothing\n"))
    assert gpuae("encode", "model.h5", "rows.csv", "-o", "out.h5").code == 0


@pytest.mark.parametrize(("change", "words"), [(overwrite, "has changed"), (cut, "was cut short")])
def test_converting_rows_that_change(gpuae, model, monkeypatch, change, words):
    real = RowsOutput.__enter__
    monkeypatch.setattr(RowsOutput, "__enter__", lambda own: (change(), real(own))[1])
    refused(gpuae("convert", "rows.npy", "out.h5"), f"rows.npy: {words}")
    assert left_behind() == []


def test_a_model_does_not_name_rows_that_changed_while_it_was_trained(gpuae, model, meanwhile):
    meanwhile(Lines, "training_starts", overwrite)
    outcome = gpuae("fit", "rows.npy", "-o", "out.h5", "--hidden", 2, "--epochs", 2)
    refused(outcome, "rows.npy: has changed while the model was trained", "out.h5")
    with h5py.File("out.h5") as file:
        assert "source_sha256" not in file.attrs
        (source,) = lineage.Record.of(file.attrs, "out.h5").sources
    assert (source.name, source.sha256) == ("rows.npy", None)
    assert gpuae("verify", "out.h5").code == 0


def test_rows_that_are_cut_short_while_a_model_is_trained(gpuae, model, meanwhile):
    meanwhile(Lines, "training_starts", cut)
    outcome = gpuae("fit", "rows.npy", "-o", "out.h5", "--hidden", 2, "--epochs", 2)
    refused(outcome, "rows.npy: was cut short")
    assert left_behind() == []
