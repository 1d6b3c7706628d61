"""Help and tables fit terminals of 40 columns, and where no colours are wanted there are none."""

from __future__ import annotations

import re

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
