"""Settings: what is refused, and how; what data fill in; the way to a file and back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuae.config import Config
from gpuae.errors import ConfigError

TABLE = {
    "hidden": None,
    "depth": None,
    "activation": None,
    "code_activation": None,
    "output_activation": "auto",
    "decoder": "untied",
    "init": None,
    "loss": "mse",
    "huber_delta": None,
    "weight_decay": 0,
    "sparsity": "none",
    "rho": 0.05,
    "beta": None,
    "l1": None,
    "k": 32,
    "noise": "none",
    "noise_level": 0,
    "dropout": 0,
    "scale": None,
    "whiten": "none",
    "whiten_epsilon": 1e-5,
    "missing": "refuse",
    "optimizer": "adam",
    "learning_rate": None,
    "momentum": 0,
    "schedule": None,
    "steps": None,
    "epochs": None,
    "batch_size": None,
    "shuffle": "auto",
    "validation": None,
    "folds": None,
    "patience": None,
    "outlier_score": "mse",
    "contamination": None,
    "trim": 0.0,
    "pretrain": 0,
    "seed": 0,
    "dtype": "float32",
    "device": "auto",
    "threads": None,
    "tile_rows": None,
    "memory": None,
    "precision": "float32",
    "max_time": None,
}
"""The contract's settings and defaults; None where the data decide."""


def test_the_settings_and_their_defaults_are_those_of_the_contract():
    assert Config().model_dump() == TABLE


def test_every_setting_has_a_description():
    assert all(field.description for field in Config.model_fields.values())


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Config().epochs = 3


@pytest.mark.parametrize("text", [200, "200", (200,), [200]])
def test_one_width_may_be_given_in_several_ways(text):
    assert Config.parse({"hidden": text}).hidden == (200,)


@pytest.mark.parametrize(
    "text", ["128,32", "128, 32", "128 32", " 128;32 ", "128\t32", (128, 32), [128, 32]]
)
def test_several_widths_may_be_given_in_several_ways(text):
    assert Config.parse({"hidden": text}).hidden == (128, 32)


def test_a_width_may_be_a_whole_number_of_numpy():
    import numpy as np

    assert Config.parse({"hidden": np.int64(5)}).hidden == (5,)


@pytest.mark.parametrize("kind", ["uint64", "int64", "uint8"])
def test_a_seed_may_be_a_whole_number_of_numpy(kind):
    import numpy as np

    seed = np.iinfo(kind).max
    assert Config.parse({"seed": np.dtype(kind).type(seed)}).seed == seed


# What is refused

