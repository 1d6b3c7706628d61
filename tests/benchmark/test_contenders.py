"""gpuae and its bound do the same work on each device; the CUDA sources run on the CPU."""

from dataclasses import replace

import pytest

from gpuae.backends import get_ops, resolve_device
from gpuae.benchmark.cases import CASES
from gpuae.benchmark.contenders import Job, ours, products
from gpuae.benchmark.sweep import QUICK
from gpuae.errors import DeviceError

CASE = replace(CASES["small"], rows=80)


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


@pytest.mark.parametrize("case", [*CASES.values(), *QUICK.cases()], ids=lambda case: case.name)
def test_all_contenders_start_at_random_and_keep_their_rate(case):
    """As the peers do, whatever the defaults of training are."""
    config = case.config()
    assert (config.scale, config.schedule, config.learning_rate) == ("unit", "constant", 1e-3)
    assert (config.output_activation, config.validation, config.patience) == ("sigmoid", 0, 0)
    assert config.init == ("he" if config.activation == "relu" else "glorot")
    assert config.code_activation == config.activation


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_epoch_of_products_has_all_rows(request, device):
    if device == "cuda":
        request.getfixturevalue("gpu")
    seconds, losses = products.prepare(Job(CASE, device=device))(2)
    assert 0 < seconds < 1
    assert losses == []


def test_a_fit_goes_on_from_round_to_round_and_is_the_same_on_a_gpu(gpu):
    runs = [ours.prepare(Job(CASE, device=device)) for device in ("cpu", "cuda")]
    (_, first), (_, again) = (run(2) for run in runs)
    assert len(first) == 2
    assert again == pytest.approx(first, rel=1e-3)
    (_, later), (_, later_again) = (run(1) for run in runs)
    assert later[0] < first[1] < first[0]
    assert later_again == pytest.approx(later, rel=1e-3)


def test_what_goes_wrong_in_a_fit_is_heard(monkeypatch):
    monkeypatch.setattr("gpuae.backends.cuda_driver.why_not", lambda index=0: "there is none")
    with pytest.raises(DeviceError, match="there is none"):
        ours.prepare(Job(CASE, device="cuda"))(1)


def test_a_job_is_the_same_in_another_process():
    job = Job(CASE, "scan", "cuda:1", 2)
    assert Job.from_json(job.to_json()) == job
    assert (job.device_number, job.on_gpu) == (1, True)
    assert job.config.device == "cuda:1"
    assert job.config.threads == 2
