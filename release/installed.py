"""The tests, run against a wheel that is installed and not against a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from release.source import unpack

SITE = "GPUAE_SITE"
"""Names the folder that the tests must import gpuae from; tests/conftest.py looks at it."""
RUNS = (
    ("--numprocesses", "auto", "--dist", "worksteal", "-m", "not long and not alone"),
    ("-m", "not long and alone"),
)
"""As `make check` runs them."""


def install(python: str, wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel and what its tests need; return its Python.

    Before anything else is installed, the wheel has to train, encode and evaluate.
    """
    _run(python, "-m", "venv", "--clear", folder)
    own = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = (own, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    _run(*pip, wheel)
    _run(own, "-m", "gpuae", "demo", "--folder", folder / "demo")
    _run(*pip, f"{wheel}[dev]")
    return own


def _run(*command: str | Path) -> None:
    """Run a program away from the checkout; pip would take what it finds there for installed."""
    subprocess.run(command, cwd=tempfile.gettempdir(), env=_own_environment(), check=True)


def unpack_tests(sdist: Path, folder: Path) -> Path:
    """Unpack a source distribution but for the package, so that nothing can import it there."""
    with tarfile.open(sdist) as archive:
        unpack(archive, folder)
    (tree,) = folder.iterdir()
    shutil.rmtree(tree / "gpuae")
    return tree


def passes(python: Path, tree: Path) -> bool:
    """Whether the quick tests pass with what this Python has installed."""
    environment = {**_own_environment(), SITE: str(python.absolute().parents[1])}
    done = [
        subprocess.run([python, "-m", "pytest", *run], cwd=tree, env=environment, check=False)
        for run in RUNS
    ]
    return not any(own.returncode for own in done)


def _own_environment() -> dict[str, str]:
    """Return the environment without what would make other packages be imported."""
    left_out = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in left_out}
