"""Rows unlike those of training are remarked, and rows like them are not."""

from dataclasses import replace

import numpy as np
import pytest

from gpuae import encoding
from gpuae.config import Config
from gpuae.evaluation import evaluate
from gpuae.machine import Machine
from gpuae.model import unlike
from gpuae.model.unlike import HELD_OUT_BEYOND, HELD_OUT_ERROR, HELD_OUT_ROWS, Unlike
from gpuae.training.fitting import fit

ROWS, COLUMNS = 600, 6


def rows_like(seed, count=ROWS):
    """Two hidden causes and a little noise; column 5 is always 7."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(2, COLUMNS))
    x = random.normal(size=(count, 2)) @ mixing + 0.1 * random.normal(size=(count, COLUMNS))
    x[:, 5] = 7
    return x


def fitted(**settings):
    return fit(
        rows_like(1), Config.parse({"hidden": (2,), "epochs": 2, "folds": 1} | settings)
    ).model


@pytest.fixture(scope="module")
def model():
    return fitted()


def remarks(model, x, use, **options):
    heard, out = [], np.empty((len(x), 2) if use is encoding.encode else len(x))
    sink = () if use is evaluate else (encoding.into(out),)
    use(model, x, *sink, note=heard.append, **options)
    return heard


USES = pytest.mark.parametrize(
    "use", [encoding.encode, encoding.score, evaluate], ids=["encode", "score", "evaluate"]
)


@USES
def test_other_rows_of_the_same_kind_are_not_remarked(model, device, use):
    assert remarks(model, rows_like(2), use, machine=Machine(device)) == []


@USES
@pytest.mark.parametrize("threads", [1, 3])
def test_other_units_are_remarked_with_their_share_and_column(model, device, use, threads):
    x = rows_like(2)
    x[:150, 2] = 1000
    (remark,) = remarks(model, x, use, machine=Machine(device, threads))
    assert "25% of the rows" in remark
    assert "column 2 (counted" in remark
    named = replace(model, feature_names=tuple("abcdef"))
    assert "column 'c'" in remarks(named, x, use)[0]


@USES
def test_a_few_odd_rows_among_many_are_what_a_score_is_for(model, use):
    x = rows_like(2)
    x[:5, 2] = 1000
    assert remarks(model, x, use) == []


def test_far_is_more_than_the_width_of_the_range(model):
    lowest, highest = rows_like(1).min(axis=0), rows_like(1).max(axis=0)
    held_out = model.attributes[HELD_OUT_ROWS]
    assert held_out == 60  # the range is that of the others, which may be narrower
    near, far = rows_like(2), rows_like(2)
    near[:, 0] = highest[0] + 0.7 * (highest[0] - lowest[0])
    far[:, 0] = highest[0] + 1.1 * (highest[0] - lowest[0])
    assert remarks(model, near, encoding.encode) == []
    assert "100% of the rows" in remarks(model, far, encoding.encode)[0]


def test_another_value_in_a_column_that_was_constant_is_beyond_its_range(model):
    x = rows_like(2)
    x[:2, 5] = 8  # now and then it may have one
    assert remarks(model, x, encoding.encode) == []
    x[:, 5] = 8
    (remark,) = remarks(model, x, encoding.encode)
    assert "in column 5" in remark


def test_rows_of_another_kind_within_the_range_have_larger_errors(model):
    x = np.random.default_rng(0).permuted(rows_like(2), axis=0)  # the columns no longer belong
    assert remarks(model, x, encoding.encode) == []
    for use in (encoding.score, evaluate):
        (remark,) = remarks(model, x, use)
        assert "are rebuilt worse than 99% of the rows" in remark


def test_what_was_found_of_the_held_out_rows_by_hand():
    own = rows_like(5, 40)
    model = fit(rows_like(1), Config.parse({"hidden": (2,), "epochs": 2}), validation=own).model
    errors = np.empty(40)
    encoding.score(model, own, encoding.into(errors))
    assert model.attributes[HELD_OUT_ROWS] == 40
    assert model.attributes[HELD_OUT_ERROR] == errors.max()
    assert model.attributes[HELD_OUT_BEYOND] == 0


def test_rows_beyond_the_range_are_no_wonder_where_held_out_ones_were(model):
    x = rows_like(2)
    x[:60, 2] = 1000
    assert remarks(model, x, encoding.encode)
    usual = replace(model, attributes={**model.attributes, HELD_OUT_BEYOND: 0.1})
    assert remarks(usual, x, encoding.encode) == []


def test_few_held_out_rows_say_little_of_others(model):
    x = rows_like(2)
    few = {HELD_OUT_ROWS: 4, HELD_OUT_ERROR: 0.0}
    x_all_above = replace(model, attributes={**model.attributes, **few})
    assert remarks(x_all_above, x, encoding.score) == []
    many = replace(model, attributes={**model.attributes, **few, HELD_OUT_ROWS: 99})
    assert remarks(many, x, encoding.score)


@pytest.mark.parametrize("settings", [{"scale": "sigma"}, {"scale": "unit"}, {"scale": "none"}])
def test_the_range_is_known_under_every_scaling(settings):
    x = rows_like(2)
    x[:, 2] *= 1000
    assert "column 2" in remarks(fitted(**settings), x, encoding.encode)[0]


def test_without_held_out_rows_the_range_alone_is_known():
    model = fitted(validation=0)
    assert HELD_OUT_ERROR not in model.attributes
    permuted = np.random.default_rng(0).permuted(rows_like(2), axis=0)
    assert remarks(model, permuted, encoding.score) == []
    assert remarks(model, 100 * rows_like(2), encoding.score)


@pytest.mark.parametrize("block", [1, 7, 64])
def test_every_so_many_rows_are_looked_at_whatever_the_blocks(model, monkeypatch, block):
    monkeypatch.setattr(unlike, "LOOKED_AT", 100)
    x = rows_like(2)
    x[::6, 2] = 1000
    counts = Unlike.of(model, ROWS)
    for first in range(0, ROWS, block):
        counts.look_at(first, x[first : first + block])
    assert (counts.looked_at, counts.beyond) == (100, 100)


def test_integers_are_held_against_the_range_as_they_are():
    x = np.random.default_rng(0).integers(100, 120, size=(200, 4)).astype(np.uint8)
    model = fit(x, Config.parse({"hidden": (1,), "epochs": 1})).model
    assert remarks(model, x, encoding.score) == []
    assert remarks(model, x + np.uint8(100), encoding.score)
