"""What code units do, as it is drawn: activations, and how active each unit is."""

from dataclasses import replace

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.evaluation import evaluate
from gpuae.finetune_config import FinetuneConfig
from gpuae.model.classifier import Classification
from gpuae.model.model import Model
from gpuae.model.preprocess import fit_preprocess
from gpuae.model.statistics import column_statistics
from gpuae.pictures.bins import bars
from gpuae.pictures.codes import codes
from gpuae.pictures.picture import Bars, Histogram, Lines
from gpuae.pictures.sample import Sample

ROWS = np.array([[3.0, 0, -1, 0], [1, 0, -2, 0], [2, 0, 3, 4], [0, 0, 5, 0]])


def model_of(x, **settings):
    """A model whose code is the activation of the columns as they are."""
    columns = x.shape[1]
    own = {
        **{"hidden": (columns,), "depth": 1, "scale": "none", "dtype": "float64", "epochs": 1},
        **{"activation": "relu", "code_activation": "relu", "output_activation": "identity"},
        **{"loss": "mse", "decoder": "untied", "init": "glorot"},
    }
    config = Config.parse(own | settings)
    preprocess = fit_preprocess(x, np.arange(len(x)), config, column_statistics(x))
    empty = Model(config, np.zeros(0), preprocess)
    parameters = np.zeros(empty.network.size)
    for layer in empty.network.views(parameters):
        layer.weight[...] = np.eye(columns)
    return replace(empty, parameters=parameters)


def sample_of(x):
    return Sample(x, np.arange(len(x)), len(x))


def drawn(x, **settings):
    return codes(model_of(x, **settings), sample_of(x))


def test_zeros_are_told_and_left_out_of_the_histogram():
    histogram = drawn(ROWS).panels[0]
    assert histogram.title == "Activations without 10 exact zeros, 62.5% of all"
    assert histogram.counts.sum() == 6  # 3 1 2 3 5 4
    assert (histogram.edges[0], histogram.edges[-1]) == (1, 5)
    assert histogram.counts[0, [0, -1]].tolist() == [1, 1]


def test_counts_and_zeros_add_up_to_all_activations():
    x = np.random.default_rng(0).normal(size=(300, 40))
    histogram = drawn(x).panels[0]
    assert len(histogram.edges) == bars((x > 0).sum()) + 1
    assert histogram.counts.sum() == (x > 0).sum()


def test_activations_without_zeros_are_all_counted():
    x = np.random.default_rng(0).normal(size=(50, 4))
    histogram = drawn(x, code_activation="identity").panels[0]
    assert histogram.title == "Activations"
    assert histogram.counts.sum() == 200


@pytest.mark.parametrize(("count", "number"), [(1, 15), (1000, 20), (10**9, 50)])
def test_more_values_have_more_bars(count, number):
    assert bars(count) == number


def test_what_is_below_normal_numbers_is_zero_too():
    assert drawn(np.array([[1.0, 1e-310], [1, 0]])).panels[0].counts.sum() == 2


def test_a_single_value_has_a_bar():
    histogram = drawn(np.full((3, 2), 7.0)).panels[0]
    assert histogram.counts.tolist() == [[6]]
    assert histogram.edges[0] < 7 < histogram.edges[1]


@pytest.mark.parametrize(("many", "log"), [(10, False), (10_000, True)])
def test_a_bar_far_above_the_others_asks_for_a_logarithmic_scale(many, log):
    x = np.concatenate([np.linspace(1, 2, 500), np.ones(many)])[:, None]
    assert drawn(x).panels[0].axes.log_y is log


def test_each_unit_has_the_share_of_rows_in_which_it_is_active():
    bars = drawn(ROWS).panels[1]
    assert isinstance(bars, Bars)
    assert bars.names == ("unit 0", "unit 2", "unit 3", "unit 1")
    assert bars.values.tolist() == [[0.75, 0.5, 0.25, 0]]


def test_many_units_are_a_curve_the_most_active_first():
    x = np.random.default_rng(1).normal(size=(100, 60)) + np.linspace(-2, 2, 60)
    curve = drawn(x).panels[1]
    assert isinstance(curve, Lines)
    np.testing.assert_allclose(curve.series[0].y, np.sort((x > 0).mean(axis=0))[::-1])
    np.testing.assert_array_equal(curve.series[0].x, np.arange(1, 61))


