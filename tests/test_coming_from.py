"""Pages that translate from other tools name all their options, and their programs run there."""

import inspect
import re
from importlib import import_module

import numpy as np
import pytest
from documents import ROOT, blocks

ESTIMATORS = [
    ("sklearn.decomposition.PCA", "scikit-learn"),
    ("sklearn.neural_network.MLPRegressor", "scikit-learn"),
    pytest.param("pyod.models.auto_encoder.AutoEncoder", "pyod", marks=pytest.mark.long),
]


def page(name):
    return (ROOT / "docs" / f"coming-from-{name}.md").read_text("utf-8")


def first_column(text):
    """Return all words of the code in the first cells of a page's tables."""
    cells = re.findall(r"^\|([^|]*)\|", text, re.MULTILINE)
    return {
        word
        for cell in cells
        for code in re.findall(r"`([^`]+)`", cell)
        for word in re.findall(r"\w+", code)
    }


@pytest.mark.parametrize(("name", "where"), ESTIMATORS)
def test_every_option_of_an_estimator_has_its_counterpart(name, where):
    home, _, kind = name.rpartition(".")
    pytest.importorskip(home.partition(".")[0])
    options = inspect.signature(getattr(import_module(home), kind)).parameters
    assert set(options) <= first_column(page(where))


@pytest.mark.long
@pytest.mark.parametrize("name", ["keras", "pyod"])
@pytest.mark.filterwarnings("ignore")
def test_the_program_of_another_tool_runs_there(name, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip(name)
    (program,) = [text for kind, text in blocks(page(name)) if kind == "py"]
    rows = np.random.default_rng(0).random((80, 64), np.float32)
    exec(compile(program, name, "exec"), {"X": rows})