SENSELESS = [
    # settings, what the message has to say
    ({"loss": "bce", "output_activation": "identity"}, "loss=bce .*output_activation"),
    ({"loss": "bce", "output_activation": "tanh"}, "loss=bce .*output_activation"),
    ({"loss": "bce", "scale": "standard"}, "loss=bce .*scale"),
    ({"loss": "bce", "whiten": "pca"}, "loss=bce .*whiten"),
    ({"loss": "poisson", "output_activation": "identity"}, "loss=poisson .*=exponential"),
    ({"loss": "poisson", "scale": "standard"}, "loss=poisson .*scale=standard"),
    ({"loss": "poisson", "scale": "pooled"}, "loss=poisson .*scale=pooled"),
    ({"loss": "poisson", "whiten": "zca"}, "loss=poisson .*whiten"),
    ({"loss": "bce", "scale": "shrunk"}, "loss=bce .*scale=shrunk"),
    ({"huber_delta": 2.0}, "huber_delta .*loss=huber"),
    ({"sparsity": "kl", "activation": "relu"}, "sparsity=kl .*activation"),
    ({"sparsity": "kl", "activation": "leaky_relu"}, "sparsity=kl .*activation"),
    ({"sparsity": "kl", "activation": "identity"}, "sparsity=kl .*activation"),
    ({"activation": "exponential"}, "activation=exponential .*output_activation"),
    ({"code_activation": "exponential"}, "code_activation=exponential .*softplus"),
    ({"sparsity": "topk", "k": 9, "hidden": (20, 8)}, "k=9 .*8"),
    ({"loss": "huber", "huber_delta": 1e-300}, "huber_delta=1e-300 .*0 in float32"),
    ({"loss": "huber", "huber_delta": 1e300}, "huber_delta=1e\\+300 .*float32"),
    ({"sparsity": "l1", "l1": 1e300}, "l1=1e\\+300 .*float32"),
    ({"weight_decay": 1e300}, "weight_decay=.*float32"),
    ({"noise": "gaussian", "noise_level": 1e300}, "noise_level=.*float32"),
    ({"noise": "gaussian"}, "noise_level"),
    ({"noise_level": 0.1}, "noise_level .*noise"),
    ({"noise": "masking", "noise_level": 1.5}, "noise_level"),
    ({"noise": "salt_pepper", "noise_level": 1.5}, "noise_level"),
    ({"optimizer": "lbfgs", "batch_size": 64}, "batch_size .*lbfgs"),
    ({"optimizer": "lbfgs", "learning_rate": 0.1}, "learning_rate .*lbfgs"),
    ({"optimizer": "lbfgs", "schedule": "cosine"}, "schedule .*lbfgs"),
    ({"optimizer": "lbfgs", "shuffle": "full"}, "shuffle .*lbfgs"),
    ({"momentum": 0.9}, "momentum .*sgd"),
    ({"whiten_epsilon": 0.01}, "whiten_epsilon .*whiten"),
    ({"rho": 0.1}, "rho .*kl"),
    ({"beta": 1.0}, "beta .*kl"),
    ({"l1": 0.1}, "l1 .*l1"),
    ({"k": 3}, "k .*topk"),
    ({"sparsity": "kl", "l1": 0.1}, "l1 .*l1"),
    ({"pretrain": 5, "hidden": 9, "depth": 1}, "pretrain .*two or more layers"),
    ({"pretrain": 5, "init": "pca"}, "init=pca .*pretrain"),
    ({"pretrain": 5, "folds": 4}, "folds=1 .*pretrain"),
    ({"pretrain": "5,6", "hidden": (20, 8, 4)}, "pretrain has 2 values .*3 layers"),
    ({"pretrain": "5,x"}, "pretrain: "),
    ({"pretrain": ()}, "pretrain: needs a value"),
    ({"dropout": "0.1,0.2", "hidden": (20, 8, 4)}, "dropout has 2 values .*3 layers"),
    ({"dropout": "0.1,1.0", "hidden": (20, 8)}, "dropout: "),
    ({"noise": "masking", "noise_level": "0.1,0.2", "hidden": (20, 8)}, "noise_level .*pretrain"),
    ({"noise": "masking", "noise_level": "0.1,1.2", "pretrain": 1}, "noise_level"),
    ({"activation": "relu,tanh", "hidden": (20, 8, 4, 2)}, "activation has 2 names .*4 layers"),
    ({"activation": "relu,exponential"}, "activation=exponential"),
    ({"activation": "relu,nothing"}, "activation: "),
    ({"sparsity": "kl", "activation": ("relu", "sigmoid"), "pretrain": 3}, "sparsity=kl .*relu"),
    ({"sparsity": "topk", "k": (9, 3), "hidden": (8, 4), "pretrain": 3}, "k=9 .*8"),
    ({"sparsity": "topk", "k": 32, "hidden": (8, 64), "pretrain": 5}, "k=32 .*8 .*each layer"),
    ({"dropout": "0.1,2", "hidden": (20, 8)}, "dropout: .*less than 1, got '2'"),
    ({"precision": "tf32", "dtype": "float64"}, "precision=tf32 .*dtype=float64"),
    ({"precision": "bf16", "dtype": "float64"}, "precision=bf16 .*dtype=float64"),
    ({"precision": "fp16"}, "precision: .*float32.*tf32.*bf16"),
]


@pytest.mark.parametrize(("settings", "says"), SENSELESS, ids=str)
def test_what_makes_no_sense_is_refused_with_the_reason(settings, says):
    with pytest.raises(ConfigError, match=says):
        Config.parse(settings)


