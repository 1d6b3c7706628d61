"""--dry-run says what a command would take, and writes nothing."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from gpuae.foretelling import Foretold

FIT = ("--hidden", "4,2", "--epochs", 30, "--patience", 0, "--folds", 1)


@pytest.fixture(autouse=True)
def many(gpuae, low_rank):
    np.save("many.npy", low_rank(1500, 12).astype(np.float32))


def foretold(outcome):
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def test_the_output_of_fit_is_foretold(gpuae):
    own = foretold(gpuae("fit", "many.npy", "-o", "own.h5", *FIT, "--dry-run", "--json"))
    assert [path.name for path in Path().iterdir()] == ["many.npy"]
    assert own["epochs"] == 30
    assert not own["may_stop_early"]
    assert own["seconds"] > 0
    assert own["fits"]
    assert gpuae("fit", "many.npy", "-o", "own.h5", *FIT).code == 0
    assert own["output"] == pytest.approx(Path("own.h5").stat().st_size, rel=0.25)


def test_fit_says_that_it_may_be_over_sooner(gpuae):
    outcome = gpuae("fit", "many.npy", "-o", "own.h5", "--hidden", 2, "--epochs", 4, "--dry-run")
    assert "would take at most about" in outcome.out
    assert "at most 4 epochs" in outcome.out
    assert "nothing was written" in outcome.out


def test_what_is_wrong_is_said_as_without(gpuae):
    Path("own.h5").write_text("mine")
    refused(gpuae("fit", "many.npy", "-o", "own.h5", *FIT, "--dry-run"), "exists already")
    wrong = ("fit", "many.npy", "-o", "new.h5", "--loss", "bce", "--scale", "none", "--dry-run")
    np.save("many.npy", 5 * np.load("many.npy"))
    refused(gpuae(*wrong), "loss")


@pytest.mark.parametrize("name", ["codes.h5", "codes.csv"])
def test_the_output_of_encode_is_foretold(gpuae, name):
    assert gpuae("fit", "many.npy", "-o", "own.h5", *FIT).code == 0
    encode = ("encode", "own.h5", "many.npy", "-o", name)
    outcome = gpuae(*encode, "--dry-run")
    assert outcome.code == 0
    assert not Path(name).exists()
    assert gpuae(*encode).code == 0
    (size,) = (line for line in outcome.out.splitlines() if line.startswith("output"))
    kilobytes = float(size.split()[2])
    assert kilobytes == pytest.approx(Path(name).stat().st_size / 1024, rel=0.25)


def test_the_runs_of_a_sweep_are_listed(gpuae):
    sweep = ("sweep", "many.npy", "-o", "sweep", "--epochs", 2, "--loss", "mse,bce")
    outcome = gpuae(*sweep, "--hidden", "1,2", "--scale", "standard", "--dry-run")
    assert outcome.code == 0
    assert not Path("sweep").exists()
    assert "hidden=1 loss=mse: about" in outcome.out
    assert "hidden=2 loss=bce: cannot be made (" in outcome.out
    assert "2 runs would take about" in outcome.out


def test_a_sweep_that_is_done_has_nothing_left(gpuae, monkeypatch):
    monkeypatch.setattr("gpuae.plots.figure.save", lambda *_, **__: None)
    sweep = ("sweep", "many.npy", "-o", "sweep", "--epochs", 1, "--hidden", "1,2")
    assert gpuae(*sweep).code == 0
    assert "nothing is left to do" in gpuae(*sweep, "--dry-run").out


def test_more_memory_than_there_is_does_not_fit():
    assert Foretold(1.0, 1 << 20, 0).fits
    assert not Foretold(1.0, 1 << 60, 0).fits


MEASURED = """
import json, sys, time
time.perf_counter = time.process_time
from gpuae.cli import run
from gpuae.memory import peak_memory
code = run(sys.argv[1:])
print(json.dumps([code, time.process_time(), peak_memory()]), file=sys.stderr)
"""


def measured(*words):
    """Run a command by itself, by the clock of its own CPU time; return what it took and said."""
    command = [sys.executable, "-c", MEASURED, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, seconds, memory = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    return seconds, memory, done.stdout


@pytest.mark.alone
@pytest.mark.long
@pytest.mark.parametrize("shape", [(20_000, 300), (2000, 4000)])
def test_time_and_memory_are_foretold_about(shape, low_rank):
    np.save("rows.npy", low_rank(*shape).astype(np.float32))
    words = ("fit", "rows.npy", "--hidden", 16, "--epochs", 8, "--patience", 0, "--threads", 1)
    measured(*words, "-o", "compiled.h5")
    _, _, out = measured(*words, "-o", "own.h5", "--dry-run", "--json")
    seconds, memory, _ = measured(*words, "-o", "own.h5")
    own = json.loads(out)
    assert own["seconds"] == pytest.approx(seconds, rel=0.5)
    assert own["memory"] == pytest.approx(memory, rel=0.35)


@pytest.mark.alone
@pytest.mark.long
@pytest.mark.parametrize("more", [("--folds", 4), ("--trim", 0.02)])
def test_the_time_of_a_short_fit_is_foretold_with_all_that_is_no_step(low_rank, more):
    np.save("rows.npy", low_rank(3000, 30).astype(np.float32))
    words = ("fit", "rows.npy", "--hidden", 4, "--epochs", 5, "--patience", 0, "--threads", 1)
    measured(*words, *more, "-o", "compiled.h5")
    _, _, out = measured(*words, *more, "-o", "own.h5", "--dry-run", "--json")
    seconds, _, _ = measured(*words, *more, "-o", "own.h5")
    assert json.loads(out)["seconds"] == pytest.approx(seconds, rel=0.25)
