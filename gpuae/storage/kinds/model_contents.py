"""What a model consists of, and whether its parts fit together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.config import Config
from gpuae.finetune_config import FinetuneConfig
from gpuae.storage.file_format import Attribute
from gpuae.storage.rows import categorical
from gpuae.storage.rows.categorical import Categorical

UNBOUNDED = ("clip_low", "clip_high")
"""Preprocessing limits that may be infinite: no clipping."""
RANGE = ("low", "high")
"""Of the training rows; infinite where they are not known, as of a model of another program."""
SCALING = ("center", "factor", *UNBOUNDED, *RANGE)
WHITENING = ("whiten_mean", "whiten", "unwhiten")
FILLING = ("fill",)
COUNTING = ("total",)
PRINCIPAL = ("mean", "axes", "variances")
SCORES = ("scores", "held_out")
NEIGHBOURS = ("rows", "rebuilt", "variance", "residual_variance")
CALIBRATION = (*SCORES, "threshold", *NEIGHBOURS)

CLASSES, FEWEST_CLASSES = "/model/classes", 2
_COUNTED_BY = {"scores": "scores", "rows": "rows", "rebuilt": "rows"}
"""Which array of /calibration says how many rows another one has."""
_MAY_BE_INFINITE = tuple(f"/preprocess/{name}" for name in (*UNBOUNDED, *RANGE))


@dataclass(frozen=True)
class LayerArrays:
    """One layer: A W + b with W of shape (n_in, n_out)."""

    weight: NDArray[Any] | None
    """Of shape (n_in, n_out); None in a tied decoder, which uses the encoder's transpose."""
    bias: NDArray[Any]
    """Of shape (n_out,)."""

    def arrays(self, path: str) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield the weight, if there is one, and the bias, each with where it is below `path`."""
        if self.weight is not None:
            yield f"{path}/weight", self.weight
        yield f"{path}/bias", self.bias


@dataclass(frozen=True)
class ClassifierContents:
    """What a classifier holds in place of a decoder."""

    layer: LayerArrays
    """From the code to the classes."""
    classes: NDArray[Any]
    """Labels (c,), ascending: int64, or strings."""
    config: FinetuneConfig
    """Resolved settings of its training."""


@dataclass(frozen=True)
class ModelContents:
    """Everything that a model file holds."""

    config: Config
    """The resolved configuration that was trained with."""
    encoder: tuple[LayerArrays, ...]
    """From the data to the code; none in a model that only decodes."""
    decoder: tuple[LayerArrays, ...]
    """0 is nearest the code."""
    preprocess: Mapping[str, NDArray[Any]]
    """Names of /preprocess to float64 arrays of at most two dimensions."""
    history: Mapping[str, NDArray[Any]]
    """Names of /train/history to arrays (epochs,)."""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    """Further root attributes, such as source_sha256, device and seed."""
    feature_names: tuple[str, ...] | None = None
    """One a column of the data."""
    image_shape: tuple[int, ...] | None = None
    """Of one row of the data."""
    pca: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Names of /pca to arrays; none where the model has no PCA to compare with."""
    calibration: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Names of /calibration to arrays; none where the model keeps nothing to judge rows by."""
    classifier: ClassifierContents | None = None
    """Of a classifier, which has no decoder."""
    categorical: Categorical = ()
    """Columns of categories of the data."""

    @property
    def columns(self) -> int:
        """Of the data; to be asked of contents whose shapes fit."""
        return len(self.preprocess["center"])

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield all arrays of numbers, each with its path."""
        for part, layers in (("encoder", self.encoder), ("decoder", self.decoder)):
            for index, layer in enumerate(layers):
                yield from layer.arrays(f"/model/{part}/{index}")
        if self.classifier is not None:
            yield from self.classifier.layer.arrays("/model/classifier")
        for group, named in (
            ("/preprocess", self.preprocess),
            ("/pca", self.pca),
            ("/calibration", self.calibration),
            ("/train/history", self.history),
        ):
            yield from ((f"{group}/{name}", values) for name, values in named.items())


