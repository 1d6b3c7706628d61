"""The suite of published results, with toy rows: how they are read, run, compared and told."""

import json
import math
import shlex
import subprocess
import sys

import numpy as np
import pytest

from bench.reproduce.data import FILES, MissingDataError, find
from bench.reproduce.edges import shares
from bench.reproduce.photographs import whitened
from bench.reproduce.rows import RowError, read_row, read_rows
from bench.reproduce.rules import RULES, reproduces
from bench.reproduce.run import run
from bench.reproduce.split import split
from bench.reproduce.work import run_row, words
from gpuae import Autoencoder
from gpuae.cli import COMMANDS

SAYS = """python -c 'print("{{\\"loss\\": {}}}")'"""


@pytest.fixture
def rows(tmp_path):
    """A function that writes a row to a folder, which it returns."""
    folder = tmp_path / "rows"
    folder.mkdir()

    def write(name, command, *, rule="loss", figure="step.loss", quick=True, extra=""):
        text = f"""
            title = "toy"
            source = "nobody"
            conventions = "None."
            quick = {str(quick).lower()}
            {extra}
            [steps]
            step = {json.dumps(command)}
            [figures.loss]
            from = "{figure}"
            rule = "{rule}"
            published = 0.5
        """
        (folder / f"{name}.toml").write_text(text)
        return folder

    return write


def says(value):
    """A step that prints a loss."""
    return SAYS.format(value)


@pytest.mark.parametrize(
    ("rule", "published", "passing", "failing"),
    [
        ("accuracy", 0.976, 0.9731, 0.9729),
        ("accuracy", 0.976, 1.0, 0.5),
        ("loss", 0.1, 0.1019, 0.1021),
        ("loss", 0.1, 0.0981, 0.0979),
        ("about", 6.6, 6.0, 5.9),
        ("at least", 0.9, 0.9, 0.8999),
        ("at most", 0.02, 0.02, 0.0201),
        ("below", 1e-9, 9e-10, 1e-9),
    ],
)
def test_a_rule_draws_the_line_where_it_says(rule, published, passing, failing):
    assert reproduces(rule, passing, published)
    assert not reproduces(rule, failing, published)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("own", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_reproduces_nothing(rule, own):
    assert not reproduces(rule, own, 0.5)


def test_every_row_of_the_suite_is_read_and_its_commands_are_gpuaes():
    found = read_rows()
    assert len(found) >= 10
    for row in found.values():
        assert row.places <= FILES.keys()
        for command in row.steps.values():
            program, first, *_ = shlex.split(command)
            assert first in COMMANDS if program == "gpuae" else first == "-m"
        for figure in row.figures.values():
            command = row.steps[figure.step]
            assert command.startswith("python") or "--json" in command


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rule": "roughly"}, "no rule 'roughly'"),
        ({"figure": "other.loss"}, "is from other, which is no step"),
        ({"figure": "loss"}, "figures.loss.from"),
        ({"command": "rm -rf everything"}, "begins with neither gpuae nor python"),
        ({"extra": "colour = 'red'"}, "colour"),
        ({"extra": "title ="}, "line"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_its_file(rows, change, words):
    path = rows("odd", **{"command": says(0.5), **change}) / "odd.toml"
    with pytest.raises(RowError) as refused:
        read_row(path)
    assert str(refused.value).startswith(str(path))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_figure_needs_something_to_be_compared_with(rows):
    path = rows("bare", says(0.5)) / "bare.toml"
    path.write_text(path.read_text().replace("published = 0.5", ""))
    with pytest.raises(RowError, match="give what was published, or a bound"):
        read_row(path)


def test_places_are_filled_after_the_command_is_taken_apart():
    filled = words("gpuae fit {train_images} -o m.h5", {"train_images": "/a folder/x.gz"})
    assert filled == [sys.executable, "-m", "gpuae", "fit", "/a folder/x.gz", "-o", "m.h5"]


def test_a_row_that_comes_out_passes_and_is_told(rows, capsys):
    assert run([], folder=rows("good", says(0.505))) == 0
    printed = capsys.readouterr().out
    assert "good: pass" in printed
    assert "loss: 0.505, published 0.5, 0.5 ± 2 %: pass" in printed
    assert "| good" in printed


def test_a_row_that_does_not_come_out_fails_and_the_next_one_is_run(rows, capsys):
    rows("first", says(0.6))
    assert run([], folder=rows("second", says(0.5))) == 1
    printed = capsys.readouterr().out
    assert "first: FAIL" in printed
    assert "second: pass" in printed


def test_a_command_that_fails_is_told_by_its_last_words_and_the_next_one_is_run(rows, capsys):
    rows("first", """python -c 'import sys; sys.exit("Error: no such luck")'""")
    assert run([], folder=rows("second", says(0.5))) == 1
    printed = capsys.readouterr().out
    assert "step has ended with 1: Error: no such luck" in printed
    assert "loss: –" in printed
    assert "second: pass" in printed


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python -c 'print(7)'", "no JSON with a loss"),
        ("""python -c 'print("{}")'""", "no JSON with a loss"),
        (says("null"), "None for loss, which is no number"),
        (says("true"), "True for loss, which is no number"),
        (says("NaN"), "loss: nan"),
    ],
)
def test_a_step_without_its_figure_fails(rows, capsys, command, words):
    assert run([], folder=rows("mute", command)) == 1
    assert words in capsys.readouterr().out


