"""scikit-learn's face of classifiers: `AutoencoderClassifier`, built upon an `Autoencoder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from gpuae import classification, encoding
from gpuae.array_kinds import as_host, in_kind_of
from gpuae.callbacks import tasks_of, with_callbacks
from gpuae.errors import ConfigError
from gpuae.estimator import Autoencoder
from gpuae.finetune_config import FinetuneConfig
from gpuae.model.labels import as_classes
from gpuae.model.model import Model
from gpuae.model.statistics import RowWeights
from gpuae.model_estimator import AS_THEY_ARE, CodingEstimator, naming_text, told_of, warn
from gpuae.storage.provenance import lineage
from gpuae.training.classifying import SHOWN, finetune
from gpuae.training.trainer import Ending

FIT_BEFORE = (
    'fit an Autoencoder with categorical="auto" and give it with prefit=True, or leave it out'
)
"""What to do about a column of text: the estimator that knows categories comes first."""


class AutoencoderClassifier(ClassifierMixin, CodingEstimator):  # type: ignore[misc]
    """An autoencoder of all rows whose encoder is then trained to tell their classes.

    `fit` trains the autoencoder without labels, a softmax layer on its codes, and then the whole.

    Parameters
    ----------
    autoencoder
        An `Autoencoder` to train first; None for one with default settings.
    prefit
        Whether it is fitted already, on more rows perhaps, and is to be used as it is.
    head_epochs, epochs
        Passes for the softmax layer alone, and for the whole network after that; None leaves them
        to the number of rows, 0 leaves the stage out.
    class_weight
        `"balanced"`: rows of rare classes count for more; a mapping of labels to weights; None: all
        count the same.
    weight_decay, dropout, optimizer, learning_rate, momentum, schedule, batch_size, shuffle
        As of `Autoencoder`, for both stages; dropout with the whole network alone.
    validation
        Fraction of the rows of each class to hold out, by which a stage stops early.
    patience
        Epochs without gain before it does; 0: never.
    seed, device, threads, memory, random_state
        As of `Autoencoder`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, ascending.
    autoencoder_ : Autoencoder
        The fitted autoencoder that training began with; not of a classifier from a file.
    model_ : Model
        The classifier's network with its preprocessing.
    validation_accuracy_ : float or None
        The share of the rows held out that it is right about; None where there are none.
    n_iter_ : int
        Epochs of both stages.
    n_features_in_ : int
        Columns of the data.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from gpuae import Autoencoder, AutoencoderClassifier
    >>> digits = load_digits()
    >>> x, y = digits.data.astype("uint8"), digits.target
    >>> known = AutoencoderClassifier(Autoencoder(hidden=(64, 16))).fit(x[:1200], y[:1200])
    >>> known.score(x[1200:], y[1200:]) > 0.9
    True
    """

    def __init__(
        self,
        autoencoder: Autoencoder | None = None,
        *,
        prefit: bool = False,
        head_epochs: int | None = None,
        epochs: int | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        weight_decay: float = 0.0,
        dropout: float | Sequence[float] = 0.0,
        optimizer: str = "adam",
        learning_rate: float | None = None,
        momentum: float = 0.0,
        schedule: str | None = None,
        batch_size: int | None = None,
        shuffle: str = "auto",
        validation: float | None = None,
        patience: int | None = None,
        seed: int = 0,
        device: str = "auto",
        threads: int | None = None,
        memory: str | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.autoencoder = autoencoder
        self.prefit = prefit
        self.head_epochs = head_epochs
        self.epochs = epochs
        self.class_weight = class_weight
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.schedule = schedule
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation = validation
        self.patience = patience
        self.seed = seed
        self.device = device
        self.threads = threads
        self.memory = memory
        self.random_state = random_state

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from rows and their labels.

        Ctrl-C while classes are learnt ends training with a warning and keeps what was learnt.

        Parameters
        ----------
        X
            Rows (n, d): numbers, as an array or a table.
        y
            Their labels (n,), integers or text.
        sample_weight
            How much each row counts, (n,), for the autoencoder and for the classes: one of weight 2
            as two rows, one of weight 0 not at all. They multiply those of `class_weight`.

        Returns
        -------
        AutoencoderClassifier
            Itself, fitted.

        Raises
        ------
        ConfigError
            For settings that make no sense, alone, together, or for these data.
        DivergedError
            When the loss stops being finite; `model_` then holds the last good weights.
        InputError
            For weights that cannot be used, and labels that are missing or all of one class.
        """
        rows, labels = self._labelled_rows(X, y)
        weights = self._row_weights(sample_weight, len(rows))
        config = self._config(np.unique(labels))
        self.autoencoder_ = self._fitted_autoencoder(X, weights)
        self.classes_ = np.unique(labels if weights is None else labels[weights > 0])
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        tasks = tasks_of(self, _attributes, X=X, y=y, metadata=metadata)
        fitted = finetune(
            self.autoencoder_.model_,
            rows,
            labels,
            config,
            source="y",
            observer=tasks,
            attributes=lineage.attributes("AutoencoderClassifier.fit", (), told_of(weights)),
            weights=weights,
        )
        self._set_model(fitted.model)
        self.validation_accuracy_ = fitted.accuracy
        tasks.end(fitted.model)
        fitted.raise_if_diverged()
        if fitted.ending is Ending.INTERRUPTED and not tasks.stopped:
            warn("interrupted: the best weights so far were kept", ConvergenceWarning)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each row.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n,)
            Labels, of `classes_`.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        likeliest = self.predict_proba(as_host(X)).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes_`; a row adds up to 1. For an array of another library it is
            one of its kind.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        rows = self._known_rows(X)
        own = classification.probabilities(self.model_, rows, note=warn, machine=self._machine)
        return in_kind_of(X, own)

    @classmethod
    def _of(cls, model: Model) -> Self:
        """Return a fitted classifier from a file."""
        known = encoding.check_classifies(model)
        config = known.config.model_dump()
        if config["class_weight"] == "none":
            config["class_weight"] = None
        settings = model.config.model_dump() | {"tile_rows": None}
        estimator = cls(Autoencoder(**settings), **config)
        estimator._set_model(model)
        estimator.classes_ = known.classes
        estimator._take_columns(model)
        estimator.validation_accuracy_ = None
        return estimator

    def _labelled_rows(self, X: Any, y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return rows (n, d) and labels (n,) to learn from, and remember their columns."""
        known = self.autoencoder
        if not (self.prefit and known is not None and known.knows_categories):
            with naming_text(X, FIT_BEFORE):
                given, labels = validate_data(self, as_host(X), as_host(y), **AS_THEY_ARE)
            check_classification_targets(labels)
            rows = self._checked(given, missing=self._allows_missing(), to_train=True)
            return rows, labels
        rows, labels = known._known_rows(X), column_or_1d(y)
        check_classification_targets(labels)
        check_consistent_length(rows, labels)
        self._take_titles(known._titles, named=hasattr(known, "feature_names_in_"))
        return rows, labels

    def _set_model(self, model: Model) -> None:
        for name, value in _attributes(model).items():
            setattr(self, name, value)

    def _fitted_autoencoder(self, X: Any, weights: RowWeights) -> Autoencoder:
        """Return the autoencoder to begin with, fitted.

        Raises
        ------
        KeyboardInterrupt
            Where its training was interrupted: no classes have been learnt then.
        """
        known = Autoencoder() if self.autoencoder is None else self.autoencoder
        if not isinstance(known, Autoencoder):
            raise ConfigError(f"autoencoder: needs an Autoencoder, not {type(known).__name__}")
        if self.prefit:
            check_is_fitted(known, "model_")
            known.check_rows(X)
            return known
        first: Autoencoder = clone(known).fit(X, sample_weight=weights)
        if first.interrupted_:
            raise KeyboardInterrupt
        return first

    def _trains_on_sparse(self) -> bool:
        return False

    def _allows_missing(self) -> bool:
        return getattr(self.autoencoder, "missing", "refuse") == "mean"

    def _config(self, classes: NDArray[Any]) -> FinetuneConfig:
        own = {name: getattr(self, name) for name in FinetuneConfig.model_fields}
        own["class_weight"] = _named(self.class_weight, classes)
        own["seed"] = self._drawn_seed()
        return FinetuneConfig.parse(own, source="AutoencoderClassifier")


def _attributes(model: Model) -> dict[str, Any]:
    """Return what an estimator keeps of a model, by its names."""
    history = dict(model.history)
    return {"model_": model, "history_": history, "n_iter_": len(history.get("epoch", ()))}


def _named(
    class_weight: str | Mapping[Any, float] | None, classes: NDArray[Any]
) -> str | dict[str, float]:
    """Return weights of labels as the settings have them: by what a file calls the classes (c,).

    Raises
    ------
    ConfigError
        For the weight of a label that is none of the classes.
    """
    if not isinstance(class_weight, Mapping):
        return class_weight or "none"
    known = classes.tolist()
    for label in class_weight:
        if label not in known:
            shown = ", ".join(map(repr, known[:SHOWN]))
            raise ConfigError(f"class_weight: {label!r} is none of the classes {shown}")
    pairs = zip(known, as_classes(classes, "y").tolist(), strict=True)
    return {str(own): class_weight[label] for label, own in pairs if label in class_weight}
