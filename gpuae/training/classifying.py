"""A classifier from an autoencoder: a softmax layer on its codes, then the whole network.

Targets are w·(1 for the class of a row, 0 for the others), w the weight of the class, so J is the
mean over rows, by their own weights, of w·cross-entropy, and weight decay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.backends import Device, computed_by, get_ops, resolve_device
from gpuae.backends.ops import Ops
from gpuae.backends.philox import Purpose
from gpuae.config import Config
from gpuae.errors import ConfigError, DivergedError, InputError
from gpuae.finetune_config import FinetuneConfig
from gpuae.machine import Machine
from gpuae.memory import data_memory
from gpuae.model.classifier import Classification, classes_of, classifier_network, softmax_layer
from gpuae.model.missing import filled_once
from gpuae.model.model import Model
from gpuae.model.network import Network
from gpuae.model.preprocess import Preprocess, fit_preprocess
from gpuae.model.row_weights import balanced, chosen, that_count
from gpuae.model.statistics import RowWeights, column_statistics, total_weight, weighted_sum
from gpuae.storage.file_format import Attribute
from gpuae.storage.rows.mapped_copy import scratch
from gpuae.storage.rows.pages import gathered
from gpuae.training.batches import Order, permutation
from gpuae.training.device_choice import choose_device
from gpuae.training.history import History, Observer, Silence
from gpuae.training.preparation import Prepared, new_team
from gpuae.training.trainer import Build, Ending, Trainer, TrainingResult

ROWS_AT_ONCE = 4096
SHOWN = 10
"""Labels in a message."""
HEAD, WHOLE = "softmax layer", "whole network"


@dataclass(frozen=True)
class Finetuned:
    """A classifier and how it came about.

    Attributes
    ----------
    results
        Of each stage that was begun: the softmax layer, the whole network.
    rows, held_out
        Numbers of the rows that were trained on and of those that were not, ascending.
    accuracy
        The share of the rows held out that it is right about; None where there are none.
    """

    model: Model
    results: tuple[TrainingResult, ...]
    device: Device
    rows: Order
    held_out: Order
    accuracy: float | None

    @property
    def ending(self) -> Ending:
        """Why training ended."""
        return self.results[-1].ending

    @property
    def seconds(self) -> float:
        """How long all epochs took."""
        return sum(result.seconds for result in self.results)

    def raise_if_diverged(self) -> None:
        """Raise what a person should be told when the loss stopped being finite."""
        if self.ending is Ending.DIVERGED:
            raise DivergedError(
                "the loss or a weight was no finite number in epoch "
                f"{self.results[-1].lost_epoch}: lower learning_rate; the last weights that were "
                "finite were kept"
            )


def finetune(
    model: Model,
    x: NDArray[Any],
    labels: NDArray[Any],
    config: FinetuneConfig,
    *,
    source: str = "labels",
    observer: Observer | None = None,
    ready: Callable[[Model], None] | None = None,
    attributes: Mapping[str, Attribute] | None = None,
    weights: RowWeights = None,
) -> Finetuned:
    """Make a classifier of labelled rows x (n, d) from a model.

    Parameters
    ----------
    model
        An autoencoder, or a classifier of other classes, whose encoder is taken.
    labels
        One a row, (n,): integers or strings.
    source
        What messages call the labels.
    ready
        Is given the classifier that training begins with, when nothing can be wrong any more.
    attributes
        What else the classifier should say about its making.
    weights
        How much each row counts, (n,); rows of weight 0 are left out.

    Raises
    ------
    ConfigError, DeviceError, InputError
        Where settings, device, labels or rows make no sense.
    """
    resolve_device(config.device)  # one that is not there is refused before anything is read
    watcher = observer or Silence()
    encoding.check_columns(model, x.shape[1])
    if len(labels) != len(x):
        raise InputError(f"{source}: has {len(labels)} labels for {len(x)} rows; give one a row")
    config.check_layers(model.network.depth)
    if weights is not None:
        labels = labels[weights > 0]
        x, weights = that_count(x, weights)
    classes, numbers = classes_of(labels, source)
    x = filled_once(x, model.preprocess.fill)
    config = config.resolve(len(x), x.nbytes)
    rows, held_out = stratified(numbers, config.resolved("validation"), config.seed)
    targets = _targets(numbers, classes, rows, config, weights)
    network = classifier_network(model.config, model.network.columns, len(classes))
    epochs = max(config.resolved("head_epochs"), config.resolved("epochs"))
    whole, row_bytes = config.training(model.config, epochs, whole=True), x.nbytes / len(x)
    device = choose_device(network, whole, len(rows), row_bytes, watcher)
    started = replace(
        model,
        parameters=_first_parameters(model, len(classes)),
        history={},
        attributes={"seed": config.seed, **computed_by(device), **(attributes or {})},
        pca=None,
        calibration=None,
        classification=Classification(classes, config),
    )
    if ready is not None:
        ready(started)
    ops = get_ops(device, model.config.precision)
    own = balanced(weights, rows, held_out)
    training = _Training(ops, started, x, targets, rows, held_out, watcher, own)
    trained, results = training.run()
    right = None
    if results[-1].ending is not Ending.INTERRUPTED:
        right = _accuracy(trained, x, numbers, held_out, own)
    return Finetuned(trained, results, device, rows, held_out, right)


def stratified(numbers: NDArray[np.int64], fraction: float, seed: int) -> tuple[Order, Order]:
    """Return the rows to train on and those to hold out: the same fraction of each class.

    At least one row of each class is trained on.
    """
    held_out = []
    for number in range(int(numbers.max()) + 1):
        own = np.flatnonzero(numbers == number)
        count = min(round(len(own) * fraction), len(own) - 1)
        held_out.append(own[permutation(len(own), seed, Purpose.SPLIT, epoch=number)[:count]])
    apart = np.sort(np.concatenate(held_out))
    return np.setdiff1d(np.arange(len(numbers)), apart), apart


def _first_parameters(model: Model, classes: int) -> NDArray[Any]:
    """Return the encoder's weights with a softmax layer of zeros: all classes are as likely."""
    network = classifier_network(model.config, model.network.columns, classes)
    flat = np.zeros(network.size, model.config.dtype)
    encoder = model.network.views(model.parameters)[: model.network.depth]
    for own, known in zip(network.views(flat), encoder, strict=False):
        own.weight[...], own.bias[...] = known.weight, known.bias
    return flat


