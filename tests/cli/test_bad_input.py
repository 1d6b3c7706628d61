"""Bad input gets one sentence that names it and says what to do; nothing is overwritten."""

from __future__ import annotations

import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest
from refusals import refused


@pytest.fixture
def fit(gpuae, tmp_path):
    """Fit some data and check that a refusal leaves no output."""

    def call(data: str, *options: object):
        outcome = gpuae("fit", data, "-o", "out.h5", "--epochs", 1, *options)
        assert outcome.code == 0 or not (tmp_path / "out.h5").exists()
        return outcome

    return call


def test_a_missing_file(fit):
    refused(fit("nowhere.h5"), "nowhere.h5", "no such file")


def test_a_file_that_is_not_what_its_name_says(fit, tmp_path):
    (tmp_path / "fake.h5").write_bytes(b"\x00\x01\x02 not HDF5 at all" * 40)
    refused(fit("fake.h5"), "fake.h5")


def test_a_truncated_file(gpuae, fit, model):
    whole = model.read_bytes()
    (model.parent / "cut.h5").write_bytes(whole[: len(whole) // 2])
    refused(gpuae("encode", "cut.h5", "rows.npy", "-o", "f.h5"), "cut.h5")


def test_a_wrong_path_inside(fit, tmp_path):
    with h5py.File(tmp_path / "some.h5", "w") as file:
        file["right"] = np.ones((4, 3))
    refused(fit("some.h5::/wrong"), "some.h5", "/wrong", "right")


def test_an_hdf5_file_without_a_path_lists_what_can_be_given(fit, tmp_path):
    with h5py.File(tmp_path / "some.h5", "w") as file:
        file["matrix"] = np.ones((4, 3))
    refused(fit("some.h5"), "some.h5::/matrix")


def test_one_dimension(fit, tmp_path):
    np.save(tmp_path / "line.npy", np.arange(5.0))
    refused(fit("line.npy"), "line.npy")


def test_text(fit, tmp_path):
    (tmp_path / "words.csv").write_text("a,b\n1,2\n3,four\n")
    refused(fit("words.csv"), "words.csv", "four", "'b'")


def test_an_empty_file_and_a_table_without_rows(fit, tmp_path):
    (tmp_path / "nothing.csv").write_text("")
    refused(fit("nothing.csv"), "nothing.csv", "empty")
    (tmp_path / "header.csv").write_text("a,b\n")
    refused(fit("header.csv"), "header.csv")


def test_values_that_are_not_finite_say_how_many_rows_and_the_first(fit, tmp_path, rows):
    rows[7, 2] = np.nan
    rows[9, 0] = np.inf
    rows[9, 1] = np.nan
    np.save(tmp_path / "holes.npy", rows)
    refused(
        fit("holes.npy"), "holes.npy", "2 of 40 rows hold NaN", "row 8, column 3", "missing=mean"
    )
    refused(fit("holes.npy", "--missing", "mean"), "1 of 40", "infinite", "row 10, column 1")


def test_a_model_and_data_of_different_widths(gpuae, model, tmp_path):
    np.save(tmp_path / "wide.npy", np.ones((3, 9)))
    for command in ("encode", "reconstruct", "score"):
        outcome = gpuae(command, model, "wide.npy", "-o", "o.h5")
        refused(outcome, "wide.npy", "9", "6", "model.h5")
    refused(gpuae("evaluate", model, "wide.npy"), "9", "6")
    refused(gpuae("decode", model, "wide.npy", "-o", "o.h5"), "9", "2")
    assert not (tmp_path / "o.h5").exists()


def test_data_where_a_model_is_needed(gpuae, model):
    assert gpuae("encode", model, "rows.npy", "-o", "f.h5").code == 0
    refused(gpuae("encode", "f.h5", "rows.npy", "-o", "g.h5"), "f.h5", "features", "model")


def test_an_unknown_option_and_an_unknown_setting(fit, tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)
    refused(fit("rows.npy", "--hiden", 3), "--hiden", "--hidden")
    (tmp_path / "run.toml").write_text("learning_rat = 1\n")
    refused(fit("rows.npy", "--config", "run.toml"), "run.toml", "learning_rat", "learning_rate?")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--loss", "bce", "--output-activation", "identity"], ["bce", "sigmoid"]),
        (["--sparsity", "kl", "--activation", "relu"], ["kl", "relu"]),
        (["--sparsity", "topk", "--hidden", 2, "--k", 3], ["k=3", "2"]),
        (["--sparsity", "topk", "--k", 32], ["k=32", "units"]),
        (["--optimizer", "lbfgs", "--batch-size", 8], ["batch_size", "lbfgs"]),
        (["--noise", "gaussian"], ["noise_level"]),
        (["--pretrain", 3, "--depth", 1], ["pretrain", "two or more layers"]),
        (["--epochs", -1], ["epochs"]),
        (["--hidden", "4,x"], ["hidden"]),
        (["--memory", "lots"], ["memory: should be an amount such as 500MB or 2GB, got 'lots'"]),
        (["--device", "cuda"], ["cuda", "device=cpu"]),
        (["--device", "tpu"], ["device"]),
    ],
)
def test_an_impossible_combination_or_value(fit, tmp_path, rows, options, words):
    np.save(tmp_path / "rows.npy", rows)
    refused(fit("rows.npy", *options), *words)


