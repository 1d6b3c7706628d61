"""A softmax layer on codes, and the whole of a classifier: gradients, optimum, stages, labels."""

import signal

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from gpuae import encoding
from gpuae.classification import evaluate, probabilities
from gpuae.config import Config
from gpuae.errors import ConfigError, InputError
from gpuae.finetune_config import FinetuneConfig
from gpuae.model.classifier import classes_of, classifier_network, numbers_of, softmax_layer
from gpuae.model.model import Model
from gpuae.model.objective import objective
from gpuae.model.statistics import column_statistics
from gpuae.training.classifying import finetune, stratified
from gpuae.training.fitting import fit
from gpuae.training.history import Silence
from gpuae.training.preparation import new_team, prepare
from gpuae.training.trainer import Ending

ROWS, COLUMNS, CLASSES = 20, 6, 3
PLAIN = {"scale": "none", "dtype": "float64", "batch_size": ROWS, "weight_decay": 0.1}
NETWORKS = {
    "softmax layer": {"hidden": (4,), "activation": "tanh"},
    "one layer": {"hidden": (4,), "activation": "gelu"},
    "two layers": {"hidden": (5, 4), "activation": "tanh", "code_activation": "identity"},
    "top k": {"hidden": (32,), "activation": "tanh", "sparsity": "topk", "k": 2},
    "top k of few": {"hidden": (5, 4), "activation": "relu", "sparsity": "topk", "k": 2},
}


def network_of(name, config):
    if name == "softmax layer":
        return softmax_layer(COLUMNS, CLASSES)
    return classifier_network(config, COLUMNS, CLASSES)


@pytest.mark.parametrize("tile_rows", [None, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_of_weighted_classes(ops, name, tile_rows):
    random = np.random.default_rng(0)
    x = random.random((ROWS, COLUMNS))
    weights = np.array([0.5, 2.0, 1.0])
    targets = np.eye(CLASSES)[random.integers(0, CLASSES, ROWS)] * weights
    config = Config.parse(PLAIN | NETWORKS[name] | {"tile_rows": tile_rows})
    every = np.arange(ROWS)
    prepared = prepare(x, every, config, column_statistics(x, every))
    network = network_of(name, prepared.config)
    start = random.uniform(-0.8, 0.8, network.size)
    direction = random.choice([-1.0, 1.0], network.size)
    order = random.permutation(ROWS)[:17]
    team = new_team(ops, network, prepared, x, ops.asarray(start.copy()), ROWS, targets=targets)
    with team:

        def value_at(step):
            ops.assign(team.parameters, start + step * direction)
            return objective(team.full_gradient(order), prepared.config)

        numeric = (value_at(1e-6) - value_at(-1e-6)) / 2e-6
        value = value_at(0.0)
        analytic = ops.to_host(team.gradient) @ direction
        assert objective(team.evaluate(order), prepared.config) == pytest.approx(value, rel=1e-12)
    assert analytic == pytest.approx(numeric, rel=1e-6)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def model(iris):
    config = Config(hidden=(5, 3), epochs=20, dtype="float64", seed=1, device="cpu")
    return fit(iris[0], config).model


def trained(model, iris, **settings):
    x, y = iris
    own = {"head_epochs": 5, "epochs": 5, "device": "cpu"} | settings
    return finetune(model, x, y, FinetuneConfig.parse(own))


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
def test_the_softmax_layer_comes_to_the_optimum_of_scikit_learn(iris, model, class_weight):
    x, y = iris
    few = np.concatenate([np.arange(50), np.arange(50, 70), np.arange(100, 150)])
    x, y = x[few], y[few]
    decay = 1e-3
    own = trained(
        model,
        (x, y),
        optimizer="lbfgs",
        head_epochs=400,
        epochs=0,
        validation=0,
        weight_decay=decay,
        class_weight=class_weight,
    )
    codes = np.empty((len(x), 3))
    encoding.encode(model, x, encoding.into(codes))
    theirs = LogisticRegression(
        C=1 / (decay * len(x)),
        tol=1e-10,
        max_iter=10_000,
        class_weight=None if class_weight == "none" else class_weight,
    ).fit(codes, y)
    found = probabilities(own.model, x)
    np.testing.assert_allclose(found, theirs.predict_proba(codes), atol=2e-4)


def test_the_encoder_stays_while_the_softmax_layer_is_trained(iris, model):
    head = trained(model, iris, epochs=0).model
    whole = trained(model, iris).model
    for index in range(model.network.depth):
        before, kept, moved = (
            own.network.views(own.parameters)[index].weight for own in (model, head, whole)
        )
        np.testing.assert_array_equal(kept, before)
        assert (moved != before).any()


def test_the_stages_are_told_and_their_epochs_kept(iris, model):
    fitted = trained(model, iris, validation=0.2)
    history = fitted.model.history
    np.testing.assert_array_equal(history["stage"], [1] * 5 + [2] * 5)
    np.testing.assert_array_equal(history["epoch"], np.arange(1, 11))
    assert np.isfinite(history["val_loss"]).all()
    only = trained(model, iris, head_epochs=0)
    assert [result.epochs for result in only.results] == [5]


def test_codes_that_do_not_fit_in_memory_give_the_same(iris, model):
    one, other = (trained(model, iris, memory=size).model for size in ("1KB", "1GB"))
    np.testing.assert_array_equal(one.parameters, other.parameters)


@pytest.mark.parametrize("device", ["numpy", "cuda"], indirect=True)
def test_every_device_comes_to_the_same(device, iris, model):
    own = trained(model, iris, device=device, dropout=(0.1, 0.2), batch_size=32)
    usual = trained(model, iris, device="cpu", dropout=(0.1, 0.2), batch_size=32)
    np.testing.assert_allclose(own.model.parameters, usual.model.parameters, atol=1e-9)


def test_the_same_fraction_of_each_class_is_held_out():
    numbers = np.repeat([0, 1, 2, 3], [100, 50, 7, 1])
    kept, apart = stratified(numbers, 0.2, seed=0)
    assert np.bincount(numbers[apart], minlength=4).tolist() == [20, 10, 1, 0]
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, apart])), np.arange(158))
    assert not np.array_equal(apart, stratified(numbers, 0.2, seed=1)[1])
    assert len(stratified(numbers, 0.0, seed=0)[1]) == 0


