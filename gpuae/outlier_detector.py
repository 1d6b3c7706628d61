"""scikit-learn's face of outlier detection: `OutlierDetector`, with its conventions and signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from gpuae import encoding, outliers
from gpuae.backends import resolve_device
from gpuae.callbacks import tasks_of, with_callbacks
from gpuae.config import Config
from gpuae.model.calibration import Calibration, as_often_as_they_count
from gpuae.model.model import Model
from gpuae.model.statistics import RowWeights
from gpuae.model_estimator import NAME_CATEGORIES, ModelEstimator, told_of, warn
from gpuae.presets import Preset
from gpuae.storage.provenance import lineage
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.training.calibrating import fit_calibrated

PRESET = "outliers"


class OutlierDetector(OutlierMixin, ModelEstimator):  # type: ignore[misc]
    """Finds the rows of a matrix that are unlike the others, by means of an autoencoder.

    Its settings are those of the preset `outliers` with what is given here, and `dtype=float64`, in
    which a score does not depend on the rows that are judged with it.

    Parameters
    ----------
    hidden
        Encoder widths, the last is the code; None leaves them to the data.
    contamination
        Share of the training rows that count as outliers, in (0, 0.5].
    trim
        Share of the training rows to leave out, those most unlike the others, before training again
        on the rest; 0 for rows that are known to be no outliers.
    outlier_score
        `knn`: distance to training rows and their errors; `mse`: the squared error alone.
    seed, device, threads
        As of `Autoencoder`.
    settings
        Any others of the table in docs/settings.md, by their names.
    random_state
        As of `Autoencoder`.

    Attributes
    ----------
    decision_scores_ : ndarray of shape (n,)
        Of the training rows: the higher, the more unlike the others.
    threshold_ : float
        Rows of a higher score are outliers.
    labels_ : ndarray of shape (n,)
        1 for outliers among the training rows, else 0.
    offset_ : float
        `-threshold_`; `decision_function` is `score_samples` minus this.
    model_ : Model
        The trained network with its preprocessing, and what rows are judged by.
    n_features_in_ : int
        Columns of the data.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from gpuae import OutlierDetector
    >>> wines = load_wine().data
    >>> detector = OutlierDetector(contamination=0.05).fit(wines)
    >>> int((detector.predict(wines) == -1).sum())
    9
    """

    def __init__(
        self,
        hidden: int | Sequence[int] | None = None,
        *,
        contamination: float = 0.1,
        trim: float = 0.1,
        outlier_score: str = "knn",
        seed: int = 0,
        device: str = "auto",
        threads: int | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden = hidden
        self.contamination = contamination
        self.trim = trim
        self.outlier_score = outlier_score
        self.seed = seed
        self.device = device
        self.threads = threads
        self.settings = settings
        self.random_state = random_state

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: object = None,
        sample_weight: Any = None,
        *,
        categorical: str | Sequence[str | int] | None = None,
    ) -> Self:
        """Learn what is usual from rows, which may hold outliers.

        Parameters
        ----------
        X
            Rows (n, d): numbers, as an array or a table.
        y
            Not used; scikit-learn's pipelines pass it.
        sample_weight
            How much each row counts, (n,): one of weight 2 as two rows, one of weight 0 not at all.
            `contamination` and `trim` are shares of the weight.
        categorical
            As of `Autoencoder.fit`.

        Returns
        -------
        OutlierDetector
            Itself, fitted.

        Raises
        ------
        ConfigError
            For settings that make no sense.
        DivergedError
            When the loss stops being finite.
        """
        config = self._config(self._drawn_seed())
        mixed = None if categorical is None else self._mixed_rows(X, categorical)
        rows = self._new_rows(X, NAME_CATEGORIES) if mixed is None else mixed.x
        weights = self._row_weights(sample_weight, len(rows))
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        tasks = tasks_of(self, None, X=X, y=y, metadata=metadata)
        told = {"preset": PRESET} | told_of(weights)
        fitted = fit_calibrated(
            rows,
            config,
            observer=tasks,
            attributes=lineage.attributes("OutlierDetector.fit", (), told),
            feature_names=self._names() if mixed is None else mixed.feature_names,
            categorical=() if mixed is None else mixed.categorical,
            weights=weights,
        )
        fitted.raise_if_diverged()
        self._set_model(fitted.model, rows, weights)
        tasks.end(self.model_)
        if fitted.interrupted and not tasks.stopped:
            warn("interrupted: rows are judged by what was learnt so far", ConvergenceWarning)
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the negative score of each row: the lower, the more unlike the others.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n,)
            Of training rows `-decision_scores_`.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        return -self._scores(self._known_rows(X))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return `score_samples` minus `offset_`: below 0 are outliers.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n,)
            In the units of the score.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return which rows are outliers.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n,)
            −1 for outliers and 1 for other rows.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Return the share of held-out rows of training with a score as high.

        Where the data were too few to hold rows out, each row was scored by a model that it did not
        train.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n,)
            From just above 0 to 1.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        calibration = self._calibration()
        return calibration.p_values(-self.score_samples(X))

    def contributions(self, X: Any) -> NDArray[np.float64]:
        """Return each column's share of the score of each row.

        Numbers come first, then columns of categories, one each.

        Parameters
        ----------
        X
            Rows (n, d) of the columns that it was fitted on.

        Returns
        -------
        ndarray of shape (n, d)
            A row adds up to 1.

        Raises
        ------
        ValueError
            For rows of other columns than it was fitted on, or missing or infinite values.
        """
        rows = self._known_rows(X)
        out = np.empty((len(rows), self.model_.table_columns))
        sink = encoding.into(out)
        report = outliers.Report(self.model_, shares=True)
        outliers.judge(
            report,
            rows,
            lambda start, block: sink(start, block["contributions"]),
            machine=self._machine,
        )
        return out

    def _config(self, seed: int | None = None) -> Config:
        own = self.get_params(deep=False)
        others = own.pop("settings") or {}
        if own.pop("random_state") is not None:
            others = {**others, "seed": self.seed if seed is None else seed}
        return Preset.named(PRESET).config({"dtype": "float64", **own, **others})

    def _set_model(self, model: Model, rows: AnyRows, weights: RowWeights) -> None:
        self.model_ = model
        self.decision_scores_ = self._scores(rows)
        scores = as_often_as_they_count(self.decision_scores_, weights)
        self.threshold_ = float(np.quantile(scores, 1.0 - self.contamination))
        self.offset_ = -self.threshold_
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(np.int64)
        calibration = replace(self._calibration(), threshold=self.threshold_)
        self.model_ = replace(model, calibration=calibration)

    def _calibration(self) -> Calibration:
        check_is_fitted(self, "model_")
        return outliers.calibration_of(self.model_)

    def _trains_on_sparse(self) -> bool:
        config = self._config()
        return not (config.full_batch or resolve_device(config.device).is_gpu)

    def _data_memory(self) -> str | None:
        return (self.settings or {}).get("memory")

    def _allows_missing(self) -> bool:
        return (self.settings or {}).get("missing") == "mean"