OUT_OF_RANGE = [
    *((name, -1) for name in ("weight_decay", "beta", "l1", "noise_level", "epochs", "patience")),
    *(("huber_delta", value) for value in (0, -1, float("nan"))),
    *((name, 0) for name in ("rho", "k", "learning_rate", "batch_size", "threads", "tile_rows")),
    *((name, 1) for name in ("rho", "dropout", "momentum", "validation")),
    *((name, -0.1) for name in ("rho", "dropout", "momentum", "validation", "learning_rate")),
    *((name, float("nan")) for name in ("weight_decay", "rho", "learning_rate", "noise_level")),
    *((name, float("inf")) for name in ("weight_decay", "beta", "learning_rate")),
    *((name, "many") for name in ("epochs", "seed", "learning_rate", "hidden")),
    *((name, 2.5) for name in ("epochs", "seed", "k", "hidden")),
    ("seed", -1),
    ("seed", 2**64),
    ("hidden", ()),
    ("hidden", (8, 0)),
    ("hidden", "8,,4"),
    *(("hidden", text) for text in ("5x3", "5.3", "5-3", "8,", "[8", "1_0", "+8", "")),
    ("hidden", {128, 32}),
    ("hidden", frozenset({8})),
    ("activation", "softmax"),
    ("loss", "mae"),
    ("scale", "max"),
    ("dtype", "float16"),
    ("device", "tpu"),
    ("device", "cuda:x"),
    ("memory", "a lot"),
    ("max_time", "soon"),
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE, ids=str)
def test_a_value_out_of_range_is_refused_with_its_name(name, value):
    with pytest.raises(ConfigError, match=rf"^run\.toml: {name}\b"):
        Config.parse({name: value}, source="run.toml")


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("learning_rat", "learning_rate"), ("batchsize", "batch_size"), ("Epochs", "epochs")],
)
def test_an_unknown_setting_is_refused_with_the_nearest_name(name, suggested):
    with pytest.raises(ConfigError, match=f"unknown setting {name}; did you mean {suggested}"):
        Config.parse({name: 1})


def test_an_unknown_setting_unlike_any_other_points_to_the_list():
    with pytest.raises(ConfigError, match=r"unknown setting zzz; .*--help"):
        Config.parse({"zzz": 1})


def test_a_refusal_is_one_sentence_about_the_source_and_ends_with_code_2():
    with pytest.raises(ConfigError) as refusal:
        Config.parse({"loss": "bce", "scale": "standard"}, source="run.toml")
    message = str(refusal.value)
    assert message.startswith("run.toml: ")
    assert "\n" not in message
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("device", ["auto", "cpu", "numpy", "cuda", "cuda:0", "cuda:12"])
def test_devices_have_these_names(device):
    assert Config.parse({"device": device}).device == device


def test_code_size_is_the_last_width():
    assert Config(hidden=(9, 4)).code_size == 4
    with pytest.raises(ConfigError, match="hidden"):
        _ = Config().code_size


# To a file and back

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "hidden": st.lists(st.integers(1, 500), min_size=1, max_size=4).map(tuple),
        "activation": st.sampled_from(["sigmoid", "tanh"]),
        "decoder": st.sampled_from(["untied", "transpose", "tied"]),
        "init": st.sampled_from(["glorot", "he", "distance"]),
        "weight_decay": st.floats(0, 1),
        "sparsity": st.sampled_from(["none", "kl", "l1"]),
        "dropout": st.floats(0, 0.99),
        "scale": st.sampled_from(["none", "unit", "standard", "minmax", "sigma"]),
        "whiten": st.sampled_from(["none", "pca", "zca"]),
        "optimizer": st.sampled_from(["adam", "sgd"]),
        "learning_rate": st.floats(1e-300, 1e300),
        "epochs": st.integers(0, 10**6),
        "batch_size": st.integers(1, 10**6),
        "validation": st.floats(0, 0.99),
        "seed": st.integers(0, 2**64 - 1),
        "dtype": st.sampled_from(["float32", "float64"]),
        "tile_rows": st.integers(1, 4096),
    },
)


@given(SETTINGS)
def test_stored_settings_are_read_back_as_they_were(settings):
    import json

    config = Config.parse(settings)
    assert Config.parse(json.loads(json.dumps(config.stored()))) == config


def test_what_only_concerns_this_machine_is_not_stored():
    stored = Config(device="numpy", threads=3, tile_rows=8).stored()
    assert {"device", "threads", "memory"}.isdisjoint(stored)
    assert stored["tile_rows"] == 8


def test_a_toml_file_speaks_the_same_names(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('hidden = [128, 32]\nactivation = "tanh"\nweight_decay = 1e-4\n', "utf-8")
    config = Config.from_toml(path, {"activation": "relu", "epochs": 3})
    assert config == Config(hidden=(128, 32), activation="relu", weight_decay=1e-4, epochs=3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"epochs = ", "is not a TOML file"),
        (b"\xff\xfe", "is not a TOML file"),
        (b"epoch = 3", "unknown setting epoch; did you mean epochs"),
        (b"epochs = -1", "epochs: "),
        (b"[train]\nepochs = 3", "unknown setting train"),
        (b"#" * (1 << 20) + b"\n", "is larger than 1 MiB"),
    ],
)
def test_a_wrong_toml_file_is_named(tmp_path, content, says):
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}: {says}"):
        Config.from_toml(path, {})


def test_a_missing_toml_file_is_named(tmp_path):
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}: cannot be read"):
        Config.from_toml(path, {})
