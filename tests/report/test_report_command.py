"""gpuae report, as a stranger uses it."""

import shlex
from importlib import util
from pathlib import Path

import h5py
import numpy as np
import pytest

from gpuae.cli import run

FIT = ("--hidden", "4,2", "--epochs", 2, "--patience", 0)


@pytest.fixture
def shell(capsys, tmp_path, monkeypatch):
    """Runs a command in an empty folder; gives its exit code and what it says on stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves drawing out, which is another part's."""
    monkeypatch.setattr("gpuae.plots.figure.svg", lambda picture, prefix: "<svg></svg>")


@pytest.fixture
def model(shell):
    np.save("rows.npy", np.random.default_rng(0).random((40, 6)).astype(np.float32))
    assert shell("fit", "rows.npy", "-o", "model.h5", *FIT)[0] == 0
    return "model.h5"


def refused(outcome, *words):
    code, err = outcome
    assert code == 2
    (line,) = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert all(word in line for word in words), line
    assert not [path for path in Path().iterdir() if path.suffix == ".html"]


def test_it_writes_the_same_page_again_and_only_if_forced(shell, model, undrawn):
    command = ("report", model, "rows.npy", "-o", "page.html")
    assert shell(*command)[0] == 0
    first = Path("page.html").read_bytes()
    code, err = shell(*command)
    assert code == 2
    assert "exists already" in err
    assert shell(*command, "--force")[0] == 0
    assert Path("page.html").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("model.h5", "rows.npy", "-o", "page.pdf"), "end its name with .html"),
        (("rows.npy", "-o", "page.html"), "give one model or more"),
        (("model.h5", "nowhere.npy", "-o", "page.html"), "nowhere.npy"),
        (("rows.npy", "rows.npy", "-o", "page.html"), "rows.npy"),
        (("model.h5", "wide.npy", "-o", "page.html"), "has 7 columns"),
        (("model.h5", "wide.h5", "rows.npy", "-o", "page.html"), "wide.h5 was trained on 7"),
        (("model.h5",) * 9 + ("rows.npy", "-o", "page.html"), "room for 8 models"),
    ],
)
def test_what_makes_no_page_is_refused_in_a_sentence(shell, model, arguments, word):
    np.save("wide.npy", np.random.default_rng(0).random((40, 7)))
    assert shell("fit", "wide.npy", "-o", "wide.h5", *FIT)[0] == 0
    refused(shell("report", *arguments), word)


@pytest.mark.parametrize("name", ["jinja2", "matplotlib"])
def test_what_is_not_installed_is_named_with_how_to_install_it(shell, model, monkeypatch, name):
    found = util.find_spec
    monkeypatch.setattr(
        "gpuae.report.page.find_spec", lambda own: None if own == name else found(own)
    )
    refused(shell("report", model, "rows.npy", "-o", "page.html"), name, "gpuae[report]")


def test_ctrl_c_leaves_nothing(shell, model, monkeypatch):
    def interrupted(page):
        raise KeyboardInterrupt

    monkeypatch.setattr("gpuae.report.page.render", interrupted)
    before = sorted(Path().iterdir())
    assert shell("report", model, "rows.npy", "-o", "page.html")[0] == 130
    assert sorted(Path().iterdir()) == before


def test_a_classifier_needs_labels_and_is_measured_with_them(shell, model, undrawn):
    np.save("labels.npy", np.repeat([0, 1], 20))
    quick = ("--epochs", 1, "--head-epochs", 1)
    made = shell("finetune", model, "rows.npy", "--labels", "labels.npy", "-o", "c.h5", *quick)
    assert made[0] == 0, made[1]
    refused(shell("report", "c.h5", "rows.npy", "-o", "page.html"), "has no labels")
    code, err = shell("report", "c.h5", "rows.npy", "--labels", "labels.npy", "-o", "page.html")
    assert code == 0, err
    assert "Mean recall of the classes" in Path("page.html").read_text("utf-8")


def test_the_commands_of_a_page_make_the_model_again(shell, undrawn):
    rows = np.random.default_rng(0).normal(size=(60, 5))
    lines = ["id;a;b;c;d;e", *(";".join([f"r{i}", *map(str, row)]) for i, row in enumerate(rows))]
    Path("rows.csv").write_text("\n".join(lines))
    assert shell("convert", "rows.csv", "rows.h5", "--id-column", "id", "--columns", "a:d")[0] == 0
    told = ("--preset", "outliers", "--hidden", "3", "--epochs", 3, "--trim", 0, "--seed", 3)
    assert shell("fit", "rows.h5", "-o", "model.h5", *told)[0] == 0
    assert shell("report", "model.h5", "rows.h5", "-o", "page.html")[0] == 0
    with h5py.File("model.h5") as file:
        weights = [file[f"model/encoder/{layer}/weight"][:] for layer in range(2)]
    for name in ("rows.h5", "model.h5"):
        Path(name).unlink()
    for command in commands_of("page.html"):
        assert shell(*shlex.split(command)[1:])[0] == 0, command
    with h5py.File("model.h5") as file:
        for layer, weight in enumerate(weights):
            assert np.array_equal(file[f"model/encoder/{layer}/weight"][:], weight)


def commands_of(page):
    from html import unescape

    text = Path(page).read_text("utf-8")
    block = text.partition("<pre><code>")[2].partition("</code>")[0]
    return unescape(block).strip().splitlines()
