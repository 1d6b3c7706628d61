"""What is said of a model at the end of its training."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from gpuae import encoding
from gpuae.config import Config
from gpuae.training.fitting import fit
from gpuae.training.history import Silence
from gpuae.verdict import judge

QUICK = {
    **{"hidden": (3,), "depth": 1, "activation": "sigmoid", "init": "glorot", "scale": "standard"},
    **{"epochs": 2, "dtype": "float64", "folds": 1},
}


class Notes(Silence):
    def __init__(self):
        self.all = []

    def note(self, message):
        self.all.append(message)


@pytest.fixture
def x(low_rank):
    return low_rank(300, 8, rank=4) * np.geomspace(1, 1e3, 8)


def result_of(x, **settings):
    return fit(x, Config.parse(QUICK | settings))


def by_hand(model, unseen, learnt):
    """Return the shares that the model and scikit-learn's PCA explain, in preprocessed units."""
    target, back = model.preprocess.forward(unseen), np.empty(unseen.shape)
    encoding.reconstruct(model, unseen, encoding.into(back))
    pca = PCA(3, svd_solver="full").fit(model.preprocess.forward(learnt))
    projected = pca.inverse_transform(pca.transform(target))
    variance = target.var(axis=0).mean()
    errors = [((own - target) ** 2).mean() for own in (model.preprocess.forward(back), projected)]
    return [1 - error / variance for error in errors]


def test_it_compares_with_pca_of_the_training_rows_on_rows_that_neither_has_seen(x):
    result = result_of(x)
    found = judge(result)
    unseen = np.zeros(300, bool)
    unseen[result.unseen] = True
    own, pca = by_hand(result.model, x[unseen], x[~unseen])
    assert found.rows == 30
    assert found.preprocessed.explained_variance == pytest.approx(own, rel=1e-6)
    assert found.preprocessed.pca_explained_variance == pytest.approx(pca, rel=1e-9)
    attributes = result.model.attributes
    assert attributes["held_out_explained_variance"] == pytest.approx(own, rel=1e-6)
    assert attributes["held_out_pca_explained_variance"] == pytest.approx(pca, rel=1e-9)
    sentence = (
        f"explains {own:.1%} of the variance of 30 unseen rows; PCA with 3 components {pca:.1%}"
    )
    assert str(found).startswith(sentence)


def test_rows_that_were_held_out_in_turn_are_measured_by_the_model_that_has_not_seen_them(x):
    x = x[:40]
    result = result_of(x, folds=4)
    found = judge(result)
    assert found.rows == 40
    squares = variances = 0.0
    for trial in result.trials:
        target, back = trial.model.preprocess.forward(x[trial.rows]), np.empty((10, 8))
        encoding.reconstruct(trial.model, x[trial.rows], encoding.into(back))
        squares += ((trial.model.preprocess.forward(back) - target) ** 2).mean()
        variances += target.var(axis=0).mean()
    expected = 1 - squares / variances
    assert found.preprocessed.explained_variance == pytest.approx(expected, rel=1e-6)


def test_the_datas_own_units_are_told_where_they_differ(x):
    assert "in the data's own units" in str(judge(result_of(x)))
    assert "own units" not in str(judge(result_of(x, scale="unit")))


def test_a_poor_model_comes_with_what_may_help(x):
    found = judge(result_of(x, sparsity="l1", l1=1.0, weight_decay=0.1))
    assert "more epochs" in found.advice
    assert "a lower l1, a lower weight_decay" in found.advice
    assert found.advice.endswith("may help")


def test_a_learning_rate_far_above_the_usual_is_the_first_reason_for_a_poor_model(x):
    advice = judge(result_of(x, learning_rate=5.0)).advice
    assert "; a lower learning_rate (now 5)" in advice
    assert "learning_rate" not in judge(result_of(x, weight_decay=10.0)).advice


def test_a_model_that_is_worse_than_the_mean_is_said_to_be(x):
    result = result_of(x, epochs=0)
    result.model.network.views(result.model.parameters)[-1].bias[...] = 30
    found = judge(result)
    assert "worse than the mean of each column" in found.advice
    assert "less than -1000%" in str(found)


