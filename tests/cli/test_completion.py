"""The Tab key completes commands, options and values, in the shells themselves."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time

import pytest

from gpuae.cli.completion import BEGIN, place_for


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of somebody who has gpuae on the PATH, with a model and rows beside it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "gpuae"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gpuae "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(path) for path in sys.path if path]))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    (work / "model.h5").write_bytes(b"")
    (work / "rows.csv").write_text("")
    monkeypatch.chdir(work)
    return tmp_path


def offered(words):
    """Return what the Tab key offers for the last of these words."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(f"{words}|".split()) - 1)}
    done = subprocess.run(
        ["gpuae"],
        env=os.environ | asked | {"_GPUAE_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.removeprefix("plain,") for line in done.stdout.splitlines()]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("gpuae fi", ["fit", "finetune"]),
        ("gpuae fit rows.csv --optim", ["--optimizer"]),
        ("gpuae fit rows.csv --activation relu,si", ["relu,sigmoid", "relu,silu"]),
        ("gpuae fit rows.csv --preset keras-s", ["keras-simple"]),
        ("gpuae presets out", ["outliers"]),
        ("gpuae plot weights,h", ["weights,history"]),
        ("gpuae evaluate ", ["model.h5"]),
        ("gpuae evaluate model.h5 ", ["file,"]),
        ("gpuae convert rows.csv new", ["file,new"]),
        ("gpuae neighbors model.h5 rows.csv --metric c", ["cosine"]),
    ],
)
def test_what_is_offered(words, found):
    assert offered(words) == found


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("words", ["gpuae no-such-command ", "gpuae plot no-such-kind "])
def test_what_is_misspelt_gets_no_error_while_it_is_typed(words):
    assert offered(words)


@pytest.mark.usefixtures("home")
def test_where_a_folder_may_be_meant_the_shell_completes_names(tmp_path):
    (tmp_path / "work" / "models").mkdir()
    assert offered("gpuae evaluate mod") == ["file,mod"]


@pytest.mark.usefixtures("home")
def test_bash_completes_from_the_file_that_it_loads(gpuae):
    gpuae("completion", "bash", "--install")
    ask = "COMP_WORDS=(gpuae fi); COMP_CWORD=1; _gpuae_completion gpuae; echo ${COMPREPLY[@]}"
    script = f'. "{place_for("bash")}"; {ask}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fit", "finetune"]


@pytest.mark.usefixtures("home")
@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish here")
def test_fish_completes_from_the_file_that_it_loads(gpuae):
    gpuae("completion", "fish", "--install")
    done = subprocess.run(
        ["fish", "-c", "complete -C 'gpuae fi'"], capture_output=True, text=True, check=True
    )
    assert sorted(line.split("\t")[0] for line in done.stdout.splitlines()) == ["finetune", "fit"]


@pytest.mark.usefixtures("home")
@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh here")
def test_zsh_completes_at_its_prompt(gpuae):
    gpuae("completion", "zsh", "--install")
    assert "gpuae finetune" in typed("zsh", b"gpuae fine\t", "gpuae finetune")


def typed(shell, keys, awaited):
    """Type into an interactive shell until it shows something; return all that it showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(shell, [shell, "-i"])
    shown, end, told = "", time.monotonic() + 60, False
    while awaited not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.5)[0]:
            shown += os.read(terminal, 4096).decode("utf-8", "replace")
        elif not told:
            told = True
            os.write(terminal, keys)
    os.close(terminal)
    os.waitpid(child, 0)
    return shown


@pytest.mark.usefixtures("home")
def test_installing_twice_adds_to_the_start_of_zsh_once(gpuae, tmp_path):
    zshrc = tmp_path / ".zshrc"
    zshrc.write_text("alias ll='ls -l'")
    assert gpuae("completion", "zsh", "--install").code == 0
    again = gpuae("completion", "zsh", "--install")
    assert "already" in again.out
    assert zshrc.read_text().startswith("alias ll='ls -l'\n")
    assert zshrc.read_text().count(BEGIN) == 1


@pytest.mark.usefixtures("home")
def test_the_shell_is_that_of_the_person(gpuae, monkeypatch):
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "fish_complete" in gpuae("completion").out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    refused = gpuae("completion", "--install")
    assert refused.code == 2
    assert "bash, zsh, fish" in refused.err


@pytest.mark.usefixtures("home")
def test_what_cannot_be_written_is_said_in_a_sentence(gpuae, tmp_path):
    (tmp_path / ".local").write_text("in the way")
    refused = gpuae("completion", "bash", "--install")
    assert refused.code == 2
    assert ".local" in refused.err


@pytest.mark.usefixtures("home")
def test_completing_a_command_imports_nothing_heavy():
    script = (
        "import sys, os; os.environ |= dict(COMP_WORDS='gpuae fi', COMP_CWORD='1', "
        "_GPUAE_COMPLETE='bash_complete')\n"
        "from gpuae.cli import run\n"
        "try: run([])\nexcept SystemExit: pass\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"numpy", "pydantic", "rich", "h5py", "gpuae.cli.fit"}
