"""Tables in memory with categories: estimators, figures by hand, and what the model is worth."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from gpuae import Autoencoder, AutoencoderClassifier, OutlierDetector, encoding, load, plots
from gpuae.errors import InputError
from gpuae.evaluation import evaluate
from gpuae.storage.rows.categorical import places


def table(rows, seed=0):
    """Return numbers on which a form depends that no line tells apart, and a hue that follows."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, rows)
    numbers = np.column_stack([np.cos(angle), np.sin(angle), np.sin(2 * angle)])
    numbers += random.normal(0, 0.05, numbers.shape)
    form = (angle // (np.pi / 3)).astype(int) % 3
    hue = np.where(random.random(rows) < 0.9, form, random.integers(3, size=rows))
    return pd.DataFrame(
        {
            "a": numbers[:, 0],
            "form": pd.Categorical.from_codes(form, ["ball", "cube", "ring"]),
            "b": numbers[:, 1],
            "hue": np.array(["blue", "green", "red"])[hue],
            "c": numbers[:, 2],
        }
    )


FAST = {"hidden": 2, "epochs": 2, "patience": 0, "validation": 0.2}


@pytest.fixture(scope="module")
def frame():
    return table(80)


@pytest.fixture(scope="module")
def known(frame):
    return Autoencoder(**FAST).fit(frame, categorical="auto")


def test_text_and_categories_are_found_by_their_types(known):
    names = ("a", "b", "c", "form=ball", "form=cube", "form=ring")
    assert known.model_.feature_names == (*names, "hue=blue", "hue=green", "hue=red")
    assert known.feature_names_in_.tolist() == ["a", "form", "b", "hue", "c"]
    assert known.n_features_in_ == 5


def test_any_table_of_the_same_columns_has_the_same_codes(known, frame):
    codes = known.transform(frame)
    for other in (frame[["hue", "c", "form", "b", "a"]], pl.from_pandas(frame), frame.to_numpy()):
        np.testing.assert_array_equal(known.transform(other), codes)


def test_what_is_rebuilt_is_a_table_again(known, frame):
    back = known.inverse_transform(known.transform(frame))
    assert back.shape == frame.shape
    assert set(back[:, 1]) <= {"ball", "cube", "ring"}
    assert all(isinstance(value, float) for value in back[:, 0])


def test_a_file_keeps_the_columns(known, frame, tmp_path):
    known.save(tmp_path / "m.h5")
    again = load(tmp_path / "m.h5")
    assert again.feature_names_in_.tolist() == ["a", "b", "c", "form", "hue"]
    np.testing.assert_array_equal(again.transform(frame), known.transform(frame))


def test_named_and_numbered_columns_are_the_same(known, frame):
    named = Autoencoder(**FAST).fit(frame, categorical=["form", "hue"])
    numbered = Autoencoder(**FAST).fit(frame.to_numpy(), categorical=[1, 3])
    for other in (named, numbered):
        np.testing.assert_array_equal(other.model_.parameters, known.model_.parameters)
    np.testing.assert_array_equal(numbered.transform(frame.to_numpy()), known.transform(frame))


def test_missing_values_are_filled_or_a_category_of_their_own(frame):
    holes = frame.copy()
    holes.loc[3, ["a", "form"]] = None
    with pytest.raises(InputError, match="1 cell of the column 'form' hold no category"):
        Autoencoder(**FAST).fit(holes, categorical="auto")
    filled = Autoencoder(**FAST, missing="mean").fit(holes, categorical="auto")
    assert filled.model_.categorical[0].values == ("", "ball", "cube", "ring")
    assert np.isfinite(filled.transform(holes)).all()


@pytest.mark.parametrize(
    ("categorical", "message"),
    [
        (["form"], "the column 'hue' holds no numbers; name it in categorical="),
        (["shade"], "there is no column 'shade'"),
        ([7], "there is no column 7"),
        ("form", "neither 'auto' nor a list"),
        (["form", 1], "names a column twice"),
    ],
)
def test_columns_that_are_not_there_are_refused(frame, categorical, message):
    with pytest.raises(InputError, match=message):
        Autoencoder(**FAST).fit(frame, categorical=categorical)


@pytest.mark.parametrize(
    ("learn", "remedy"),
    [
        (lambda frame: Autoencoder(**FAST).fit(frame), 'give fit categorical="auto"'),
        (lambda frame: OutlierDetector().fit(frame), 'give fit categorical="auto"'),
        (lambda frame: Autoencoder(**FAST).partial_fit(frame), "takes numbers alone"),
        (
            lambda frame: AutoencoderClassifier(Autoencoder(**FAST)).fit(frame, frame["form"]),
            "give it with prefit=True",
        ),
    ],
)
def test_text_that_nobody_spoke_of_is_named_with_what_to_do(frame, learn, remedy):
    with pytest.raises(InputError, match=f"the column '(hue|form)' holds no numbers; .*{remedy}"):
        learn(frame)


def test_what_training_has_not_seen_is_refused(known, frame):
    with pytest.raises(InputError, match="row 1, column 'hue' holds 'pink'"):
        known.transform(frame.assign(hue="pink"))
    with pytest.raises(InputError, match="no column 'hue'"):
        known.transform(frame.drop(columns="hue"))


def test_portions_go_on_with_the_same_categories(frame):
    model = Autoencoder(**FAST).fit(frame, categorical="auto")
    model.partial_fit(frame[:40])
    assert model.model_.network.categories == (3, 3)
    assert model.model_.feature_names is not None


def test_outliers_are_told_by_column(frame):
    found = OutlierDetector(settings={"epochs": 2}).fit(frame, categorical="auto")
    shares = found.contributions(frame[:4])
    assert shares.shape == (4, 5)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert set(found.predict(frame)) <= {-1, 1}


def test_a_classifier_takes_the_table_of_its_autoencoder(known, frame, tmp_path):
    classes = np.where(frame["a"] > 0, "right", "left")
    classifier = AutoencoderClassifier(known, prefit=True, head_epochs=2, epochs=1)
    classifier.fit(frame, classes)
    classifier.save(tmp_path / "c.h5")
    again = load(tmp_path / "c.h5").predict_proba(frame[["c", "hue", "b", "a", "form"]])
    np.testing.assert_array_equal(again, classifier.predict_proba(frame))


def test_pictures_take_the_table_too(known, frame):
    figure = plots.reconstructions(known, frame, count=2)
    assert figure.axes


def test_every_figure_by_hand(known, frame):
    model, rows = known.model_, known._known_rows(frame)
    got = evaluate(model, rows)
    back = np.empty(rows.shape)
    encoding.reconstruct(model, rows, encoding.into(back))
    mse, variance = ((back - rows)[:, :3] ** 2).mean(), rows[:, :3].var(axis=0).mean()
    assert got.mse == pytest.approx(mse)
    assert got.explained_variance == pytest.approx(1 - mse / variance)
    scaled = ((back - rows)[:, :3] * model.preprocess.factor[:3]) ** 2
    assert got.preprocessed_mse == pytest.approx(scaled.mean(), rel=1e-5)
    rebuilt = model.pca.project(model.preprocess.forward(rows))
    right = by_pca = often = 0
    surprise = []
    for place in places(9, (3, 3)):
        wanted = rows[:, place].argmax(axis=1)
        right += (back[:, place].argmax(axis=1) == wanted).sum()
        by_pca += (rebuilt[:, place].argmax(axis=1) == wanted).sum()
        often += np.bincount(wanted).max()
        surprise += [-np.log(back[:, place][np.arange(80), wanted])]
    own = got.categories
    counted = (own.accuracy * 160, own.pca_accuracy * 160, own.majority * 160)
    assert counted == pytest.approx((right, by_pca, often))
    assert own.cross_entropy == pytest.approx(np.concatenate(surprise).mean(), rel=1e-5)
    assert got.loss == pytest.approx(scaled.mean() + 2 * own.cross_entropy, rel=1e-5)


def test_rows_of_no_category_count_for_no_figure_of_them(known, frame):
    rows = known._known_rows(frame)
    rows[:, 3:] = 0
    figures = evaluate(known.model_, rows)
    assert figures.categories is None
    assert figures.loss == pytest.approx(figures.preprocessed_mse, rel=1e-5)


def test_the_verdict_speaks_of_categories_alone_where_there_are_no_numbers(frame):
    model = Autoencoder(**FAST).fit(frame[["form", "hue"]], categorical="auto")
    assert str(model.verdict_).startswith("names ")
    assert "variance" not in str(model.verdict_)


def guessed(model, rows):
    """Return how often categories that are hidden from a model are its likeliest ones."""
    hidden, back = rows.copy(), np.empty(rows.shape)
    hidden[:, 3:] = model.preprocess.center[3:]  # 0 as they are, the mean where they are scaled
    encoding.reconstruct(model, hidden, encoding.into(back))
    right = [
        back[:, place].argmax(axis=1) == rows[:, place].argmax(axis=1)
        for place in places(9, (3, 3))
    ]
    return np.mean(right)


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_softmax_tells_categories_from_numbers_better_than_squared_errors_of_members(seed):
    train, test = table(1000, seed), table(500, 100 + seed)
    noise = {"noise": "masking", "noise_level": 0.3}
    settings = {"hidden": 2, "steps": 1500, "seed": seed, "folds": 1, "validation": 0.0, **noise}
    mixed = Autoencoder(**settings).fit(train, categorical="auto")
    squares = Autoencoder(**settings).fit(mixed._known_rows(train))
    unseen = mixed._known_rows(test)
    assert guessed(mixed.model_, unseen) > guessed(squares.model_, unseen) + 0.02
