"""Processes that take turns."""

from dataclasses import replace

import pytest

from gpuae.benchmark.cases import CASES
from gpuae.benchmark.line_up import peers, products, products_environment
from gpuae.benchmark.track import Contender, ContenderError
from gpuae.benchmark.turns import Pace, measure

CASE = replace(CASES["small"], rows=64)
PACE = Pace(rounds=3, seconds=0, round_seconds=0.045)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr("gpuae.benchmark.track.PAUSE_SECONDS", 0)


def toy(mode, **more):
    return Contender(f"the one that {mode}", "toy_contender", mode, **more)


def test_who_fails_is_left_out_and_the_others_are_timed():
    contenders = [toy(mode) for mode in ("well", "refuses", "dies", "wrongly")]
    measured = measure(CASE, contenders, PACE)
    assert [own.mode for own in measured.figures] == ["well", "wrongly"]
    own = measured.figures[contenders[0]]
    assert (own.median, own.rounds, own.loss) == (0.01, 3, 2.0)
    assert measured.left_out == [
        "the one that refuses on cpu: the machine is too small; get another",
        "the one that dies on cpu: its process ended with code 3",
    ]


def test_without_one_that_is_needed_there_are_no_figures():
    with pytest.raises(ContenderError, match="too small") as caught:
        measure(CASE, [toy("refuses", needed=True)], PACE)
    assert "Traceback" in caught.value.log


def test_threads_and_kernel_go_into_the_environment(monkeypatch):
    monkeypatch.setattr("gpuae.backends.blas.best_core", lambda: "SkylakeX")
    assert dict(products("cpu").environment) == {"OPENBLAS_CORETYPE": "SkylakeX"}
    assert dict(products_environment(3))["OPENBLAS_NUM_THREADS"] == "3"


def test_on_a_gpu_pytorch_has_one_more_way(monkeypatch):
    monkeypatch.setattr("gpuae.benchmark.line_up.find_spec", lambda package: True)
    on_cpu, on_gpu = ({own.name for own in peers(device)} for device in ("cpu", "cuda:0"))
    assert on_gpu - on_cpu == {"PyTorch graph"}
    monkeypatch.setattr("gpuae.benchmark.line_up.find_spec", lambda package: None)
    assert list(peers("cpu")) == []
