"""What the panel measures, on rows where the right figure is known, and what it concludes."""

import json

import numpy as np
import pytest

from bench import panel_measure
from bench.panel import kept, one_set
from bench.panel_contenders import (
    Job,
    Units,
    forest_outliers,
    mlp,
    our_outliers,
    pca,
    pca_outliers,
    pyod,
)
from bench.panel_data import PanelSet
from bench.panel_measure import explained_variance, measured
from bench.panel_report import AUC_ALL, AUC_NORMAL, EXPLAINED, markdown, verdict


@pytest.fixture
def rows():
    """Two factors in five columns of units from 1e-3 to 1e3, a constant one, and noise."""
    random = np.random.default_rng(0)
    signal = random.standard_normal((80, 2)) @ random.standard_normal((2, 5))
    noisy = (signal + 0.1 * random.standard_normal((80, 5))) * np.logspace(-3, 3, 5) + 7
    return np.insert(noisy, 2, 3.0, axis=1)


def test_the_mean_explains_nothing_and_the_rows_themselves_everything(rows):
    known, new = rows[:60], rows[60:]
    assert explained_variance(known, new, new) == pytest.approx(1)
    mean = np.tile(known.mean(axis=0), (20, 1))
    assert explained_variance(known, new, mean) == pytest.approx(0, abs=1e-12)


def test_columns_count_the_same_but_those_of_pixels_by_their_size(rows):
    known, new = rows[:60], rows[60:]
    without_last = new.copy()
    without_last[:, -1] = known[:, -1].mean()
    assert 0.6 < explained_variance(known, new, without_last) < 0.9
    assert explained_variance(known, new, without_last, pixels=True) < 0.01


def test_a_column_that_is_constant_where_it_was_learnt_does_not_count(rows):
    known, new = rows[:60], rows[60:].copy()
    new[:, 2] = 1e9
    assert explained_variance(known, new, rows[60:]) == pytest.approx(1)


def test_units_lead_there_and_back(rows):
    units = Units.of(rows)
    assert units.to(rows).std(axis=0) == pytest.approx(1)
    assert units.back(units.to(rows)) == pytest.approx(rows)


def test_pca_explains_what_the_singular_values_say(rows):
    rebuilt = pca(rows, Job(2, 0))(rows)
    squares = np.linalg.svd(Units.of(rows).to(rows), compute_uv=False) ** 2
    expected = squares[:2].sum() / squares.sum()
    assert explained_variance(rows, rows, rebuilt) == pytest.approx(expected)


def test_the_mlp_rebuilds_rows_in_their_own_units(rows):
    assert explained_variance(rows, rows, mlp(rows, Job(4, 0))(rows)) > 0.5


def test_pyod_rebuilds_rows_to_what_its_own_scores_are_made_of(rows):
    pytest.importorskip("torch")
    pytest.importorskip("pyod")
    from bench.panel_contenders import _pyod_detector

    standard = Units.of(rows).to(rows)
    detector = _pyod_detector(0, hidden_neuron_list=[64, 3]).fit(standard)
    error = Units.of(rows).to(pyod(rows, Job(3, 0))(rows)) - standard
    # its preprocessing finds the columns standardised already
    assert np.linalg.norm(error, axis=1) == pytest.approx(detector.decision_scores_, rel=1e-4)


@pytest.mark.parametrize("fit", [our_outliers, pca_outliers, forest_outliers])
def test_a_row_unlike_the_others_has_the_highest_score(fit, rows):
    rows[7] += np.array([1, -1, 0, 1, -1, 1]) * 10 * rows.std(axis=0)
    assert fit(rows, Job(2, 0))(rows).argmax() == 7


@pytest.fixture
def seen(monkeypatch):
    """Replaces who takes part by one who answers with its mean, and one who fails; keeps rows."""
    fitted, judged = [], []

    def average(rows, job):
        fitted.append(rows)
        return lambda new: np.tile(rows.mean(axis=0), (len(new), 1))

    def first_column(rows, job):
        fitted.append(rows)

        def score(new):
            judged.append(new)
            return new[:, 0]

        return score

    def failing(rows, job):
        raise MemoryError("no room")

    def line_up(fit):
        return lambda *, with_peers: {
            "gpuae": fit,
            "PCA": fit,
            **({"PyOD": failing} if with_peers else {}),
        }

    monkeypatch.setattr(panel_measure, "compressors", line_up(average))
    monkeypatch.setattr(panel_measure, "detectors", line_up(first_column))
    return fitted, judged


