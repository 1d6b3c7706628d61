"""What docs/examples.md shows runs as it stands there, each section by itself."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gpuae.cli import run

TEXT = (Path(__file__).parents[1] / "docs" / "examples.md").read_text("utf-8")
SECTIONS = {
    heading: re.findall(r"^```(\w+)\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
    for heading, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", TEXT, re.MULTILINE)
}


def run_shell(text):
    for line in text.splitlines():
        command, *arguments = shlex.split(line)
        assert command == "gpuae"
        assert run(arguments) == 0, line


def test_every_block_is_one_that_runs():
    blocks = [kind for section in SECTIONS.values() for kind, _ in section]
    assert all(SECTIONS.values())
    assert len(blocks) == TEXT.count("\n```") // 2 >= 7
    assert set(blocks) == {"python", "shell"}


@pytest.mark.parametrize("heading", SECTIONS)
def test_an_example_runs(heading, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for kind, text in SECTIONS[heading]:
        if kind == "python":
            exec(compile(text, f"docs/examples.md, {heading}", "exec"), names)
        else:
            run_shell(text)
