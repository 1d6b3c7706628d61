"""What is varied is told from what is not, and becomes runs."""

import math

import numpy as np
import pytest

from gpuae.config import Config
from gpuae.errors import ConfigError
from gpuae.sweeps.axes import Choice, Range, split_settings
from gpuae.sweeps.runs import NAME_LENGTH, draw, grid


def configure(settings):
    return Config.parse(dict(settings))


def grid_of(**given):
    fixed, axes = split_settings(given)
    return grid(axes, lambda own: Config.parse({**fixed, **own}))


def test_commas_stand_between_values_and_hyphens_between_widths():
    fixed, axes = split_settings({"hidden": "128-32,64", "activation": "relu", "depth": "2"})
    assert axes == (Choice("hidden", ("128,32", "64")),)
    assert fixed == {"activation": "relu", "depth": "2"}


def test_the_order_of_the_options_changes_nothing():
    one = grid_of(hidden="8,4", weight_decay="0,0.5")
    other = grid_of(weight_decay="0,0.5", hidden="8,4")
    assert [run.name for run in one] == [run.name for run in other]


def test_one_network_of_several_widths_is_not_varied():
    assert split_settings({"hidden": "128-32"}) == ({"hidden": "128,32"}, ())


def test_a_grid_has_every_combination_once():
    runs = grid_of(hidden="8,4,8", weight_decay="0,0.50,0.5")
    assert [run.name for run in runs] == [
        "hidden=8_weight_decay=0",
        "hidden=8_weight_decay=0.5",
        "hidden=4_weight_decay=0",
        "hidden=4_weight_decay=0.5",
    ]
    assert runs[0].config.hidden == (8,)


def test_a_run_is_named_by_its_values_however_they_are_written():
    (a, b), (c, d) = grid_of(hidden="16-4,08", l1="1e-3", sparsity="l1"), grid_of(hidden="16-4,8")
    assert (a.name, b.name) == (c.name, d.name) == ("hidden=16-4", "hidden=8")


def test_settings_that_contradict_each_other_are_a_run_with_a_problem():
    good, bad = grid_of(hidden="8", sparsity="kl", activation="sigmoid,relu")
    assert good.config is not None
    assert bad.config is None
    assert "bounded" in bad.problem


def test_a_very_long_name_is_cut_and_still_its_own():
    widths = ["-".join(["16"] * 90 + [str(last)]) for last in (4, 5)]
    names = {run.name for run in grid_of(hidden=",".join(widths))}
    assert len(names) == 2
    assert all(len(name) <= NAME_LENGTH for name in names)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hidden": "8,,4"}, "empty place"),
        ({"learning_rate": "0.1..0.001"}, "to a higher one"),
        ({"learning_rate": "0.1..much"}, "two numbers"),
        ({"learning_rate": "0.1..inf"}, "to a higher one"),
        ({"threads": "1,2"}, "cannot be varied"),
        ({"trim": "0,0.1"}, "cannot be varied"),
    ],
)
def test_what_cannot_be_varied_is_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        split_settings(given)


def test_a_range_is_only_drawn_from():
    with pytest.raises(ConfigError, match="--random N"):
        grid_of(learning_rate="0.001..0.1")


def test_a_grid_too_large_for_a_folder_is_refused_before_it_is_made():
    many = ",".join(map(str, range(1, 5001)))
    with pytest.raises(ConfigError, match="25,000,000 runs"):
        grid_of(hidden=many, seed=many)


# Drawing


def shares(count):
    return (np.arange(count) + 0.5) / count


def test_a_wide_range_is_drawn_from_on_a_logarithmic_scale():
    wide = Range("learning_rate", 0.001, 0.1, whole=False)
    drawn = [float(wide.at(share)) for share in shares(1000)]
    assert np.mean(np.array(drawn) < 0.01) == pytest.approx(0.5, abs=0.01)
    assert min(drawn) >= 0.001
    assert max(drawn) <= 0.1


def test_a_narrow_range_is_drawn_from_evenly():
    narrow = Range("rho", 0.1, 0.5, whole=False)
    drawn = [float(narrow.at(share)) for share in shares(1000)]
    assert np.mean(drawn) == pytest.approx(0.3, abs=0.001)


def test_each_whole_number_of_a_narrow_range_is_equally_likely():
    dice = Range("k", 1, 6, whole=True)
    drawn = [dice.at(share) for share in shares(600)]
    assert {face: drawn.count(face) for face in set(drawn)} == dict.fromkeys("123456", 100)


def test_a_number_that_is_drawn_can_be_typed_again():
    (run,) = draw((Range("learning_rate", 0.001, 0.1, whole=False),), 1, 0, configure)
    assert float(run.settings["learning_rate"]) == run.config.learning_rate
    assert len(run.settings["learning_rate"]) <= len("0.00123")


AXES = (Range("learning_rate", 0.001, 0.1, whole=False), Choice("hidden", ("4", "8", "8,4")))


def test_more_draws_begin_with_the_same_ones():
    few, many = draw(AXES, 5, 3, configure), draw(AXES, 12, 3, configure)
    assert [run.name for run in many[:5]] == [run.name for run in few]
    assert len({run.name for run in many}) == 12


def test_another_seed_draws_other_runs():
    one, other = (draw(AXES, 8, seed, configure) for seed in (0, 1))
    assert {run.name for run in one}.isdisjoint(run.name for run in other)


def test_no_run_is_drawn_twice():
    runs = draw((Choice("hidden", ("4", "8")),), 5, 0, configure)
    assert sorted(run.name for run in runs) == ["hidden=4", "hidden=8"]


def test_draws_are_spread_over_their_range():
    rates = [math.log10(run.config.learning_rate) for run in draw(AXES, 200, 0, configure)]
    assert np.histogram(rates, 4, (-3, -1))[0].min() > 30
