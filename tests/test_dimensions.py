"""How many code units data need: the rule, the search, and the command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from gpuae.cli import run
from gpuae.config import Config
from gpuae.dimensions import find_dimensions, grid, next_between, suggest
from gpuae.errors import ConfigError, InputError
from gpuae.training.fitting import fit
from gpuae.verdict import judge

AS_PCA = Config(epochs=0)
"""The network that training starts from is PCA."""


def linear(rows=400, columns=20, rank=5, noise=0.3, seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, rank)) @ random.standard_normal((rank, columns))
    return (x + noise * x.std() * random.standard_normal((rows, columns))).astype(np.float32)


def curved(rows=1200, columns=30, seed=2):
    """Rows on a sheet of two dimensions that is rolled through all the columns, and some noise."""
    random = np.random.default_rng(seed)
    place = random.uniform(-1, 1, (rows, 2)) @ random.uniform(-3, 3, (2, columns))
    noise = 0.05 * random.standard_normal((rows, columns))
    return (np.sin(place + random.uniform(0, 6, columns)) + noise).astype(np.float32)


# The rule


def spread(*means, rows=100, by=0.0):
    """Errors of rows for sizes 0, 1, 2, …, whose differences between sizes scatter."""
    random = np.random.default_rng(0)
    scatter = random.standard_normal((len(means), rows))
    scatter -= scatter.mean(axis=1, keepdims=True)
    pairs = zip(means, scatter, strict=True)
    return {size: mean + by * own for size, (mean, own) in enumerate(pairs)}


def test_a_unit_has_to_explain_more_than_a_column_does():
    # of 10 columns each is due a tenth: the third unit gains more, the fourth less
    assert suggest(spread(1.0, 0.7, 0.5, 0.35, 0.28, 0.2), 1.0, 10) == 3


def test_noise_that_a_wide_code_copies_does_not_count():
    falling = spread(1.0, 0.5, *np.linspace(0.5, 0, 10)[1:])
    assert min(falling, key=lambda size: falling[size].mean()) == 10
    assert suggest(falling, 1.0, 10) == 1


def test_chance_does_not_count():
    means = (1.0, 0.5, 0.395)  # the second unit gains 0.005 more than it is due
    assert suggest(spread(*means), 1.0, 10) == 2
    assert suggest(spread(*means, by=0.1), 1.0, 10) == 1


def test_columns_without_anything_in_common_need_no_code():
    assert suggest(spread(1.0, 0.92, 0.83, 0.7), 1.0, 10) == 0


def test_the_unit_of_the_errors_does_not_matter():
    errors = spread(1.0, 0.7, 0.5, 0.35, 0.28, 0.2)
    assert suggest({size: 9 * own for size, own in errors.items()}, 9.0, 10) == 3


# The search


def test_sizes_double_up_to_the_largest():
    assert list(grid(1)) == [1]
    assert list(grid(8)) == [1, 2, 4, 8]
    assert list(grid(20)) == [1, 2, 4, 8, 16, 20]


@pytest.mark.parametrize(
    ("tried", "best", "expected"),
    [
        ((0, 1, 2, 4, 8), 4, 6),
        ((0, 1, 2, 4, 6, 8), 4, 5),
        ((0, 1, 2, 4, 5, 8), 4, 3),
        ((0, 3, 4, 5, 8), 4, None),
        ((0, 1, 2, 4, 8), 8, 6),
        ((0, 8, 16, 32), 16, 24),
        ((0, 14, 16, 18, 32), 16, None),
        ((0, 1), 1, None),
        ((0, 1), 0, None),
    ],
)
def test_the_wider_gap_is_halved_until_both_are_narrow(tried, best, expected):
    assert next_between(dict.fromkeys(tried), best) == expected


@pytest.mark.parametrize("noise", [0.1, 1.0])
@pytest.mark.parametrize("rank", [3, 5])
def test_the_rank_of_linear_data_is_found_through_noise(noise, rank):
    found = find_dimensions(linear(rank=rank, noise=noise), AS_PCA)
    assert (found.suggested, found.pca_suggested) == (rank, rank)


def test_a_curved_sheet_needs_fewer_units_than_components():
    found = find_dimensions(curved(), Config(folds=1, epochs=60), 8)
    assert found.suggested in (2, 3)
    assert found.pca_suggested > 2 * found.suggested - 1
    assert found.suggested_explained_variance > found.pca_suggested_explained_variance


@pytest.mark.parametrize("settings", [{"folds": 3}, {"folds": 1, "validation": 0.2}])
def test_every_size_is_measured_as_fit_measures_its_verdict(settings):
    x = linear()
    told = []
    found = find_dimensions(x, Config(epochs=2, **settings), 4, tell=told.append)
    assert sorted(told, key=lambda size: size.code_size) == list(found.sizes)
    for size in found.sizes:
        verdict = judge(fit(x, Config(epochs=2, hidden=(size.code_size,), **settings)))
        own = verdict.preprocessed
        assert found.rows == verdict.rows
        assert size.explained_variance == pytest.approx(own.explained_variance, rel=1e-9)
        assert size.pca_explained_variance == pytest.approx(own.pca_explained_variance, rel=1e-5)


def test_no_code_is_larger_than_the_data_or_what_was_asked_for():
    assert find_dimensions(linear(columns=6, rank=2), AS_PCA).sizes[-1].code_size == 6
    assert find_dimensions(linear(rows=12), AS_PCA).sizes[-1].code_size == 12
    assert find_dimensions(linear(), AS_PCA, 3).sizes[-1].code_size == 3


def test_the_reason_says_where_the_search_ended():
    assert "larger codes were not tried" in str(find_dimensions(linear(), AS_PCA, 3))
    whole = find_dimensions(linear(), AS_PCA)
    assert str(whole).startswith("5 code units: ")
    assert "than the 5.0% that a column explains by itself" in str(whole)
    unrelated = np.random.default_rng(0).standard_normal((300, 8))
    assert str(find_dimensions(unrelated, AS_PCA)).startswith("no code explains more than 12.5%")


def test_columns_that_are_constant_are_due_nothing():
    x = np.hstack([linear(), np.ones((400, 20), np.float32)])
    assert find_dimensions(x, AS_PCA, 2).columns == 20


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"hidden": (3,)}, "hidden"), ({"validation": 0.0}, "validation"), ({"trim": 0.1}, "trim")],
)
def test_settings_that_do_not_go_with_it_are_refused(settings, word):
    with pytest.raises(ConfigError, match=f"^{word}: "):
        find_dimensions(linear(), Config(**settings))


def test_rows_that_say_nothing_are_refused():
    with pytest.raises(InputError, match="all but the same"):
        find_dimensions(np.ones((50, 4)), AS_PCA)
    with pytest.raises(InputError, match="give more rows"):
        find_dimensions(linear(rows=4), AS_PCA)


# The command


@pytest.fixture
def shell(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", linear())

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_command_prints_each_size_and_then_the_suggestions(shell):
    code, out, _ = shell("dimensions", "rows.npy", "--epochs", 0)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["code", "size", "autoencoder", "PCA", "seconds"]
    assert [line.split()[0] for line in lines[1:7]] == ["1", "2", "4", "8", "16", "20"]
    assert lines[-2].startswith("5 code units: ")
    assert lines[-1].startswith("PCA by the same rule: 5 components")


def test_json_is_all_that_a_program_gets(shell):
    code, out, err = shell("dimensions", "rows.npy", "--epochs", 0, "--max", 8, "--json")
    found = json.loads(out)
    assert code == 0
    assert "autoencoder" in err
    assert [size["code_size"] for size in found["sizes"]] == [1, 2, 4, 5, 6, 8]
    assert (found["suggested"], found["pca_suggested"], found["rows"]) == (5, 5, 400)
    assert found["reason"].startswith("5 code units")


def test_ctrl_c_keeps_what_was_tried(shell, monkeypatch):
    whole = fit
    seen = []

    def interrupted(*arguments, **options):
        seen.append(1)
        if len(seen) > 2:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    monkeypatch.setattr("gpuae.dimensions.fit", interrupted)
    code, out, err = shell("dimensions", "rows.npy", "--epochs", 0)
    assert (code, err.strip()) == (130, "interrupted")
    assert "2 code units" in out
    assert "larger codes were not tried" in out
    code, out, _ = shell("dimensions", "rows.npy", "--epochs", 0)
    assert (code, out) == (130, "")


@pytest.mark.alone
def test_a_signal_amid_a_training_ends_the_search_with_a_suggestion(shell):
    command = [sys.executable, "-m", "gpuae", "dimensions", "rows.npy", "--epochs", "100000"]
    command += ["--folds", "1", "--patience", "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        first = [it.stdout.readline() for _ in range(2)]
        it.send_signal(signal.SIGINT)
        out, err = it.communicate(timeout=60)
    assert first[1].split()[0] == "1"
    assert it.returncode == 130
    assert "of the variance of 40 unseen rows" in out
    assert err.endswith("interrupted\n")


def test_what_is_wrong_is_said_in_a_sentence(shell):
    np.save("holes.npy", np.full((30, 3), np.nan))
    for given, words in (
        (("rows.npy", "--hidden", 3), "Error: hidden: "),
        (("rows.npy", "--validation", 0), "Error: validation: "),
        (("rows.npy", "--max", 0), "'--max'"),
        (("rows.npy", "--max", "x"), "'--max'"),
        (("rows.npy", "--epochs", "x"), "epochs"),
        (("nothing.npy",), "no such file"),
        (("holes.npy",), "NaN"),
    ):
        code, out, err = shell("dimensions", *given)
        assert (code, out) == (2, ""), err
        assert words in err
        assert "Traceback" not in err


def test_a_preset_gives_its_settings_but_for_the_sizes(shell):
    given = ("--preset", "keras-deep", "--epochs", 1, "--max", 2, "--scale", "minmax")
    assert shell("dimensions", "rows.npy", *given)[0] == 0
