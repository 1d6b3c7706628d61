import signal
from dataclasses import replace

import numpy as np
import pytest
from pairwise import pairwise

from gpuae import encoding
from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.model.init import initial_parameters
from gpuae.model.model import Model
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.kinds.checkpoint_file import read_checkpoint, write_checkpoint
from gpuae.training.checkpoint import Checkpoints
from gpuae.training.fitting import fit
from gpuae.training.history import Silence
from gpuae.training.preparation import Prepared
from gpuae.training.pretraining import layer_config
from gpuae.training.progress_chunks import ProgressChunks
from gpuae.training.trainer import Ending

WIDTHS = (6, 4, 2)
KINDS = {
    "plain": {},
    "noise": {"noise": "gaussian", "noise_level": (0.1, 0.2, 0.3), "dropout": (0.3, 0.2, 0.1)},
    "salt": {"noise": "salt_pepper", "noise_level": 0.2, "decoder": "transpose"},
    "tied": {"decoder": "tied", "weight_decay": 1e-3, "activation": "tanh"},
    "sparse": {"activation": "sigmoid", "sparsity": "kl", "rho": (0.1, 0.2, 0.3)},
    "l1": {"activation": "relu", "sparsity": "l1"},
    "topk": {"activation": "relu", "sparsity": "topk", "k": (3, 2, 1)},
    "whitened": {"whiten": "zca", "activation": ("relu", "tanh")},
    "lbfgs": {"optimizer": "lbfgs", "activation": "sigmoid", "weight_decay": 1e-3},
}


@pytest.fixture
def x():
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((90, 3)) @ generator.standard_normal((3, 9))
    return (rows + 0.1 * generator.standard_normal((90, 9))).astype(np.float32)


def config_of(device="cpu", **settings):
    usual = {"hidden": WIDTHS, "pretrain": (3, 2, 3), "epochs": 2, "device": device, "seed": 3}
    if settings.get("optimizer") != "lbfgs":
        usual["batch_size"] = 16
    return Config.parse(usual | {"validation": 0.1} | settings)


class Stages(Silence):
    """Keeps what it hears, and asks training to stop when it has heard of rows so many times."""

    def __init__(self, stop_after=0):
        self.heard, self.times = [], stop_after

    def stage_starts(self, stage):
        self.heard.append((stage, 0))

    def epoch_done(self, record):
        self.heard[-1] = (self.heard[-1][0], record.epoch)

    def rows_done(self, epoch, rows):
        self.times -= 1
        if self.times == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def short_portions(monkeypatch):
    monkeypatch.setattr(
        ProgressChunks, "of", lambda _, stretches: ([own] for steps in stretches for own in steps)
    )