def test_balanced_weights_are_those_of_the_rows_that_are_trained_on(iris, model):
    x, y = iris
    few = np.concatenate([np.arange(60), np.arange(100, 147)])
    own = trained(model, (x[few], y[few]), class_weight="balanced", validation=0.3)
    counts = np.bincount(y[few][own.rows])
    wanted = {str(c): len(own.rows) / (3 * n) for c, n in enumerate(counts)}
    same = trained(model, (x[few], y[few]), class_weight=wanted, validation=0.3)
    np.testing.assert_allclose(same.model.parameters, own.model.parameters, atol=1e-6)


def test_the_epoch_that_was_kept_counts_all_stages(iris, model):
    own = trained(model, iris, validation=0.2, patience=0, head_epochs=4, epochs=6)
    assert own.model.attributes["best_epoch"] == 10
    stopped = trained(model, iris, validation=0.3, learning_rate=0.3, epochs=30, patience=3)
    history, best = stopped.model.history, stopped.model.attributes["best_epoch"]
    whole = history["val_loss"][history["stage"] == 2]
    assert best == 5 + int(whole.argmin()) + 1


def test_ctrl_c_between_the_stages_keeps_the_first(iris, model, monkeypatch):
    from gpuae.training import classifying

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(classifying._Training, "_train_whole", interrupted)
    own = trained(model, iris)
    assert own.ending is Ending.INTERRUPTED
    head = own.model.network.views(own.model.parameters)[-1]
    assert (head.weight != 0).any()
    assert own.accuracy is None


class Stops(Silence):
    """Asks training to stop after so many reports of rows."""

    def __init__(self, times):
        self.times = times

    def rows_done(self, epoch, rows):
        self.times -= 1
        if self.times == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("times", [1, 8])
def test_a_stopped_training_keeps_what_was_learnt(iris, model, times):
    x, y = iris
    config = FinetuneConfig(head_epochs=5, epochs=50)
    stopped = finetune(model, x, y, config, observer=Stops(times))
    assert stopped.ending is Ending.INTERRUPTED
    assert stopped.model.classification is not None
    head = stopped.model.network.views(stopped.model.parameters)[-1]
    assert (head.weight != 0).any()


def test_a_learning_rate_that_is_too_high_is_told_and_the_weights_stay_finite(iris, model):
    fitted = trained(model, iris, optimizer="sgd", learning_rate=1e30)
    assert fitted.ending is Ending.DIVERGED
    assert np.isfinite(fitted.model.parameters).all()


def test_a_classifier_can_become_one_of_other_classes(iris, model):
    x, y = iris
    first = trained(model, iris).model
    again = trained(first, (x, np.where(y == 0, "setosa", "another"))).model
    assert again.classification.classes.tolist() == ["another", "setosa"]
    assert again.network.outputs == 2


