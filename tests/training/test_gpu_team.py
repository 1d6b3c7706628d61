"""The team of a GPU computes what the threads of a CPU do, wherever the rows are."""

import re

import numpy as np
import pytest

from gpuae import load
from gpuae.backends import Device, get_ops, weighing
from gpuae.backends.weighing import Strength
from gpuae.config import Config
from gpuae.encoding import encode, into
from gpuae.errors import DeviceError, GpuaeWarning
from gpuae.finetune_config import FinetuneConfig
from gpuae.machine import Machine
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.init import initial_parameters
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.training import batches, gpu_team, loader
from gpuae.training.classifying import finetune
from gpuae.training.fitting import fit
from gpuae.training.footprint import work_of
from gpuae.training.history import Silence
from gpuae.training.optimizers import create_optimizer
from gpuae.training.preparation import new_team, prepare
from gpuae.training.team import Team

pytestmark = pytest.mark.usefixtures("gpu")

SPARSE = {"sparsity": "kl", "beta": 0.5, "weight_decay": 1e-3}
KINDS = {
    "plain": {},
    "sparse": SPARSE,
    "denoising": {"noise": "gaussian", "noise_level": 0.2, "dropout": 0.3, "activation": "relu"},
    "topk, tied": {"sparsity": "topk", "k": 2, "decoder": "tied", "activation": "tanh"},
    "l1, whitened, sgd": {
        "sparsity": "l1",
        "l1": 1e-4,
        "whiten": "pca",
        "optimizer": "sgd",
        "momentum": 0.5,
    },
    "cross-entropy, bytes": {"loss": "bce", "scale": "minmax", "noise": "masking"}
    | {"noise_level": 0.3},
    "full batch": {"optimizer": "lbfgs", **SPARSE},
}
each_kind = pytest.mark.parametrize("name", KINDS)


def config_of(name, **more):
    batch = {} if "full" in name else {"batch_size": 32}
    settings = {
        "hidden": (6, 3),
        "epochs": 2,
        "validation": 0.2,
        "init": "glorot",
        **batch,
        **KINDS[name],
        **more,
    }
    return Config.parse({"device": "cuda", **settings})


def rows_for(name, low_rank):
    x = low_rank(150, 7).astype(np.float32)
    return (255 * x).astype(np.uint8) if "bytes" in name else x


@each_kind
def test_training_is_that_of_the_cpu_within_rounding(name, low_rank, relative):
    x = rows_for(name, low_rank)
    ours = fit(x, config_of(name, epochs=3))
    cpu = fit(x, config_of(name, epochs=3, device="cpu"))
    losses = [own.result.history.arrays()["loss"] for own in (ours, cpu)]
    np.testing.assert_allclose(*losses, rtol=1e-3)
    losses = [own.result.history.arrays()["val_loss"] for own in (ours, cpu)]
    np.testing.assert_allclose(*losses, rtol=1e-3)
    assert relative(ours.model.parameters, cpu.model.parameters) < 1e-3


def test_a_model_from_a_gpu_is_used_where_there_is_none(low_rank, tmp_path, monkeypatch, relative):
    x = rows_for("sparse", low_rank)
    fitted = fit(x, config_of("sparse")).model
    assert fitted.attributes["device"].startswith("cuda")
    codes = np.empty((len(x), 3), np.float32)
    encode(fitted, x, into(codes), machine=Machine("cuda"))
    fitted.save(tmp_path / "model.h5", force=False)
    monkeypatch.setattr("gpuae.backends.cuda_driver.why_not", lambda index=0: "no GPU")
    elsewhere = load(tmp_path / "model.h5")
    with pytest.warns(GpuaeWarning, match="no GPU.*device=auto"):
        assert relative(elsewhere.set_params(device="cuda").transform(x), codes) < 1e-5
    assert relative(elsewhere.set_params(device="auto").transform(x), codes) < 1e-5


@each_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_step_has_the_cpus_gradient(name, low_rank, relative, dtype):
    x, gradients, values = rows_for(name, low_rank), [], []
    for device in ("cuda", "numpy"):
        batch = {} if "full" in name else {"batch_size": 200}
        config = config_of(name, device=device, dtype=dtype, **batch)
        ops, network, team = team_of(config, x, device)
        with team:
            values.append(objective(team.full_gradient(np.arange(100)), config))
            gradients.append(ops.to_host(team.gradient))
    limit = 1e-5 if dtype == "float32" else 1e-10
    assert values[0] == pytest.approx(values[1], rel=limit)
    pairs = zip(*(network.views(own) for own in gradients), strict=True)
    for own, expected in pairs:
        assert relative(own.weight, expected.weight) <= limit
        assert relative(own.bias, expected.bias) <= limit


