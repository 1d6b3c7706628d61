from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from gpuae.cli import run

FIT = ("--hidden", "4,2", "--epochs", 2, "--patience", 0)
"""Settings of two epochs that are kept, whether they gain anything or not."""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def gpuae(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder and return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def made_folders() -> dict[str, Path]:
    """The folders in which something was made that several tests begin with, by its name."""
    return {}


@pytest.fixture
def once(made_folders, gpuae, tmp_path, tmp_path_factory):
    """A function that makes files by commands, once for all tests, and copies them to this one."""

    def copied(name, make):
        if name not in made_folders:
            made_folders[name] = tmp_path_factory.mktemp(name)
            with contextlib.chdir(made_folders[name]):
                make(gpuae)
        shutil.copytree(made_folders[name], tmp_path, dirs_exist_ok=True)

    return copied


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).random((40, 6)).astype(np.float32)


@pytest.fixture
def model(once, tmp_path, rows):
    """A model of 6 columns and a code of 2, beside its data."""

    def make(gpuae):
        np.save("rows.npy", rows)
        made = gpuae("fit", "rows.npy", "-o", "model.h5", *FIT)
        assert made.code == 0, made.err

    once(f"model-of-{sha256(rows).hexdigest()[:8]}", make)
    return tmp_path / "model.h5"
