from __future__ import annotations

from dataclasses import dataclass

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


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).random((40, 6)).astype(np.float32)


@pytest.fixture
def model(gpuae, tmp_path, rows):
    """A model of 6 columns and a code of 2, beside its data."""
    np.save(tmp_path / "rows.npy", rows)
    made = gpuae("fit", "rows.npy", "-o", "model.h5", *FIT)
    assert made.code == 0, made.err
    return tmp_path / "model.h5"