def test_bce_on_data_outside_the_unit_interval(fit, tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(30, 4)))
    refused(fit("rows.npy", "--loss", "bce", "--scale", "none"), "bce", "[0, 1]", "minmax")


def test_an_output_that_exists_is_refused_before_any_work(gpuae, model):
    before = model.read_bytes()
    refused(gpuae("fit", "nowhere.csv", "-o", model), "model.h5", "--force")
    assert model.read_bytes() == before
    assert gpuae("fit", "rows.npy", "-o", model, "--epochs", 1, "--force").code == 0
    assert model.read_bytes() != before


def test_an_output_in_a_folder_that_is_not_there(fit, gpuae, model):
    refused(gpuae("fit", "rows.npy", "-o", "no/where.h5"), "no/where.h5", "folder")


def test_a_layer_that_is_not_there(gpuae, model):
    refused(gpuae("encode", model, "rows.npy", "-o", "f.h5", "--layer", 3), "--layer 3", "1 to 2")


def test_a_loss_that_is_not_finite_keeps_the_last_good_model(gpuae, tmp_path, rows):
    np.save(tmp_path / "large.npy", 100 * rows)
    wild = ("--learning-rate", 1e30, "--activation", "relu", "--scale", "none", "--epochs", 4)
    outcome = gpuae("fit", "large.npy", "-o", "wild.h5", *wild)
    assert outcome.code == 1
    assert "in epoch 1: lower learning_rate" in outcome.err
    assert "the weights of the start were kept" in outcome.err
    assert "Traceback" not in outcome.err
    with h5py.File(tmp_path / "wild.h5") as kept:
        assert np.isfinite(kept["/model/encoder/0/weight"][:]).all()


