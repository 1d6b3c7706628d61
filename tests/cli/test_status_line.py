"""A line on a terminal says how far a command is, after a second, and leaves nothing behind."""

from __future__ import annotations

import io
import re
import sys
import time
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from gpuae import steps
from gpuae.cli import status_line as module
from gpuae.cli.status_line import CLEAR, hidden, status_line, worded


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A terminal whose line is there at once."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    return Terminal()


@contextmanager
def on(terminal, command):
    """Run a command on a terminal, which is standard error."""
    with patch.object(sys, "stderr", terminal), status_line(command):
        yield


def until_shown(terminal, text):
    """Wait until a text is on the terminal."""
    end = time.perf_counter() + 10
    while text not in terminal.getvalue():
        assert time.perf_counter() < end, terminal.getvalue()
        time.sleep(0.005)


def left(text):
    """What a terminal shows once all has been written."""
    return re.sub(r"[^\n]*\r\x1b\[K", "", text)


def test_a_step_is_shown_and_nothing_of_it_stays(terminal):
    with on(terminal, "evaluate"), steps.step(200, "rows") as told:
        told.advance(50)
        until_shown(terminal, "25%")
    assert "50 of 200 rows" in terminal.getvalue()
    assert left(terminal.getvalue()) == ""


def test_what_is_said_meanwhile_stands_in_a_line_of_its_own(terminal):
    with on(terminal, "evaluate"):
        until_shown(terminal, "evaluate")
        sys.stderr.write("note: heard\n")
    assert left(terminal.getvalue()) == "note: heard\n"


def test_half_a_line_of_results_is_not_written_over(terminal):
    with on(terminal, "evaluate"):
        until_shown(terminal, "evaluate")
        sys.stderr.write("half")
        before = terminal.getvalue()
        time.sleep(0.1)
        assert terminal.getvalue() == before


def test_results_go_where_they_went(terminal, capsys):
    with on(terminal, "evaluate"):
        print("result")
    assert capsys.readouterr().out == "result\n"


def test_ctrl_c_takes_the_line_away_and_the_streams_are_as_before(terminal):
    def interrupted():
        with on(terminal, "evaluate"):
            until_shown(terminal, "evaluate")
            raise KeyboardInterrupt

    before = sys.stderr
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert terminal.getvalue().endswith(CLEAR)
    assert sys.stderr is before


def test_a_command_of_less_than_a_second_shows_nothing(terminal, monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 60.0)
    with on(terminal, "evaluate"):
        time.sleep(0.05)
    assert terminal.getvalue() == ""


def test_where_something_else_is_shown_there_is_no_line(terminal):
    with on(terminal, "fit"), hidden():
        time.sleep(0.1)
    assert terminal.getvalue() == ""


def test_a_dumb_terminal_gets_no_codes(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with on(terminal, "evaluate"):
        time.sleep(0.05)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("width", [0, 1, 10, 20, 40, 60, 80])
def test_the_line_fits(width):
    own = steps.Step(60_000, "rows", 27_000)
    line = worded("reconstruct", own, 3.2, width)
    assert len(line) <= width
    assert ("45%" in line) == (width >= 20)
    assert ("27,000 of 60,000 rows" in line) == (width >= 60)


def test_where_there_is_no_unicode_the_bar_is_of_plain_characters():
    assert worded("score", steps.Step(4, "rows", 2), 1, 79, bars=False).isascii()


def test_without_a_step_the_time_is_shown():
    assert worded("export", None, 12, 79) == "export  12 s"


def test_a_step_within_another_is_a_part_of_it():
    with steps.step(10, "rows") as outer:
        with steps.step(5, "bytes"):
            assert steps.current() is outer
        assert steps.current() is outer
    assert steps.current() is None


@pytest.mark.parametrize("command", ["evaluate", "score", "reconstruct", "neighbors", "verify"])
def test_what_takes_long_tells_how_far_it_is(gpuae, model, monkeypatch, command):
    """Each command goes through rows in steps that it tells of."""
    heard = []
    monkeypatch.setattr(steps.Step, "reach", lambda own, done: heard.append(own.unit))
    monkeypatch.setattr(steps.Step, "advance", lambda own, count: heard.append(own.unit))
    arguments = {
        "evaluate": (model, "rows.npy"),
        "score": (model, "rows.npy", "-o", "s.h5"),
        "reconstruct": (model, "rows.npy", "-o", "r.h5"),
        "neighbors": (model, "rows.npy", "--of", "0"),
        "verify": (model, "rows.npy"),
    }
    assert gpuae(command, *arguments[command]).code == 0
    assert heard