def test_a_model_that_is_as_good_as_pca_needs_no_advice(x):
    found = judge(result_of(x, activation="identity", optimizer="lbfgs", epochs=200, patience=0))
    assert found.advice is None


def test_without_pca_half_of_the_variance_is_little(x, monkeypatch):
    from gpuae.model import reference

    monkeypatch.setattr(reference, "LITTLE_WORK", 0)
    monkeypatch.setattr(reference, "SHARE_OF_TRAINING", 0)
    found = judge(result_of(x, epochs=4, learning_rate=0.01))
    assert "PCA" not in str(found)
    assert found.summary()["pca_explained_variance"] is None
    assert "that is little" in found.advice


def test_nothing_is_said_without_held_out_rows(x):
    assert judge(result_of(x, validation=0)) is None
    assert judge(result_of(x[:11], validation=0.1)) is None  # one row has no variance


@pytest.mark.parametrize("offset", [0.1, 1e9])
def test_rows_that_are_all_the_same_leave_nothing_to_explain(offset):
    x = np.full((50, 4), offset)
    x[::2] = np.nextafter(x[::2], np.inf)
    heard = Notes()
    found = judge(fit(x, Config.parse(QUICK), observer=heard))
    assert str(found) == "the 5 unseen rows are all but the same: no variance to explain"
    assert found.advice is None
    assert heard.all[0].startswith("the 45 training rows are all but the same")
    assert not any("constant" in note for note in heard.all)


def test_a_code_with_room_for_every_row_is_remarked(x):
    heard = Notes()
    fit(x[:50], Config.parse(QUICK | {"hidden": (200,)}), observer=heard)
    assert any(
        "a code of 200 units has room for each of the 45 training rows" in n for n in heard.all
    )
    heard = Notes()
    fit(x, Config.parse(QUICK), observer=heard)
    assert heard.all == []


def may_copy(x, **settings):
    heard = Notes()
    fit(x, Config.parse(QUICK | {"epochs": 0} | settings), observer=heard)
    return any("has room for all 8 columns and may copy them" in note for note in heard.all)


def test_a_code_that_may_copy_its_input_is_remarked(x):
    assert may_copy(x, hidden=8)
    assert may_copy(x, hidden=(9, 30), depth=None)
    assert not may_copy(x, hidden=7)
    assert not may_copy(x, hidden=(7, 30), depth=None)


@pytest.mark.parametrize(
    "kept_from_it",
    [{"dropout": 0.1}, {"sparsity": "topk", "k": 3}, {"noise": "masking", "noise_level": 0.1}],
    ids=str,
)
def test_a_wide_code_of_which_something_is_asked_is_not(x, kept_from_it):
    assert not may_copy(x, hidden=30, **kept_from_it)


def test_few_steps_are_a_reason_for_a_poor_model(x):
    assert "a smaller batch_size (now 200)" in judge(result_of(x, batch_size=200)).advice
    assert "batch_size" not in judge(result_of(x, batch_size=8, epochs=1)).advice


def test_held_out_rows_that_cannot_be_squared_cost_no_model(x):
    held_out = np.full((5, 8), 1e300)
    held_out[::2] *= -1
    result = fit(x, Config.parse(QUICK | {"patience": 0}), validation=held_out)
    assert judge(result) is None
    assert "held_out_error" not in result.model.attributes


def test_noise_leaves_nothing_to_explain(x):
    noise = np.random.default_rng(0).normal(size=(50, 300))
    found = judge(fit(noise, Config.parse({"hidden": (40,)})))
    assert abs(found.preprocessed.explained_variance) < 0.01
    assert found.advice.startswith("that is nothing; ")


def test_a_loss_of_directions_is_told_alone(x):
    found = judge(result_of(x, loss="cosine", activation="tanh", init="pca", epochs=20))
    share = f"{found.explained_loss:.1%}"
    assert str(found) == f"explains {share} of the cosine distance of {found.rows} unseen rows"
    assert 0.05 < found.explained_loss < 1
    assert found.advice is None
