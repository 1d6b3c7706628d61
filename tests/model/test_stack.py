import numpy as np
import pytest

import gpuae
from gpuae.errors import InputError
from gpuae.estimator import Autoencoder
from gpuae.model.stack import stack

PAIRS = {
    "as they come": ({"hidden": 6}, {"hidden": 3}),
    "whitened": ({"hidden": 6, "whiten": "zca"}, {"hidden": (4, 2), "whiten": "pca"}),
    "bounded": ({"hidden": 6, "activation": "sigmoid"}, {"hidden": 3, "activation": "tanh"}),
    "tied": ({"hidden": 6, "decoder": "tied"}, {"hidden": 3, "decoder": "tied", "scale": "none"}),
    "tied, scaled": ({"hidden": 6, "decoder": "tied"}, {"hidden": 3, "decoder": "tied"}),
    "transpose": ({"hidden": 6, "decoder": "transpose"}, {"hidden": 3, "decoder": "transpose"}),
    "bent": (
        {"hidden": 6, "activation": "sigmoid", "loss": "bce"},
        {"hidden": 3, "activation": "sigmoid", "loss": "bce", "scale": "none"},
    ),
    "sparse": ({"hidden": 6}, {"hidden": 5, "sparsity": "topk", "k": 2}),
    "one noise": (
        {"hidden": (7, 6), "pretrain": 1, "noise": "gaussian", "noise_level": (0, 0.2)},
        {"hidden": 3},
    ),
    "deep": ({"hidden": (7, 6), "dropout": (0.1, 0.2)}, {"hidden": (5, 4), "activation": "gelu"}),
    "float64": ({"hidden": 6}, {"hidden": 3, "dtype": "float64"}),
}


@pytest.fixture
def x():
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((120, 4)) @ generator.standard_normal((4, 9))
    return rows + 0.1 * generator.standard_normal((120, 9)) + 5


def fitted(rows, **settings):
    return Autoencoder(epochs=3, validation=0, **settings).fit(rows)


@pytest.mark.parametrize("kind", PAIRS)
def test_a_stack_gives_what_its_models_give_one_after_the_other(x, kind):
    of_lower, of_upper = PAIRS[kind]
    lower = fitted(x, **of_lower)
    codes = lower.transform(x)
    upper = fitted(codes, **of_upper)
    whole = gpuae.stack(lower, upper)
    own = upper.transform(codes)
    np.testing.assert_allclose(whole.transform(x), own, rtol=1e-4, atol=1e-4)
    rows = lower.inverse_transform(upper.inverse_transform(own))
    np.testing.assert_allclose(whole.inverse_transform(own), rows, rtol=1e-3, atol=1e-3)


def test_three_models_are_stacked_as_two_and_one(x, tmp_path):
    models, rows = [], x
    for width in (7, 5, 2):
        models.append(fitted(rows, hidden=width))
        rows = models[-1].transform(rows)
    whole = gpuae.stack(*models)
    np.testing.assert_allclose(whole.transform(x), rows, rtol=1e-4, atol=1e-4)
    in_steps = gpuae.stack(gpuae.stack(*models[:2]), models[2])
    np.testing.assert_array_equal(in_steps.model_.parameters, whole.model_.parameters)
    whole.save(tmp_path / "whole.h5")
    again = gpuae.load(tmp_path / "whole.h5")
    np.testing.assert_array_equal(again.transform(x), whole.transform(x))


@pytest.mark.parametrize(
    ("kind", "decoder"), [("tied", "tied"), ("tied, scaled", "untied"), ("transpose", "transpose")]
)
def test_weights_stay_tied_where_nothing_is_multiplied_into_them(x, kind, decoder):
    of_lower, of_upper = PAIRS[kind]
    lower = fitted(x, **of_lower)
    upper = fitted(lower.transform(x), **of_upper)
    assert gpuae.stack(lower, upper).config_.decoder == decoder


def test_layers_of_different_activations_are_told_apart(x):
    lower = fitted(x, hidden=(7, 6), activation="tanh")
    upper = fitted(lower.transform(x), hidden=(4, 2), activation="relu")
    named = gpuae.stack(lower, upper).config_.activation
    assert named == ("tanh", "tanh", "relu", "relu", "identity", "tanh")


REFUSED = {
    "3 columns": (({"hidden": 3}, {"hidden": 2}), "9 columns .* 3 units"),
    "selecting": (({"hidden": 9, "sparsity": "topk", "k": 2}, {"hidden": 2}), "sparsity=topk"),
    "clipping": (({"hidden": 9}, {"hidden": 2, "scale": "sigma"}), "scale=sigma"),
    "bent": (
        ({"hidden": 9}, {"hidden": 2, "output_activation": "sigmoid"}),
        "output_activation=sigmoid",
    ),
    "unbounded": (
        ({"hidden": 9}, {"hidden": 2, "loss": "poisson", "scale": "none"}),
        "output_activation=exponential",
    ),
    "penalty": (
        ({"hidden": 9}, {"hidden": 2, "output_activation": "gelu"}),
        "output_activation=gelu",
    ),
}


@pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")  # of codes as wide as the rows
@pytest.mark.parametrize("kind", REFUSED)
def test_models_that_do_not_go_together_are_refused(x, kind):
    settings, says = REFUSED[kind]
    rows = np.abs(x)
    lower, upper = (fitted(rows, **own) for own in settings)
    with pytest.raises(InputError, match=says):
        gpuae.stack(lower, upper)


def test_one_model_is_no_stack(x):
    with pytest.raises(InputError, match="two or more"):
        stack([fitted(x, hidden=2).model_])