def team_of(config, x, device):
    prepared = prepare(x, np.arange(len(x)), config, column_statistics(x, np.arange(len(x))))
    network = mirrored_autoencoder(prepared.config, x.shape[1])
    ops = get_ops(Device(device, ""))
    start = initial_parameters(network, prepared.config).astype(config.dtype)
    return ops, network, new_team(ops, network, prepared, x, ops.asarray(start), len(x))


@each_kind
def test_rows_that_do_not_fit_are_streamed_to_the_same_bits(name, low_rank, monkeypatch):
    x = rows_for(name, low_rank)
    monkeypatch.setattr(gpu_team, "EVALUATION_ROWS", 32)
    monkeypatch.setattr(gpu_team, "BLOCK_ROWS", 48)
    resident = fit(x, config_of(name))
    monkeypatch.setattr(loader, "SLOT_BYTES", 1)
    monkeypatch.setattr(loader, "SLOTS", 2)
    monkeypatch.setattr("gpuae.backends.cupy_ops.CupyOps.holds", lambda *_: False)
    streamed = fit(x, config_of(name))
    np.testing.assert_array_equal(streamed.model.parameters, resident.model.parameters)
    losses = [own.result.history.arrays()["val_loss"] for own in (resident, streamed)]
    np.testing.assert_array_equal(*losses)


@pytest.mark.parametrize("steps", [1, 3])
def test_streamed_rows_go_on_from_where_an_epoch_stood(low_rank, monkeypatch, steps):
    x = rows_for("denoising", low_rank)
    config = config_of("denoising", init="glorot")
    monkeypatch.setattr(gpu_team, "EVALUATION_ROWS", 32)
    monkeypatch.setattr(loader, "SLOT_BYTES", 1)
    monkeypatch.setattr("gpuae.backends.cupy_ops.CupyOps.holds", lambda *_: False)
    order, sizes = np.random.default_rng(0).permutation(len(x)), [32, 32, 32, 32, 22]
    ops, network, team = team_of(config, x, "cuda")
    optimizer = create_optimizer(ops, network.size, config)
    with team:
        team.start_epoch(order, 3, 0.01)
        team.run(sizes[:steps], optimizer)
        state, before = team.state(), ops.to_host(team.parameters)
        moments = {name: ops.to_host(own) for name, own in optimizer.vectors.items()}
        team.run(sizes[steps:], optimizer)
        whole = ops.to_host(team.parameters)
    ops, network, again = team_of(config, x, "cuda")
    optimizer = create_optimizer(ops, network.size, config)
    with again:
        ops.assign(again.parameters, before)
        for name, own in optimizer.vectors.items():
            ops.assign(own, moments[name])
        again.restore(order, state)
        again.run(sizes[steps:], optimizer)
        np.testing.assert_array_equal(ops.to_host(again.parameters), whole)
        assert again.totals(len(x)) == team.totals(len(x))


def test_a_full_batch_may_be_cut_into_blocks(low_rank, monkeypatch, relative):
    x = rows_for("full batch", low_rank)
    whole = fit(x, config_of("full batch"))
    monkeypatch.setattr(gpu_team, "BLOCK_ROWS", 17)
    cut = fit(x, config_of("full batch"))
    assert relative(cut.model.parameters, whole.model.parameters) < 1e-3


def test_nothing_waits_for_the_gpu_between_steps(low_rank, monkeypatch):
    x = rows_for("sparse", low_rank)
    config = config_of("sparse")
    ops, network, team = team_of(config, x, "cuda")
    with team:
        optimizer = create_optimizer(ops, network.size, config)
        team.start_epoch(np.arange(len(x)), 0, 0.01)
        monkeypatch.setattr(type(ops.gpu), "read", None)
        team.run([32, 32, 32, 32, 22], optimizer)
        monkeypatch.undo()
        assert np.isfinite(team.totals(len(x)).loss)


@pytest.mark.parametrize(("name", "launches"), [("plain", 8), ("sparse", 11)])
def test_a_step_is_this_many_launches(low_rank, name, launches):
    x = rows_for(name, low_rank)
    config = config_of(name, hidden=(3,), depth=1)
    ops, network, team = team_of(config, x, "cuda")
    if not hasattr(ops.gpu, "launched"):
        pytest.skip("only the stand-in for a GPU counts launches")
    with team:
        optimizer = create_optimizer(ops, network.size, config)
        team.start_epoch(np.arange(len(x)), 0, 0.01)
        team.run([32], optimizer)
        before = len(ops.gpu.launched)
        team.run([32], optimizer)
        assert len(ops.gpu.launched) - before == launches, ops.gpu.launched[before:]


