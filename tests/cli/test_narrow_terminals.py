"""Help and tables fit terminals of 40 columns, and where no colours are wanted there are none."""

from __future__ import annotations

import re
import sys

import pytest

from gpuae.cli import COMMANDS


def prose(text):
    """Return the lines of help but for examples, which are to be copied as they are."""
    return [line for line in text.splitlines() if not re.match(r" +gpuae ", line)]


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_the_terminal(gpuae, monkeypatch, command, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = prose(gpuae(command, "--help").out)
    assert [line for line in lines if len(line) > columns] == []


def test_the_list_of_commands_fits_the_terminal(gpuae, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, prose(gpuae("--help").out))) <= 40


def test_a_narrow_terminal_shows_each_option_whole(gpuae, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    shown = gpuae("fit", "--help").out
    monkeypatch.setenv("COLUMNS", "80")
    wide = gpuae("fit", "--help").out
    assert shown.split() != wide.split() or shown != wide
    assert "".join(shown.split()) == "".join(wide.split())


@pytest.fixture
def terminal(monkeypatch):
    """Standard output that is a terminal of so many columns."""

    def of(columns, **variables):
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(columns))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    return of


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("command", ["evaluate", "inspect"])
def test_tables_fit_the_terminal_and_values_keep_their_words(
    gpuae, model, terminal, command, columns
):
    terminal(columns)
    rows = ("rows.npy",) if command == "evaluate" else ()
    table = plain(gpuae(command, "model.h5", *rows).out).partition("\n made by")[0]
    lines = table.splitlines()
    assert [line for line in lines if len(line) > columns] == []
    assert any(line.strip().endswith("model file") for line in lines) or command == "evaluate"
    assert re.search(r"[0-9a-f]{16}|preprocessed  in the", "\n".join(lines))


def plain(text):
    """Return text without what makes it bold."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_tables_have_no_colours(gpuae, model, terminal, variables):
    terminal(80, **variables)
    shown = gpuae("inspect", "model.h5").out
    assert set(re.findall(r"\x1b\[([0-9;]*)m", shown)) <= {"0", "1", "3"}
    assert "\x1b" not in shown or variables != {"TERM": "dumb"}


def test_what_is_no_terminal_gets_no_codes(gpuae, model):
    assert "\x1b" not in gpuae("inspect", "model.h5").out
