"""Presets are settings under a name, which may be overridden and are remembered by the model."""

import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

import gpuae as package
from gpuae.cli import run
from gpuae.config import RUN_OPTIONS, Config
from gpuae.errors import ConfigError
from gpuae.functions.losses import LOSSES
from gpuae.presets import PURPOSES, Preset, preset_names

RECIPES = sorted(set(preset_names()) - set(PURPOSES))
OF_A_SWITCH = {
    "loss": {own.name: {own.parameter[0]} for own in LOSSES.values() if own.parameter},
    "sparsity": {"kl": {"rho", "beta"}, "l1": {"l1"}, "topk": {"k"}},
    "whiten": {"pca": {"whiten_epsilon"}, "zca": {"whiten_epsilon"}},
    "noise": {
        "clipped_gaussian": {"noise_level"},
        "gaussian": {"noise_level"},
        "masking": {"noise_level"},
    },
    "optimizer": {
        "adam": {"learning_rate", "schedule", "batch_size", "shuffle"},
        "lbfgs": set(),
    },
}
"""Settings that have a meaning only where another one has some value."""
FREE = {
    *RUN_OPTIONS,
    "tile_rows",
    "seed",
    "dtype",
    "precision",
    "missing",
    "momentum",
    "pretrain",
    "steps",
    *("outlier_score", "contamination", "trim"),
}
"""Settings that a recipe leaves to the person, the machine or the data."""


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_configuration_with_a_sentence_about_it(name):
    preset = Preset.named(name)
    assert isinstance(preset.config({}), Config)
    assert preset.text.startswith("# ")
    assert preset.purpose.endswith(".")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_sets_everything_that_decides_its_result(name):
    settings = Preset.named(name).settings
    switched = set().union(*(set().union(*kinds.values()) for kinds in OF_A_SWITCH.values()))
    meant = set().union(
        *(kinds.get(settings[switch], set()) for switch, kinds in OF_A_SWITCH.items())
    )
    general = Config.model_fields.keys() - switched - FREE
    told_by_hidden = {"depth"} if len(settings["hidden"]) > 1 else set()
    assert settings.keys() == (general | meant) - told_by_hidden


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    """Run a command beside a few bytes of rows; return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", np.random.default_rng(0).integers(0, 256, (40, 8)).astype(np.uint8))

    def call(*arguments):
        code = run([*map(str, arguments)])
        return code, capsys.readouterr()

    return call


def test_options_win_over_the_file_and_the_file_over_the_preset(shell):
    Path("run.toml").write_text("hidden = [5]\nepochs = 7\n")
    given = ("--config", "run.toml", "--epochs", 1)
    code, said = shell("fit", "rows.npy", "-o", "m.h5", "--preset", "keras-deep", *given)
    assert code == 0, said.err
    with h5py.File("m.h5") as file:
        config = json.loads(file.attrs["config_json"])
    assert (config["loss"], config["hidden"], config["epochs"]) == ("bce", [5], 1)
    assert "preset keras-deep" in shell("inspect", "m.h5")[1].out


def test_rows_to_validate_with_take_the_place_of_a_presets_fraction(shell):
    given = ("--preset", "keras-simple", "--hidden", 4, "--epochs", 1)
    held = ("--validation-data", "rows.npy")
    assert shell("fit", "rows.npy", "-o", "m.h5", *given, *held)[0] == 0
    code, said = shell("fit", "rows.npy", "-o", "n.h5", *given, *held, "--validation", 0.1)
    assert code == 2
    assert "leave one of them out" in said.err


def test_what_is_given_leaves_nothing_for_a_preset_to_say():
    config = Preset.named("keras-simple").config({"hidden": "128,32", "steps": 9, "folds": 3})
    assert (config.hidden, config.steps, config.folds) == ((128, 32), 9, 3)
    assert config.depth is config.epochs is config.validation is None


def test_what_contradicts_a_preset_is_said_in_a_sentence_that_leads_to_its_settings(shell):
    given = ("--preset", "sparse-mnist", "--sparsity", "none")
    code, said = shell("fit", "rows.npy", "-o", "m.h5", *given)
    assert code == 2
    assert said.err.count("\n") == 1
    for words in ("preset sparse-mnist", "sparsity=none", "rho", "gpuae presets sparse-mnist"):
        assert words in said.err


@pytest.mark.parametrize(("name", "near"), [("sparse", "sparse-mnist"), ("outlier", "outliers")])
def test_an_unknown_preset_is_refused_with_the_near_ones(name, near):
    with pytest.raises(ConfigError, match=f"there is no '{name}'; did you mean .*{near}"):
        Preset.named(name)


@pytest.mark.parametrize("name", ["", "../config", "x\0y"])
def test_anything_else_is_refused_with_all_names(name):
    with pytest.raises(ConfigError, match=r"there are compress, .*stacked-denoising$"):
        Preset.named(name)


def test_a_preset_is_printed_as_the_toml_that_it_is(shell):
    Path("run.toml").write_text(shell("presets", "keras-deep")[1].out)
    assert Config.from_toml(Path("run.toml"), {}) == Preset.named("keras-deep").config({})
    printed = json.loads(shell("presets", "--json")[1].out)
    assert [preset["name"] for preset in printed] == list(preset_names())
    for name in preset_names():
        assert name in shell("presets")[1].out


def test_python_has_presets_too():
    estimator = package.Autoencoder.preset("keras-deep", hidden=3, epochs=1, validation=0.2)
    assert (estimator.loss, estimator.hidden) == ("bce", 3)
    rows = np.random.default_rng(0).integers(0, 256, (40, 8)).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", package.GpuaeWarning)  # one epoch is little
        made = estimator.fit(rows).model_.attributes["provenance_json"]
    assert json.loads(made)["options"] == {"preset": "keras-deep"}
    with pytest.raises(ConfigError, match=r"preset linear-pca: loss=bce .*sigmoid"):
        package.Autoencoder.preset("linear-pca", loss="bce")