def test_a_gpu_that_is_too_full_is_said_before_anything_is_allocated(low_rank, monkeypatch):
    monkeypatch.setattr("gpuae.backends.cupy_ops.CupyOps.room", lambda ops: 1000)
    says = r"too full: training this network needs .* GiB and .* free; lower batch_size or hidden"
    with pytest.raises(DeviceError, match=says):
        fit(rows_for("plain", low_rank), config_of("plain"))


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_the_next_order_is_drawn_while_a_gpu_works(low_rank, monkeypatch, device):
    heard = []

    def told(owner, name, what):
        own = getattr(owner, name)

        def call(*arguments, **more):
            heard.append(what(*arguments))
            return own(*arguments, **more)

        monkeypatch.setattr(owner, name, call)

    told(batches, "epoch_order", lambda rows, seed, epoch, shuffle: f"order {epoch}")
    told(Team, "run", lambda *_: "run")
    told(Team, "totals", lambda *_: "totals")
    fit(rows_for("plain", low_rank), config_of("plain", device=device, folds=1, validation=0))
    before = heard[: heard.index("order 1")]
    assert before == ["order 0", "run"] if device == "cuda" else before[-1] == "totals"
    assert heard.count("order 0") == heard.count("order 1") == 1


@pytest.fixture
def at_once(monkeypatch):
    """Lets a GPU be reckoned with that needs no time but for computing."""
    for name in ("GPU_BEGINS", "GPU_STEP"):
        monkeypatch.setattr(weighing, name, 0.0)


class Heard(Silence):
    def __init__(self):
        self.devices = []

    def device_chosen(self, name, reason):
        self.devices.append(f"{name}: {reason}")


def test_auto_trains_small_networks_on_the_cpu_and_says_so(low_rank):
    heard = Heard()
    fitted = fit(rows_for("plain", low_rank), config_of("plain", device="auto"), observer=heard)
    assert fitted.device.name == fitted.model.attributes["device"] == "cpu"
    (said,) = heard.devices
    assert re.fullmatch(r"cpu: about \S+ s, and 1\.5 s on the GPU with .* device=cuda .*", said)


def test_auto_trains_on_the_gpu_where_that_pays(low_rank, at_once):
    heard = Heard()
    fitted = fit(rows_for("plain", low_rank), config_of("plain", device="auto"), observer=heard)
    assert fitted.model.attributes["device"] == "cuda:0"
    assert heard.devices[0].startswith("cuda:0: the first GPU: about ")


def test_what_was_asked_for_is_not_weighed(low_rank):
    heard = Heard()
    fitted = fit(rows_for("plain", low_rank), config_of("plain"), observer=heard)
    assert (fitted.device.name, heard.devices) == ("cuda:0", [])


def test_auto_takes_the_gpu_for_rounded_factors(low_rank):
    config = config_of("plain", device="auto", precision="bf16")
    assert fit(rows_for("plain", low_rank), config).device.name == "cuda:0"


@pytest.mark.parametrize("pays", [False, True])
def test_a_classifier_says_what_made_it(low_rank, request, pays):
    if pays:
        request.getfixturevalue("at_once")
    x = rows_for("plain", low_rank)
    model = fit(x, config_of("plain", device="cpu")).model
    heard = Heard()
    config = FinetuneConfig(epochs=2, head_epochs=1)
    made = finetune(model, x, np.arange(len(x)) % 2, config, observer=heard)
    name = "cuda:0" if pays else "cpu"
    assert made.device.name == made.model.attributes["device"] == name
    assert heard.devices[0].startswith(name)


def test_more_to_compute_is_never_a_reason_for_the_cpu(low_rank):
    x = rows_for("plain", low_rank)
    _, network, _ = team_of(config_of("plain"), x, "numpy")
    for name, more in (("plain", {"folds": 4}), ("plain", {"folds": 1}), ("full batch", {})):
        works = [
            work_of(network, config_of(name, epochs=epochs, **more), 150, 28)
            for epochs in (1, 10, 1000)
        ]
        gains = [own.on_cpu() / own.on_gpu(Strength(132, 2)) for own in works]
        assert gains == sorted(gains)
