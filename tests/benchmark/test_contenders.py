"""gpuae and its bound do the same work on each device; the CUDA sources run on the CPU."""

import math
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from gpuae.backends import get_ops, resolve_device
from gpuae.benchmark.cases import CASES, EVERY, PLAIN
from gpuae.benchmark.contenders import Job, ours, products
from gpuae.benchmark.sweep import QUICK
from gpuae.errors import DeviceError

CASE = replace(CASES["small"], rows=80)
CLASSIFIER = replace(
    CASES["classifier"],
    columns=64,
    rows=80,
    settings={**PLAIN, "hidden": (20, 16), "batch_size": 32},
)
BOTH = pytest.mark.parametrize("case", [CASE, CLASSIFIER], ids=lambda case: case.name)


@pytest.mark.parametrize("name", list(CASES))
def test_the_products_of_a_step(gpu, name):
    """Forward one for each layer, back two, but for the first layer one."""
    case = CASES[name]
    ops = get_ops(resolve_device("cuda"))
    launched = getattr(ops.gpu, "launched", None)
    if launched is None:
        pytest.skip("a real GPU does not count its launches")
    step = products.step_program(ops, products.Operands(case.widths, 8, ops.asarray), 8)
    assert launched == []
    step.replay(2)
    layers = len(case.widths) - 1
    assert launched == ["product"] * 2 * (3 * layers - 1)


def test_the_bound_of_a_classifier_has_no_decoder():
    case = CASES["classifier"]
    assert case.widths == (784, 200, 200, 10)
    own = products.Operands(case.widths, 8, lambda host: host)
    assert [weight.shape for weight in own.weights] == [(784, 200), (200, 200), (200, 10)]


@pytest.mark.parametrize("case", [*CASES.values(), *QUICK.cases()], ids=lambda case: case.name)
def test_all_contenders_start_at_random_and_keep_their_rate(case):
    """As the peers do, whatever the defaults of training are."""
    config = case.config()
    assert (config.scale, config.schedule) == ("unit", "constant")
    assert config.learning_rate == {**EVERY, **case.settings}["learning_rate"]
    assert (config.output_activation, config.validation, config.patience) == ("sigmoid", 0, 0)
    assert config.init == ("he" if config.activation == "relu" else "glorot")
    assert config.code_activation == config.activation


@BOTH
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_epoch_of_products_has_all_rows(request, case, device):
    if device == "cuda":
        request.getfixturevalue("gpu")
    seconds, losses = products.prepare(Job(case, device=device))(2)
    assert 0 < seconds < 1
    assert losses == []


@BOTH
def test_training_goes_on_from_round_to_round_and_is_the_same_on_a_gpu(gpu, case):
    runs = [ours.prepare(Job(case, device=device)) for device in ("cpu", "cuda")]
    (_, first), (_, again) = (run(2) for run in runs)
    assert len(first) == 2
    assert again == pytest.approx(first, rel=1e-3)
    (_, later), (_, later_again) = (run(1) for run in runs)
    assert later[0] < first[1] < first[0]
    assert later_again == pytest.approx(later, rel=1e-3)


@pytest.mark.parametrize("case", ["classifier", "deep", "sparse"])
@pytest.mark.parametrize(("peer", "mode"), [("torch", "eager"), ("jax", "scan")])
def test_a_peer_takes_the_steps_that_we_take(case, peer, mode):
    """Of all rows at once, whose order does not matter; each loss from the same start."""
    pytest.importorskip(peer)
    chosen = CASES[case]
    settings = {**chosen.settings, "hidden": (20, 16), "batch_size": 64}
    job = Job(replace(chosen, columns=64, rows=64, settings=settings), mode, threads=1)
    _, losses = import_module(f"gpuae.benchmark.contenders.{peer}_peer").prepare(job)(10)
    _, wanted = ours.prepare(job)(10)
    assert losses == pytest.approx(wanted, rel=1e-4)
    assert losses[-1] < 0.999 * losses[0]


def test_a_classifier_begins_with_all_classes_as_likely():
    _, losses = ours.prepare(Job(replace(CLASSIFIER, rows=32)))(1)
    assert losses == pytest.approx([math.log(10)])


def test_there_are_as_many_rows_of_each_class_some_by_chance():
    case = replace(CASES["classifier"], rows=2000)
    x = case.data()
    counts = np.bincount(case.labels(x))
    assert len(counts) == case.classes
    assert counts == pytest.approx(2000 / 10, rel=0.15)
    assert 0.4 < (nearest_mean(x, case.labels(x)) == case.labels(x)).mean() < 0.9


def nearest_mean(x, labels):
    """The class whose mean is nearest to each row."""
    means = np.stack([x[labels == label].mean(axis=0) for label in np.unique(labels)])
    return (x @ means.T - (means**2).sum(axis=1) / 2).argmax(axis=1)


@BOTH
def test_what_goes_wrong_in_a_fit_is_heard(monkeypatch, case):
    monkeypatch.setattr("gpuae.backends.cuda_driver.why_not", lambda index=0: "there is none")
    with pytest.raises(DeviceError, match="there is none"):
        ours.prepare(Job(case, device="cuda"))(1)


@BOTH
def test_a_job_is_the_same_in_another_process(case):
    job = Job(case, "scan", "cuda:1", 2)
    assert Job.from_json(job.to_json()) == job
    assert (job.device_number, job.on_gpu) == (1, True)
    assert job.config.device == "cuda:1"
    assert job.config.threads == 2
