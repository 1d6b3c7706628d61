"""What is released: the last commit, as git has it, and what it says about itself."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tomllib
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HEADING = re.compile(r"^## (\S+) \((.+)\)$", re.MULTILINE)
"""Of a version in CHANGELOG.md: its number, and its date or that it is not released."""
PYTHON = re.compile(r"Programming Language :: Python :: (3\.\d+)")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class ReleaseError(Exception):
    """Something about a release is wrong, or a tool for it is missing."""


def project(root: Path = ROOT) -> dict[str, Any]:
    """Return the table `project` of pyproject.toml, the one place where the version is set."""
    table = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return dict(table["project"])


def supported(classifiers: list[str]) -> list[str]:
    """Return the versions of Python that classifiers name, such as `3.11`."""
    return [found[1] for found in map(PYTHON.fullmatch, classifiers) if found]


def committed(folder: Path, root: Path = ROOT) -> Path:
    """Unpack the last commit into a folder: a checkout has more in it than what is released.

    Raises
    ------
    ReleaseError
        When there are changes that are in no commit, or this is no checkout.
    """
    changes = _git("status", "--porcelain", root=root).decode()
    if changes:
        raise ReleaseError(f"what is released is the last commit; commit or stash:\n{changes}")
    with tarfile.open(fileobj=BytesIO(_git("archive", "HEAD", root=root))) as archive:
        unpack(archive, folder)
    return folder


def unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack an archive into a folder and nowhere else, where Python can hold it to that."""
    archive.extraction_filter = getattr(tarfile, "data_filter", None)  # not before 3.11.4
    archive.extractall(folder)


def _git(*words: str, root: Path) -> bytes:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git {words[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def check_tag(tag: str, version: str, changelog: str) -> None:
    """Refuse a tag that is not of this version, or whose changes have no date.

    Raises
    ------
    ReleaseError
        With what to change.
    """
    if tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, and pyproject.toml has version {version}")
    newest = HEADING.search(changelog)
    if newest is None or newest[1] != version or not DATE.fullmatch(newest[2]):
        raise ReleaseError(f"CHANGELOG.md has to begin with ## {version} (YYYY-MM-DD)")
