"""Figures of a model and of rows, for a notebook.

`model` is a fitted estimator of gpuae's or a `Model`. Rows X (n, d) are an array or a table, whose
columns are taken by name if the model knows names; labels y (n,) are numbers or text. Of more rows
than a figure has place for, some are drawn at random, always the same ones, and it says so.

All raise ConfigError where matplotlib is missing, and InputError for rows that do not fit the
model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gpuae.errors import InputError
from gpuae.machine import Machine
from gpuae.plots.figure import draw
from gpuae.plots.required import check_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gpuae.dimensions import Dimensions
    from gpuae.model.model import Model
    from gpuae.pictures.sample import Sample

__all__ = [
    "code_map",
    "codes",
    "dimensions",
    "errors",
    "history",
    "onehot",
    "reconstructions",
    "weights",
]

ThemeName: TypeAlias = Literal["light", "dark"]


def weights(
    model: Any, *, count: int | None = None, alike: bool = False, theme: ThemeName = "light"
) -> Figure:
    """Draw what each unit of the first layer looks for.

    Parameters
    ----------
    model
        A fitted estimator of gpuae's, or what `gpuae.load` has read.
    count
        Draw the first so many units.
    alike
        Let alike units stand together.
    theme
        Whether the figure lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and its `savefig` writes it.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    InputError
        For a count below 1.
    """
    check_matplotlib()
    from gpuae.pictures.weights import weights

    return draw(weights(_model_of(model), count=count, alike=alike), theme=theme)


def onehot(
    model: Any, *, count: int | None = None, alike: bool = False, theme: ThemeName = "light"
) -> Figure:
    """Draw what each unit of the code adds to a reconstruction where it alone is active.

    Parameters
    ----------
    model
        A fitted estimator of gpuae's, or what `gpuae.load` has read.
    count
        Draw the first so many units.
    alike
        Let alike units stand together.
    theme
        Whether the figure lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and its `savefig` writes it.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    InputError
        For a count below 1, and for a classifier, which has no decoder.
    """
    check_matplotlib()
    from gpuae.pictures.onehot import onehot

    return draw(onehot(_model_of(model), count=count, alike=alike), theme=theme)


def history(model: Any, *, theme: ThemeName = "light") -> Figure:
    """Draw the losses of all epochs, and the learning rate.

    Parameters
    ----------
    model
        A fitted estimator of gpuae's, or what `gpuae.load` has read.
    theme
        Whether the figure lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and its `savefig` writes it.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    InputError
        Where the model has no epochs.
    """
    check_matplotlib()
    from gpuae.pictures.history import history

    return draw(history(_model_of(model)), theme=theme)


def reconstructions(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    count: int = 20,
    noise: bool = True,
    theme: ThemeName = "light",
) -> Figure:
    """Draw rows above what the model makes of them.

    Parameters
    ----------
    model
        A fitted estimator of gpuae's, or what `gpuae.load` has read.
    X
        Rows (n, d), an array or a table; columns are taken by name if the model knows names.
    y
        Labels (n,), numbers or text.
    count
        How many rows of X are drawn, at most 100.
    noise
        Whether rows get the noise of training, where the model had some.
    theme
        Whether the figure lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and its `savefig` writes it.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    InputError
        For a classifier, which has no decoder.
    """
    check_matplotlib()
    from gpuae.pictures.reconstructions import reconstructions

    if count < 1:
        raise InputError(f"count: is {count}; give how many rows to draw, at least 1")
    own, sample = _model_of(model), _sample(model, X, y, count)
    return draw(reconstructions(own, sample, noise=noise, machine=_machine(model)), theme=theme)


def codes(model: Any, X: Any, *, theme: ThemeName = "light") -> Figure:
    """Draw how active the units of the code are in rows.

    Parameters
    ----------
    model
        A fitted estimator of gpuae's, or what `gpuae.load` has read.
    X
        Rows (n, d), an array or a table; columns are taken by name if the model knows names.
    theme
        Whether the figure lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and its `savefig` writes it.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    InputError
        For rows that do not fit the model.
    """
    check_matplotlib()
    from gpuae.pictures.codes import MOST_ROWS, codes

    sample = _sample(model, X, None, MOST_ROWS)
    return draw(codes(_model_of(model), sample, machine=_machine(model)), theme=theme)


def code_map(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    colour: str | None = None,
    method: Literal["pca", "tsne", "umap"] = "pca",
    theme: ThemeName = "light",
) -> Figure:
    """Draw rows as points, those with like codes close together.

    Parameters
    ----------
    model
        A fitted estimator of gpuae's, or what `gpuae.load` has read.
    X
        Rows (n, d), an array or a table; columns are taken by name if the model knows names.
    y
        Labels (n,), numbers or text.
    colour
        What colours points: `label`, or the name of a column; None: the labels, if there are some.
    method
        Principal components, t-SNE, or UMAP, where umap-learn is installed.
    theme
        Whether the figure lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and its `savefig` writes it.

    Raises
    ------
    ConfigError
        For another method, or one that is not installed, or where matplotlib is missing.
    InputError
        Where there is nothing of that name to colour by.
    """
    check_matplotlib()
    from gpuae.pictures.code_map import MOST_ROWS, code_map

    sample = _sample(model, X, y, MOST_ROWS.get(method, 1))
    if colour is None and y is not None:
        colour = "label"
    how: dict[str, Any] = {"colour": colour, "method": method, "machine": _machine(model)}
    return draw(code_map(_model_of(model), sample, **how), theme=theme)


def errors(
    model: Any, X: Any, y: Any = None, *, threshold: float | None = None, theme: ThemeName = "light"
) -> Figure:
    """Draw how far rows are from what the model makes of them, and why the worst ones are.

    Parameters
    ----------
    model
        A fitted estimator of gpuae's, or what `gpuae.load` has read.
    X
        Rows (n, d), an array or a table; columns are taken by name if the model knows names.
    y
        Labels (n,), numbers or text.
    threshold
        The score above which a row is an outlier; None: the model's, where it has one.
    theme
        Whether the figure lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and its `savefig` writes it.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    InputError
        For a classifier, which has no decoder.
    """
    check_matplotlib()
    from gpuae.pictures.errors import MOST_ROWS, errors

    sample = _sample(model, X, y, MOST_ROWS)
    own = errors(_model_of(model), sample, threshold=threshold, machine=_machine(model))
    return draw(own, theme=theme)


def dimensions(found: Dimensions, *, theme: ThemeName = "light") -> Figure:
    """Draw what codes of growing size explain, as `gpuae.dimensions` has found it.

    Parameters
    ----------
    found
        What `gpuae.dimensions.dimensions` has found.
    theme
        Whether the figure lies on white (`light`) or on black (`dark`).

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it, and its `savefig` writes it.

    Raises
    ------
    ConfigError
        Where matplotlib is missing.
    """
    check_matplotlib()
    from gpuae.pictures.dimensions import dimensions

    return draw(dimensions(found), theme=theme)


def _model_of(model: Any) -> Model:
    """Return the model of a fitted estimator, or what is one itself."""
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import check_is_fitted

    from gpuae.model.model import Model

    if isinstance(model, BaseEstimator):
        check_is_fitted(model, "model_")
    own = getattr(model, "model_", model)
    if not isinstance(own, Model):
        raise InputError(
            f"model: is of type {type(model).__name__}; give a fitted estimator of gpuae's, or "
            "what gpuae.load has read"
        )
    return own


def _machine(model: Any) -> Machine:
    """Return what to compute with: an estimator knows."""
    return Machine(getattr(model, "device", "auto"), getattr(model, "threads", None))


def _sample(model: Any, X: Any, y: Any, most: int) -> Sample:
    import numpy as np

    from gpuae.pictures.sample import Sample
    from gpuae.storage.rows.dataset import Dataset
    from gpuae.storage.rows.metadata import RowMetadata
    from gpuae.storage.rows.row_blocks import check_finite
    from gpuae.storage.rows.row_types import as_stored

    own = _model_of(model)
    rows = as_stored(np.asarray(_known_columns(own, X)), "X")
    labels = None if y is None else np.asarray(y)
    if labels is not None and labels.dtype.kind == "O":
        labels = labels.astype(str)
    data = Dataset(rows, "X", metadata=RowMetadata(y=labels))
    check_finite(rows, "X", missing=own.preprocess.fill is not None)
    return Sample.of(data, most)


def _known_columns(model: Model, X: Any) -> Any:
    """Return the columns of a table that the model was trained on, by their names."""
    columns = getattr(X, "columns", None)
    if columns is not None and model.categorical:
        from gpuae.tables import known_rows, titles_of

        fills = model.preprocess.fill is not None
        return known_rows(X, model, titles_of(model), missing=fills)
    if columns is None or model.feature_names is None:
        return X
    missing = [name for name in model.feature_names if name not in columns]
    if missing:
        raise InputError(
            f"X: has no column {missing[0]!r}, which the model was trained on; give data of the "
            "same columns"
        )
    return X[list(model.feature_names)]
