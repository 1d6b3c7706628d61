"""scikit-learn's callbacks hear of a fit and its epochs, and may end it."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gpuae import Autoencoder, AutoencoderClassifier, OutlierDetector
from gpuae.callbacks import tasks_of
from gpuae.errors import ConfigError

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has them from 1.9 on")
pytestmark = pytest.mark.filterwarnings("ignore::gpuae.errors.GpuaeWarning")

QUICK = {"hidden": 2, "epochs": 3, "folds": 1, "validation": 0.0, "device": "cpu"}

CLASSES = AutoencoderClassifier(
    Autoencoder(**QUICK), head_epochs=2, epochs=1, validation=0.0, device="cpu"
)


class Recorder:
    """Writes down what it hears; ends training after an epoch, if it is told which."""

    def __init__(self, last=None):
        self.heard, self.last, self.epochs, self.models = [], last, [], []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def on_fit_task_begin(self, estimator, context, *, X=None, metadata=None):
        self.heard.append(f"begin {context.task_name} {context.task_id}")
        self.metadata = metadata
        if context.task_name == "fit":
            self.root = context

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.heard.append(f"end {context.task_name} {context.task_id}")
        self.models.append(fitted_estimator)
        return context.task_name == "epoch" and context.task_id == self.last

    def teardown(self, estimator, context):
        self.heard.append("teardown")


class Everywhere(Recorder):
    """Goes from a pipeline to its steps."""

    max_propagation_depth = None


@pytest.fixture
def x(low_rank):
    return 5 + 3 * low_rank(40, 5)


EPOCHS = [f"{what} epoch {number}" for number in range(3) for what in ("begin", "end")]


def test_every_epoch_is_a_task_of_the_fit(x):
    own = Recorder()
    Autoencoder(**QUICK).set_callbacks(own).fit(x)
    assert own.heard == ["setup", "begin fit 0", *EPOCHS, "end fit 0", "teardown"]
    assert own.root.max_subtasks == 3


def test_a_callback_may_use_the_model_as_it_is_after_an_epoch(x):
    own = Recorder()
    model = Autoencoder(**QUICK).set_callbacks(own).fit(x)
    assert [len(fitted.history_["loss"]) for fitted in own.models] == [1, 2, 3, 3]
    codes = [fitted.transform(x) for fitted in own.models]
    assert not np.array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(codes[3], model.transform(x))


def test_a_callback_may_end_training(x, recwarn):
    model = Autoencoder(**QUICK).set_callbacks(Recorder(last=1)).fit(x)
    assert model.n_iter_ == 2
    assert not model.interrupted_
    assert not any("interrupted" in str(own.message) for own in recwarn)


def test_training_is_the_same_with_callbacks_and_without(x):
    own = Autoencoder(**QUICK).set_callbacks(Recorder()).fit(x)
    known = Autoencoder(**QUICK).fit(x)
    np.testing.assert_array_equal(own.model_.parameters, known.model_.parameters)


@pytest.mark.parametrize(
    "more",
    [
        {"trim": 0.1},
        {"pretrain": 1, "hidden": (4, 2)},
        {"folds": 2, "validation": None, "init": "glorot"},
    ],
)
def test_where_training_has_several_parts_their_epochs_are_tasks_one_after_the_other(x, more):
    own = Recorder()
    Autoencoder(**QUICK | more).set_callbacks(own).fit(x)
    begun, ended = ([one for one in own.heard if one.startswith(w)] for w in ("begin", "end"))
    assert len(begun) == len(ended) > 2
    assert own.heard[-2:] == ["end fit 0", "teardown"]


def test_a_classifier_and_a_detector_have_callbacks_too(x):
    y, own, other = np.arange(40) % 2, Recorder(), Recorder()
    named = clone(CLASSES)
    named.set_callbacks(own).fit(x, y, sample_weight=np.arange(40) + 1)
    assert own.heard.count("teardown") == 1
    assert len([one for one in own.heard if one.startswith("end epoch")]) == 3
    assert own.models[0].predict(x).shape == (40,)
    assert list(own.metadata) == ["sample_weight"]
    OutlierDetector(hidden=2, settings={"epochs": 1}, device="cpu").set_callbacks(other).fit(x)
    assert other.heard[-2:] == ["end fit 0", "teardown"]


def test_callbacks_of_a_pipeline_hear_of_its_steps(x):
    own = Everywhere()
    make_pipeline(StandardScaler(), Autoencoder(**QUICK)).set_callbacks(own).fit(x)
    assert [one for one in own.heard if "epoch" in one] == EPOCHS


def test_scores_of_each_epoch_are_recorded(x):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clone(CLASSES).set_callbacks(monitor).fit(x, np.arange(40) % 2)
    scores = [row["accuracy"] for row in monitor.get_logs().data if "accuracy" in row]
    assert len(scores) == 4


def test_callbacks_are_torn_down_when_a_fit_fails(x):
    own = Recorder()
    with pytest.raises(ConfigError):
        Autoencoder(**QUICK | {"loss": "bce", "scale": "standard"}).set_callbacks(own).fit(x)
    assert own.heard.count("setup") == own.heard.count("teardown")


def test_a_clone_keeps_them_and_without_any_nobody_is_told(x):
    own = Autoencoder(**QUICK).set_callbacks(Recorder())
    assert clone(own)._skl_callbacks == own._skl_callbacks
    assert not tasks_of(own.set_callbacks(), None).stopped
