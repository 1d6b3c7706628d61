"""Rows that are unlike the others are found, said to be so, and why."""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from gpuae import Autoencoder, OutlierDetector, load, outliers
from gpuae.cli import run
from gpuae.config import Config
from gpuae.encoding import into, score
from gpuae.errors import ConfigError, InputError
from gpuae.machine import Machine
from gpuae.model.calibration import Calibration, Judged, Neighbours, nearest, units
from gpuae.model.model import Model
from gpuae.training.calibrating import fit_calibrated

QUICK = {"hidden": 2, "epochs": 3, "init": "pca", "outlier_score": "knn", "contamination": 0.1}
NAMES = ("width", "height", "depth", "mass", "colour")


def usual(count, seed=0):
    """Rows (count, 5) of two hidden causes, the last column mostly noise."""
    random = np.random.default_rng(seed)
    causes = random.normal(size=(count, 2)) @ [[1.0, 2, 0, 1, 0], [0, 1, 1, -1, 0]]
    return causes + random.normal(size=(count, 5)) * [0.1, 0.1, 0.1, 0.1, 3.0]


@pytest.fixture(scope="module")
def rows():
    """300 usual rows, then ten each far out along what is learnt and off it in one column."""
    far, off = 5 * usual(10, seed=1), usual(10, seed=2)
    far[:, 4] /= 5
    off[:, 2] += np.linspace(5, 9, 10) * np.tile([1, -1], 5)
    return np.concatenate([usual(300), far, off])


IS_OUTLIER = np.repeat([False, True], [300, 20])


@pytest.fixture(scope="module")
def fitted(rows):
    return fit_calibrated(rows, Config.parse(QUICK), feature_names=NAMES)


def scores_of(model, rows):
    out = np.empty(len(rows))
    score(model, rows, into(out))
    return out


# The score


def test_outliers_along_what_was_learnt_and_off_it_score_highest(rows, fitted):
    assert roc_auc_score(IS_OUTLIER, scores_of(fitted.model, rows)) > 0.97
    plain = fit_calibrated(rows, Config.parse(QUICK | {"outlier_score": "mse"}))
    assert roc_auc_score(IS_OUTLIER, scores_of(plain.model, rows)) < 0.9


def test_the_score_is_the_distance_to_the_neighbour_as_documented(rows, fitted):
    own = fitted.model.calibration.neighbours
    model = fitted.model
    scaled = model.preprocess.forward(rows)
    rebuilt = model.preprocess.forward(Autoencoder_of(model).inverse_transform(codes(model, rows)))
    near = (rebuilt[:, None] - own.rebuilt) ** 2 / own.variance
    like = ((scaled - rebuilt)[:, None] - (own.rows - own.rebuilt)) ** 2 / own.residual_variance
    distances = np.sort((near + like).mean(axis=2), axis=1)
    np.testing.assert_allclose(
        scores_of(model, rows), distances[:, nearest(len(own.rows)) - 1], rtol=2e-3
    )


def Autoencoder_of(model):  # noqa: N802
    estimator = Autoencoder(device="numpy")
    estimator.model_, estimator.n_features_in_ = model, model.network.columns
    return estimator


def codes(model, rows):
    return Autoencoder_of(model).transform(rows)


def test_a_neighbour_is_not_the_row_itself():
    random = np.random.default_rng(0)
    rows = random.normal(size=(40, 3)).astype(np.float32)
    rebuilt = (rows * 0.9).astype(np.float32)
    own = Neighbours(rows, rebuilt, np.ones(3), np.full(3, 0.5))
    for row in range(3):
        others = np.arange(40) != row
        without = Neighbours(rows[others], rebuilt[others], np.ones(3), np.full(3, 0.5))
        np.testing.assert_allclose(
            own.judge(rows[[row]], rebuilt[[row]], among=True).scores,
            without.judge(rows[[row]], rebuilt[[row]]).scores,
        )