def layer_arrays(model, index):
    """Return the weights of an encoder layer and of its mirror in the decoder."""
    layers = model.network.views(model.parameters)
    return [
        array
        for own in (layers[index], layers[len(layers) - 1 - index])
        for array in (own.weight, own.bias)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_is_an_autoencoder_of_the_codes_of_the_one_below(x, kind):
    trained = fit(x, config_of(**KINDS[kind], epochs=0))
    model, rows = trained.model, x
    for index in range(len(WIDTHS)):
        alone = fit_alone(trained, index, rows)
        for one, other in zip(layer_arrays(model, index), layer_arrays(alone, 0), strict=True):
            np.testing.assert_array_equal(one, other)
        codes = np.empty((len(x), WIDTHS[index]), np.float32)
        encoding.encode(model, x, encoding.into(codes), layer=index + 1)
        rows = codes


def fit_alone(trained, index, rows):
    """Train a layer by `fit`, from the weights that it has in the whole network at first."""
    whole = trained.model
    weights = initial_parameters(whole.network, whole.config).astype(np.float32)
    start = Model(whole.config, weights, whole.preprocess)
    config = settings_of_a_layer(whole.config, index, rows.shape[1])
    flat = np.concatenate([part.ravel() for part in in_order(layer_arrays(start, index), config)])
    first = Model(config, flat, whole.preprocess)
    kept = trained.rows
    return fit(rows, config, initial=first_of(first, rows), kept=kept).model


def settings_of_a_layer(whole, index, columns):
    """Write down what a layer is trained by, each setting by itself."""
    encoder = [*activations_of(whole), whole.code_activation]
    decoder = [*activations_of(whole), None]
    own = {
        "hidden": (whole.hidden[index],),
        "depth": 1,
        "activation": encoder[index],
        "code_activation": encoder[index],
        "output_activation": decoder[index - 1] if index else whole.output_activation,
        "epochs": own_of(whole.pretrain, index),
        "seed": whole.seed + index,
        "decoder": whole.decoder,
        "noise": whole.noise,
        "optimizer": whole.optimizer,
        "weight_decay": whole.weight_decay,
        "sparsity": whole.sparsity,
        "device": whole.device,
        "init": whole.init,
        "loss": "mse",
        "scale": "none" if index else whole.scale,
        "whiten": "none" if index else whole.whiten,
        "validation": 0,
        "folds": 1,
        "patience": 0,
        "batch_size": whole.batch_size,
        "learning_rate": whole.learning_rate,
        "schedule": whole.schedule,
        "shuffle": whole.shuffle,
        "noise_level": own_of(whole.noise_level, index),
        "dropout": own_of(whole.dropout, index),
    }
    if whole.sparsity == "kl":
        own |= {"rho": own_of(whole.rho, index), "beta": 6 / columns}
    if whole.sparsity == "l1":
        own |= {"l1": 0.2 / columns}
    if whole.sparsity == "topk":
        own |= {"k": own_of(whole.k, index)}
    return Config.parse(own)


def activations_of(whole):
    named = whole.activation
    return [named] * (len(WIDTHS) - 1) if isinstance(named, str) else list(named)


def own_of(value, index):
    return value[index] if isinstance(value, tuple) else value


def in_order(arrays, config):
    weight, bias, back, back_bias = arrays
    return (
        (weight, bias, back_bias) if config.decoder == "tied" else (weight, back, bias, back_bias)
    )


def first_of(model, rows):
    if len(model.preprocess.center) == rows.shape[1]:
        return model
    some = np.zeros(rows.shape[1])
    return replace(
        model, preprocess=replace(model.preprocess, center=some, factor=some + 1, whitening=None)
    )


def test_progress_says_which_layer_is_trained(x):
    told = Stages()
    fitted = fit(x, config_of(), observer=told)
    layers = [(f"layer {i} of 3", epochs) for i, epochs in ((1, 3), (2, 2), (3, 3))]
    assert told.heard == [*layers, ("whole network", 2)]
    assert fitted.result.epochs_pretrained == 8
    assert fitted.result.seconds > sum(fitted.model.history["seconds"])


@pairwise(
    device=["numpy", "cpu", "cuda"],
    kind=["noise", "tied", "topk"],
    times=[1, 20, 44],
    indirect=["device"],
)
def test_a_run_that_was_stopped_in_any_stage_ends_in_the_same_bits(
    device, x, tmp_path, kind, times, short_portions
):
    assert_goes_on(x, config_of(device, **KINDS[kind]), tmp_path / "run.h5", times)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["noise", "tied", "topk"])
@pytest.mark.parametrize("times", [14, 51])
def test_a_run_that_was_stopped_at_other_moments_does_so_too(
    device, x, tmp_path, kind, times, short_portions
):
    assert_goes_on(x, config_of(device, **KINDS[kind]), tmp_path / "run.h5", times)


@pytest.mark.parametrize("times", [1, 3, 4, 6, 9])
def test_iterations_of_a_layer_are_gone_on_with_too(x, tmp_path, times):
    assert_goes_on(x, config_of(**KINDS["lbfgs"]), tmp_path / "run.h5", times)


def assert_goes_on(x, config, path, times):
    """Hold that a run that is stopped goes on to the same bits, and counts what it has done."""
    plan = Checkpoints(path, resume=True)
    whole = fit(x, config)
    stopped = fit(x, config, checkpoints=plan, observer=Stages(times))
    assert stopped.interrupted
    again = fit(x, config, checkpoints=plan)
    np.testing.assert_array_equal(again.model.parameters, whole.model.parameters)
    np.testing.assert_array_equal(again.model.history["loss"], whole.model.history["loss"])
    assert again.result.ending is Ending.FINISHED
    assert again.result.epochs_pretrained == 8
    assert again.result.seconds_pretrained > 0