def first_problem(contents: ModelContents) -> str | None:
    """Return what is wrong with a model, to be read after "its"; None when nothing is."""
    return first_shape_problem(contents) or next(_value_problems(contents), None)


def first_shape_problem(contents: ModelContents) -> str | None:
    """Return what is wrong with the shapes and types; the values are not looked at."""
    return next(_shape_problems(contents), None)


def _shape_problems(contents: ModelContents) -> Iterator[str]:
    """Yield problems, the ones first that make later checks meaningless."""
    hidden = contents.config.resolved_hidden
    decoder = len(hidden) if contents.classifier is None else 0
    encoder = len(hidden) if contents.encoder or decoder == 0 else 0
    if len(contents.encoder) != encoder or len(contents.decoder) != decoder:
        yield f"number of layers is not the {len(hidden)} of hidden={hidden}"
        return
    if problem := _first_layer_problem(contents):
        yield problem
        return
    sizes = (_columns_of_layers(contents), *hidden)
    dtype = contents.config.dtype
    tied = contents.config.decoder == "tied"
    for index, layer in enumerate(contents.encoder):
        shape = (sizes[index], sizes[index + 1])
        yield from _layer_problems(f"/model/encoder/{index}", layer, shape, dtype)
    for index, layer in enumerate(contents.decoder):
        shape = (sizes[-1 - index], sizes[-2 - index])
        yield from _layer_problems(f"/model/decoder/{index}", layer, shape, dtype, tied=tied)
    if contents.classifier is not None:
        yield from _class_problems(contents.classifier, sizes[-1], dtype)
    yield from _column_problems(contents, sizes[0])
    yield from _calibration_problems(contents.calibration, sizes[0])
    yield from _history_problems(contents)
    yield from _pca_problems(contents, sizes[0])


def _first_layer_problem(contents: ModelContents) -> str | None:
    """Return why the layers do not say how many columns the data have; None where they do."""
    if not contents.encoder:
        bias = contents.decoder[-1].bias
        return (
            None
            if bias.ndim == 1
            else f"/model/decoder/{len(contents.decoder) - 1}/bias is not a vector"
        )
    first = contents.encoder[0].weight
    return "/model/encoder/0/weight is not a matrix" if first is None or first.ndim != 2 else None


def _columns_of_layers(contents: ModelContents) -> int:
    first = contents.encoder[0].weight if contents.encoder else None
    return len(contents.decoder[-1].bias) if first is None else len(first)


def _layer_problems(
    path: str, layer: LayerArrays, shape: tuple[int, int], dtype: str, *, tied: bool = False
) -> Iterator[str]:
    if tied and layer.weight is not None:
        yield f"{path}/weight is there although decoder=tied has none"
    elif not tied and layer.weight is None:
        yield f"{path}/weight is missing"
    expected = {"weight": (layer.weight, shape), "bias": (layer.bias, shape[1:])}
    for name, (values, wanted) in expected.items():
        if values is None:
            continue
        if values.shape != wanted:
            yield f"{path}/{name} has shape {values.shape} where hidden asks for {wanted}"
        if values.dtype != dtype:
            yield f"{path}/{name} is {values.dtype} where the configuration says {dtype}"


def _class_problems(head: ClassifierContents, code_size: int, dtype: str) -> Iterator[str]:
    """Check the classes, and that there is a unit for each."""
    if head.classes.ndim != 1 or len(head.classes) < FEWEST_CLASSES:
        yield f"{CLASSES} has shape {head.classes.shape} where two classes or more are needed"
        return
    if head.classes.dtype != np.int64 and head.classes.dtype.kind not in "US":
        yield f"{CLASSES} is {head.classes.dtype} where int64 or text is needed"
    yield from _layer_problems(
        "/model/classifier", head.layer, (code_size, len(head.classes)), dtype
    )