def test_fewer_rows_than_neighbours_are_enough():
    rows = np.eye(3, dtype=np.float32)
    own = Neighbours(rows, rows, np.ones(3), np.ones(3))
    np.testing.assert_allclose(own.judge(rows, rows, among=True).scores, 2.0 / 3)


def test_a_column_without_variance_is_weighed_like_the_others():
    variance, residual = units(np.array([0.0, 4.0, 0.001]), np.array([0.0, 1.0, 0.0]))
    mean = 4.001 / 3
    np.testing.assert_allclose(variance, [mean, 4.0, 0.1 * mean])
    np.testing.assert_allclose(residual, 0.1 * variance + [0, 1, 0])


def test_scores_and_their_reasons_are_the_same_on_every_device(rows, fitted, device):
    report = outliers.Report(fitted.model, 1.0, shares=True)
    found = []
    for name in ("numpy", device):
        outliers.judge(
            report, rows[:50], lambda _, own: found.append(own.copy()), machine=Machine(name)
        )
    for field in ("error", "p_value", "contributions"):
        np.testing.assert_allclose(found[0][field], found[1][field], rtol=1e-3, atol=1e-5)


# What is known of scores


def test_a_share_of_the_rows_lies_above_the_threshold(rows, fitted):
    known = fitted.model.calibration
    assert known.held_out
    assert len(known.scores) == len(rows)  # few rows: each was held out once
    assert known.threshold == np.quantile(known.scores, 0.9)
    assert (np.diff(known.scores) >= 0).all()


def test_without_held_out_rows_training_rows_are_scored_and_it_says_so(rows):
    fitted = fit_calibrated(rows, Config.parse(QUICK | {"validation": 0}))
    assert not fitted.model.calibration.held_out
    own = fitted.model.calibration.scores
    np.testing.assert_allclose(np.median(own), np.median(scores_of(fitted.model, rows)), rtol=0.2)


def test_p_values_are_shares_of_scores_as_large():
    known = Calibration(np.array([1.0, 2.0, 2.0, 3.0]), True)
    np.testing.assert_allclose(known.p_values(np.array([0, 1, 2, 2.5, 4])), [1, 1, 0.8, 0.4, 0.2])


def test_trimming_trains_without_the_rows_most_unlike_the_others(rows):
    told = []
    observer = type("Told", (), {"note": told.append, "__getattr__": lambda *_: lambda *_: None})
    fitted = fit_calibrated(rows, Config.parse(QUICK | {"trim": 0.1}), observer=observer())
    assert len(fitted.rows) == 288
    assert np.isin(np.arange(300, 320), fitted.rows).sum() <= 3
    assert len(fitted.model.calibration.scores) == 320
    assert any("without the 32 rows" in note for note in told)


def test_trimming_leaves_rows_to_train_on(rows):
    with pytest.raises(InputError, match=r"trim=0\.4 leaves 1 of 2 rows"):
        fit_calibrated(rows[:2], Config.parse(QUICK | {"trim": 0.4}))


def test_trimming_and_checkpoints_contradict_each_other(rows):
    with pytest.raises(ConfigError, match="trim: trains twice"):
        fit_calibrated(rows, Config.parse(QUICK | {"trim": 0.1}), checkpoints=object())


def test_a_model_keeps_it_all_in_its_file(rows, fitted, tmp_path):
    fitted.model.save(tmp_path / "m.h5")
    again = Model.load(tmp_path / "m.h5")
    np.testing.assert_array_equal(scores_of(again, rows), scores_of(fitted.model, rows))
    assert again.calibration.threshold == fitted.model.calibration.threshold
    with h5py.File(tmp_path / "m.h5", "a") as file:
        del file["calibration"]
    with pytest.raises(InputError, match="kept no rows to compare with"):
        scores_of(Model.load(tmp_path / "m.h5"), rows)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("scores", np.array([2.0, 1.0]), "do not ascend"),
        ("scores", np.array([-1.0, 1.0]), "too low"),
        ("threshold", np.array(np.nan), "NaN"),
        ("variance", np.zeros(5), "too low"),
        ("variance", np.ones(4), "has shape"),
        ("rebuilt", np.ones((2, 5), np.float32), "has shape"),
        ("rows", None, "missing"),
        ("held_out", None, "missing"),
    ],
)
def test_a_damaged_calibration_is_refused(fitted, tmp_path, name, value, words):
    fitted.model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        del file[f"calibration/{name}"]
        if value is not None:
            file[f"calibration/{name}"] = value
    with pytest.raises(InputError, match=f"/calibration/{name}.*{words}"):
        Model.load(tmp_path / "m.h5")


