"""Has files read by a process of its own, and finds out what became of each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

READER = Path(__file__).with_name("reader.py")
GOOD = ("read", "refused")


class Reader:
    """A process that reads one file after the other; when it ends, another one follows.

    Parameters
    ----------
    group, whole
        A file that can be read; what all files need is loaded with it, before memory is limited.
    """

    def __init__(self, group: str, whole: Path) -> None:
        self._first = (group, whole)
        self._begin()

    def ask(self, group: str, path: Path) -> str:
        """Return what became of a file: `read`, `refused`, or what went wrong."""
        process = self._process
        print(json.dumps([group, str(path)]), file=process.stdin, flush=True)
        begun, answer = process.stdout.readline(), process.stdout.readline()
        if begun and answer:
            return json.loads(answer)
        ended = f"ended with {process.wait()}: {process.stderr.read()[-2000:]}"
        self._begin()
        return ended

    def count(self, group: str, whole: Path, contents: Iterable[bytes], kept: Path) -> Counter[str]:
        """Count what became of each content of a file; those that went wrong are kept."""
        found: Counter[str] = Counter()
        damaged = whole.with_name(f"damaged-{whole.name}")
        for number, content in enumerate(contents):
            damaged.write_bytes(content)
            outcome = self.ask(group, damaged)
            found[outcome] += 1
            if outcome not in GOOD:
                damaged.rename(kept / f"{number}-{whole.name}")
        return found

    def end(self) -> None:
        """Let the process end."""
        self._process.communicate()

    def _begin(self) -> None:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self._process = subprocess.Popen([sys.executable, READER], **pipes, text=True)
        first = self.ask(*self._first)
        assert first == "read", first