def _targets(
    numbers: NDArray[np.int64],
    classes: NDArray[Any],
    rows: Order,
    config: FinetuneConfig,
    weights: RowWeights,
) -> NDArray[Any]:
    """Return what each row's probabilities should be, times the weight of its class, (n, c)."""
    own = numbers[:, None] == np.arange(len(classes))
    if config.class_weight == "none":
        return np.asarray(own.view(np.uint8))
    of_classes = _weights(numbers[rows], classes, config, chosen(weights, rows))
    return np.where(own, of_classes, np.float32(0))


def _weights(
    numbers: NDArray[np.int64],
    classes: NDArray[Any],
    config: FinetuneConfig,
    row_weights: RowWeights,
) -> NDArray[np.float32]:
    """Return the weight of each class (c,): given, or such that all count the same together."""
    given = config.class_weight
    if isinstance(given, str):
        counts = np.bincount(numbers, row_weights, minlength=len(classes))
        return np.asarray(counts.sum() / (len(classes) * counts), np.float32)
    labels = [str(label) for label in classes.tolist()]
    if unknown := sorted(given.keys() - set(labels)):
        raise ConfigError(
            f"class_weight: {unknown[0]!r} is none of the classes {', '.join(labels[:SHOWN])}"
            f"{', …' if len(labels) > SHOWN else ''}; correct the label"
        )
    return np.array([given.get(label, 1.0) for label in labels], np.float32)


