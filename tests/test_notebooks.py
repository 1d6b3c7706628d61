"""The notebooks of docs/notebooks run from their first cell to the last."""

import json
import os

import pytest
from documents import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
names = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks_to_look_at():
    assert len(NOTEBOOKS) >= 3


@names
def test_a_notebook_is_kept_without_its_results(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@names
def test_lines_of_a_notebook_are_no_wider_than_code(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    assert max(len(line.rstrip()) for cell in cells for line in cell["source"]) <= 100


def shown(notebook):
    """Return the outputs of all cells of a notebook that ran, by what they are."""
    outputs = [own for cell in notebook.cells for own in cell.get("outputs", [])]
    return [kind for own in outputs for kind in own.get("data", {own.get("name"): ""})]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # of the machinery of Jupyter
@names
def test_a_notebook_runs_and_shows_what_it_promises(path, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    kinds = shown(notebook)
    assert "text/html" in kinds
    assert "stderr" not in kinds
    if "plots" in path.read_text("utf-8"):
        assert "image/png" in kinds