# Contributions


def test_shares_name_the_column_that_makes_a_row_an_outlier(rows, fitted):
    report = outliers.Report(fitted.model, shares=True)
    shares = np.empty(rows.shape)
    outliers.judge(report, rows, lambda start, own: into(shares)(start, own["contributions"]))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-5)
    assert (shares[310:].argmax(axis=1) == 2).mean() >= 0.8


def test_of_a_score_of_zero_there_are_no_shares():
    nothing = Judged(np.zeros(2), np.zeros((2, 3)))
    np.testing.assert_array_equal(nothing.shares, np.zeros((2, 3)))


# In the shell


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys, fitted, rows):
    """Run a command beside a model and its rows; return its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    fitted.model.save(Path("m.h5"))
    lines = [",".join(NAMES), *(",".join(map(str, row)) for row in rows)]
    Path("rows.csv").write_text("\n".join(lines) + "\n")

    def call(*arguments):
        code = run([*map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_scores_say_what_is_an_outlier_and_how_unusual(shell, rows, fitted):
    code, said, _ = shell("score", "m.h5", "rows.csv", "-o", "s.h5", "--contributions")
    assert code == 0
    level = fitted.model.calibration.threshold
    with h5py.File("s.h5") as file:
        found = {name: file[f"scores/{name}"][:] for name in file["scores"]}
        assert file["scores/contributions"].shape == rows.shape
    np.testing.assert_allclose(found["error"], scores_of(fitted.model, rows), rtol=1e-6)
    np.testing.assert_array_equal(found["outlier"], found["error"] > level)
    expected = fitted.model.calibration.p_values(found["error"])
    np.testing.assert_array_equal(found["p_value"], expected)
    assert f"{found['outlier'].sum()} of 320 rows are outliers" in said
    assert shell("verify", "s.h5", "m.h5")[0] == 0
    with h5py.File("s.h5", "a") as file:
        del file["scores/p_value"]
        file["scores/p_value"] = np.ones(3)
    code, said, _ = shell("verify", "s.h5")
    assert code == 1
    assert "/scores/p_value: has shape (3,) where one value for each of 320 rows" in said


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_names_the_columns_of_the_largest_shares(shell, ending):
    if ending == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
    given = ("--contributions", 2, "--threshold", 1.5)
    assert shell("score", "m.h5", "rows.csv", "-o", f"s.{ending}", *given)[0] == 0
    if ending == "csv":
        table = list(csv.DictReader(Path("s.csv").read_text().splitlines()))
    else:
        table = parquet.read_table("s.parquet").to_pylist()
    assert [*table[0]] == [
        *("row_id", "error", "outlier", "p_value", "column_1", "share_1", "column_2", "share_2"),
    ]
    assert [row["column_1"] for row in table[310:]].count("depth") >= 8
    assert all(int(row["outlier"]) == (float(row["error"]) > 1.5) for row in table)
    assert all(float(row["share_1"]) >= float(row["share_2"]) > 0 for row in table)


def test_columns_without_names_are_numbered_from_1_as_columns_counts(shell, rows):
    np.save("rows.npy", rows)
    assert shell("fit", "rows.npy", "-o", "n.h5", "--hidden", 2, "--epochs", 1)[0] == 0
    assert shell("score", "n.h5", "rows.npy", "-o", "s.csv", "--contributions", 1)[0] == 0
    table = list(csv.DictReader(Path("s.csv").read_text().splitlines()))
    assert [*table[0]] == ["row_id", "error", "column_1", "share_1"]
    assert {row["column_1"] for row in table} <= set("12345")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--threshold", "nan"), "threshold: needs a score from 0 on, not nan"),
        (("--threshold", -1), "threshold: needs a score from 0 on, not -1"),
        (("--contamination", 0.6), "contamination: needs a share of the rows in (0, 0.5], not 0.6"),
        (("--contamination", 0), "(0, 0.5], not 0"),
        (("--contamination", "nan"), "(0, 0.5], not nan"),
        (("--threshold", 1, "--contamination", 0.1), "leave one of them out"),
    ],
)
def test_bad_thresholds_are_refused_in_a_sentence(shell, given, words):
    code, _, said = shell("score", "m.h5", "rows.csv", "-o", "s.h5", *given)
    assert (code, said.count("\n")) == (2, 1)
    assert words in said
    assert not Path("s.h5").exists()


@pytest.mark.parametrize("value", [0, 0.6, -0.1, "nan"])
def test_fit_refuses_a_share_that_is_none(shell, value):
    code, _, said = shell("fit", "rows.csv", "-o", "n.h5", "--contamination", value)
    assert code == 2
    assert "contamination" in said


def test_the_preset_trains_what_score_needs(shell):
    quick = ("--epochs", 2, "--hidden", 2)
    assert shell("fit", "rows.csv", "-o", "n.h5", "--preset", "outliers", *quick)[0] == 0
    assert "are outliers" in shell("score", "n.h5", "rows.csv", "-o", "s.h5")[1]


# In Python


def test_an_autoencoder_predicts_outliers(rows, tmp_path):
    estimator = Autoencoder(**QUICK).fit(rows)
    found = estimator.predict_outliers(rows)
    assert found.dtype == bool
    np.testing.assert_array_equal(
        found, -estimator.score_samples(rows) > estimator.model_.calibration.threshold
    )
    estimator.save(tmp_path / "m.h5")
    np.testing.assert_array_equal(load(tmp_path / "m.h5").predict_outliers(rows), found)
    with pytest.raises(ConfigError, match="trained without it"):
        Autoencoder(hidden=2, epochs=1).fit(rows).predict_outliers(rows)


@parametrize_with_checks(
    [OutlierDetector(hidden=2, settings={"epochs": 1, "folds": 1})],
    expected_failed_checks=lambda _: dict.fromkeys(
        (
            "check_sample_weight_equivalence_on_dense_data",
            "check_sample_weight_equivalence_on_sparse_data",
        ),
        "steps of some rows draw each of them once, however much it weighs",
    ),
)
def test_scikit_learn_finds_nothing_to_complain_about(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks' own
        check(estimator)


def test_a_detector_has_the_attributes_of_both_conventions(rows, tmp_path):
    detector = OutlierDetector(hidden=2, contamination=0.05, settings={"epochs": 2})
    labels = detector.fit_predict(rows)
    assert (labels == -1).sum() == detector.labels_.sum() == 16
    np.testing.assert_allclose(detector.decision_scores_, -detector.score_samples(rows), rtol=1e-6)
    assert detector.offset_ == -detector.threshold_
    assert IS_OUTLIER[labels == -1].mean() > 0.9
    assert detector.p_values(rows)[IS_OUTLIER].max() < 0.5
    assert (detector.contributions(rows)[310:].argmax(axis=1) == 2).mean() >= 0.8
    detector.save(tmp_path / "m.h5")
    saved = load(tmp_path / "m.h5")
    np.testing.assert_array_equal(saved.predict_outliers(rows), labels == -1)
    made = json.loads(saved.model_.attributes["provenance_json"])
    assert made["options"] == {"preset": "outliers"}


def test_a_model_without_calibration_takes_a_threshold_only(fitted):
    bare = replace(fitted.model, calibration=None)
    assert outliers.chosen_threshold(bare, threshold=2.0) == 2.0
    assert outliers.Report(bare, 2.0).dtype.names == ("error", "outlier")
    with pytest.raises(InputError, match="give a threshold"):
        outliers.chosen_threshold(bare, contamination=0.1)