@dataclass(frozen=True)
class _Training:
    """Two stages of training of one classifier.

    Attributes
    ----------
    started
        The classifier as it begins.
    targets
        (n, classes).
    weights
        How much each row counts, 1 on average over those trained on and over those held out.
    """

    ops: Ops
    started: Model
    x: NDArray[Any]
    targets: NDArray[Any]
    rows: Order
    held_out: Order
    watcher: Observer
    weights: RowWeights

    def run(self) -> tuple[Model, tuple[TrainingResult, ...]]:
        """Train and return the classifier, and how its stages went."""
        flat, results = self.started.parameters.copy(), []
        for stage, epochs, train in (
            (HEAD, self._config.resolved("head_epochs"), self._train_head),
            (WHOLE, self._config.resolved("epochs"), self._train_whole),
        ):
            if epochs == 0:
                continue
            self.watcher.stage_starts(stage)
            try:
                results.append(train(flat, epochs))
            except KeyboardInterrupt:  # before or after the epochs, which hear of it themselves
                results.append(TrainingResult(ending=Ending.INTERRUPTED))
            if results[-1].ending in (Ending.INTERRUPTED, Ending.DIVERGED):
                break
        history = _joined([result.history for result in results])
        attributes = {**self.started.attributes, "best_epoch": _best_epoch(results)}
        return (
            replace(self.started, parameters=flat, history=history, attributes=attributes),
            tuple(results),
        )

    @property
    def _config(self) -> FinetuneConfig:
        classification = self.started.classification
        assert classification is not None
        return classification.config

    def _train_head(self, flat: NDArray[Any], epochs: int) -> TrainingResult:
        """Train the softmax layer on codes, which are computed once."""
        code_size, classes = self.started.network.code_size, self.targets.shape[1]
        config = self._config.training(self.started.config, epochs, whole=False)
        network = softmax_layer(code_size, classes)
        with scratch(
            (len(self.x), code_size), config.dtype, data_memory(self._config.memory)
        ) as codes:
            self._encode(codes)
            statistics = column_statistics(codes, self.rows)
            plain = fit_preprocess(codes, self.rows, config, statistics)
            own = np.zeros(network.size, flat.dtype)
            _copy_head(self.started.network, flat, network, own)

            def build(_: TrainingResult, kept: Any) -> Model:
                whole = flat.copy()
                _copy_head(network, self.ops.to_host(kept), self.started.network, whole)
                return replace(self.started, parameters=whole)

            result = self._train(network, config, plain, codes, own, build)
        _copy_head(network, own, self.started.network, flat)
        return result

    def _encode(self, codes: NDArray[Any]) -> None:
        machine = Machine.of(self._config)
        encoding.encode(self.started, self.x, encoding.into(codes), machine=machine)

    def _train_whole(self, flat: NDArray[Any], epochs: int) -> TrainingResult:
        config = self._config.training(self.started.config, epochs, whole=True)
        network, preprocess = self.started.network, self.started.preprocess

        def build(_: TrainingResult, kept: Any) -> Model:
            return replace(self.started, parameters=self.ops.to_host(kept))

        return self._train(network, config, preprocess, self.x, flat, build)

    def _train(
        self,
        network: Network,
        config: Config,
        preprocess: Preprocess,
        x: NDArray[Any],
        flat: NDArray[Any],
        build: Build,
    ) -> TrainingResult:
        """Train the weights in flat (network.size,), on the host, on rows x."""
        parameters = self.ops.empty(flat.shape, config.dtype)
        self.ops.assign(parameters, flat)
        prepared = Prepared(config, preprocess)
        own = (self.ops, network, prepared, x, parameters, len(self.rows))
        with new_team(*own, targets=self.targets, row_weights=self.weights) as team:
            trainer = Trainer(self.ops, team, config, self.rows, self.held_out, self.watcher, build)
            result = trainer.train()
        flat[...] = self.ops.to_host(parameters)
        return result


def _copy_head(source: Network, given: NDArray[Any], target: Network, taken: NDArray[Any]) -> None:
    """Copy the last layer's weights from one flat vector to another."""
    own, other = source.views(given)[-1], target.views(taken)[-1]
    other.weight[...], other.bias[...] = own.weight, own.bias


def _best_epoch(results: list[TrainingResult]) -> int:
    """Return the epoch of all stages, counted from 1, whose weights were kept."""
    best = done = 0
    for result in results:
        best = done + result.best_epoch if result.best_epoch else best
        done += result.epochs
    return best


def _joined(histories: list[History]) -> dict[str, NDArray[Any]]:
    """Return the epochs of all stages one after the other, numbered from 1, with their stage."""
    parts = [history.arrays() for history in histories]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    joined["epoch"] = np.arange(1, len(joined["epoch"]) + 1)
    counts = [len(part["epoch"]) for part in parts]
    joined["stage"] = np.repeat(np.arange(1, len(parts) + 1), counts)
    return joined


def _accuracy(
    model: Model,
    x: NDArray[Any],
    numbers: NDArray[np.int64],
    held_out: Order,
    weights: RowWeights,
) -> float | None:
    """Return the share of the rows held out, by weight, that a classifier is right about."""
    if not len(held_out):
        return None
    config = encoding.check_classifies(model).config
    machine = Machine.of(config)
    right = 0.0
    for start in range(0, len(held_out), ROWS_AT_ONCE):
        own = held_out[start : start + ROWS_AT_ONCE]
        found = np.empty((len(own), model.network.outputs), model.config.dtype)
        encoding.classify(model, gathered(x, own), encoding.into(found), machine=machine)
        right += float(weighted_sum(found.argmax(axis=1) == numbers[own], chosen(weights, own)))
    return right / total_weight(len(held_out), chosen(weights, held_out))
