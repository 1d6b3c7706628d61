"""Which of the supported Pythons this machine has."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

ASKED = "import ensurepip, json, sys, venv; print(json.dumps([*sys.version_info[:2]]))"
"""What a Python has to answer: some that are on the path are only the names of others."""


def find(supported: list[str], given: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the paths of those found, by their versions, and the versions without one.

    Parameters
    ----------
    supported
        Versions such as `3.11`, each looked for as `python3.11`.
    given
        Programs that come first.
    """
    found: dict[str, str] = {}
    for program in [*given, *(f"python{version}" for version in supported)]:
        path = shutil.which(program)
        version = version_of(path) if path else None
        if path and version in supported:
            found.setdefault(version, str(Path(path).absolute()))
    return found, [version for version in supported if version not in found]


def version_of(program: str) -> str | None:
    """Return the version of a Python that can make environments; None where there is none."""
    try:
        done = subprocess.run([program, "-c", ASKED], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ".".join(map(str, json.loads(done.stdout)))
