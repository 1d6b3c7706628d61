"""Whatever happens to names, messages and checkpoints, a trained model is written somewhere."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from gpuae.cli.progress import Lines
from gpuae.errors import OutputError
from gpuae.model.model import Model
from gpuae.training import checkpoint

FIT = ("--hidden", 3, "--epochs", 3, "--patience", 0, "--device", "numpy")


@pytest.fixture
def data(gpuae, rows):
    np.save("rows.npy", rows)


@pytest.fixture
def amid(monkeypatch):
    """A function that has something done when an epoch of training is done."""

    def arrange(do, epoch=2):
        own = Lines.epoch_done

        def changed(observer, record):
            own(observer, record)
            if record.epoch == epoch:
                do()

        monkeypatch.setattr(Lines, "epoch_done", changed)

    return arrange


def said_to_be_in(outcome):
    return Path(re.search(r"the model is in (\S+)", outcome.err)[1])


def test_the_folder_of_the_output_is_renamed(gpuae, data, amid):
    Path("old").mkdir()
    amid(lambda: Path("old").rename("new"))
    outcome = gpuae("fit", "rows.npy", "-o", "old/model.h5", *FIT)
    refused(outcome, "old/model.h5")
    assert len(Model.load(said_to_be_in(outcome)).history["epoch"]) == 3


def test_a_long_name_is_taken_meanwhile(gpuae, data, amid):
    name = "m" * 251 + ".h5"
    amid(lambda: Path(name).write_text("of somebody else"))
    outcome = gpuae("fit", "rows.npy", "-o", name, *FIT)
    refused(outcome, "exists already")
    assert Path(name).read_text() == "of somebody else"
    assert len(Model.load(said_to_be_in(outcome)).history["epoch"]) == 3


def test_a_checkpoint_that_cannot_be_written_at_the_end(gpuae, data, amid, monkeypatch):
    """The model is: there is nothing else to go on from."""
    own, written = checkpoint.write_checkpoint, []

    def full(path, *arguments):
        if written:
            raise OutputError(f"{path}: no room")
        written.append(own(path, *arguments))

    monkeypatch.setattr(checkpoint, "write_checkpoint", full)
    amid(lambda: signal.raise_signal(signal.SIGINT))
    outcome = gpuae("fit", "rows.npy", "-o", "model.h5", "--checkpoint", "run.h5", *FIT)
    assert outcome.code == 130
    assert "--resume" not in outcome.err
    assert "wrote model.h5" in outcome.out
    assert len(Model.load(Path("model.h5")).history["epoch"]) == 2


def test_more_is_said_of_the_columns_than_an_attribute_holds(gpuae, rows):
    names = [f"{letter * 12000}" for letter in "abcdef"]
    np.savetxt("rows.csv", rows, delimiter=",", header=",".join(names), comments="")
    asked = ("--columns", ",".join(names))
    assert gpuae("fit", "rows.csv", "-o", "model.h5", *asked, *FIT).code == 0
    assert gpuae("encode", "model.h5", "rows.csv", "-o", "codes.h5", *asked).code == 0
    assert gpuae("verify", "model.h5", "codes.h5").code == 0


def test_what_cannot_be_written_is_found_out_before_training(gpuae, data, amid, monkeypatch):
    monkeypatch.setattr("gpuae.storage.file_format.ATTRIBUTE_BYTES", 10)
    monkeypatch.setattr(Lines, "training_starts", lambda *_: pytest.fail("was trained"))
    assert gpuae("fit", "rows.npy", "-o", "model.h5", *FIT).code == 1


LOSSES = {"closed": "2>&-", "full": "2>/dev/full", "both closed": ">&- 2>&-", "no input": "<&-"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_messages_that_cannot_be_written(data, tmp_path, loss):
    fit = " ".join(map(str, (sys.executable, "-m gpuae fit rows.npy -o model.h5", *FIT)))
    done = subprocess.run(f"{fit} {loss}", shell=True, cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert len(Model.load(tmp_path / "model.h5").history["epoch"]) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", ["--help", "--version", "fit --help"])
def test_results_that_cannot_be_printed(tmp_path, words):
    command = f"{sys.executable} -m gpuae {words} >/dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"Error: the (results|disk) .*(No space left|is full).*\n", done.stderr)


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(data, tmp_path, name):
    """As nohup and `&` in a script have it."""
    program = (
        "import os, signal; from gpuae import __main__; from gpuae.cli.progress import Lines\n"
        f"Lines.epoch_done = lambda *_: os.kill(os.getpid(), signal.{name})\n"
        "__main__.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "fit", "rows.npy", "-o", "model.h5", *map(str, FIT)],
        cwd=tmp_path,
        check=False,
        preexec_fn=lambda: signal.signal(getattr(signal, name), signal.SIG_IGN),
    )
    assert done.returncode == 0
    assert len(Model.load(tmp_path / "model.h5").history["epoch"]) == 3


@pytest.mark.parametrize("when", ["gpuae.cli", "click", "gpuae.errors", "gpuae.cli.inspect"])
def test_ctrl_c_while_it_starts_ends_without_a_traceback(tmp_path, when):
    program = (
        "import os, signal, sys; from gpuae import __main__\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == {when!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "__main__.main()"
    )
    command = [sys.executable, "-c", program, "inspect", "nothing.h5"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in done.stderr
