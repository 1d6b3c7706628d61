"""What README.md and docs/ name is there, and what is there is named: commands, options, extras."""

import re
import tomllib

import click
import pytest
from documents import PAGES, ROOT

from gpuae.cli import COMMANDS, LazyGroup
from gpuae.cli.plot import KINDS

DOCS = ROOT / "docs"
FOR_DEVELOPERS = {"bench", "dev", "release"}
"""Extras that only the development of the package needs."""
OF_BENCHMARKS = {"--peers-from"}
"""Options of programs in bench/."""


def first_cells(page):
    """Return the code at the beginning of each row of a page's tables."""
    return re.findall(r"^\| `([^`]+)`", (DOCS / page).read_text("utf-8"), re.MULTILINE)


def options():
    """Return all options of all commands, those of the groups' own commands too."""
    commands = [LazyGroup().get_command(None, name) for name in COMMANDS]
    inner = [
        own.get_command(None, name)
        for own in commands
        if isinstance(own, click.Group)
        for name in own.list_commands(None)
    ]
    parameters = [parameter for own in [*commands, *inner] for parameter in own.params]
    return {name for own in parameters for name in [*own.opts, *own.secondary_opts]} | {"--help"}


def test_the_table_of_commands_has_each_once():
    assert sorted(cell.split()[0] for cell in first_cells("commands.md")) == sorted(COMMANDS)


def test_the_table_of_pictures_has_each_kind_once():
    assert sorted(first_cells("seeing.md")) == sorted(KINDS)


def test_the_table_of_optional_parts_has_each_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = set(project["optional-dependencies"]) - FOR_DEVELOPERS
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "install.md").read_text("utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == extras


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_is_one_of_a_command(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    spans = [span for span in re.findall(r"`([^`]+)`", text) if span.startswith(("--", "gpuae "))]
    named = {word for span in spans for word in span.split() if word.startswith("--")}
    assert named <= options() | OF_BENCHMARKS
