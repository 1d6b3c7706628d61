"""What docs/capabilities.md names is there: tests, headings, commands and their options, Python."""

import ast
import inspect
import re
import shlex
from functools import cache, reduce
from pathlib import Path

import click
import pytest
from documents import anchors

import gpuae
import gpuae.filters
from gpuae.cli import COMMANDS, LazyGroup

DOCS = Path(__file__).parents[1] / "docs"
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in (DOCS / "capabilities.md").read_text("utf-8").splitlines()
    if line.startswith("| ")
]
CAPABILITIES = [row for row in ROWS if row[0] not in ("capability", "figure")]
TESTS = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINKS = re.compile(r"\]\(([^)#]*)#([^)]+)\)")
SPANS = re.compile(r"`([^`]+)`")


@cache
def names_of(path):
    """Return the names of a file's tests."""
    found = ast.parse((DOCS.parent / path).read_text("utf-8")).body
    return {own.name for own in found if isinstance(own, ast.FunctionDef)}


def spans(beginning):
    """Return the code of the third column that begins so."""
    found = [span for row in CAPABILITIES for span in SPANS.findall(row[2])]
    return sorted({span for span in found if span.startswith(beginning)})


def test_every_capability_is_held_by_something():
    assert len(CAPABILITIES) > 50
    for row in ROWS:
        assert len(row) == 4, row
    for capability, source, how, shown in CAPABILITIES:
        assert all((capability, source, how))
        assert TESTS.search(shown) or LINKS.search(shown), capability


def test_every_test_that_is_named_is_there():
    for row in CAPABILITIES:
        named = TESTS.findall(row[3])
        assert len(named) == row[3].count("`tests/"), row[3]
        for path, name in named:
            assert name in names_of(path), f"{path}::{name}"


def test_every_link_has_a_heading_to_point_to():
    text = (DOCS / "capabilities.md").read_text("utf-8")
    for path, anchor in LINKS.findall(text):
        assert anchor in anchors(DOCS / (path or "capabilities.md")), f"{path}#{anchor}"


@pytest.mark.parametrize("line", spans("gpuae "))
def test_every_command_has_the_options_that_are_given(line):
    _, name, *arguments = shlex.split(line)
    assert name in COMMANDS
    command = LazyGroup().get_command(None, name)
    if isinstance(command, click.Group):
        command = command.get_command(None, arguments[0])
    known = {option for own in command.params for option in own.opts}
    assert {own for own in arguments if own.startswith("-")} <= known


@pytest.mark.parametrize("line", spans("gpuae."))
def test_every_line_of_python_names_what_is_there(line):
    named = value_of(line.partition("(")[0])
    for call in ast.walk(ast.parse(line)):
        if isinstance(call, ast.Call) and ast.unparse(call.func).count(".") == 1:
            inspect.signature(named).bind(**{own.arg: None for own in call.keywords})


def value_of(name):
    """Return what a name with dots stands for."""
    return reduce(getattr, name.split(".")[1:], gpuae)
