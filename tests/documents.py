"""The pages of README.md and docs/, their blocks of code, and what links may point to."""

import io
import re
import shlex
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from gpuae.cli import run

ROOT = Path(__file__).parents[1]
PACKAGE = Path(find_spec("gpuae").origin).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [*PAGES, *sorted((ROOT / "docs").glob("*/*.md"))]
"""The pages, and those of decisions, tutorials and the reference."""


def blocks(text):
    """Return the fenced blocks of a text, each as its language (maybe none) and its lines."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(block):
    """Return the commands of a block of shell, as lists of words without comments."""
    lines = block.replace("\\\n", "").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def run_shell(block, complete=list):
    """Run commands of gpuae, each as `complete` makes it of the words after its name."""
    for line in commands(block):
        piped = line.index("|") + 1 if "|" in line else 0
        name, *words = line[piped:]
        assert name == "gpuae"
        with _standard_input(line[: max(0, piped - 1)]):
            assert run(complete(words)) == 0, words


@contextmanager
def _standard_input(command):
    """Have what a command prints on the standard input, if there is one."""
    before = sys.stdin
    if command:
        printed = subprocess.run(command, capture_output=True, check=True).stdout
        sys.stdin = io.TextIOWrapper(io.BytesIO(printed))
    try:
        yield
    finally:
        sys.stdin = before


def target(page, path):
    """Return the file that a page's link leads to; of the package, the one that is tested."""
    found = (page.parent / path).resolve()
    inside = ROOT / "gpuae"
    return PACKAGE / found.relative_to(inside) if found.is_relative_to(inside) else found


def anchors(page):
    """Return what links may point to in a page, as it is shown on the web."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", own.lower()).replace(" ", "-") for own in headings}
