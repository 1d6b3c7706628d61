"""A terminal is asked what it shows and given what it can show; nothing hangs, nothing is left."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from gpuae.errors import ConfigError
from gpuae.pictures.picture import Axes, Lines, Picture, Series
from gpuae.plots import image, terminal
from gpuae.plots.characters import canvas
from gpuae.plots.image import Images, understood
from gpuae.plots.terminal import Screen

termios = pytest.importorskip("termios")

KITTY, SIXEL, PLAIN = b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", b"\x1b[?62;4;22c", b"\x1b[?1;2c"
X = np.arange(3.0)
PICTURE = Picture("A title", (Lines("", Axes("", ""), (Series("", X, X),)),), "a line")


# What an answer says


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (KITTY, Images("tgp", (8, 16))),
        (SIXEL, Images("sixel", (8, 16))),
        (b"\x1b_Gi=31;OK\x1b\\" + SIXEL, Images("sixel", (8, 16))),
        (b"\x1b_Gi=31;ENOENT\x1b\\" + PLAIN, None),
        (PLAIN, None),
        (b"\x1b[?64;14c", None),
        (b"keys that were typed", None),
        (b"", None),
    ],
)
def test_what_a_terminal_says_of_images(answer, found):
    assert understood(answer, (8, 16)) == found


def test_the_size_of_a_character_is_the_systems_or_the_terminals():
    assert understood(b"\x1b[6;18;9t" + SIXEL) == Images("sixel", (9, 18))
    assert understood(b"\x1b[6;0;0t" + SIXEL) == understood(SIXEL) == Images("sixel", image.CELL)


# A terminal that is asked


class Stream(io.TextIOWrapper):
    """Standard input or output at one end of a pseudo-terminal."""

    def __init__(self, descriptor, mode):
        super().__init__(
            os.fdopen(descriptor, mode, buffering=0, closefd=False), write_through=True
        )


@pytest.fixture
def pseudo(monkeypatch):
    """A function that plays a terminal, which answers so; its `slave` is our end of it."""
    master, slave = os.openpty()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(image, "_is_ours", lambda: True)

    @contextmanager
    def play(answer, typed=b""):
        os.write(master, typed)
        sent = []
        thread = threading.Thread(target=_answer, args=(master, answer, sent))
        thread.start()
        with monkeypatch.context() as patch:  # not before: pytest sets them when a test begins
            patch.setattr(sys, "stdin", Stream(slave, "rb"))
            patch.setattr(sys, "stdout", Stream(slave, "wb"))
            yield sent
        os.write(slave, b"END")
        thread.join()

    play.slave = slave
    yield play
    os.close(master)
    os.close(slave)


def _answer(master, answer, sent):
    """Read all that is sent up to END, and answer once after a question for attributes."""
    asked = False
    while not b"".join(sent).endswith(b"END"):
        sent.append(os.read(master, 65536))
        if not asked and b"\x1b[c" in b"".join(sent):
            asked = True
            os.write(master, answer)


@pytest.mark.parametrize(
    ("name", "answer", "protocol"),
    [
        ("xterm-kitty", KITTY, "tgp"),
        ("xterm-ghostty", KITTY, "tgp"),
        ("xterm-256color", SIXEL, "sixel"),
        ("xterm-256color", PLAIN, None),
    ],
)
def test_a_terminal_is_asked_in_its_own_words(pseudo, monkeypatch, name, answer, protocol):
    monkeypatch.setenv("TERM", name)
    with pseudo(answer) as sent:
        found = image.ask()
    assert (found and found.protocol) == protocol
    kitty = b"\x1b_G" in b"".join(sent)
    assert kitty == (answer is KITTY)  # others might show the question


def test_answers_do_not_show_and_the_terminal_is_as_it_was(pseudo):
    before = termios.tcgetattr(pseudo.slave)
    with pseudo(SIXEL) as sent:
        image.ask()
    assert b"".join(sent).removesuffix(b"END") in (b"\x1b[16t\x1b[c", b"\x1b[c")
    assert termios.tcgetattr(pseudo.slave) == before


def test_a_silent_terminal_is_not_waited_for_long(pseudo, monkeypatch):
    monkeypatch.setattr(image, "SECONDS", 0.05)
    before = termios.tcgetattr(pseudo.slave)
    with pseudo(b""):
        began = time.monotonic()
        assert image.ask() is None
        assert time.monotonic() - began < 5
    assert termios.tcgetattr(pseudo.slave) == before


def test_half_an_answer_is_none(pseudo, monkeypatch):
    monkeypatch.setattr(image, "SECONDS", 0.05)
    with pseudo(b"\x1b[?62;4"):
        assert image.ask() is None


def test_keys_typed_ahead_are_left_to_the_next_program(pseudo):
    with pseudo(SIXEL, typed=b"ls\n") as sent:
        assert image.ask() is None
    assert b"\x1b[" not in b"".join(sent)
    assert select.select([pseudo.slave], [], [], 0)[0]
    assert os.read(pseudo.slave, 10) == b"ls\n"


@pytest.mark.parametrize("name", ["dumb", "linux", ""])
def test_terminals_that_would_show_the_question_are_not_asked(pseudo, monkeypatch, name):
    monkeypatch.setenv("TERM", name)
    with pseudo(SIXEL) as sent:
        assert image.ask() is None
    assert b"".join(sent) == b"END"


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_nobody_is_asked_where_a_stream_is_no_terminal(monkeypatch, stream):
    monkeypatch.setenv("TERM", "xterm-kitty")
    for own in (io.StringIO(), None):
        monkeypatch.setattr(sys, stream, own)
        assert image.ask() is None


IN_SESSION = """
import os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))  # which makes it the terminal of this session
from gpuae.plots import image
print(image._is_ours())
if os.fork() == 0:
    os.setpgid(0, 0)
    os.write(1, str(image._is_ours()).encode())
    os._exit(0)
