"""What the data decide: shape, scale, length of training; what a person chose stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuae.config import Config
from gpuae.defaults import (
    FEW_ROWS,
    FOLDS,
    FULL_SHUFFLE_BYTES,
    MOST_EPOCHS,
    MOST_HELD_OUT,
    DataFacts,
    held_out,
    resolve,
)
from gpuae.errors import ConfigError
from gpuae.model.statistics import column_statistics, share_one_range


def facts(rows=1000, columns=64, dtype="float64", lowest=-2.0, highest=5.0, **more):
    return DataFacts(rows, columns, dtype, lowest, highest, **more)


def resolved(data=None, **settings):
    data = data or facts()
    return resolve(held_out(Config.parse(settings), data.rows), data).config


# The network


@pytest.mark.parametrize(("columns", "code"), [(1, 1), (3, 1), (13, 3), (64, 16), (784, 32)])
def test_the_code_is_a_quarter_of_the_columns_and_at_most_32(columns, code):
    assert resolved(facts(columns=columns)).code_size == code


def test_one_width_is_the_codes_and_a_layer_before_it_is_found():
    config = resolved(hidden=16)
    assert (len(config.hidden), config.code_size, config.depth) == (2, 16, 2)
    assert config.hidden[0] >= 4 * 16
    assert (config.activation, config.code_activation) == ("relu", "identity")
    assert config.output_activation == "identity"


def test_many_rows_of_many_columns_get_another_layer():
    assert len(resolved(facts(rows=60_000, columns=784), hidden=16).hidden) == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": 16, "depth": 1},
        {"hidden": 16, "activation": "tanh"},
        {"hidden": 16, "sparsity": "l1"},
        {"hidden": 64},
    ],
)
def test_a_layer_that_is_described_is_the_only_one(settings):
    config = resolved(**settings)
    assert config.hidden == (settings["hidden"],)


def test_several_widths_are_taken_as_they_are():
    assert resolved(hidden=(50, 3)).hidden == (50, 3)
    with pytest.raises(ConfigError, match="depth=3 contradicts the 2 widths"):
        Config.parse({"hidden": (50, 3), "depth": 3})


def test_a_kl_penalty_gets_bounded_units():
    config = resolved(sparsity="kl", hidden=9)
    assert (config.activation, config.code_activation) == ("sigmoid", "sigmoid")


@pytest.mark.parametrize(
    ("settings", "init"),
    [
        ({}, "pca"),
        ({"activation": "tanh"}, "pca"),
        ({"decoder": "tied"}, "pca"),
        ({"decoder": "tied", "activation": "sigmoid"}, "glorot"),
        ({"sparsity": "kl"}, "glorot"),
        ({"sparsity": "topk"}, "he"),
        ({"init": "distance"}, "distance"),
    ],
)
def test_training_starts_as_pca_but_for_sparse_codes(settings, init):
    assert resolved(hidden=32, **settings).init == init


# Values and the objective


@pytest.mark.parametrize(
    ("settings", "data", "scale", "output"),
    [
        ({}, facts(), "standard", "identity"),
        ({}, facts(one_range=True), "shrunk", "identity"),
        ({}, facts(one_range=True, dtype="uint8"), "pooled", "identity"),
        ({"loss": "bce"}, facts(), "minmax", "sigmoid"),
        ({"loss": "bce"}, facts(one_range=True), "unit", "sigmoid"),
        ({"loss": "bce"}, facts(dtype="uint8", lowest=0, highest=255), "unit", "sigmoid"),
        ({"loss": "bce"}, facts(dtype="uint8", lowest=0, highest=16), "minmax", "sigmoid"),
        ({"output_activation": "sigmoid"}, facts(), "minmax", "sigmoid"),
        ({"loss": "poisson"}, facts(lowest=0), "none", "exponential"),
        ({"loss": "poisson"}, facts(dtype="uint8", lowest=0, highest=255), "none", "exponential"),
        ({"loss": "poisson", "scale": "unit"}, facts(), "unit", "exponential"),
        ({"sparsity": "kl", "scale": "minmax"}, facts(), "minmax", "sigmoid"),
        ({"sparsity": "kl", "scale": "none"}, facts(highest=1.01, lowest=0), "none", "identity"),
        ({"sparsity": "kl", "scale": "none"}, facts(highest=1, lowest=0), "none", "sigmoid"),
        ({"sparsity": "kl", "scale": "minmax", "whiten": "pca"}, facts(), "minmax", "identity"),
    ],
)
def test_scale_and_output_suit_each_other(settings, data, scale, output):
    config = resolved(data, **settings)
    assert (config.scale, config.output_activation) == (scale, output)


@pytest.mark.parametrize("scale", ["none", "unit"])
def test_bce_is_refused_where_the_targets_are_no_probabilities(scale):
    with pytest.raises(ConfigError, match="loss: bce needs targets"):
        resolved(facts(dtype="int16", lowest=-1), scale=scale, loss="bce")


def test_poisson_is_refused_where_the_targets_are_no_counts():
    with pytest.raises(
        ConfigError, match=r"poisson needs targets of 0 or more .*\[-2, 5\]; give counts"
    ):
        resolved(facts(lowest=-2), loss="poisson")


def test_penalties_weigh_the_same_beside_a_sum_and_a_mean():
    beside_sum = resolved(sparsity="kl", loss="sse")
    beside_mean = resolved(sparsity="kl", loss="mse")
    assert beside_sum.beta == 3
    assert beside_mean.beta == pytest.approx(3 * 2 / 64)  # mse is 2/d of sse
    l1 = resolved(sparsity="l1", loss="mse").l1, resolved(sparsity="l1", loss="sse").l1
    assert l1[0] == pytest.approx(l1[1] * 2 / 64)


def described(x):
    return share_one_range(column_statistics(x))


def test_pixels_share_one_range_and_tables_do_not():
    random = np.random.default_rng(0)
    images = random.integers(0, 17, (300, 64)).astype(np.uint8)
    images[:, :5] = 0  # a dark border
    assert described(images)
    assert described(images / 16)
    assert not described(random.normal(size=(300, 64)))
    assert not described((images > 14).astype(np.uint8))  # two values: how often each comes counts
    assert not described(random.poisson(random.gamma(1, 5, 64), (300, 64)))  # counts
    assert not described(images[:, :30])
    assert not described(np.zeros((5, 64), np.uint8))


# The course of training


def test_shuffle_depends_on_the_size_of_the_data():
    rows = FULL_SHUFFLE_BYTES // (4 * 64)
    assert resolved(facts(rows=rows, dtype="float32")).shuffle == "full"
    assert resolved(facts(rows=rows + 1, dtype="float32")).shuffle == "block"
    assert resolved(facts(rows=4 * rows, dtype="uint8")).shuffle == "full"


def test_a_full_batch_has_neither_batches_nor_an_order():
    config = resolved(optimizer="lbfgs")
    assert (config.batch_size, config.shuffle, config.schedule) == (None, "none", None)


@pytest.mark.parametrize("rows", [1, 2, 30, 178, 2000, 60_000, 60_000_000])
def test_few_rows_and_many_get_about_the_same_number_of_steps(rows):
    config = resolved(facts(rows=rows, columns=20))
    steps = config.epochs * -(-rows // config.batch_size)
    assert steps >= min(1000, MOST_EPOCHS)
    assert config.epochs == 1 or steps < 16_000
    assert 1 <= config.patience <= config.epochs


def test_steps_are_another_way_to_say_epochs():
    config = resolved(facts(rows=1000), steps=1000, batch_size=100)
    assert (config.epochs, config.steps) == (100, None)
    with pytest.raises(ConfigError, match="steps and epochs"):
        Config.parse({"steps": 10, "epochs": 10})


@pytest.mark.parametrize(
    ("rows", "settings", "validation", "folds"),
    [
        (FEW_ROWS - 1, {}, 1 / FOLDS, FOLDS),
        (FEW_ROWS, {}, 0.1, 1),
        (10**6, {}, MOST_HELD_OUT / 10**6, 1),
        (100, {"validation": 0.2}, 0.2, 1),
        (100, {"validation": 0}, 0, 1),
        (100, {"patience": 0}, 0.1, 1),
        (100, {"optimizer": "lbfgs"}, 0.1, 1),
        (100, {"folds": 10}, 0.1, 10),
        (3, {}, 1 / 3, 3),
        (1, {}, 0, 1),
    ],
)
def test_few_rows_are_held_out_in_turn(rows, settings, validation, folds):
    config = held_out(Config.parse(settings), rows)
    assert (config.validation, config.folds) == (pytest.approx(validation), folds)


def test_rows_of_their_own_are_held_out_instead():
    config = held_out(Config(), 100, own_rows=True)
    assert (config.validation, config.folds) == (0, 1)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"folds": 3, "validation": 0}, "validation=0"),
        ({"folds": 3, "optimizer": "lbfgs"}, "lbfgs"),
    ],
)
def test_folds_that_make_no_sense_are_refused(settings, says):
    with pytest.raises(ConfigError, match=says):
        Config.parse(settings)


def test_what_a_person_chose_stays():
    chosen = {
        "hidden": (50, 3),
        "activation": "tanh",
        "code_activation": "sigmoid",
        "init": "distance",
        "scale": "none",
        "output_activation": "tanh",
        "shuffle": "block",
        "batch_size": 7,
        "epochs": 3,
        "patience": 2,
        "learning_rate": 0.5,
        "schedule": "plateau",
        "folds": 2,
    }
    config = resolved(facts(dtype="uint8", lowest=0, highest=9), **chosen).model_dump()
    assert {name: config[name] for name in chosen} == chosen


def test_every_choice_has_a_reason():
    data = facts()
    found = resolve(held_out(Config(hidden=5), data.rows), data)
    assert found.reasons["hidden"] == "a layer before the code, to be able to gain on PCA"
    open_ones = [name for name, value in Config(hidden=5).model_dump().items() if value is None]
    filled = {name for name in open_ones if getattr(found.config, name) is not None}
    assert filled - {"depth", "validation", "folds"} <= found.reasons.keys()


def test_resolving_twice_changes_nothing():
    once = resolved()
    assert resolve(once, facts()).config == once


def test_k_is_held_against_the_code_that_the_data_lead_to():
    assert resolved(facts(columns=128), sparsity="topk", k=32).k == 32
    with pytest.raises(ConfigError, match=r"k=32 .*16"):
        resolved(sparsity="topk", k=32)


@pytest.mark.parametrize(("hidden", "k"), [(1, 1), (2, 1), (16, 8), (65, 32), (4096, 32)])
def test_no_more_than_half_of_a_code_is_active_unless_it_is_asked_for(hidden, k):
    assert resolved(sparsity="topk", hidden=hidden).k == k
    assert resolved(sparsity="topk", hidden=hidden, k=hidden).k == hidden


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "hidden": st.lists(st.integers(1, 500), min_size=1, max_size=4).map(tuple),
        "activation": st.sampled_from(["sigmoid", "tanh", "relu"]),
        "decoder": st.sampled_from(["untied", "transpose", "tied"]),
        "sparsity": st.sampled_from(["none", "l1"]),
        "scale": st.sampled_from(["none", "unit", "standard", "minmax", "sigma"]),
        "optimizer": st.sampled_from(["adam", "sgd", "lbfgs"]),
        "steps": st.integers(1, 10**6),
        "validation": st.floats(0, 0.99),
    },
)


@given(SETTINGS, st.integers(1, 1000), st.integers(1, 10**8))
def test_resolved_settings_are_read_back_as_they_were(settings, columns, rows):
    if settings.get("optimizer") == "lbfgs":
        settings.pop("steps", None)
    config = resolved(facts(rows=rows, columns=columns), **settings)
    assert Config.parse(config.stored()) == config