def test_a_classifier_comes_back_from_a_file(iris, model, tmp_path):
    own = trained(model, iris).model
    own.save(tmp_path / "own.h5")
    again = Model.load(tmp_path / "own.h5")
    np.testing.assert_array_equal(again.parameters, own.parameters)
    assert again.classification.config.stored() == own.classification.config.stored()
    np.testing.assert_array_equal(probabilities(again, iris[0]), probabilities(own, iris[0]))
    for rebuild in (encoding.reconstruct, encoding.score, encoding.decode):
        with pytest.raises(InputError, match="classifier, which has no decoder"):
            rebuild(again, iris[0], lambda start, block: None)
    with pytest.raises(InputError, match="knows no classes"):
        probabilities(model, iris[0])


# Figures


def test_figures_are_those_of_the_probabilities(iris, model):
    x, y = iris
    own = trained(model, iris).model
    found, figures = probabilities(own, x), evaluate(own, x, y)
    right = found.argmax(axis=1) == y
    assert figures.accuracy == right.mean()
    assert figures.log_loss == pytest.approx(-np.log(found[np.arange(150), y]).mean(), rel=1e-6)
    confusion = np.array(figures.confusion)
    assert confusion.sum() == 150
    assert np.trace(confusion) == right.sum()
    for number, by_class in enumerate(figures.by_class):
        assert by_class.recall == pytest.approx(right[y == number].mean())
        assert by_class.rows == 50


def test_classes_that_are_not_among_the_rows_have_no_recall_to_count(iris, model):
    x, y = iris
    own = trained(model, iris).model
    figures = evaluate(own, x[:50], y[:50])
    assert figures.balanced_accuracy == figures.accuracy
    assert figures.majority == 1.0


# Labels

NAMES = np.array(["a", "b", "a"])


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([3, 1, 3], np.uint8), [1, 3]),
        (np.array([2.0, 1.0, 2.0]), [1, 2]),
        (np.array([True, False, True]), [0, 1]),
        (NAMES, ["a", "b"]),
        (NAMES.astype("S"), ["a", "b"]),
        (NAMES.astype(object), ["a", "b"]),
        (np.array([5, 2, 5], object), [2, 5]),
        (np.array(["NA", "US", "NA"]), ["NA", "US"]),
        (np.array([-3, 2, -3]), [-3, 2]),
    ],
    ids=str,
)
def test_labels_are_integers_or_strings(labels, classes):
    found, numbers = classes_of(labels, "y")
    assert found.tolist() == classes
    assert numbers.tolist() == numbers_of(labels, found, "y").tolist()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.array([0.5, 1.0]), "label of row 1 is 0.5"),
        (np.array([1.0, np.inf]), "label of row 2 is inf"),
        (np.array([1.0, np.nan]), "row 2 has no label"),
        (np.array(["a", " "]), "row 2 has no label"),
        (np.array(["a", None], object), "row 2 has no label"),
        (np.array(["a", np.nan], object), "row 2 has no label"),
        (np.array([1, 1]), "one class, 1"),
        (np.array([[1, 2]]), r"shape \(1, 2\)"),
        (np.arange(10_001), "10001 classes"),
        (np.array([1, 2**63 + 7], np.uint64), "label of row 2 is 9.22337e\\+18"),
        (np.array([1.0, 1e300]), "label of row 2 is 1e\\+300"),
        (np.array(["a", 1], object), "row 2 has the label 1 and row 1 'a'"),
        (np.array(["a", "b\0c"]), "row 2 holds a NUL"),
        (np.array(["a", "b" * 2000]), "more than 1000 characters"),
        (np.array([b"a", b"\xff"]), "not UTF-8"),
        (np.array(["1", "NA", "2"]), "row 2 has no label"),
        (np.array([1, pd.NA], object), "row 2 has no label"),
        (np.array([], int), "one class"),
        (np.array([1j, 2j]), "complex128"),
    ],
    ids=str,
)
def test_labels_that_are_no_classes_are_refused(labels, says):
    with pytest.raises(InputError, match=says):
        classes_of(labels, "y")


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (np.array([0, 1, 7, 8]), r"row 3 is of a class that training did not see \(7, 8\)"),
        (np.array(["a"]), "text where the classifier's are integers, such as 0"),
        (np.arange(20), "and 12 more"),
    ],
    ids=str,
)
def test_classes_that_training_did_not_see_are_refused(labels, says):
    with pytest.raises(InputError, match=says):
        numbers_of(labels, np.arange(3), "y")


def test_what_does_not_fit_the_model_is_refused(iris, model):
    x, y = iris
    with pytest.raises(InputError, match="149 labels for 150 rows"):
        trained(model, (x, y[1:]))
    with pytest.raises(InputError, match="3 columns"):
        trained(model, (x[:, :3], y))
    with pytest.raises(ConfigError, match="dropout has 3 values"):
        trained(model, iris, dropout=(0.1, 0.2, 0.3))
    with pytest.raises(ConfigError, match="class_weight"):
        trained(model, iris, class_weight={"7": 1.0})
