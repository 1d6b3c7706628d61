"""fit --live and watch in the shell: what they say, and what they refuse before any work."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from gpuae.model.model import Model

pytest.importorskip("uvicorn")

FIT = ("fit", "rows.npy", "-o", "m.h5", "--hidden", 2, "--epochs", 2, "--patience", 0)
ADDRESS = re.compile(r"^watch it at (http://127\.0\.0\.1:(\d+)/[\w-]{20,}/)$", re.MULTILINE)


@pytest.fixture
def data(gpuae, rows):
    np.save("rows.npy", rows)


def threads():
    return [own for own in threading.enumerate() if own.name == "gpuae-live"]


def test_the_address_is_said_once_and_nothing_is_left_when_training_has_ended(gpuae, data):
    done = gpuae(*FIT, "--live", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["epochs"] == 2
    (found,) = ADDRESS.findall(done.err)
    assert "note: nobody opened the page" in done.err
    assert not threads()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(found[1])))


def test_with_a_page_the_same_is_said_and_written_as_without(gpuae, data):
    told = [gpuae(*FIT), gpuae(*FIT, "--force", "--live")]
    without, beside = (re.sub(r"[\d.]+ s\b", "", ADDRESS.sub("", own.out)) for own in told)
    assert without == beside
    words = [re.sub(r"\S+ rows/s .*|note: nobody.*", "", ADDRESS.sub("", own.err)) for own in told]
    words = [own.split() for own in words]
    assert words[0] == words[1]


def test_the_port_can_be_chosen_and_taken_again_at_once(gpuae, data):
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        port = own.getsockname()[1]
        own.listen()
        refused(gpuae(*FIT, "--live", "--port", port), f"--port {port}", "in use")
    assert not Path("m.h5").exists()
    for force in ((), ("--force",)):
        done = gpuae(*FIT, *force, "--live", "--port", port)
        assert ADDRESS.findall(done.err)[0][1] == str(port)


@pytest.mark.parametrize("given", [("--open",), ("--port", 8000)])
def test_a_page_that_was_not_asked_for_cannot_be_opened(gpuae, data, given):
    refused(gpuae(*FIT, *given), f"{given[0]} needs --live")


@pytest.mark.parametrize("command", [(*FIT, "--live"), ("watch", "run.h5")])
def test_what_serves_it_has_to_be_installed(gpuae, data, monkeypatch, command):
    monkeypatch.setattr("gpuae.cli.page.find_spec", lambda package: None)
    refused(gpuae(*command), "starlette", "pip install 'gpuae[live]'")
    assert not Path("m.h5").exists()


def test_a_browser_is_opened_and_training_goes_on_where_there_is_none(gpuae, data, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(opened.append(address)))
    done = gpuae(*FIT, "--live", "--open")
    assert done.code == 0
    (address,) = opened
    assert address.startswith(ADDRESS.search(done.err)[1].rsplit("/", 2)[0])
    assert ADDRESS.search(done.err)[1] not in address, "others can read with what it was started"
    assert "note: no browser could be opened; open the address yourself" in done.err


def test_a_browser_that_comes_when_training_has_ended_still_shows_it(gpuae, data, monkeypatch):
    shown = []

    def come(address):
        time.sleep(0.2)
        page = urllib.request.urlopen(address, timeout=10)
        events = urllib.request.urlopen(page.url + "events", timeout=10)
        shown.append(events.read())

    def opened(address):
        threading.Thread(target=come, args=(address,)).start()
        return True

    monkeypatch.setattr(webbrowser, "open", opened)
    done = gpuae(*FIT, "--live", "--open")
    assert done.code == 0, done.err
    assert b'"wrote m.h5"' in shown[0]
    assert "nobody opened" not in done.err


def test_ctrl_c_ends_the_waiting_for_a_browser_and_nothing_else(gpuae, data, monkeypatch):
    def interrupted(server):
        assert server.awaited
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", lambda address: True)
    monkeypatch.setattr("gpuae.live.server.Server.wait", interrupted)
    done = gpuae(*FIT, "--live", "--open")
    assert done.code == 0, done.err
    assert "waiting for the browser" in done.err
    assert not threads()


def test_data_that_cannot_be_read_leave_no_server_behind(gpuae):
    refused(gpuae("fit", "none.csv", "-o", "m.h5", "--live"), "none.csv")
    assert not threads()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere/run.h5",), ("nowhere/run.h5", "no such folder")),
        ((".",), ("is a folder",)),
        (("rows.npy",), ("rows.npy", "not an HDF5 file")),
        (("m.h5", "digits"), ("digits has 64 columns", "6")),
        (("m.h5", "none.csv"), ("none.csv", "no such file")),
    ],
)
def test_what_cannot_be_watched_is_refused(gpuae, data, arguments, words):
    assert gpuae(*FIT).code == 0
    refused(gpuae("watch", *arguments), *words)
    assert not threads()


def started(folder, *arguments):
    """Start a command and wait until it has said its address."""
    command = [sys.executable, "-W", "error", "-m", "gpuae", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=folder, **pipes)
    said = ""
    while ADDRESS.search(said) is None:
        line = process.stderr.readline()
        if not line:
            process.wait()
            pytest.fail(said)
        said += line
    return process, int(ADDRESS.search(said)[2]), ADDRESS.search(said)[1]


@pytest.mark.alone
def test_ctrl_c_ends_a_run_with_a_page_as_quickly_as_one_without(gpuae, data, tmp_path):
    many = ("--epochs", 10**6, "--validation", 0.2)
    process, port, address = started(tmp_path, *FIT, *many, "--live")
    with process, socket.create_connection(("127.0.0.1", port)) as page:
        path = address.removeprefix(f"http://127.0.0.1:{port}")
        page.sendall(f"GET {path}events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while b'"epoch":0' in (seen := page.recv(1 << 20)) or b'"epoch":' not in seen:
            pass
        process.send_signal(signal.SIGINT)
        began = time.perf_counter()
        _, said = process.communicate(timeout=20)
        assert time.perf_counter() - began < 3
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert len(Model.load(tmp_path / "m.h5").history["epoch"]) >= 1


@pytest.mark.alone
def test_watching_ends_with_ctrl_c(gpuae, data, tmp_path):
    process, _, _ = started(tmp_path, "watch", "run.h5")
    with process:
        assert "run.h5 is not there yet: waiting for it" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said.splitlines()[-1]) == (130, "interrupted")
    assert "Traceback" not in said