def test_a_unit_is_active_above_a_millionth_as_evaluate_has_it():
    assert drawn(np.array([[1e-6, 2e-6]])).panels[1].values.tolist() == [[1, 0]]


def test_units_that_are_always_active_are_told_apart_by_their_spread():
    x = np.array([[1.0, 10, 3], [3, 20, 3]])
    bars = drawn(x, code_activation="identity").panels[1]
    assert bars.title == "Spread of each unit"
    assert dict(zip(bars.names, bars.values[0], strict=True)) == {
        "unit 1": 5,
        "unit 0": 1,
        "unit 2": 0,
    }


def test_dead_units_are_named():
    picture = drawn(ROWS)
    assert picture.notes == (
        "1 unit is dead, of a magnitude of at most 1e-06 in all these rows (counted from 0): 1",
    )
    assert "dead units 1." in picture.description


def test_of_very_many_dead_units_some_are_named():
    x = np.column_stack([np.ones((2, 1)), -np.ones((2, 40))])
    (note,) = drawn(x).notes
    assert note.startswith("40 units are dead")
    assert note.endswith(
        ": 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, …"
    )


def test_where_all_units_are_dead_there_is_no_histogram():
    picture = drawn(-np.ones((3, 2)))
    assert not any(isinstance(panel, Histogram) for panel in picture.panels)
    assert "100.0% of all activations are exactly 0" in picture.description


def test_the_mean_of_sigmoids_is_drawn_beside_rho():
    x = np.array([[-3.0, 1, 0], [-4, -1, 0]])
    curve = drawn(x, code_activation="sigmoid", sparsity="kl", rho=0.1).panels[1]
    means = (1 / (1 + np.exp(-x))).mean(axis=0)
    np.testing.assert_allclose(curve.series[0].y, np.sort(means)[::-1])
    assert [(level.axis, level.value) for level in curve.levels] == [("y", 0.1)]


def test_the_mean_of_tanh_is_that_of_half_of_one_more():
    x = np.array([[-3.0, 1, 0], [-4, -1, 0]])
    curve = drawn(x, code_activation="tanh", sparsity="kl").panels[1]
    means = ((np.tanh(x) + 1) / 2).mean(axis=0)
    np.testing.assert_allclose(curve.series[0].y, np.sort(means)[::-1])
    assert curve.axes.y == "mean of (a + 1)/2 over rows"


def test_a_classifier_was_not_asked_for_rho():
    own = model_of(ROWS, code_activation="sigmoid", sparsity="kl")
    classes = Classification(np.array([0, 1]), FinetuneConfig())
    empty = replace(own, classification=classes)
    parameters = np.zeros(empty.network.size)
    empty.network.views(parameters)[0].weight[...] = np.eye(4)
    picture = codes(replace(empty, parameters=parameters), sample_of(ROWS))
    assert "rho" not in str(picture)


def test_figures_are_those_of_evaluate():
    x = np.random.default_rng(2).normal(size=(200, 7)) - [0, 0, 0, 0, 0, 0, 99]
    model = model_of(x)
    figures, picture = evaluate(model, x), codes(model, sample_of(x))
    for words in (
        f"{figures.zero_fraction:.1%} of all activations are exactly 0",
        f"units active a row {figures.active_per_row:.1f},",
        f"dead units {figures.dead_units}.",
    ):
        assert words in picture.description


def test_that_rows_were_sampled_is_said():
    own = Sample(ROWS, np.arange(4), 1000, drawn=True)
    assert "shown are 4 of 1,000 rows, drawn at random" in codes(model_of(ROWS), own).notes


@pytest.mark.parametrize("units", [1, 1000])
def test_codes_of_one_unit_and_of_a_thousand_are_drawn(units):
    x = np.random.default_rng(0).normal(size=(5, units))
    histogram, each = drawn(x).panels
    assert histogram.counts.sum() == (x > 0).sum()
    assert isinstance(each, Bars if units == 1 else Lines)