@pytest.fixture
def labelled():
    """30 rows that tell their number; the last ten are outliers."""
    x = np.arange(60.0).reshape(30, 2)
    return PanelSet("numbers", x, y=(np.arange(30) >= 20).astype(np.int64))


def test_nobody_is_judged_by_rows_of_the_training_but_where_all_are_trained_on(seen, labelled):
    fitted, judged = seen
    result = measured(labelled, 1, with_peers=False)
    known, everything, normal = (set(map(tuple, rows)) for rows in fitted[::2])
    assert (len(known), len(everything), len(normal)) == (24, 30, 10)
    assert max(first for first, _ in normal) < 40
    assert set(map(tuple, judged[-1])) == everything - normal
    assert result["tasks"][AUC_ALL]["PCA"][0]["value"] == 1


def test_the_split_is_the_seed_s(seen, labelled):
    fitted, _ = seen
    measured(labelled, 2, with_peers=False)
    measured(labelled, 1, with_peers=False)
    assert np.array_equal(fitted[0], fitted[12])
    assert not np.array_equal(fitted[0], fitted[6])


def test_who_fails_is_told_with_the_reason_and_left_out_of_the_mean(seen, labelled):
    result = measured(labelled, 2, with_peers=True)
    assert [turn["failure"] for turn in result["tasks"][EXPLAINED]["PyOD"]] == [
        "MemoryError: no room"
    ] * 2
    assert "–" in next(line for line in markdown({"numbers": result}) if "numbers" in line)
    assert not any("PyOD" in line for line in verdict({"numbers": result}))


def test_earlier_figures_of_peers_serve_while_the_rows_are_the_same(seen, labelled, tmp_path):
    class Asked:
        seeds, no_peers = 1, False

    earlier = measured(labelled, 2, with_peers=True)
    earlier["tasks"][EXPLAINED]["PyOD"][0]["failure"] = "of old"
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"sets": {"numbers": earlier}}))
    Asked.peers_from = kept(path)
    found = one_set(labelled, Asked)["tasks"][EXPLAINED]["PyOD"]
    assert [turn["failure"] for turn in found] == ["of old"]
    labelled.x[0] += 1
    found = one_set(labelled, Asked)["tasks"][EXPLAINED]["PyOD"]
    assert [turn["failure"] for turn in found] == ["MemoryError: no room"]


def result_of(ours, *, areas=None, seconds=1.0, rows=5000):
    """Make a result in which PCA explains 0.5, PCA's area is 0.7 and the forest's 0.8."""

    def turns(value):
        return [{"value": value, "seconds": seconds, "rows": rows}]

    tasks = {EXPLAINED: {"gpuae": turns(ours), "PCA": turns(0.5)}}
    if areas:
        for task, own in zip((AUC_ALL, AUC_NORMAL), areas, strict=True):
            tasks[task] = {
                "gpuae": turns(own),
                "PCA": turns(0.7),
                "isolation forest": turns(0.8),
            }
    return {"rows": rows, "columns": 8, "dtype": "float64", "code_size": 2, "tasks": tasks}


@pytest.mark.parametrize(
    ("results", "missed"),
    [
        ([result_of(0.52), result_of(0.4951)], set()),
        ([result_of(0.52), result_of(0.4949)], {"no set more"}),
        ([result_of(0.52), result_of(0.505), result_of(0.505)], {"half of"}),
        ([result_of(0.52), result_of(None)], {"no set more"}),
        ([result_of(0.52, areas=(0.81, 0.81))], set()),
        ([result_of(0.52, areas=(0.75, 0.81))], {"ROC AUC, trained on all rows"}),
        ([result_of(0.52, areas=(0.9, None))], {"ROC AUC, trained on half"}),
        ([result_of(0.52, seconds=9.9)], set()),
        ([result_of(0.52, seconds=10.1)], {"every fit"}),
        ([result_of(0.52, seconds=3.1, rows=999)], {"a fit to fewer"}),
    ],
)
def test_each_aim_is_reached_or_missed(results, missed):
    lines = list(verdict({str(number): own for number, own in enumerate(results)}))
    named = {line for line in lines if line.endswith(": MISSED")}
    assert all(any(line.startswith(start) for line in named) for start in missed)
    assert all(line.startswith(tuple(missed)) for line in named)
    assert all(line.endswith((": reached", ": MISSED")) for line in lines)
