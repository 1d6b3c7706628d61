"""How badly rows are rebuilt, as it is drawn: their scores, and the columns of the worst ones."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from test_codes import model_of, sample_of

from gpuae import outliers
from gpuae.cli import run
from gpuae.config import Config
from gpuae.encoding import into
from gpuae.errors import ConfigError, InputError
from gpuae.finetune_config import FinetuneConfig
from gpuae.model.calibration import Calibration
from gpuae.model.classifier import Classification
from gpuae.pictures.blame import MOST_COLUMNS
from gpuae.pictures.errors import WORST, errors, read_scores, scores_only
from gpuae.pictures.picture import Profiles, Tiles
from gpuae.pictures.sample import Sample
from gpuae.storage.files.input_file import InputFile
from gpuae.training.calibrating import fit_calibrated

NAMES = ("width", "height", "$mass$", "<b>colour</b>")


@pytest.fixture
def x():
    """Rows of 4 columns of which a model of relu rebuilds what is above 0."""
    x = np.abs(np.random.default_rng(0).normal(size=(50, 4))) + 0.1
    x[np.arange(20), 0] = -np.linspace(0.1, 1, 20)
    x[7] = [1, 1, -4, -2]
    return x


@pytest.fixture
def model(x):
    return replace(model_of(x), feature_names=NAMES)


def calibrated(model, scores, **others):
    return replace(model, calibration=Calibration(np.sort(scores), **{"held_out": True} | others))


def scores_of(x):
    """Scores of those rows by hand."""
    return (np.minimum(x, 0) ** 2).mean(axis=1)


def test_every_row_is_counted_once(model, x):
    histogram = errors(model, sample_of(x)).panels[0]
    assert histogram.counts.sum() == pytest.approx(1)
    assert histogram.labels == ("these 50 rows",)
    assert histogram.edges[-1] == pytest.approx(5)
    assert histogram.counts[0, -1] == 1 / 50


def test_held_out_rows_stand_beside_them_as_shares_of_their_own_number(model, x):
    own = calibrated(model, np.array([0.2, 0.2, 0.3, 9]))
    histogram = errors(own, sample_of(x)).panels[0]
    assert histogram.labels == ("these 50 rows", "4 held-out rows")
    np.testing.assert_allclose(histogram.counts.sum(axis=1), 1)
    assert histogram.counts[1, -1] == 0.25
    assert histogram.edges[-1] == pytest.approx(9)


def test_rows_that_were_trained_on_are_not_called_held_out(model, x):
    own = calibrated(model, np.ones(4), held_out=False)
    assert errors(own, sample_of(x)).panels[0].labels[1] == "4 training rows"


@pytest.mark.parametrize("given", [None, 0.5])
def test_the_threshold_is_a_level_and_rows_above_it_are_counted(model, x, given):
    own = calibrated(model, np.ones(4), threshold=0.1)
    level = 0.1 if given is None else given
    picture = errors(own, sample_of(x), threshold=given)
    (drawn,) = picture.panels[0].levels
    assert (drawn.axis, drawn.value) == ("x", level)
    above = (scores_of(x) > level).sum()
    assert f"an error above {level}: {above}." in picture.description


def test_a_threshold_beyond_all_scores_is_within_the_edges(model, x):
    histogram = errors(model, sample_of(x), threshold=1e4).panels[0]
    assert histogram.edges[-1] == pytest.approx(1e4)
    assert histogram.counts.sum() == pytest.approx(1)


def test_without_a_threshold_there_is_no_level(model, x):
    picture = errors(calibrated(model, np.ones(4)), sample_of(x))
    assert not picture.panels[0].levels
    assert "Outliers" not in picture.description


def test_columns_of_the_worst_rows_have_bars_by_name(model, x):
    profiles = errors(model, sample_of(x)).panels[1]
    assert isinstance(profiles, Profiles)
    assert profiles.bars
    assert profiles.values.shape == (1, WORST, 4)
    assert profiles.captions[0] == "5, row 7"
    worst = dict(zip(profiles.names, profiles.values[0, 0], strict=True))
    assert worst == {"width": 0, "height": 0, "$mass$": 0.8, "<b>colour</b>": pytest.approx(0.2)}
    np.testing.assert_allclose(profiles.values.sum(axis=-1), 1)


def test_the_worst_row_and_its_column_are_told(model, x):
    description = errors(model, replace(sample_of(x), y=np.arange(50) % 2)).description
    assert "The worst is row 7 (1), of which the column $mass$ makes 80.0%." in description


def test_worst_rows_are_in_the_order_of_their_scores_under_their_names(model, x):
    ids = np.array([f"id{number}" for number in range(50)])
    captions = errors(model, replace(sample_of(x), row_id=ids)).panels[1].captions
    order = np.argsort(-scores_of(x), kind="stable")[:WORST]
    assert [caption.split(", ")[1] for caption in captions] == [f"id{own}" for own in order]


def test_of_many_named_columns_those_that_do_most_are_shown():
    x = np.ones((5, 60))
    x[:, 17] = -3
    x[2, 59] = -9
    own = replace(model_of(x), feature_names=tuple(f"gene {number}x" for number in range(60)))
    profiles = errors(own, sample_of(x)).panels[1]
    assert len(profiles.names) == MOST_COLUMNS
    assert profiles.names[:2] == ("gene 17x", "gene 59x")
    assert profiles.title.endswith(f"the {MOST_COLUMNS} of 60 columns that do most")


def test_of_images_rows_and_their_errors_are_tiles():
    x = np.ones((3, 6))
    x[1, 4] = -2
    own = replace(model_of(x), image_shape=(2, 3))
    tiles = errors(own, sample_of(x)).panels[1]
    assert isinstance(tiles, Tiles)
    assert tiles.rows == ("row", "its error")
    row, error = tiles.images[0], tiles.images[3]
    assert row.tolist() == [[1, 1, 1], [1, 0, 1]]
    assert error.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert tiles.captions == ("0.667, row 1", "0, row 0", "0, row 2", "", "", "")


def test_of_images_errors_are_not_squared_so_that_small_ones_are_seen():
    x = np.ones((2, 4))
    x[1] = [-4, -2, -1, 1]
    own = replace(model_of(x), image_shape=(2, 2))
    error = errors(own, sample_of(x)).panels[1].images[2]
    np.testing.assert_allclose(error, [[1, 0.5], [0.25, 0]])


def test_of_spectra_shares_are_curves_over_the_wavelengths():
    x = np.ones((3, 50))
    x[1, 4] = -2
    own = replace(model_of(x), feature_names=tuple(str(1000 + 2 * n) for n in range(50)))
    profiles = errors(own, sample_of(x)).panels[1]
    assert not profiles.bars
    assert profiles.x[[0, -1]].tolist() == [1000, 1098]
    assert np.argmax(profiles.values[0, 0]) == 4


def test_a_row_is_enough(model, x):
    histogram, profiles = errors(model, sample_of(x[7:8])).panels
    assert histogram.counts.tolist() == [[1]]
    assert histogram.edges[0] < 5 < histogram.edges[1]
    assert profiles.values.shape == (1, 1, 4)


def test_rows_without_any_error_are_drawn(model):
    picture = errors(model, sample_of(np.ones((4, 4))))
    assert picture.panels[0].counts.sum() == 1
    assert not picture.panels[1].values.any()


def test_errors_of_0_beside_large_ones_are_counted_and_said(model, x):
    picture = errors(model, sample_of(x))
    histogram = picture.panels[0]
    assert histogram.axes.log_x
    assert histogram.edges[0] > 0
    zeros = (scores_of(x) == 0).sum()
    assert histogram.counts[0, 0] >= zeros / 50
    assert f"errors of 0, or nearly, are in the lowest bar: {zeros}" in picture.notes


def test_a_threshold_of_0_has_a_place_on_the_scale(model, x):
    histogram = errors(model, sample_of(x), threshold=0.0).panels[0]
    assert not histogram.axes.log_x
    assert histogram.edges[0] == 0


def test_scores_that_are_alike_have_a_plain_scale():
    assert not scores_only(np.array([1.0, 2, 3])).panels[0].axes.log_x


def test_missing_values_are_filled_and_take_part(model, x):
    own = replace(model, preprocess=replace(model.preprocess, fill=np.ones(4)))
    x[3, 2] = np.nan
    assert errors(own, sample_of(x)).panels[0].counts.sum() == pytest.approx(1)


def test_distances_to_training_rows_are_told_as_score_tells_them():
    x = np.random.default_rng(0).normal(size=(80, 5))
    settings = {"hidden": 2, "epochs": 2, "outlier_score": "knn", "contamination": 0.1}
    own = fit_calibrated(x, Config.parse(settings), feature_names=tuple("abcde")).model
    picture = errors(own, sample_of(x))
    report = outliers.Report(own, outliers.chosen_threshold(own), shares=True)
    block = np.empty(80, report.dtype)
    outliers.judge(report, x, into(block))
    worst = np.argsort(-block["error"], kind="stable")[0]
    profiles = picture.panels[1]
    drawn = dict(zip(profiles.names, profiles.values[0, 0], strict=True))
    expected = dict(zip("abcde", block["contributions"][worst], strict=True))
    assert drawn == pytest.approx(expected, abs=1e-6)
    assert f": {block['outlier'].sum()}." in picture.description


def test_that_rows_were_sampled_is_said(model, x):
    picture = errors(model, Sample(x, np.arange(50), 2000, drawn=True))
    assert "shown are 50 of 2,000 rows, drawn at random" in picture.notes


def test_a_classifier_is_refused(model, x):
    own = replace(model, classification=Classification(np.array([0, 1]), FinetuneConfig()))
    with pytest.raises(InputError, match="the model is a classifier, which has no decoder"):
        errors(own, sample_of(x))


@pytest.mark.parametrize("threshold", [-1.0, float("nan")])
def test_what_is_no_threshold_is_refused(model, x, threshold):
    with pytest.raises(ConfigError, match="threshold: needs a score from 0 on"):
        errors(model, sample_of(x), threshold=threshold)


# A file of scores without its model


@pytest.fixture
def written(tmp_path, x, model):
    """The file that the command makes of those rows."""
    rows, path, scores = (tmp_path / name for name in ("rows.npy", "model.h5", "scores.h5"))
    np.save(rows, x)
    replace(calibrated(model, np.ones(4)), feature_names=None).save(path)
    assert run(["score", str(path), str(rows), "-o", str(scores), "--threshold", "0.1"]) == 0
    return scores


def changed(path, inner, values):
    with h5py.File(path, "r+") as file:
        del file[inner]
        file[inner] = values
    return path


def test_scores_are_read_with_the_one_above_which_all_are_outliers(written, x):
    scores, threshold = read_scores(InputFile(written))
    np.testing.assert_allclose(scores, scores_of(x))
    assert threshold == scores[scores <= 0.1].max()


def test_scores_alone_are_drawn_and_it_is_said_what_is_missing():
    picture = scores_only(np.array([1.0, 1, 2, 10]), 5.0)
    (histogram,) = picture.panels
    assert histogram.counts.sum() == 1
    assert [own.value for own in histogram.levels] == [5]
    assert "which columns make the worst rows so is told with the model and the rows" in (
        picture.notes
    )


@pytest.mark.parametrize(
    "values", [np.zeros((3, 2)), np.array([-1.0]), np.array([np.nan, 1]), np.array([np.inf])]
)
def test_what_are_no_scores_are_refused(written, values):
    path = changed(written, "/scores/error", values)
    with pytest.raises(InputError, match="/scores/error: is no list of scores from 0 on"):
        read_scores(InputFile(path))


def test_outliers_that_follow_no_threshold_have_none(written, x):
    scores, _ = read_scores(
        InputFile(changed(written, "/scores/outlier", (np.arange(50) % 2).astype("u1")))
    )
    assert read_scores(InputFile(written))[1] is None
    np.testing.assert_allclose(scores, scores_of(x))


def test_outliers_of_other_rows_are_refused(written):
    path = changed(written, "/scores/outlier", np.ones(3, np.uint8))
    with pytest.raises(InputError, match="/scores/outlier: is not one number a score"):
        read_scores(InputFile(path))


def test_other_files_are_refused(tmp_path, model):
    model.save(tmp_path / "model.h5")
    with pytest.raises(InputError, match="holds no scores; give an HDF5 file that gpuae score"):
        read_scores(InputFile(tmp_path / "model.h5"))