def test_a_defect_of_our_own_is_not_dressed_as_the_users(gpuae, model, monkeypatch):
    def broken(*arguments, **options):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("gpuae.evaluation.evaluate", broken)
    outcome = gpuae("evaluate", model, "rows.npy")
    assert outcome.code == 1
    assert "ZeroDivisionError: planted" in outcome.err
    assert "report" in outcome.err
    assert "Traceback" not in outcome.err
    with pytest.raises(ZeroDivisionError):
        gpuae("evaluate", model, "rows.npy", "--debug")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_is_done(tmp_path, sent):
    arguments = ["fit", "digits", "-o", "half.h5", "--epochs", "1000000", "--patience", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "gpuae", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        seen = ""
        while "epoch 1/" not in seen:  # the first line about training
            seen = running.stderr.readline()
            assert seen, "it ended before it trained"
        running.send_signal(sent)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    with h5py.File(tmp_path / "half.h5") as kept:
        assert len(kept["/train/history/loss"]) >= 1


def test_an_output_that_is_its_own_input_is_refused_even_with_force(gpuae, model):
    before = model.read_bytes()
    refused(gpuae("encode", model, "rows.npy", "-o", model, "--force"), "model.h5", "input")
    (model.parent / "rows").write_bytes((model.parent / "rows.npy").read_bytes())
    refused(gpuae("fit", "rows", "-o", "rows", "--force"), "rows", "input")
    refused(gpuae("convert", "rows.npy", "rows.npy", "--force"), "rows.npy", "input")
    assert model.read_bytes() == before
    assert np.load("rows.npy").shape == (40, 6)


def test_columns_of_other_names(gpuae, tmp_path):
    for name, header in (("abc", "a,b,c"), ("abd", "a,b,d"), ("bbc", "b,b,c")):
        lines = [header, *(f"{i},{i + 1},{i * i}" for i in range(9))]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    assert gpuae("fit", "abc.csv", "-o", "m.h5", "--epochs", 1).code == 0
    assert gpuae("evaluate", "m.h5", "abc.csv").code == 0
    refused(gpuae("evaluate", "m.h5", "abd.csv"), "abd.csv", "1 column of m.h5", "'c'")
    refused(gpuae("evaluate", "m.h5", "bbc.csv"), "1, 2", "'b'")
    assert gpuae("fit", "bbc.csv", "-o", "twice.h5", "--epochs", 1).code == 0
    assert gpuae("evaluate", "twice.h5", "bbc.csv").code == 0
    refused(gpuae("evaluate", "twice.h5", "abc.csv"), "column 1", "'a'", "'b'")


def test_a_model_whose_name_was_taken_during_training_is_kept_under_another(
    gpuae, model, tmp_path, monkeypatch
):
    from gpuae.training import fitting

    trained = fitting.fit

    def fit_while_somebody_writes(*arguments, **options):
        (tmp_path / "new.h5").write_text("somebody's")
        return trained(*arguments, **options)

    monkeypatch.setattr(fitting, "fit", fit_while_somebody_writes)
    refused(gpuae("fit", "rows.npy", "-o", "new.h5", "--epochs", 1), "new.h5", "new-1.h5")
    assert (tmp_path / "new.h5").read_text() == "somebody's"
    assert gpuae("inspect", "new-1.h5").code == 0


@pytest.mark.parametrize("scale", ["standard", "minmax", "sigma", "unit"])
@pytest.mark.parametrize(("size", "code"), [(1e300, 2), (1e-300, 0), (0.0, 0)])
def test_values_at_the_ends_of_float64(gpuae, tmp_path, rows, scale, size, code):
    np.save(tmp_path / "ends.npy", rows.astype(np.float64) * size)
    outcome = gpuae("fit", "ends.npy", "-o", "ends.h5", "--epochs", 1, "--scale", scale)
    assert outcome.code == code, outcome.err
    assert "unexpectedly" not in outcome.err


@pytest.mark.parametrize("options", [["--hidden", 2 * 10**9], ["--hidden", f"{10**9},{10**9}"]])
def test_more_than_fits_in_memory(gpuae, model, options):
    refused(gpuae("fit", "rows.npy", "-o", "x.h5", *options), "hidden", "GiB", "lower")


def test_all_folds_together_have_to_fit_in_memory(gpuae, model, monkeypatch):
    monkeypatch.setattr("gpuae.training.preparation.physical_memory", lambda: 1 << 19)
    options = ["--hidden", 2, "--depth", 1, "--epochs", 1, "--force"]
    assert gpuae("fit", "rows.npy", "-o", "x.h5", *options, "--folds", 1).code == 0
    refused(
        gpuae("fit", "rows.npy", "-o", "x.h5", *options, "--folds", 40),
        "40 folds of it need",
        "or give folds=1",
    )


def test_memory_that_runs_out_is_no_defect(gpuae, model, monkeypatch):
    def exhausted(*arguments, **options):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("gpuae.evaluation.evaluate", exhausted)
    outcome = gpuae("evaluate", model, "rows.npy")
    assert outcome.code == 1
    assert "not enough memory (Unable to allocate 9 TiB)" in outcome.err


def test_a_wide_whitening(fit, tmp_path):
    np.save(tmp_path / "wide.npy", np.ones((3, 20_000), np.uint8))
    refused(fit("wide.npy", "--whiten", "pca", "--hidden", 2), "whiten", "20000")


def test_a_row_whose_result_is_no_number(gpuae, model, tmp_path):
    wide = np.ones((3, 6))
    wide[1] = 1e300
    np.save(tmp_path / "wide.npy", wide)
    linear = ("--activation", "identity", "--epochs", 1)
    assert gpuae("fit", "rows.npy", "-o", "lin.h5", *linear).code == 0
    for command in ("encode", "score"):
        refused(gpuae(command, "lin.h5", "wide.npy", "-o", "o.h5"), "row 2")
    assert not (tmp_path / "o.h5").exists()


def test_features_of_another_layer_cannot_be_decoded(gpuae, model):
    assert gpuae("fit", "rows.npy", "-o", "m.h5", "--hidden", "3,3", "--epochs", 1).code == 0
    assert gpuae("encode", "m.h5", "rows.npy", "-o", "first.h5", "--layer", 1).code == 0
    refused(gpuae("decode", "m.h5", "first.h5", "-o", "d.h5"), "first.h5", "layer 1", "layer 2")


def test_a_demonstration_in_a_folder_that_cannot_be(gpuae, tmp_path):
    (tmp_path / "file").write_text("")
    refused(gpuae("demo", "--folder", "file"), "file", "folder")


def test_settings_nested_beyond_reason(fit, tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "deep.toml").write_text(f"hidden = {'[' * 5000}")
    refused(fit("rows.npy", "--config", "deep.toml"), "deep.toml")
    refused(fit("rows.npy", "--hidden", "1" * 400), "hidden", "2147483647")


@pytest.mark.parametrize("command", ["fit", "convert"])
def test_no_output_is_called_after_standard_output(gpuae, tmp_path, rows, command):
    np.save(tmp_path / "rows.npy", rows)
    output = ("-o", "-") if command == "fit" else ("-",)
    refused(gpuae(command, "rows.npy", *output), "nothing is written to standard output")
    assert not (tmp_path / "-").exists()


def test_labels_within_a_file_are_given_as_data_are(gpuae, tmp_path, rows):
    np.save(tmp_path / "rows.npy", rows)
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["deep/y"] = np.arange(40)
    done = gpuae("convert", "rows.npy", "out.h5", "--labels", "labels.h5::/deep/y")
    assert done.code == 0, done.err
    with h5py.File(tmp_path / "out.h5") as file:
        assert file["data/y"][39] == 39
        assert "/deep/y" in file.attrs["provenance_json"]
