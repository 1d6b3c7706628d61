"""What a report tells of rows, settings and origins, by numbers."""

from dataclasses import replace

import numpy as np
import pytest

from gpuae import encoding
from gpuae.errors import InputError
from gpuae.report import training
from gpuae.report.build import Measured, build
from gpuae.report.comparison import compare
from gpuae.report.likeness import neighbours
from gpuae.report.ranking import Scores, extremes, outlying
from gpuae.report.words import isolated
from gpuae.storage.rows.dataset import Dataset
from gpuae.storage.rows.metadata import RowMetadata

FAR = 119
"""The row that is far out, in column 3."""


def rebuilt(subject):
    back = np.empty(subject.data.x.shape)
    encoding.reconstruct(subject.model, subject.data.x, encoding.into(back))
    return back


def test_rows_are_ranked_by_their_error_in_preprocessed_units(usual):
    forward = usual.model.preprocess.forward
    errors = ((forward(rebuilt(usual)) - forward(usual.data.x)) ** 2).mean(axis=1)
    scores = Scores.of(usual)
    assert scores.errors == pytest.approx(errors)
    assert scores.order().tolist() == np.argsort(errors, kind="stable").tolist()
    worst, best = extremes(usual, scores).pictures
    assert f"row {FAR}" in worst.picture.panels[0].captions[0]
    assert f"row {np.argmin(errors)}" in best.picture.panels[0].captions[0]


def test_unusual_rows_come_with_their_share_and_their_columns(usual):
    scores = Scores.of(usual)
    part = outlying(usual, scores)
    level = usual.model.calibration.threshold
    above = int((scores.scores > level).sum())
    assert part.text[1].startswith(f"{above} of 120 rows")
    assert "5.0% were to be expected" in part.text[1]
    first = dict(zip(part.table.head, part.table.rows[0], strict=True))
    assert first["row"] == f"row {FAR}"
    assert first["score"] == f"{scores.scores[FAR]:#.4g}"
    assert first["outlier"] == "yes"
    assert first["most of it"].startswith(isolated(usual.model.feature_names[3]))


def test_neighbours_are_those_of_the_codes(subject_of, x):
    own = subject_of(y=np.repeat([0, 1], 60))
    codes = np.empty((120, 2))
    encoding.encode(own.model, x, encoding.into(codes))
    far = np.linalg.norm(codes - codes[0], axis=1)
    near = np.argsort(far)[1]
    part = neighbours(own, own.sample())
    row, first, *_ = part.table.rows[0]
    assert row == "row 0 (0)"
    assert first == f"{isolated(f'row {near} ({near // 60})')}, {far[near]:#.3g}"
    every = np.linalg.norm(codes[:, None] - codes, axis=2) + np.diag(np.full(120, np.inf))
    same = (every.argmin(axis=1) // 60 == np.arange(120) // 60).mean()
    assert part.text[0] == (
        f"Of 120 rows {same:.1%} have a nearest neighbour with their own label; by chance it would "
        "be 50.0%."
    )


def test_neighbours_are_images_between_black_and_white_where_values_are_missing(subject_of, x):
    rows = x.copy()
    rows[0, 2] = np.nan
    own = subject_of(missing="mean", rows=rows)
    own = replace(own, model=replace(own.model, image_shape=(2, 3)))
    (shown,) = neighbours(own, own.sample()).pictures
    (tiles,) = shown.picture.panels
    assert (tiles.low, tiles.high) == (np.nanmin(tiles.images), np.nanmax(tiles.images))


def test_labels_that_are_no_classes_are_not_compared(subject_of):
    own = subject_of(y=np.arange(120))
    assert neighbours(own, own.sample()).text == ()


def test_settings_are_told_apart_from_defaults(subject_of):
    (settings,) = training.settings(subject_of(noise="masking", noise_level=0.25).model)
    told = {own.name: own.value for own in settings.told}
    assert told["noise"] == "masking"
    assert told["noise_level"] == "0.25"
    assert told["hidden"] == "2"
    assert "dropout" in {own.name for own in settings.default}
    assert not told.keys() & {own.name for own in settings.default}


def test_models_side_by_side_with_the_best_of_each_row(usual, subject_of):
    other = subject_of(hidden=(3,), names=usual.model.feature_names)
    both = [(own, Measured.of(own).figures) for own in (usual, other)]
    found = compare(both)
    lines = {row[0]: (place, row[1:]) for place, row in enumerate(found.figures.rows)}
    place, cells = lines["explained variance"]
    assert cells == tuple(f"{own.explained_variance:.1%}" for _, own in both)
    assert (place, 2) in found.figures.best
    assert (place, 1) not in found.figures.best
    assert lines["code units"][1] == ("2", "3")
    assert ("hidden", "2", "3") in found.settings.rows
    assert "scale" not in [row[0] for row in found.settings.rows]


def test_errors_in_different_units_have_no_best(usual, subject_of):
    other = subject_of(hidden=(3,), scale="none", names=usual.model.feature_names)
    found = compare([(own, Measured.of(own).figures) for own in (usual, other)])
    marked = {found.figures.rows[row][0] for row, _ in found.figures.best}
    assert "mean squared error" in marked
    assert "mean squared error, as the network sees them" not in marked


@pytest.mark.parametrize("name", ["held_out_explained_variance", "held_out_rows", "best_epoch"])
def test_a_file_that_says_nonsense_of_its_training_has_a_page(usual, name):
    model = replace(usual.model, attributes={**usual.model.attributes, name: "<nonsense>"})
    assert dict(training.facts(replace(usual, model=model)))["columns"] == "6"


def test_a_picture_that_cannot_be_drawn_has_its_place_and_a_reason(usual):
    untrained = replace(usual, model=replace(usual.model, history={}))
    (own,) = build([untrained]).models
    (course,) = (shown for shown in own.pictures if shown.heading == "The course of training")
    assert course.picture is None
    assert course.how.startswith("There is no such picture: the model has no history of training")


def test_single_rows_whose_errors_are_not_known_are_said_to_be_so(usual, monkeypatch):
    def refuse(*_):
        raise InputError("row 3 is beyond all bounds")

    monkeypatch.setattr("gpuae.report.build.extremes", refuse)
    (own,) = build([usual]).models
    assert own.extremes.text == (
        "Errors of single rows are not known: row 3 is beyond all bounds.",
    )


def test_models_of_other_columns_are_refused(usual, subject_of):
    unnamed = subject_of()
    with pytest.raises(InputError, match="columns of other names"):
        build([usual, unnamed])
    model = replace(unnamed.model, preprocess=usual.model.preprocess)
    narrow = replace(unnamed, name="narrow.h5", model=_narrow(model))
    with pytest.raises(InputError, match=r"narrow.h5 was trained on 4 columns and model.h5 on 6"):
        build([unnamed, narrow])


def _narrow(model):
    own = model.preprocess
    arrays = {name: v[:4] if v.ndim else v for name, v in own.arrays().items()}
    return replace(model, preprocess=type(own).from_arrays(arrays))


def test_a_page_of_a_bad_model_is_whole(usual, spoilt):
    (own,) = build([spoilt(usual)]).models
    assert own.finding.grade == "bad"
    assert own.outliers.table is not None
    assert [shown.heading for shown in own.pictures][1] == "Rows and what the model makes of them"


def test_data_of_a_single_row_have_no_neighbours(usual):
    one = Dataset(
        usual.data.x[:1], "one.npy", metadata=RowMetadata(feature_names=usual.data.feature_names)
    )
    (own,) = build([replace(usual, data=one)]).models
    assert own.neighbours.text == ("There is a single row, which has no neighbours.",)
