"""scikit-learn's face of gpuae: `Autoencoder`, a transformer with the names and habits of a PCA."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array, check_is_fitted

from gpuae import encoding, outliers
from gpuae.array_kinds import as_host, in_kind_of
from gpuae.backends import resolve_device
from gpuae.callbacks import tasks_of, with_callbacks
from gpuae.config import Config
from gpuae.errors import ConfigError, InputError
from gpuae.model.model import Model
from gpuae.model.stack import stack as stacked
from gpuae.model_estimator import NAME_CATEGORIES, CodingEstimator, told_of, warn
from gpuae.presets import Preset
from gpuae.progress import Progress
from gpuae.storage.provenance import lineage
from gpuae.training.calibrating import fit_calibrated
from gpuae.training.fitting import SHAPE, SUITED, Fit
from gpuae.training.history import Silence, Together
from gpuae.training.partial import PartialFit
from gpuae.training.trainer import Ending
from gpuae.verdict import Verdict, judge
from gpuae.words import counted


class Autoencoder(CodingEstimator):
    """An autoencoder that learns a code for the rows of a matrix.

    Every parameter but the last two is a setting of the table in docs/settings.md, with the same
    name and default; None leaves a setting to the data.

    Parameters
    ----------
    random_state
        scikit-learn's name for `seed`, which it overrides: an integer, or a RandomState, which
        gives each fit another seed.
    warm_start
        Whether `fit` begins with the weights of the fit before. Scaling, learning rate and
        optimizer begin anew.

    Attributes
    ----------
    model_ : Model
        The trained network with its preprocessing.
    config_ : Config
        All settings as they were resolved for the data.
    history_ : dict of ndarray
        `epoch`, `loss`, `val_loss`, `learning_rate` and `seconds`, each (epochs,).
    n_features_in_ : int
        Columns of the data.
    loss_ : float
        The objective over the kept epoch, or over the last portion of `partial_fit`.
    n_iter_ : int
        Epochs that were trained, also of networks that only served to find how many are best; or
        portions for `partial_fit`.
    interrupted_ : bool
        Whether `fit` was ended by Ctrl-C.
    verdict_ : Verdict or None
        How `fit` did on the rows that it held out, beside PCA learnt from the same training rows;
        `str` makes it a sentence. None without such rows, and after `partial_fit`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from gpuae import Autoencoder
    >>> digits = load_digits().data.astype("uint8")
    >>> model = Autoencoder(hidden=8).fit(digits)
    >>> print(model.verdict_)  # doctest: +ELLIPSIS
    explains 8...% of the variance of 1,797 unseen rows; PCA with 8 components 6...%
    >>> model.transform(digits).shape
    (1797, 8)

    Whatever a person should know (a poor result, rows unlike those of training) is a
    `gpuae.GpuaeWarning`.
    """

    verdict_: Verdict | None

    def __init__(
        self,
        hidden: int | Sequence[int] | None = None,
        *,
        depth: int | None = None,
        activation: str | None = None,
        code_activation: str | None = None,
        output_activation: str = "auto",
        decoder: str = "untied",
        init: str | None = None,
        loss: str = "mse",
        huber_delta: float | None = None,
        weight_decay: float = 0.0,
        sparsity: str = "none",
        rho: float = 0.05,
        beta: float | None = None,
        l1: float | None = None,
        k: int = 32,
        noise: str = "none",
        noise_level: float = 0.0,
        dropout: float = 0.0,
        scale: str | None = None,
        whiten: str = "none",
        whiten_epsilon: float = 1e-5,
        missing: str = "refuse",
        optimizer: str = "adam",
        learning_rate: float | None = None,
        momentum: float = 0.0,
        schedule: str | None = None,
        steps: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        shuffle: str = "auto",
        validation: float | None = None,
        folds: int | None = None,
        patience: int | None = None,
        outlier_score: str = "mse",
        contamination: float | None = None,
        trim: float = 0.0,
        pretrain: int = 0,
        seed: int = 0,
        dtype: str = "float32",
        device: str = "auto",
        threads: int | None = None,
        tile_rows: int | None = None,
        memory: str | None = None,
        precision: str = "float32",
        max_time: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
    ) -> None:
        self.hidden = hidden
        self.depth = depth
        self.activation = activation
        self.code_activation = code_activation
        self.output_activation = output_activation
        self.decoder = decoder
        self.init = init
        self.loss = loss
        self.huber_delta = huber_delta
        self.weight_decay = weight_decay
        self.sparsity = sparsity
        self.rho = rho
        self.beta = beta
        self.l1 = l1
        self.k = k
        self.noise = noise
        self.noise_level = noise_level
        self.dropout = dropout
        self.scale = scale
        self.whiten = whiten
        self.whiten_epsilon = whiten_epsilon
        self.missing = missing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.schedule = schedule
        self.steps = steps
        self.epochs = epochs
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.validation = validation
        self.folds = folds
        self.patience = patience
        self.outlier_score = outlier_score
        self.contamination = contamination
        self.trim = trim
        self.pretrain = pretrain
        self.seed = seed
        self.dtype = dtype
        self.device = device
        self.threads = threads
        self.tile_rows = tile_rows
        self.memory = memory
        self.precision = precision
        self.max_time = max_time
        self.random_state = random_state
        self.warm_start = warm_start

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> Self:
        """Return an estimator with the settings of a preset, some of them overridden.

        Parameters
        ----------
        name
            One of those that `gpuae presets` lists.
        overrides
            Settings by their names.

        Returns
        -------
        Autoencoder
            It has not been fitted yet.

        Raises
        ------
        ConfigError
            For an unknown preset, and for settings that contradict each other.
        """
        chosen = Preset.named(name)
        chosen.config(overrides)
        estimator = cls(**{**chosen.settings, **overrides})
        estimator._preset = name
        return estimator

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: object = None,
        sample_weight: Any = None,
        *,
        image_shape: Sequence[int] | None = None,
        categorical: str | Sequence[str | int] | None = None,
        verbose: bool = False,
    ) -> Self:
        """Learn from the rows of X (n, d).

        Ctrl-C ends training with a warning and keeps what was learnt. What the data, the settings
        or the result give reason to remark is a warning too.

        Parameters
        ----------
        X
            Rows (n, d): numbers, as an array, a table or a sparse matrix.
        y
            Not used; scikit-learn's pipelines pass it.
        sample_weight
            How much each row counts, (n,): one of weight 2 as two rows, one of weight 0 not at all,
            in all that is learnt and in the figures by which it is judged.
        image_shape
            Height and width, and channels if there are several, where rows are images: for
            init=distance, for settings left to the data, and for files.
        categorical
            Columns of a table (a DataFrame of pandas or polars, or an array) that hold categories:
            names, or places from 0; or `auto` for all that hold no numbers. Each becomes a column
            for each of its values, after all numbers, and is rebuilt as probabilities.
        verbose
            Whether to show how far training is: a bar in a notebook, elsewhere lines.

        Returns
        -------
        Autoencoder
            Itself, fitted.

        Raises
        ------
        ConfigError
            For settings that make no sense, alone, together, or for these data.
        DivergedError
            When the loss stops being finite; `model_` then holds the last good weights.
        InputError
            For rows or weights that cannot be used, or rows that make no images of this shape.
        """
        self._partial: PartialFit | None = None
        config = self._config(self._drawn_seed())
        mixed = None if categorical is None else self._mixed_rows(X, categorical)
        rows = self._new_rows(X, NAME_CATEGORIES) if mixed is None else mixed.x
        weights = self._row_weights(sample_weight, len(rows))
        shape = _shape_of_images(image_shape, rows.shape[1])
        made = lineage.attributes("Autoencoder.fit", (), self._told() | told_of(weights))
        config, initial = self._start(config)
        listener, shown = _Listener(), Progress() if verbose else None
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        tasks = tasks_of(self, _attributes, X=X, y=y, metadata=metadata)
        names = self._names() if mixed is None else mixed.feature_names
        fitted = fit_calibrated(
            rows,
            config,
            observer=Together(*(own for own in (listener, shown, tasks) if own is not None)),
            initial=initial,
            attributes=made,
            feature_names=names,
            image_shape=shape,
            weights=weights,
            categorical=() if mixed is None else mixed.categorical,
        )
        self._rows_seen = len(fitted.x)
        self.interrupted_ = fitted.interrupted and not tasks.stopped
        self._set_model(fitted.model)
        self.n_iter_ = fitted.result.epochs
        self.loss_ = fitted.result.kept_loss
        for note in listener.notes:
            warn(note)
        self._judge(fitted)
        if shown:
            shown.end(str(self.verdict_ or f"trained for {counted(self.n_iter_, 'epoch')}"))
        tasks.end(fitted.model)
        fitted.raise_if_diverged()
        if self.interrupted_:
            message = f"interrupted: the weights of epoch {fitted.result.best_epoch} were kept"
            warn(message, ConvergenceWarning)
        return self

    def partial_fit(self, X: Any, y: object = None, sample_weight: Any = None) -> Self:
        """Learn from one more portion of rows (m, d), passing them once.

        After `fit` it goes on with the weights, scaling and settings of then. Otherwise the scaling
        is learnt from the first portion, so it should be typical.

        Parameters
        ----------
        X
            Rows (m, d), of the same columns in each portion.
        y
            Not used; scikit-learn's pipelines pass it.
        sample_weight
            How much each row counts, (m,), as for `fit`; they are divided by their mean over all
            portions so far.

        Returns
        -------
        Autoencoder
            Itself, fitted to one more portion.

        Raises
        ------
        ConfigError
            For settings that make no sense, alone, together, or for these data.
        InputError
            For rows or weights that cannot be used.
        """
        fitted: Model | None = getattr(self, "model_", None)
        if fitted is None:
            rows = self._new_rows(X, "partial_fit takes numbers alone; leave it out")
        else:
            rows = self._known_rows(X, to_train=True)
        weights = self._row_weights(sample_weight, len(rows), alike=True)
        training: PartialFit | None = getattr(self, "_partial", None)
        if training is None:
            seen = getattr(self, "_rows_seen", 0)
            config = self._config(self._drawn_seed())
            training = PartialFit(rows, config, fitted, seen, weights)
            self.n_iter_ = 0
        training.feed(rows, weights)
        self._partial = training
        self.loss_ = training.loss
        model = training.model()
        made = lineage.attributes("Autoencoder.partial_fit", (), self._told() | told_of(weights))
        attributes = {**model.attributes, **made}
        names = model.feature_names if model.categorical else self._names()
        self._set_model(replace(model, attributes=attributes, feature_names=names))
        self.verdict_ = None
        self.n_iter_ += 1
        return self

    def inverse_transform(self, X: Any) -> Any:
        """Return the rows that codes stand for, in the data's own units.

        Of a table with categories it is an array of objects, which has the likeliest ones.

        Parameters
        ----------
        X
            Codes (n, k), as `transform` makes them.

        Returns
        -------
        ndarray of shape (n, d)
            The reconstruction; for an array of another library one of its kind.

        Raises
        ------
        ValueError
            For codes of another width.
        """
        check_is_fitted(self, "model_")
        codes = check_array(as_host(X), dtype=(np.float64, np.float32))
        out = np.empty((len(codes), self.model_.network.columns), self.model_.row_type)
        encoding.decode(self.model_, codes, encoding.into(out), machine=self._machine)
        if not self.model_.categorical:
            return in_kind_of(X, out)
        from gpuae.tables import table_of

        return table_of(out, self.model_, self._titles)

    def predict_outliers(self, X: Any) -> NDArray[np.bool_]:
        """Return which rows are outliers: those whose score is too high.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n,)
            True for outliers.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        ConfigError
            Of a model that was trained without `contamination`.
        """
        check_is_fitted(self, "model_")
        threshold = outliers.known_threshold(self.model_)
        return np.asarray(self._scores(self._known_rows(X)) > threshold)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the negative score of each row (n,): higher is more normal.

        The score is the mean over columns of (x̂ − x)² in preprocessed units, or with
        outlier_score=knn the distance to training rows and their errors.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n,)
            Scores, none above 0.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        return -self._scores(self._known_rows(X), note=warn)

    def score(self, X: Any, y: object = None) -> float:
        """Return the mean of `score_samples`: 0 is a perfect reconstruction.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.
        y
            Not used; scikit-learn's pipelines pass it.

        Returns
        -------
        float
            Higher is better, for a search over settings.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        return float(self.score_samples(X).mean())

    def _config(self, seed: int | None = None) -> Config:
        settings = {name: getattr(self, name) for name in Config.model_fields}
        if seed is not None:
            settings["seed"] = seed
        return Config.parse(settings, source="Autoencoder")

    def _start(self, config: Config) -> tuple[Config, Model | None]:
        """Return the settings of a fit, and the model to go on from if there is to be one."""
        fitted: Model | None = getattr(self, "model_", None) if self.warm_start else None
        if fitted is None:
            return config, None
        known = fitted.config
        # a width alone is that of the code, and `depth` has said what is before it
        if config.hidden not in (None, known.hidden, known.hidden and known.hidden[-1:]):
            raise ConfigError(
                f"warm_start: the model has hidden={known.hidden} and this fit would have "
                f"{config.hidden}; give the same, or warm_start=False"
            )
        left_open = [name for name in SHAPE + SUITED if getattr(self, name) is None]
        own = {name: getattr(known, name) for name in ("hidden", *left_open)} | {"depth": None}
        config = Config.parse(config.model_dump() | own, source="Autoencoder")
        if fitted.categorical or fitted.network.columns != self.n_features_in_:
            raise ConfigError(
                f"warm_start: the model has {fitted.network.columns} columns and X has "
                f"{self.n_features_in_}; give rows of the same, without categories, or "
                "warm_start=False"
            )
        return config, fitted

    def _trains_on_sparse(self) -> bool:
        config = self._config()
        return not (config.full_batch or resolve_device(config.device).is_gpu)

    def _told(self) -> dict[str, str]:
        """Return what decides the result beside the settings: the name of a preset."""
        preset: str | None = getattr(self, "_preset", None)
        return {} if preset is None else {"preset": preset}

    def _allows_missing(self) -> bool:
        return self.missing == "mean"

    @property
    def knows_categories(self) -> bool:
        """Whether it was fitted on a table with columns of categories."""
        fitted: Model | None = getattr(self, "model_", None)
        return fitted is not None and bool(fitted.categorical)

    def check_rows(self, X: Any) -> None:
        """Refuse rows of other columns than it was fitted on, by number or by name.

        Parameters
        ----------
        X
            Rows (n, d).

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        self._known_rows(X)

    def _judge(self, fitted: Fit) -> None:
        self.verdict_ = judge(fitted)
        if self.verdict_ and self.verdict_.advice and fitted.result.ending is not Ending.DIVERGED:
            warn(f"the model {self.verdict_}: {self.verdict_.advice}")

    def _set_model(self, model: Model) -> None:
        for name, value in _attributes(model).items():
            setattr(self, name, value)


def _attributes(model: Model) -> dict[str, Any]:
    """Return what an estimator keeps of a model, by its names."""
    return {"model_": model, "config_": model.config, "history_": dict(model.history)}


class _Listener(Silence):
    """Keeps what `fit` has to remark until it has ended."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        """Keep it, once."""
        if message not in self.notes:
            self.notes.append(message)


def _shape_of_images(image_shape: Sequence[int] | None, columns: int) -> tuple[int, ...] | None:
    """Return the shape of one row as an image."""
    if image_shape is None:
        return None
    shape = tuple(image_shape) if isinstance(image_shape, Iterable) else (image_shape,)
    if not all(isinstance(size, Integral) and size > 0 for size in shape) or (
        math.prod(shape) != columns
    ):
        raise InputError(
            f"image_shape: {image_shape!r} does not make the {columns} columns of X; give height "
            "and width, and channels if there are several"
        )
    return tuple(map(int, shape))


def load(path: str | Path) -> Any:
    """Read a file into a fitted `Autoencoder`; of a classifier into an `AutoencoderClassifier`.

    Parameters
    ----------
    path
        A model that `save` or a command has written, or a checkpoint of `fit`.

    Returns
    -------
    Autoencoder or AutoencoderClassifier
        As it was when it was saved.

    Raises
    ------
    InputError
        Where the file is missing, damaged, or not a model.
    """
    model = Model.load(Path(path))
    if model.classification is None:
        return _fitted(model)
    from gpuae.classifier import AutoencoderClassifier  # which is built upon this module

    return AutoencoderClassifier._of(model)


def stack(*autoencoders: Autoencoder) -> Autoencoder:
    """Join fitted autoencoders, each trained on the codes of the one before, into one.

    Its codes are those of the last one for rows of the first one's data; it may be fitted on, by
    `partial_fit`, or written to a file and trained with `gpuae fit --init-from`.

    Parameters
    ----------
    autoencoders
        Two or more, in the order in which rows pass them.

    Returns
    -------
    Autoencoder
        Fitted, of the layers of all.

    Raises
    ------
    InputError
        Where there are fewer than two, or one does not fit on the other.
    """
    for autoencoder in autoencoders:
        check_is_fitted(autoencoder, "model_")
    model = stacked([autoencoder.model_ for autoencoder in autoencoders])
    made = lineage.attributes("stack", ())
    return _fitted(replace(model, attributes={**model.attributes, **made}))


def _fitted(model: Model) -> Autoencoder:
    # how rows are cut into tiles was chosen for the old data; new ones may want another choice
    estimator = Autoencoder(**model.config.model_dump() | {"tile_rows": None})
    estimator._set_model(model)
    estimator._take_columns(model)
    estimator.n_iter_ = len(model.history.get("epoch", ()))
    return estimator
