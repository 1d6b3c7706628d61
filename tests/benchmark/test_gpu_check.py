"""Parts of the check of a GPU end in time and leave what they have."""

import json
import subprocess
import sys
import tarfile
import time
from dataclasses import replace

import numpy as np
import pytest

from bench import gpu_check, gpu_encode, gpu_kit
from bench.gpu_check import Check

PYTHON = (sys.executable, "-c")
GOOD = Check("part", "good", 60, (*PYTHON, "print('{\"a\": 1}')"), keeps=True)
BAD = Check("part", "bad", 60, (*PYTHON, "print('what it said'); raise SystemExit(3)"))
SLEEP = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; "
SLEEP += "time.sleep(60)']); print('begun', flush=True); time.sleep(60)"
ENDLESS = Check("part", "endless", 1, (*PYTHON, SLEEP))
ABSENT = replace(GOOD, name="absent", needs="no such program")


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.setattr(gpu_check, "install", lambda: replace(GOOD, name="install"))
    monkeypatch.setattr(gpu_check, "SHORTEST", 0.5)


def found_in(tmp_path, checks, seconds=60):
    """Run checks and return what the archive says they found."""
    good = gpu_check.run_part("part", checks, tmp_path, seconds)
    with tarfile.open(tmp_path / "part.tar.gz") as archive:
        found = json.load(archive.extractfile("part/results.json"))["checks"]
        found["names"] = archive.getnames()
    return good, found


def test_what_a_check_found_is_kept_with_its_log(tmp_path):
    good, found = found_in(tmp_path, [GOOD, BAD, ABSENT])
    assert not good
    assert found["good"]["found"] == {"a": 1}
    assert (found["bad"]["passed"], found["bad"]["exit"]) == (False, 3)
    assert found["bad"]["last_lines"] == ["what it said"]
    assert found["absent"] == {"passed": None, "why": "no such program is not installed"}
    assert {"part/good.json", "part/bad.log"} <= set(found["names"])


def test_a_check_ends_in_its_time_with_all_that_it_started(tmp_path):
    began = time.monotonic()
    _, found = found_in(tmp_path, [ENDLESS])
    assert time.monotonic() - began < 20  # its child would hold the log open for a minute
    assert (found["endless"]["exit"], found["endless"]["last_lines"]) == (124, ["begun"])


def test_a_part_ends_in_its_time_and_says_what_was_left_out(tmp_path):
    checks = [replace(ENDLESS, name=name, seconds=60) for name in ("first", "second")]
    _, found = found_in(tmp_path, checks, seconds=2)
    assert found["first"]["exit"] == 124
    assert found["second"]["why"] == "no time was left: --only second runs it alone"


def test_each_part_has_a_command_in_the_kit_and_nine_minutes():
    checks = list(gpu_check.checks("cuda"))
    assert list(dict.fromkeys(own.part for own in checks)) == [name for name, _ in gpu_kit.COMMANDS]
    assert max(own.seconds for own in checks) <= gpu_check.SECONDS <= 540


def test_an_unknown_name_is_refused():
    command = [sys.executable, gpu_check.__file__, "--only", "nothing", "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no such thing: nothing; give machine, packages" in done.stderr


def test_encoding_is_timed_on_a_cpu_too(monkeypatch, low_rank):
    x = np.abs(90 * low_rank(60, 40)).astype(np.uint8)
    monkeypatch.setattr(gpu_encode, "images", lambda rows: x[:rows])
    monkeypatch.setattr(gpu_encode, "SETTINGS", {**gpu_encode.SETTINGS, "hidden": (8, 4)})
    found = gpu_encode.measure("numpy", 50)
    assert (found["rows"], found["bytes"]) == (50, {"rows": 2000, "codes": 800})
    assert found["copies"] is None
    assert list(found["encode"]) == ["pageable"]
    assert found["encode"]["pageable"]["seconds"] > 0
    json.dumps(found)
