"""How far training is, as it is shown in Python."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

import gpuae
from gpuae import progress
from gpuae.progress import Progress, State, duration

SETTINGS = {"hidden": 2, "epochs": 3, "validation": 0.2, "patience": 0}


@pytest.fixture
def rows(low_rank):
    return low_rank(200, 6)


@pytest.fixture
def cells(monkeypatch):
    """What a notebook has in the output of its cell: a list of one state after another."""
    shown = []

    def display(state, *, display_id):
        shown.append(state)
        return SimpleNamespace(update=shown.append)

    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(progress, "SHOWN_SECONDS", 0.0)
    return shown


def test_without_being_asked_fit_shows_nothing(rows, cells, capsys):
    gpuae.Autoencoder(**SETTINGS).fit(rows)
    assert not cells
    assert capsys.readouterr() == ("", "")


def test_in_a_notebook_one_output_changes_and_ends_with_the_verdict(rows, cells):
    model = gpuae.Autoencoder(**SETTINGS).fit(rows, verbose=True)
    epochs = [state.text.partition("  ")[0] for state in cells[:-1]]
    assert list(dict.fromkeys(epochs))[:2] == ["epoch 1/3", "epoch 2/3"]
    assert np.all(np.diff([state.share for state in cells]) >= 0)
    assert cells[-1] == State(str(model.verdict_), 1.0)


def test_elsewhere_lines_are_printed_beside_results(rows, capsys):
    model = gpuae.Autoencoder(**SETTINGS).fit(rows, verbose=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("epoch 1/3  ")
    assert err.splitlines()[-1] == str(model.verdict_)


def test_rows_that_are_held_out_in_turn_count_too(rows, cells):
    gpuae.Autoencoder(hidden=2, epochs=3).fit(rows, verbose=True)
    assert cells[0].text.startswith("rows held out in turn: epoch 1/3  val_loss")


def test_a_state_is_a_bar_in_html_and_its_text_elsewhere():
    state = State("epoch 1/3 <", 0.25)
    assert repr(state) == "epoch 1/3 <"
    assert state._repr_html_() == '<progress value="0.250"></progress> epoch 1/3 &lt;'


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch, capsys):
    ipython = SimpleNamespace(get_ipython=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    Progress().end("done")
    assert capsys.readouterr().err == "done\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (7265, "2 h 01 min")],
)
def test_a_time_is_worded_as_exactly_as_one_wants_to_know_it(seconds, text):
    assert duration(seconds) == text


def test_a_verdict_has_bars_in_a_notebook(rows):
    verdict = gpuae.Autoencoder(**SETTINGS).fit(rows).verdict_
    page = verdict._repr_html_()
    assert page.startswith(f"<p>{verdict}</p>")
    assert page.count("<meter") == 2
    assert "PCA with 2 components" in page
