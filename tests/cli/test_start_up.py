"""The shell must not wait for what a command does not need."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


def imported_by(*arguments: str) -> set[str]:
    script = f"import sys; from gpuae.cli import run; run({list(arguments)!r}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", [(), ("plot",), ("plot", "map"), ("plot", "weights,codes")])
def test_help_imports_nothing_heavy(command):
    loaded = imported_by(*command, "--help")
    assert not loaded & {"numpy", "h5py", "numba", "scipy", "sklearn", "pydantic", "rich"}


@pytest.mark.alone
def test_help_answers_in_a_quarter_of_a_second():
    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "gpuae", "--help"], capture_output=True, check=True)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.25


def test_inspecting_a_file_compiles_nothing(tmp_path):
    (tmp_path / "x.h5").write_bytes(b"nothing")
    assert "numba" not in imported_by("inspect", str(tmp_path / "x.h5"))
