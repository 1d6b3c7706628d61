"""What docs/tutorials/ shows runs as it stands there, each page from its top to its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT, blocks, run_shell

from gpuae.cli import run

TUTORIALS = ROOT / "docs" / "tutorials"
WITH_PROGRAMS = ["spectra.md", "counts.md", "digits.md"]
CLUSTER = TUTORIALS / "cluster.md"
STAND_INS = {
    "srun": 'exec "$@"',
    "gpuae": f'exec "{sys.executable}" -m gpuae "$@"',
    "scontrol": 'echo "$@" >> requeued',
}
"""Programs of a cluster, as far as the script of a job uses them."""


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_PROGRAMS)
def test_a_tutorial_runs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "tutorial"}
    for kind, text in blocks((TUTORIALS / name).read_text("utf-8")):
        if kind == "python":
            exec(compile(text, f"docs/tutorials/{name}", "exec"), names)
        elif kind == "shell":
            run_shell(text)


def test_every_tutorial_is_one_that_runs():
    pages = {page.name for page in TUTORIALS.glob("*.md")} - {"README.md"}
    assert pages == {*WITH_PROGRAMS, CLUSTER.name}


@pytest.fixture
def job(tmp_path):
    """A function that starts the script of a job, in a folder with stand-ins of a cluster."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, line in STAND_INS.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n", "utf-8")
        (programs / name).chmod(0o755)
    (script,) = [text for kind, text in blocks(CLUSTER.read_text("utf-8")) if kind == "bash"]
    (tmp_path / "train.sh").write_text(script, "utf-8")
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    surroundings = {**os.environ, "PATH": path, "SLURM_JOB_ID": "7", "PYTHONPATH": str(ROOT)}

    def start():
        return subprocess.Popen(
            ["bash", "train.sh"], cwd=tmp_path, env=surroundings, start_new_session=True
        )

    return start


def step_of(job):
    """Return the process that the script of a job waits for."""
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children")
    return int(children.read_text("utf-8").split()[0])


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes by /proc")
def test_a_job_that_runs_out_of_time_is_queued_again_and_goes_on(job, tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    np.save(tmp_path / "rows.npy", random.random((40_000, 200), np.float32))
    first = job()
    deadline = time.monotonic() + 60
    while not (tmp_path / "run.h5").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(step_of(first), signal.SIGTERM)
    assert first.wait(60) == 130
    assert (tmp_path / "requeued").read_text("utf-8") == "requeue 7\n"
    assert not (tmp_path / "model.h5").exists()

    assert job().wait(300) == 0
    monkeypatch.chdir(tmp_path)
    assert run(["fit", "rows.npy", "-o", "at-once.h5", "--hidden", "64,8"]) == 0
    assert run(["verify", "--same", "model.h5", "at-once.h5"]) == 0
