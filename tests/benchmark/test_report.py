"""What is made of seconds."""

import json

import pytest

from gpuae.benchmark.cases import CASES
from gpuae.benchmark.line_up import OURS, ours, peers, products
from gpuae.benchmark.report import report_case
from gpuae.benchmark.turns import Measured
from gpuae.errors import GpuaeError

GPU = "cuda:0"


def of_ours(own, device):
    return next(line for line in own.lines if (line.who, line.device) == (OURS, device))


def test_a_line_says_speed_share_of_the_bound_and_gain(report):
    own = report.cases[0]
    cpu, gpu = of_ours(own, "cpu"), of_ours(own, GPU)
    assert cpu.rows_per_second == pytest.approx(120_000)
    assert cpu.share_of_bound == pytest.approx(0.8)
    assert cpu.bound == pytest.approx(150_000)
    assert cpu.speed_up is None
    assert gpu.share_of_bound == pytest.approx(0.5)
    assert gpu.speed_up == pytest.approx(25)


def test_a_gpu_alone_has_no_gain(figures):
    found = {ours(GPU): figures(1.0), products(GPU): figures(0.5)}
    (line,) = report_case(CASES["small"], Measured(found, [])).lines
    assert line.speed_up is None


def test_json_holds_it_all(report):
    value = json.loads(json.dumps(report.as_dict()))
    assert value["devices"] == ["cpu", GPU]
    assert value["no_gpu"] is None
    assert set(value["cases"]) == set(CASES)
    assert value["gpu_pays_from_width"] == {GPU: {"32": 64, "256": 16}}
    assert len(value["sweep"]) == 6


def test_a_peer_that_comes_to_another_loss_is_left_out(figures):
    found = {ours("cpu"): figures(1.0, loss=2.0), products("cpu"): figures(1.0, loss=None)}
    for peer, loss in zip(peers("cpu"), (2.03, 2.05, float("nan"), None), strict=False):
        found[peer] = figures(1.0, loss=loss)
    own = report_case(CASES["small"], Measured(found, ["one did not start"]))
    wrong = [peer for peer in found if found[peer].loss not in (2.0, 2.03, None)]
    assert len(own.lines) == len(found) - 1 - len(wrong)
    assert len(own.left_out) == 1 + len(wrong)
    assert all("not the same work" in sentence for sentence in own.left_out[1:])


def test_our_devices_have_to_agree(figures):
    found = {own: figures(1.0, loss=None) for own in (products("cpu"), products(GPU))}
    found |= {ours("cpu"): figures(1.0, loss=2.0), ours(GPU): figures(1.0, loss=2.1)}
    with pytest.raises(GpuaeError, match=r"small: gpuae on cuda:0: its loss is 2\.1"):
        report_case(CASES["small"], Measured(found, []))
