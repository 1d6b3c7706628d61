"""Results are ordered by a figure that they share, and the order is explained."""

import csv
import io

import h5py
import numpy as np
import pytest

from gpuae.cli.sweep_lines import lines
from gpuae.pictures.picture import Bars, Lines
from gpuae.pictures.sweep import sweep
from gpuae.sweeps.results import Result, Table
from gpuae.sweeps.tables import write_results

DECIDING = {"scale": "standard", "whiten": "none", "seed": 0, "folds": 1, "validation": 0.1}


def result(hidden, own, preprocessed, **others):
    return Result(
        settings={"hidden": hidden, "beta": "0.5"},
        ending=others.pop("ending", "finished"),
        explained_variance=own,
        pca_explained_variance=0.3,
        preprocessed_explained_variance=preprocessed,
        preprocessed_pca_explained_variance=0.25,
        measured_rows=100,
        epochs=12,
        seconds=3.25,
        model=f"hidden={hidden}/model.h5",
        deciding={**DECIDING, **others},
    )


FAILED = Result(settings={"hidden": "64", "beta": "0.5"}, ending="failed", reason="no room")
DIVERGED = result("32", 0.99, 0.99, ending="diverged")


def order(*results):
    return [own.settings["hidden"] for own in Table(("hidden", "beta"), results).results]


def test_runs_of_one_scaling_are_ordered_in_its_units():
    assert order(result("4", 0.9, 0.5), result("8", 0.7, 0.6)) == ["8", "4"]


def test_runs_of_different_scalings_are_ordered_in_the_units_of_the_data():
    table = Table(("scale",), [result("4", 0.9, 0.5), result("8", 0.7, 0.6, scale="minmax")])
    assert [own.settings["hidden"] for own in table.results] == ["4", "8"]
    assert any("data's own units" in remark for remark in table.remarks(detects=False))


def test_what_failed_or_diverged_comes_last_and_is_never_the_best():
    table = Table(("hidden",), [FAILED, DIVERGED, result("4", 0.1, 0.1)])
    assert [own.is_good for own in table.results] == [True, False, False]
    assert table.best.settings["hidden"] == "4"
    assert Table(("hidden",), [FAILED, DIVERGED]).best is None


def test_a_figure_that_is_unknown_is_no_place():
    assert not result("4", None, None).is_good


def test_what_the_order_does_not_say_is_said():
    rows = Table(("seed",), [result("4", 0.9, 0.5), result("4", 0.8, 0.6, seed=1)])
    assert any("different rows" in own for own in rows.remarks(detects=False))
    alike = Table(("beta",), [result("4", 0.9, 0.5), result("4", 0.8, 0.6)])
    assert list(alike.remarks(detects=False)) == []
    assert any("gpuae score" in own for own in alike.remarks(detects=True))


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_fits_the_terminal(width):
    results = [result("128-32-8", 0.9, 0.5), result("8", 0.7, 0.6)]
    printed = list(lines(Table(("hidden", "beta"), results), width))
    assert max(map(len, printed)) <= width
    assert any("60.0%" in line for line in printed)


def test_a_narrow_terminal_loses_columns_and_not_settings():
    names = ("hidden", "code_activation", "learning_rate", "weight_decay")
    own = result("8", 0.7, 0.6).model_copy(update={"settings": dict.fromkeys(names, "0.001")})
    printed = "\n".join(lines(Table(names, [own]), 40))
    assert "60.0%" in printed
    assert all(f"{name}=0.001" in printed for name in names)


def test_the_files_have_a_row_for_each_run(tmp_path):
    (tmp_path / "hidden=8").mkdir()
    (tmp_path / "hidden=8" / "model.h5").write_bytes(b"model")
    write_results(tmp_path, Table(("hidden", "beta"), [FAILED, result("8", 0.7, 0.6)]))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text())))
    assert [row["hidden"] for row in rows] == ["8", "64"]
    assert rows[1]["explained_variance"] == ""
    assert rows[1]["reason"] == "no room"
    with h5py.File(tmp_path / "results.h5") as file:
        np.testing.assert_array_equal(file["results/hidden"], [8, 64])
        np.testing.assert_array_equal(file["results/explained_variance"], [0.7, np.nan])
        assert file["results/ending"].asstr()[1] == "failed"
    assert (tmp_path / "best.h5").read_bytes() == b"model"


def test_where_there_are_no_links_the_best_model_is_copied(tmp_path, monkeypatch):
    (tmp_path / "hidden=8").mkdir()
    (tmp_path / "hidden=8" / "model.h5").write_bytes(b"model")

    def refuse(*_):
        raise OSError(1, "no links here")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    for _ in range(2):
        write_results(tmp_path, Table(("hidden",), [result("8", 0.7, 0.6)]))
    assert not (tmp_path / "best.h5").is_symlink()
    assert (tmp_path / "best.h5").read_bytes() == b"model"


def test_one_number_gives_curves_and_words_give_bars():
    numbers = Table(("hidden",), [result("4", 0.9, 0.5), result("8", 0.7, 0.6), FAILED])
    (panel,) = sweep(numbers).panels
    assert isinstance(panel, Lines)
    np.testing.assert_array_equal(panel.series[0].x, [4, 8])
    np.testing.assert_array_equal(panel.series[0].y, [0.5, 0.6])
    words = Table(("hidden",), [result("4-2", 0.9, 0.5), result("8", 0.7, 0.6)])
    (panel,) = sweep(words).panels
    assert isinstance(panel, Bars)
    np.testing.assert_array_equal(panel.values, [[0.6, 0.5]])
