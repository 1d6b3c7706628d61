"""The sets of the panel are what they are said to be."""

import numpy as np
import pytest

from bench.panel_data import SETS, MissingDataError

SHAPES = {
    "digits": (1797, 64, "uint8"),
    "digits-float": (1797, 64, "float64"),
    "wine": (178, 13, "float64"),
    "breast-cancer": (569, 30, "float64"),
    "diabetes": (442, 10, "float64"),
    "iris": (150, 4, "float64"),
    "milk": (450, 601, "float64"),
    "coffee": (70, 601, "float64"),
    "peach": (50, 600, "float64"),
    "mnist": (5000, 784, "uint8"),
    "fashion-mnist": (5000, 784, "uint8"),
    "mammography": (11183, 6, "float64"),
    "smtp": (95156, 3, "float32"),
    "wbc": (377, 30, "float64"),
    "wine-outliers": (129, 13, "float64"),
    "counts": (2000, 32, "int64"),
    "sensors": (2000, 20, "float64"),
    "swiss-roll": (2000, 10, "float64"),
    "offset": (2000, 20, "float64"),
    "units": (2000, 20, "float64"),
    "noise": (1000, 20, "float64"),
    "sparse-binary": (2000, 64, "float64"),
    "heavy-tails": (2000, 24, "float64"),
    "few-rows": (30, 12, "float64"),
    "three-columns": (1000, 3, "float64"),
    "wide": (100, 5000, "float64"),
}
OUTLIERS = {"mammography": 260, "smtp": 30, "wbc": 20, "wine-outliers": 10}
PIXELS = {"digits", "mnist", "fashion-mnist"}


def load(name):
    try:
        return SETS[name]()
    except MissingDataError as missing:
        pytest.skip(str(missing))


def test_every_set_is_described_here():
    assert set(SETS) == set(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_a_set_is_the_same_every_time_and_has_its_shape_and_only_numbers(name):
    found, again = load(name), load(name)
    rows, columns, dtype = SHAPES[name]
    assert (found.name, found.x.shape, found.x.dtype) == (name, (rows, columns), dtype)
    assert np.isfinite(found.x).all()
    assert np.array_equal(found.x, again.x)
    assert 1 <= found.code_size <= 16
    assert found.pixels == (name in PIXELS)
    assert (None if found.y is None else int(found.y.sum())) == OUTLIERS.get(name)
    assert found.y is None or found.y.shape == (rows,)


def test_made_sets_have_the_property_they_are_named_for():
    units = load("units").x.std(axis=0)
    assert units.max() / units.min() > 1e11
    assert load("offset").x.min() > 999_900
    binary = load("sparse-binary").x
    assert set(np.unique(binary)) == {0, 1}
    assert 0.02 < binary.mean() < 0.1
    counts = load("counts").x
    assert counts.min() == 0
    assert counts.mean(axis=0).max() > 50 * counts.mean(axis=0).min()
    tails = load("heavy-tails").x
    fourth = ((tails - tails.mean(axis=0)) ** 4).mean(axis=0) / tails.var(axis=0) ** 2
    assert fourth.min() > 5  # 3 for a normal distribution


def test_without_the_folder_it_is_said_which_one_was_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("GPUAE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(MissingDataError, match=r"set GPUAE_DATA.*nowhere is not there"):
        SETS["milk"]()
    monkeypatch.setenv("GPUAE_DATA", str(tmp_path))
    with pytest.raises(MissingDataError, match=r"milk\.csv is not there"):
        SETS["milk"]()