def test_later_steps_are_not_run_after_one_that_failed(rows, tmp_path):
    path = rows("two", "python -c 'raise SystemExit(3)'") / "two.toml"
    text = path.read_text().replace("[figures", """last = "python -c 'open(1)'"\n[figures""")
    path.write_text(text)
    outcome = run_row(read_row(path), {}, tmp_path)
    assert list(outcome.seconds) == ["step"]
    assert not outcome.passed


def test_quick_and_only_choose_rows(rows, capsys):
    rows("quick", says(0.5))
    folder = rows("slow", says(0.5), quick=False)
    for arguments, told in (["--quick"], {"quick"}), (["--only", "slow"], {"slow"}):
        assert run(arguments, folder=folder) == 0
        printed = capsys.readouterr().out
        assert {name for name in ("quick", "slow") if f"{name}: pass" in printed} == told


def test_a_row_that_is_not_there_is_refused(rows, capsys):
    with pytest.raises(SystemExit) as refused:
        run(["--only", "slwo"], folder=rows("slow", says(0.5)))
    assert refused.value.code == 2
    assert "there is no row slwo; there are slow" in capsys.readouterr().err


def test_data_that_are_missing_are_said_in_a_sentence_before_anything_runs(rows, tmp_path, capsys):
    rows("first", says(0.5))
    folder = rows("second", "gpuae inspect {test_images}")
    assert run(["--data", str(tmp_path)], folder=folder) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert f"{tmp_path} has no t10k-images-idx3-ubyte.gz of MNIST" in printed.err
    assert "--data" in printed.err


def test_files_are_found_packed_and_unpacked(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").touch()
    (tmp_path / "t10k-labels-idx1-ubyte.gz").touch()
    found = find(tmp_path, ["train_images", "test_labels"])
    assert found["train_images"] == str(tmp_path / "train-images-idx3-ubyte")
    assert found["test_labels"] == str(tmp_path / "t10k-labels-idx1-ubyte.gz")
    with pytest.raises(MissingDataError, match="stands for no data"):
        find(tmp_path, ["letters"])


def test_files_are_kept_where_that_is_wanted_and_never_mixed(rows, tmp_path, capsys):
    folder = rows("kept", 'python -c \'open("made", "w"); print("{}")\'')
    kept = tmp_path / "files"
    run(["--keep", str(kept)], folder=folder)
    assert {path.name for path in (kept / "kept").iterdir()} == {"made", "step.log"}
    capsys.readouterr()
    assert run(["--keep", str(kept)], folder=folder) == 2
    assert "is there already" in capsys.readouterr().err


def test_figures_are_saved_with_what_they_are_of(rows, tmp_path):
    rows("bad", says(0.6))
    assert run(["--save"], folder=rows("good", says(0.5)), results=tmp_path) == 1
    (path,) = tmp_path.glob("reproduce-*.json")
    kept = json.loads(path.read_text())
    assert {"date", "sources", "versions", "machine", "rows"} == set(kept)
    assert kept["rows"]["good"]["figures"]["loss"] == {
        **{"from": "step.loss", "rule": "loss", "published": 0.5},
        **{"ours": 0.5, "passes": True},
    }
    assert kept["rows"]["bad"]["figures"]["loss"]["passes"] is False
    assert "| good" in path.with_suffix(".md").read_text()


def test_commands_of_gpuae_are_run_in_the_folder_of_the_row(rows, tmp_path):
    command = "gpuae fit digits -o model.h5 --hidden 4 --epochs 1 --folds 1 --json"
    outcome = run_row(read_row(rows("digits", command) / "digits.toml"), {}, tmp_path)
    assert not outcome.failure
    assert outcome.figures["loss"] > 0
    assert (tmp_path / "model.h5").is_file()


def test_digits_are_split_as_the_exercise_does():
    labels = np.array([5, 0, 1, 9, 2, 3, 4, 0, 7], np.uint8)
    parts = {name: rows.tolist() for name, rows in split(labels).items()}
    assert parts == {"unlabelled": [0, 3, 8], "known": [1, 2, 4], "unseen": [5, 6, 7]}


def test_whitening_makes_the_spectrum_of_a_photograph_even():
    random = np.random.default_rng(0)
    down, across = np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)
    frequency = np.hypot(down, across)
    falling = np.fft.fft2(random.standard_normal((128, 128))) / np.maximum(frequency, 1 / 128)
    power = np.abs(np.fft.fft2(whitened(np.fft.ifft2(falling).real))) ** 2
    low, middle, corner = (
        power[(a < frequency) & (frequency < b)].mean()
        for a, b in ((0.02, 0.1), (0.1, 0.2), (0.6, 1))
    )
    assert low == pytest.approx(middle, rel=0.2)
    assert corner < middle / 100


def test_units_of_stripes_are_edges_and_random_ones_are_not():
    model = Autoencoder(hidden=4, epochs=0, scale="none", init="glorot", folds=1, validation=0)
    fitted = model.fit(np.random.default_rng(0).random((20, 64))).model_
    weight = fitted.network.views(fitted.parameters)[0].weight
    assert shares(fitted)["oriented"] < 0.5
    weight[...] = np.tile(np.sin(np.arange(8)), 8)[:, None]
    assert shares(fitted)["oriented"] == 1


@pytest.mark.long
def test_the_module_runs_and_names_its_options():
    command = [sys.executable, "-m", "bench.reproduce.run", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for option in ("--quick", "--only", "--data", "--keep", "--save"):
        assert option in done.stdout