def test_layers_that_converge_are_followed_by_the_whole(x):
    settings = {"optimizer": "lbfgs", "activation": "identity", "dtype": "float64"}
    fitted = fit(x, config_of(**settings, hidden=(3, 1), pretrain=300, epochs=5))
    assert fitted.result.epochs_pretrained < 600
    assert fitted.result.epochs > 0


def test_a_narrow_layer_has_fewer_active_units(x):
    settings = {"sparsity": "topk", "activation": "relu", "hidden": (4, 64), "pretrain": 2}
    model = fit(x, config_of(**settings, epochs=1)).model
    assert model.config.k == (2, 32)
    assert (np.count_nonzero(model.preprocess.factor) == 9).all()


def test_a_layer_whose_loss_is_not_of_codes_rebuilds_them_by_squares(x):
    scaled = {"loss": "bce", "activation": "relu", "pretrain": 1, "hidden": (6, 4)}
    whole = fit(x, config_of(**scaled)).model
    prepared = Prepared(whole.config, whole.preprocess)
    losses = [layer_config(prepared, whole.network, index).loss for index in (0, 1)]
    assert losses == ["bce", "mse"]


def test_codes_that_do_not_fit_in_memory_are_kept_in_a_file(x, monkeypatch):
    mapped = []
    original = np.memmap

    def noticed(*arguments, **options):
        mapped.append(options["shape"])
        return original(*arguments, **options)

    monkeypatch.setattr("gpuae.storage.rows.mapped_copy.np.memmap", noticed)
    small = fit(x, config_of(memory="1KB", shuffle="full"))
    assert mapped == [(90, 6), (90, 4)]
    whole = fit(x, config_of(shuffle="full"))
    np.testing.assert_array_equal(small.model.parameters, whole.model.parameters)


def test_a_run_stopped_in_a_layer_keeps_what_the_layers_have_learnt(x, short_portions):
    config = config_of()
    before = fit(x, config, observer=Stages(1))
    stopped = fit(x, config, observer=Stages(30))
    assert stopped.interrupted
    assert stopped.result.epochs == 0
    assert stopped.result.epochs_pretrained >= 4
    for index in (0, 1):
        one, other = (layer_arrays(own.model, index)[0] for own in (before, stopped))
        assert not np.array_equal(one, other)


def test_a_layer_that_diverges_is_told(x):
    fitted = fit(100 * x, config_of(optimizer="sgd", learning_rate=1e6, scale="none"))
    assert fitted.result.ending is Ending.DIVERGED
    assert np.isfinite(fitted.model.parameters).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pretrain/layer", np.array(3)),
        ("pretrain/layer", np.array(-1)),
        ("pretrain/layer", np.array([0])),
        ("pretrain/parameters", np.zeros(3, np.float32)),
        ("pretrain/parameters", None),
    ],
)
def test_a_state_of_no_layer_is_refused(x, tmp_path, name, value, short_portions):
    plan = Checkpoints(tmp_path / "run.h5", resume=True)
    fit(x, config_of(), checkpoints=plan, observer=Stages(20))
    contents, state = read_checkpoint(InputFile(plan.path))
    state[name] = np.full_like(state[name], np.nan) if value is None else value
    write_checkpoint(plan.path, contents, state)
    with pytest.raises(InputError, match=f"/state/{name}"):
        fit(x, config_of(), checkpoints=plan)


def test_a_penalty_that_nobody_weighed_suits_the_width_of_each_layer(x):
    trained = fit(x, config_of(**KINDS["sparse"], epochs=0)).model
    weights = [
        layer_config(
            Prepared(trained.config, trained.preprocess, {"beta": ""}), trained.network, index
        ).beta
        for index in range(3)
    ]
    assert weights == pytest.approx([3 * 2 / 9, 3 * 2 / 6, 3 * 2 / 4])