def _value_problems(contents: ModelContents) -> Iterator[str]:
    head = contents.classifier
    if head is not None and not (head.classes[:-1] < head.classes[1:]).all():
        yield f"{CLASSES} does not ascend"
    for path, values in contents.arrays():
        unusable = np.isnan(values) if path in _MAY_BE_INFINITE else ~np.isfinite(values)
        if unusable.any() and not path.startswith("/train/history/"):
            yield f"{path} holds NaN or infinite values"
    if not contents.preprocess.get("total", np.ones(())) > 0:
        yield "/preprocess/total is not above 0"
    yield from _calibration_value_problems(contents.calibration)


def _column_problems(contents: ModelContents, columns: int) -> Iterator[str]:
    """Check what must fit the number of columns of the data."""
    config = contents.config
    parts = (
        (SCALING, True, ""),
        (WHITENING, config.whiten != "none", "whiten"),
        (FILLING, config.missing == "mean", "missing=mean"),
        (COUNTING, config.scale == "log1p", "scale=log1p"),
    )
    for names, wanted, setting in parts:
        for name in names:
            if wanted and name not in contents.preprocess:
                yield f"/preprocess/{name} is missing"
            elif not wanted and name in contents.preprocess:
                yield f"/preprocess/{name} is there without {setting}"
    for name, values in contents.preprocess.items():
        shape = preprocess_shape(name, columns)
        if shape is not None and values.shape != shape:
            yield f"/preprocess/{name} has shape {values.shape} where {shape} is needed"
    if contents.feature_names is not None and len(contents.feature_names) != columns:
        yield f"/model/feature_names are {len(contents.feature_names)} for {columns} columns"
    if problem := categorical.first_problem(contents.categorical, columns):
        yield f"/model/categorical does not fit: {problem}"
    if contents.image_shape is not None and math.prod(contents.image_shape) != columns:
        yield f"image_shape {contents.image_shape} does not make {columns} columns"


def _calibration_problems(calibration: Mapping[str, NDArray[Any]], columns: int) -> Iterator[str]:
    """Check that what belongs together is there and fits."""
    for names in (SCORES, NEIGHBOURS):
        missing = [name for name in names if name not in calibration]
        wanted = bool(calibration) if names == SCORES else len(missing) < len(names)
        if wanted and missing:
            yield f"/calibration/{missing[0]} is missing"
            return
    for name, values in calibration.items():
        shape = (len(calibration[lead]),) if (lead := _COUNTED_BY.get(name)) else ()
        wide = (columns,) if name in NEIGHBOURS else ()
        if values.shape != shape + wide or 0 in values.shape:
            yield f"/calibration/{name} has shape {values.shape} where {shape + wide} is needed"


def _calibration_value_problems(calibration: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    for name, values in calibration.items():
        lowest = -np.inf if name in ("rows", "rebuilt") else 0
        if (values < lowest).any() or ("variance" in name and (values == 0).any()):
            yield f"/calibration/{name} holds values that are too low"
    if (np.diff(calibration.get("scores", np.zeros(0))) < 0).any():
        yield "/calibration/scores do not ascend"


def preprocess_shape(name: str, columns: int) -> tuple[int, ...] | None:
    """Return the shape that /preprocess/`name` must have; None for names that are not known."""
    if name in UNBOUNDED or name in COUNTING:
        return ()
    if name in ("center", "factor", "low", "high", "whiten_mean", "fill"):
        return (columns,)
    return (columns, columns) if name in ("whiten", "unwhiten") else None


def _history_problems(contents: ModelContents) -> Iterator[str]:
    shapes = {values.shape for values in contents.history.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        yield f"/train/history holds arrays of the shapes {sorted(shapes)}, not one value an epoch"


def _pca_problems(contents: ModelContents, columns: int) -> Iterator[str]:
    if not contents.pca:
        return
    missing = [name for name in PRINCIPAL if name not in contents.pca]
    if missing:
        yield f"/pca/{missing[0]} is missing"
        return
    count = contents.pca["variances"].size
    shapes = {"mean": (columns,), "axes": (columns, count), "variances": (count,)}
    for name, shape in shapes.items():
        found = contents.pca[name].shape
        if found != shape:
            yield f"/pca/{name} has shape {found} where {shape} is needed"
    if not 1 <= count <= contents.config.code_size:
        yield f"/pca has {count} axes for a code of {contents.config.code_size} units"