os.wait()
"""


def test_only_who_is_in_the_foreground_may_ask():
    """Another one would be stopped by the system."""
    master, slave = os.openpty()
    command = [sys.executable, "-c", IN_SESSION]
    streams = {"stdin": slave, "stdout": slave, "stderr": slave}
    child = subprocess.Popen(command, start_new_session=True, **streams)
    assert child.wait(30) == 0
    assert os.read(master, 1000).split() == [b"True", b"False"]
    os.close(master)
    os.close(slave)


# What is drawn


class Tty(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        raise OSError


@pytest.fixture
def output(monkeypatch):
    """A function that makes standard output a terminal of 256 colours and 100 columns."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")

    def make():  # not before: pytest sets it when a test begins
        stream = Tty()
        monkeypatch.setattr(sys, "stdout", stream)
        return stream

    return make


def test_a_terminal_has_as_many_colours_as_it_says(output, monkeypatch):
    output()
    assert terminal.colours_of_output() == 256
    monkeypatch.setenv("COLORTERM", "truecolor")
    assert terminal.colours_of_output() == 2**24
    monkeypatch.setenv("TERM", "dumb")
    assert terminal.colours_of_output() == 0


@pytest.mark.parametrize("only", [False, True])
def test_no_color_means_no_colours_and_no_images(output, monkeypatch, only):
    stream = output()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(image, "ask", lambda: pytest.fail("the terminal was asked"))
    screen = Screen.of_output(only_characters=only)
    screen.show(PICTURE)
    assert (screen.colours, screen.images) == (0, None)
    assert "\x1b" not in stream.getvalue()


def test_a_pipe_gets_characters_without_colours_as_wide_as_columns_says(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    Screen.of_output().show(PICTURE)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "A title"
    assert max(map(len, lines)) == 40
    assert "\x1b" not in stream.getvalue()


def test_characters_may_be_asked_for_though_there_are_images(output, monkeypatch):
    stream = output()
    monkeypatch.setattr(image, "ask", lambda: Images("sixel"))
    assert Screen.of_output().images == Images("sixel")
    screen = Screen.of_output(only_characters=True)
    screen.show(PICTURE)
    assert screen.images is None
    assert re.search(r"\x1b\[38;5;\d+m", stream.getvalue())


@pytest.mark.parametrize("missing", ["matplotlib", "textual_image", "PIL"])
def test_without_what_draws_images_there_are_characters(output, monkeypatch, missing):
    output()
    monkeypatch.setattr(terminal, "find_spec", lambda name: None if name == missing else name)
    monkeypatch.setattr(image, "ask", lambda: pytest.fail("the terminal was asked"))
    assert Screen.of_output().images is None


def test_without_plotext_there_are_images_or_it_is_said_what_to_install(output, monkeypatch):
    output()
    monkeypatch.setattr(canvas, "find_spec", lambda name: None)
    monkeypatch.setattr(image, "ask", lambda: Images("sixel"))
    assert Screen.of_output().images is not None
    with pytest.raises(ConfigError, match="plotext"):
        Screen.of_output(only_characters=True)


# Images


@pytest.mark.parametrize(("protocol", "begins"), [("sixel", "\x1bP"), ("tgp", "\x1b_G")])
def test_an_image_is_sent_by_the_protocol_and_nothing_more_is_asked(
    output, monkeypatch, protocol, begins
):
    stream = output()
    monkeypatch.setattr(sys, "__stdout__", stream)
    for name in [name for name in sys.modules if name.startswith("textual_image")]:
        monkeypatch.delitem(sys.modules, name)
    Images(protocol, (9, 18)).show(PICTURE, 60, 30)
    sent = stream.getvalue()
    assert begins in sent
    assert "\x1b[c" not in sent
    assert "\x1b[16t" not in sent
    assert "a=q" not in sent
    if protocol == "tgp":
        assert re.search(r"a=p,i=\d+,c=(\d+),r=(\d+)", sent)


@pytest.mark.parametrize("width", [30, 80, 400])
def test_an_image_is_of_whole_characters_and_no_wider_than_the_terminal(width):
    drawn = Images("sixel", (9, 18))._drawn(PICTURE, width)
    assert drawn.width <= 9 * width
    assert (drawn.width % 9, drawn.height % 18) == (0, 0)
    natural = Images("sixel", (9, 18))._drawn(PICTURE, 1000).width
    assert drawn.width == pytest.approx(min(9 * width, natural), abs=9)


def test_panels_stand_one_below_the_other_where_they_would_be_too_small():
    picture = replace(PICTURE, panels=PICTURE.panels * 2)
    wide, narrow = (Images("sixel", (10, 20))._drawn(picture, width) for width in (200, 60))
    assert wide.width > wide.height
    assert narrow.width < narrow.height


def test_an_image_higher_than_the_terminal_is_sent_in_parts(output, monkeypatch):
    stream = output()
    monkeypatch.setattr(sys, "__stdout__", stream)
    Images("tgp", (9, 18)).show(PICTURE, 80, 12)
    lines = [int(own) for own in re.findall(r"a=p,i=\d+,c=\d+,r=(\d+)", stream.getvalue())]
    assert len(lines) > 1
    assert set(lines[:-1]) == {10}
    assert 0 < lines[-1] <= 10
    assert sum(lines) * 18 == Images("tgp", (9, 18))._drawn(PICTURE, 80).height
