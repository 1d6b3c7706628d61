"""What docs/examples.md shows runs as it stands there, each section by itself."""

from __future__ import annotations

import re

import pytest
from documents import ROOT, blocks, run_shell

TEXT = (ROOT / "docs" / "examples.md").read_text("utf-8")
SECTIONS = {
    heading: blocks(body)
    for heading, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", TEXT, re.MULTILINE)
}


def test_every_block_is_one_that_runs():
    kinds = [kind for section in SECTIONS.values() for kind, _ in section]
    assert all(SECTIONS.values())
    assert len(kinds) == TEXT.count("\n```") // 2 >= 7
    assert set(kinds) == {"python", "shell"}


@pytest.mark.parametrize("heading", SECTIONS)
def test_an_example_runs(heading, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    for kind, text in SECTIONS[heading]:
        if kind == "python":
            exec(compile(text, f"docs/examples.md, {heading}", "exec"), names)
        else:
            run_shell(text)
