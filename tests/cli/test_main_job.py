"""From a file to features and back, by the commands alone."""

from __future__ import annotations

import gzip
import json
import os
import re
import struct
import subprocess
import sys

import h5py
import numpy as np
import pytest

from gpuae.backends import blas
from gpuae.config import Config


def all_names(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visit(names.append)
    return names


def test_the_chain_of_commands_keeps_rows_labels_and_units(gpuae, tmp_path):
    digits = ("fit", "digits", "-o", "model.h5", "--hidden", 16, "--epochs", 3)
    assert gpuae(*digits, "--loss", "bce", "--folds", 1).code == 0
    assert gpuae("encode", "model.h5", "digits", "-o", "features.h5").code == 0
    assert gpuae("decode", "model.h5", "features.h5", "-o", "decoded.h5").code == 0
    assert gpuae("reconstruct", "model.h5", "digits", "-o", "again.h5").code == 0
    assert gpuae("score", "model.h5", "digits", "-o", "scores.h5").code == 0
    with h5py.File(tmp_path / "features.h5") as features:
        assert features["/features/code"].shape == (1797, 16)
        assert features["/features/code"].dtype == np.float32
        assert features["/features/y"][:3].tolist() == [0, 1, 2]
        assert len(features.attrs["model_sha256"]) == 64
    with h5py.File(tmp_path / "decoded.h5") as decoded, h5py.File(tmp_path / "again.h5") as again:
        np.testing.assert_array_equal(decoded["/data/x"][:], again["/data/x"][:])
        assert 1 < again["/data/x"][:].max() <= 16  # the digits' own units
        assert again["/data/x"].attrs["image_shape"].tolist() == [8, 8]
    with h5py.File(tmp_path / "scores.h5") as scores:
        assert (scores["/scores/error"][:] > 0).all()


def test_layers_are_counted_from_one(gpuae, model, tmp_path):
    assert gpuae("encode", model, "rows.npy", "-o", "first.h5", "--layer", 1).code == 0
    assert gpuae("encode", model, "rows.npy", "-o", "second.h5", "--layer", 2).code == 0
    assert gpuae("encode", model, "rows.npy", "-o", "code.h5").code == 0
    with h5py.File(tmp_path / "first.h5") as first, h5py.File(tmp_path / "second.h5") as second:
        assert first["/features/code"].shape == (40, 4)
        with h5py.File(tmp_path / "code.h5") as code:
            np.testing.assert_array_equal(second["/features/code"][:], code["/features/code"][:])


def test_evaluate_gives_the_promised_figures_as_json(gpuae, model):
    figures = json.loads(gpuae("evaluate", model, "rows.npy", "--json").out)
    promised = "loss mse explained_variance pca_mse mean_activation zero_fraction dead_units"
    assert {*promised.split(), "active_per_row"} <= figures.keys()
    assert 0 < figures["mse"] < 1
    assert figures["pca_from"] == "training rows"
    assert {f"preprocessed_{name}" for name in ("mse", "explained_variance", "pca_mse")} <= {
        *figures
    }


def test_evaluate_without_json_is_a_table_for_a_person(gpuae, model):
    out = gpuae("evaluate", model, "rows.npy").out
    assert "explained variance" in out
    assert "PCA with 2 components" in out
    assert "PCA was learnt from          the training rows" in out


def test_fit_ends_with_a_verdict_for_a_person_and_its_figures_for_a_program(gpuae, rows):
    np.save("rows.npy", rows)
    fit = ("fit", "rows.npy", "--hidden", 2, "--epochs", 1, "--validation", 0.3, "--seed", 1)
    poor = ("--activation", "sigmoid", "--init", "glorot", "-o", "poor.h5", "--folds", 1)
    said, figures = gpuae(*fit, *poor), json.loads(gpuae(*fit, *poor, "--force", "--json").out)
    assert "of the variance of 12 unseen rows; PCA with 2 components" in said.out
    assert "note: that is" in said.err
    assert figures["verdict"] in said.out
    assert figures["measured_rows"] == 12
    assert (
        figures["preprocessed_explained_variance"] < figures["preprocessed_pca_explained_variance"]
    )
    assert "note: that is" not in gpuae(*fit, "-o", "good.h5").err
    silent = json.loads(gpuae(*fit, "--validation", 0, "-o", "alone.h5", "--json").out)
    assert (silent["explained_variance"], silent["measured_rows"]) == (None, 0)


@pytest.mark.parametrize("command", ["encode", "score", "evaluate"])
def test_rows_unlike_those_of_training_are_remarked(gpuae, model, rows, command):
    np.save("strange.npy", 1000 * rows)
    output = () if command == "evaluate" else ("-o", "o.h5", "--force")
    assert "note:" not in gpuae(command, model, "rows.npy", *output).err
    assert "note: 100% of the rows" in gpuae(command, model, "strange.npy", *output).err


def test_a_data_set_inside_anyones_hdf5_can_be_given(gpuae, tmp_path, rows):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["run/cube"] = rows.reshape(40, 2, 3)
    assert gpuae("fit", "foreign.h5::/run/cube", "-o", "m.h5", "--epochs", 1).code == 0
    assert gpuae("convert", "foreign.h5::/run/cube", "rows.h5").code == 0
    with h5py.File(tmp_path / "rows.h5") as converted:
        np.testing.assert_array_equal(converted["/data/x"][:], rows)


def test_convert_reads_idx_with_labels_and_keeps_the_type(gpuae, tmp_path):
    images = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    head = struct.pack(">4B3I", 0, 0, 8, 3, 5, 4, 3)
    (tmp_path / "images-idx3-ubyte.gz").write_bytes(gzip.compress(head + images.tobytes()))
    (tmp_path / "labels-idx1-ubyte").write_bytes(struct.pack(">4BI5B", 0, 0, 8, 1, 5, *range(5)))
    done = gpuae("convert", "images-idx3-ubyte.gz", "images.h5", "--labels", "labels-idx1-ubyte")
    assert done.code == 0
    assert "5 rows of 12 uint8 columns with labels" in done.out
    with h5py.File(tmp_path / "images.h5") as file:
        assert file["/data/x"].dtype == np.uint8
        assert file["/data/x"].attrs["image_shape"].tolist() == [4, 3]
        assert file["/data/y"][:].tolist() == [0, 1, 2, 3, 4]


def test_settings_from_a_file_give_way_to_options(gpuae, model, tmp_path):
    (tmp_path / "run.toml").write_text('hidden = [3]\nactivation = "tanh"\nepochs = 1\n')
    fit = ("fit", "rows.npy", "-o", "m.h5", "--config", "run.toml", "--hidden", 2)
    assert gpuae(*fit).code == 0
    config = json.loads(gpuae("inspect", "m.h5", "--json").out)["config"]
    assert config["hidden"] == [2]
    assert config["activation"] == "tanh"


def test_no_epochs_write_the_initial_model(gpuae, model):
    fit = ("fit", "rows.npy", "--init", "glorot", "--epochs", 0)
    assert gpuae(*fit, "-o", "a.h5").code == 0
    assert gpuae(*fit, "-o", "b.h5", "--seed", 1).code == 0
    with h5py.File("a.h5") as a, h5py.File("b.h5") as b:
        weight = "/model/encoder/0/weight"
        assert np.abs(a[weight][:] - b[weight][:]).max() > 0.01


def test_training_can_start_from_another_model(gpuae, model):
    again = ("fit", "rows.npy", "-o", "same.h5", "--hidden", "4,2", "--epochs", 0)
    assert gpuae(*again, "--init-from", model).code == 0
    with h5py.File(model) as old, h5py.File("same.h5") as new:
        weight = "/model/decoder/1/weight"
        np.testing.assert_array_equal(old[weight][:], new[weight][:])
    refused = gpuae("fit", "rows.npy", "-o", "no.h5", "--hidden", "3", "--init-from", model)
    assert refused.code == 2
    assert "6-4-2-4-6" in refused.err


def test_two_fits_give_the_same_file_but_for_timings(gpuae, model):
    for name in ("one.h5", "two.h5"):
        assert gpuae("fit", "rows.npy", "-o", name, "--epochs", 3, "--validation", 0).code == 0
    with h5py.File("one.h5") as one, h5py.File("two.h5") as two:
        assert dict(one.attrs) == dict(two.attrs)
        paths = [path for path in all_names(one) if isinstance(one[path], h5py.Dataset)]
        assert paths == [path for path in all_names(two) if isinstance(two[path], h5py.Dataset)]
        same = {p: np.array_equal(one[p][()], two[p][()], equal_nan=True) for p in paths}
    differing = [path for path in paths if not same[path]]
    assert differing == ["train/history/seconds"]


def test_inspect_shows_kind_settings_and_paths(gpuae, model):
    shown = gpuae("inspect", model).out
    assert "a gpuae model file" in shown
    assert "hidden=4,2" in shown
    assert "/model/encoder/0/weight" in shown


def test_gradcheck_prints_the_largest_error(gpuae):
    done = gpuae("gradcheck", "--hidden", "3", "--sparsity", "kl", "--decoder", "tied")
    assert done.code == 0
    assert "largest relative error" in done.out
    figures = json.loads(gpuae("gradcheck", "--hidden", 3, "--json").out)
    assert 0 < figures["largest_relative_error"] < figures["limit"]


def test_gradcheck_fails_on_a_wrong_gradient(gpuae, monkeypatch):
    monkeypatch.setattr("gpuae.training.gradcheck.LIMIT", 0.0)
    done = gpuae("gradcheck", "--hidden", 3)
    assert done.code == 1
    assert "WRONG" in done.out


def test_doctor_names_what_would_be_used_and_why(gpuae):
    findings = json.loads(gpuae("doctor", "--json").out)
    assert {"CPU", "BLAS", "threads", "Numba", "CUDA", "CuPy", "would be used"} <= findings.keys()
    assert findings["would be used"].startswith("device=cpu")
    assert re.search(r"kernel \w+: [1-9]\d* GFLOP/s a core", findings["BLAS"])


@pytest.mark.skipif(blas.best_core() is None, reason="no kernel is known to be better here")
def test_doctor_says_what_a_better_kernel_would_give():
    environment = {**os.environ, "GPUAE_BLAS_CORE": "Haswell", "OPENBLAS_CORETYPE": "Haswell"}
    command = [sys.executable, "-m", "gpuae", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    findings = json.loads(done.stdout)
    better = re.search(r"SkylakeX would give ([1-9]\d*): unset GPUAE_BLAS_CORE", findings["BLAS"])
    assert better
    assert "OPENBLAS_CORETYPE=Haswell is set" in findings["BLAS of NumPy"]


def test_the_demonstration_beats_pca_and_says_where_its_files_are(gpuae, tmp_path):
    done = gpuae("demo", "--folder", "shown")
    assert done.code == 0
    assert "with PCA" in done.out
    assert (tmp_path / "shown" / "model.h5").is_file()
    errors = next(line for line in done.out.splitlines() if "reconstruction error" in line)
    ours, pca = [float(word) for word in re.findall(r"\d+\.\d+", errors)]
    assert ours < pca
    assert gpuae("demo", "--folder", "shown").code == 2


@pytest.mark.parametrize("name", list(Config.model_fields))
def test_every_setting_is_an_option_of_fit_under_its_own_name(gpuae, name):
    assert f"--{name.replace('_', '-')} " in gpuae("fit", "--help").out


def test_the_help_lists_each_value_of_a_setting_once(gpuae):
    for values in re.findall(r"--[a-z-]+ +\[([a-z0-9_|]+)\]", gpuae("fit", "--help").out):
        assert len(set(values.split("|"))) == len(values.split("|"))


def test_every_commands_help_has_an_example(gpuae):
    from gpuae.cli import COMMANDS

    for name in COMMANDS:
        assert f"Example:\n    gpuae {name}" in gpuae(name, "--help").out, name


def test_long_work_speaks_every_few_seconds(gpuae, model, monkeypatch):
    monkeypatch.setattr("gpuae.cli.progress.LINE_SECONDS", 0.0)
    assert "40 of 40 rows" in gpuae("encode", model, "rows.npy", "-o", "f.h5").err
    three = ("--epochs", 3, "--batch-size", 4, "--validation", 0)
    fitted = gpuae("fit", "rows.npy", "-o", "m.h5", *three)
    assert "epoch 2/3" in fitted.err
