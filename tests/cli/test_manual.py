"""The manual page gpuae(1) says what --help says, and is what a person's `man` can show."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from gpuae.cli import COMMANDS, EXIT_CODES, root
from gpuae.cli.manual import manual
from gpuae.cli.plot import KINDS

PAGE = Path(__file__).parents[2] / "man" / "gpuae.1"


def test_the_page_is_as_the_commands_are_now():
    assert PAGE.read_text("ascii") == manual(), f"python -m gpuae.cli.manual > {PAGE}"


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_and_its_options_are_there(command):
    own = root.get_command(click.Context(root), command)
    named = {
        name for option in own.params if isinstance(option, click.Option) for name in option.opts
    }
    section = manual().partition(f".SS gpuae {command}\n")[2].partition(".SS ")[0]
    found = section.replace("\\fB", "").replace("\\fR", "").replace("\\", "")
    assert named or command == "plot"
    assert not {name for name in named if not re.search(rf"{re.escape(name)}\b", found)}


def test_the_kinds_of_pictures_and_the_exit_codes_are_there():
    page = manual().replace("\\", "")
    assert all(f"plot {kind}" in page for kind in KINDS)
    assert "--colour" in page
    assert all(f".TP\nfB{code}fR" in page for code in EXIT_CODES)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="there is no mandoc here")
def test_mandoc_finds_nothing_but_the_date_that_is_left_out():
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", PAGE], check=False, capture_output=True, text=True
    )
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff here")
def test_groff_shows_it_without_a_warning():
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", PAGE], check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert "autoencoder" in done.stdout


def test_help_says_what_exit_codes_mean(gpuae):
    shown = gpuae("--help").out
    assert all(f"  {code} " in shown for code in EXIT_CODES)
