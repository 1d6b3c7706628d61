"""Using a model: codes, reconstructions and scores, computed once more by hand."""

import numpy as np
import pytest

from gpuae import encoding
from gpuae.config import Config
from gpuae.errors import InputError
from gpuae.machine import Machine
from gpuae.training.fitting import fit

SIGMOID = {"activation": "sigmoid", "output_activation": "sigmoid"}
MODELS = {
    "deep": {"hidden": (5, 4, 3), **SIGMOID},
    "tied": {"hidden": (5, 3), "decoder": "tied", **SIGMOID},
    "topk": {"hidden": (6,), "sparsity": "topk", "k": 2, **SIGMOID},
    "whitened": {"hidden": (4,), "whiten": "zca", "activation": "tanh"},
    "raw": {"hidden": (3,), "scale": "none", "activation": "identity"},
}


@pytest.fixture
def x(low_rank):
    return 50 + 20 * low_rank(600, 7)


@pytest.fixture(params=MODELS)
def model(request, x):
    settings = {"epochs": 3, "patience": 0, "batch_size": 100, "learning_rate": 0.01}
    return fit(x, Config.parse(settings | {"dtype": "float64"} | MODELS[request.param])).model


def run(function, model, rows, columns=None, **options):
    """Return what a function of `encoding` hands over, in one array."""
    out = np.full((len(rows), columns) if columns else len(rows), np.nan)
    function(model, rows, encoding.into(out), **options)
    return out


def preprocessed(model, x):
    scaled = model.preprocess.scaled(x)
    own = model.preprocess.whitening
    return scaled if own is None else (scaled - own.mean) @ own.forward


def restored(model, outputs):
    own = model.preprocess.whitening
    scaled = outputs if own is None else outputs @ own.back + own.mean
    return scaled / model.preprocess.factor + model.preprocess.center


FUNCTIONS = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "identity": lambda z: z,
}


def layers_by_hand(model, inputs):
    """Return every layer's output, topk applied at the code."""
    network, outputs = model.network, []
    for index, (layer, own) in enumerate(
        zip(network.layers, network.views(model.parameters), strict=True)
    ):
        weight = own.weight.T if layer.transposed else own.weight
        inputs = FUNCTIONS[layer.activation](inputs @ weight + own.bias)
        if model.config.sparsity == "topk" and index == network.code:
            limit = np.sort(inputs, axis=1)[:, -model.config.k, None]
            inputs = np.where(inputs >= limit, inputs, 0)
        outputs.append(inputs)
    return outputs


def test_the_code_and_every_encoder_layer_by_hand(model, x, device):
    expected = layers_by_hand(model, preprocessed(model, x))
    for layer in (None, *range(1, model.network.depth + 1)):
        own = expected[(layer or model.network.depth) - 1]
        got = run(encoding.encode, model, x, own.shape[1], layer=layer, machine=Machine(device))
        np.testing.assert_allclose(got, own, rtol=1e-10, atol=1e-12)


def test_reconstructions_are_in_the_datas_own_units(model, x, device):
    expected = restored(model, layers_by_hand(model, preprocessed(model, x))[-1])
    got = run(encoding.reconstruct, model, x, 7, machine=Machine(device))
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_decoding_the_code_is_reconstructing(model, x, device):
    codes = run(encoding.encode, model, x, model.network.code_size, machine=Machine(device))
    decoded = run(encoding.decode, model, codes, 7, machine=Machine(device))
    np.testing.assert_array_equal(
        decoded, run(encoding.reconstruct, model, x, 7, machine=Machine(device))
    )


def test_a_score_is_the_rows_mean_squared_error_in_preprocessed_units(model, x, device):
    clean = preprocessed(model, x)
    expected = ((layers_by_hand(model, clean)[-1] - clean) ** 2).mean(axis=1)
    got = run(encoding.score, model, x, machine=Machine(device))
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("function", ["encode", "reconstruct", "score"])
def test_threads_do_not_change_a_bit(model, x, device, function):
    columns = {"encode": model.network.code_size, "reconstruct": 7, "score": None}[function]
    call = getattr(encoding, function)
    alone = run(call, model, x, columns, machine=Machine(device, 1))
    for threads in (2, 3, 7):
        got = run(call, model, x, columns, machine=Machine(device, threads))
        np.testing.assert_array_equal(got, alone)


def test_a_row_alone_is_encoded_like_in_company(model, x, device):
    together = run(encoding.encode, model, x, model.network.code_size, machine=Machine(device))
    alone = run(
        encoding.encode, model, x[300:301], model.network.code_size, machine=Machine(device)
    )
    np.testing.assert_allclose(alone, together[300:301], rtol=1e-12)


def test_noise_and_dropout_do_not_act_on_codes(x):
    settings = {"hidden": (3,), "epochs": 1, "noise": "masking", "noise_level": 0.5, **SIGMOID}
    noisy = fit(x, Config.parse(settings | {"dropout": 0.5})).model
    codes = [run(encoding.encode, noisy, x, 3) for _ in range(2)]
    expected = layers_by_hand(noisy, preprocessed(noisy, x))[0]
    np.testing.assert_array_equal(*codes)
    np.testing.assert_allclose(codes[0], expected, rtol=1e-5)


def test_no_rows_give_no_results(model, device):
    none = np.empty((0, 7))
    assert run(encoding.score, model, none, machine=Machine(device)).shape == (0,)


def test_blocks_arrive_whole_and_once(model, x):
    starts = []
    encoding.encode(
        model,
        x,
        lambda start, block: starts.append((start, len(block))),
        machine=Machine(threads=2),
    )
    assert sorted(starts) == [(0, 256), (256, 256), (512, 88)]


@pytest.mark.parametrize("function", ["encode", "reconstruct", "score"])
@pytest.mark.parametrize("columns", [6, 8])
def test_rows_of_another_width_are_refused_with_both_widths(model, function, columns):
    with pytest.raises(InputError, match=f"have {columns} columns .* trained on 7"):
        run(getattr(encoding, function), model, np.zeros((3, columns)), 7)


def test_codes_of_another_width_are_refused_with_both_widths(model):
    size = model.network.code_size
    with pytest.raises(InputError, match=f"have {size + 1} columns and the model's {size}"):
        run(encoding.decode, model, np.zeros((3, size + 1)), 7)


@pytest.mark.parametrize("layer", [0, -1, 9])
def test_a_layer_that_is_not_there_is_refused(model, x, layer):
    with pytest.raises(InputError, match=f"--layer {layer}: the encoder has layer"):
        run(encoding.encode, model, x, 3, layer=layer)


def test_an_error_in_a_sink_is_not_swallowed(model, x):
    def full(start, block):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        encoding.encode(model, x, full, machine=Machine(threads=2))


def test_ctrl_c_in_a_sink_ends_the_work(model, x):
    def impatient(start, block):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encoding.encode(model, x, impatient, machine=Machine(threads=2))
