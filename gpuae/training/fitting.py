"""From rows and a configuration to a model: the whole of `fit`, for the shell and for Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import Device, get_ops, resolve_device
from gpuae.backends.ops import DeviceOps, Ops
from gpuae.config import Config
from gpuae.defaults import PIXEL_BYTES, DataFacts, held_out, resolve
from gpuae.errors import ConfigError, DivergedError, InputError
from gpuae.memory import physical_memory
from gpuae.model.init import initial_parameters
from gpuae.model.missing import filled_once, learn_fill
from gpuae.model.model import Model
from gpuae.model.network import Network
from gpuae.model.pca import PrincipalAxes
from gpuae.model.preprocess import Preprocess, fit_preprocess
from gpuae.model.reference import learn_axes, reference
from gpuae.model.statistics import (
    ColumnStatistics,
    Vector,
    column_statistics,
    mean_variance,
    share_one_range,
)
from gpuae.storage.matrix import Source
from gpuae.training.batches import Order, choose_lanes, choose_tile_rows
from gpuae.training.checkpoint import Checkpoints, CheckpointSaver
from gpuae.training.crew import available_cores
from gpuae.training.folds import Fold, Validated, cross_validate, fold_rows
from gpuae.training.footprint import bytes_needed
from gpuae.training.gpu_team import GpuTeam
from gpuae.training.held_out import MEASURED_ROWS, held_out_facts
from gpuae.training.history import Observer, Silence
from gpuae.training.interruption import Interrupted
from gpuae.training.lanes import EVALUATION_ROWS
from gpuae.training.partition import partition
from gpuae.training.team import Team
from gpuae.training.thread_team import ThreadTeam
from gpuae.training.trainer import Course, Ending, Trainer


@dataclass(frozen=True)
class Trial:
    """A model and rows that say what it is worth, since it was not trained on them."""

    model: Model
    rows: Order
    """Their numbers, ascending."""


@dataclass(frozen=True)
class Fit:
    """What `fit` gives: the model and how it came about."""

    model: Model
    course: Course
    device: Device
    x: NDArray[Any]
    """All rows (n, d) without missing values; validation rows of their own follow the others."""
    trials: tuple[Trial, ...]
    """Models and the rows that each was not trained on: one, or one for each fold; none where
    no rows were held out."""
    training_rows: int

    @property
    def unseen(self) -> Order:
        """Numbers of the rows that the model itself was not trained on."""
        own = [trial.rows for trial in self.trials if trial.model is self.model]
        return own[0] if own else np.arange(0)

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to stop."""
        return self.course.ending is Ending.INTERRUPTED

    def raise_if_diverged(self) -> None:
        """Raise what a person should be told when the loss stopped being finite."""
        if self.course.ending is not Ending.DIVERGED:
            return
        epoch = len(self.course.history.records) + 1
        raise DivergedError(
            f"the loss, a weight or a mean of the optimizer was no finite number in epoch {epoch}: "
            f"{_remedy(self.model.config)}; "
            f"the weights of epoch {self.course.best_epoch} were kept"
        )


def fit(
    x: NDArray[Any],
    config: Config,
    *,
    validation: Source | None = None,
    observer: Observer | None = None,
    initial: Model | None = None,
    checkpoints: Checkpoints | None = None,
    ready: Callable[[Model], None] | None = None,
    attributes: Mapping[str, str | int | float] | None = None,
    feature_names: tuple[str, ...] | None = None,
    image_shape: tuple[int, ...] | None = None,
) -> Fit:
    """Train an autoencoder on the rows of x (n, d).

    Parameters
    ----------
    validation
        Rows (m, d) to hold out instead of the fraction `validation` of x.
    initial
        A model of the same shape whose weights to start from.
    checkpoints
        Where and when to write checkpoints, and whether to go on from one.
    ready
        Is given the model that training begins with, when nothing can be wrong any more.
    attributes
        What else the model should say about its making.

    Raises
    ------
    ConfigError
        Where the settings make no sense for these data.
    DeviceError
        Where the device is not there.
    InputError
        Where there are no rows or columns, or values that are no numbers.
    """
    if 0 in x.shape:
        raise InputError(f"the data have {x.shape[0]} rows of {x.shape[1]} columns; give some")
    device = resolve_device(config.device)
    watcher = observer or Silence()
    config = held_out(config, len(x), own_rows=validation is not None)
    parts = partition(x, validation, config)
    rows, validation_rows = parts.training, parts.held_out
    fill = learn_fill(parts.x, rows, config, feature_names)
    x = filled_once(parts.x, fill)
    statistics = column_statistics(x, rows)
    pixels = image_shape is not None
    prepared = prepare(x, rows, config, statistics, fill, pixels=pixels)
    watcher.chosen(prepared.reasons)
    for note in _notes(prepared.config, x, statistics, len(rows)):
        watcher.note(note)
    network = Network.build(prepared.config, x.shape[1])
    ops = get_ops(device, prepared.config.precision)
    made = {"seed": config.seed, "device": device.name, **(attributes or {})}

    def start(of: Prepared, rows: Order) -> Start:
        host, axes = _starting_point(network, of, x, rows, initial, image_shape)
        parameters = ops.empty(host.shape, of.config.dtype)
        ops.assign(parameters, host)
        return Start(of, parameters, reference(axes, of.config, network))

    def model_of(weights: Any, course: Course, of: Start | None = None) -> Model:
        of = of or begun
        return Model(
            config=of.prepared.config,
            parameters=ops.to_host(weights),
            preprocess=of.prepared.preprocess,
            history=course.history.arrays(),
            attributes={**made, "best_epoch": course.best_epoch},
            feature_names=feature_names,
            image_shape=image_shape,
            pca=of.pca,
        )

    begun = start(prepared, rows)
    saver = state = None
    first = model_of(begun.parameters, Course())
    if ready is not None:
        ready(first)
    if checkpoints is not None:
        state = checkpoints.load(first)
        saver = CheckpointSaver(checkpoints, model_of, watcher)
    trials: tuple[Trial, ...] = ()
    validated = None
    if prepared.config.folds != 1:
        try:
            validated, folds = _cross_validate(ops, network, prepared, x, rows, start, watcher)
        except (Interrupted, KeyboardInterrupt):
            course = Course(ending=Ending.INTERRUPTED)
            return Fit(first, course, device, x, (), len(rows))
        trials = tuple(
            Trial(model_of(own.parameters, Course(), own), unseen) for own, unseen in folds
        )
    team = new_team(ops, network, prepared, x, begun.parameters, len(rows))
    with team:
        trainer = Trainer(
            ops,
            team,
            prepared.config,
            rows,
            validation_rows,
            watcher,
            saver,
            validated.losses if validated else None,
        )
        course = trainer.train(state)
    if validated:
        course.epochs_validated = validated.epochs
        if validated.stopped_early and course.ending is Ending.FINISHED:
            course.ending = Ending.EARLY
    model = model_of(begun.parameters, course)
    if len(validation_rows):
        trials = (Trial(model, validation_rows),)
    return _with_facts(Fit(model, course, device, x, trials, len(rows)))


def _with_facts(fitted: Fit) -> Fit:
    """Let the model keep what was found of the rows that were held out."""
    tried = [(trial.model, fitted.x[trial.rows[:MEASURED_ROWS]]) for trial in fitted.trials]
    facts = held_out_facts(tried, fitted.device.name)
    model = replace(fitted.model, attributes={**fitted.model.attributes, **facts})
    trials = tuple(
        replace(trial, model=model) if trial.model is fitted.model else trial
        for trial in fitted.trials
    )
    return replace(fitted, model=model, trials=trials)


def _cross_validate(
    ops: Ops,
    network: Network,
    prepared: Prepared,
    x: NDArray[Any],
    rows: Order,
    start: Callable[[Prepared, Order], Start],
    watcher: Observer,
) -> tuple[Validated, list[tuple[Start, Order]]]:
    """Find how long to train; return also what each fold has become and its unseen rows."""
    config = prepared.config
    folds, results = [], []
    with ExitStack() as teams:
        for own, unseen in fold_rows(len(rows), config.resolved("folds"), config.seed):
            scaling = fit_preprocess(x, rows[own], config, column_statistics(x, rows[own]))
            of = replace(prepared, preprocess=replace(scaling, fill=prepared.preprocess.fill))
            begun = start(of, rows[own])
            team = teams.enter_context(new_team(ops, network, of, x, begun.parameters, len(own)))
            folds.append(Fold(ops, team, config, rows[own], rows[unseen]))
            results.append((begun, rows[unseen]))
        return cross_validate(folds, config, watcher), results


@dataclass(frozen=True)
class Prepared:
    """A resolved configuration and the preprocessing that was learnt for it."""

    config: Config
    preprocess: Preprocess
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why settings are what they are that the person did not give."""


@dataclass(frozen=True)
class Start:
    """What training begins with."""

    prepared: Prepared
    parameters: Any
    """The flat vector (size,), on the device; training changes it."""
    pca: PrincipalAxes | None
    """What the model is compared with."""


def prepare(
    x: NDArray[Any],
    rows: Order,
    config: Config,
    statistics: ColumnStatistics,
    fill: Vector | None = None,
    *,
    pixels: bool = False,
    whole_steps: bool = False,
) -> Prepared:
    """Resolve a configuration for some training rows of x and learn their preprocessing.

    `fill` is what missing values of x were filled with. `pixels` says that the columns are those of
    images. With `whole_steps` more rows are to come, so that a step will have its full
    `batch_size`.
    """
    facts = DataFacts(
        rows=len(x),
        columns=x.shape[1],
        dtype=x.dtype.name,
        lowest=float(np.min(statistics.lowest)),
        highest=float(np.max(statistics.highest)),
        training_rows=len(rows),
        one_range=pixels or share_one_range(x, rows, statistics),
    )
    chosen = resolve(config, facts)
    resolved = chosen.config
    network = Network.build(resolved, x.shape[1])
    step_rows = resolved.batch_size if whole_steps else None
    step_rows = step_rows or _step_rows(resolved, len(rows))
    tile_rows = choose_tile_rows(resolved, network, step_rows)
    _check_size(network, resolved, tile_rows * choose_lanes(resolved, step_rows, tile_rows))
    resolved = Config.parse({**resolved.model_dump(), "tile_rows": tile_rows})
    preprocess = fit_preprocess(x, rows, resolved, statistics)
    return Prepared(resolved, replace(preprocess, fill=fill), chosen.reasons)


def _check_size(network: Network, config: Config, rows_held: int) -> None:
    """Refuse a network that this machine cannot hold, before it tries to."""
    needed = bytes_needed(network, config, rows_held + EVALUATION_ROWS)
    if needed > physical_memory():
        raise ConfigError(
            f"hidden: this network has {network.size:.3g} parameters and needs "
            f"{needed / 2**30:.3g} GiB of memory to train, more than this machine has; "
            "lower hidden or batch_size"
        )


def new_team(
    ops: Ops,
    network: Network,
    prepared: Prepared,
    x: NDArray[Any],
    parameters: Any,
    rows: int,
    steps_done: int = 0,
) -> Team:
    """Gather the threads, or the GPU, that will train `parameters` on so many rows of x."""
    config = prepared.config
    batch = _step_rows(config, rows)
    if isinstance(ops, DeviceOps):
        return GpuTeam(
            ops,
            network,
            config,
            prepared.preprocess,
            x,
            parameters,
            batch=batch,
            steps_done=steps_done,
        )
    return ThreadTeam(
        ops,
        network,
        config,
        prepared.preprocess,
        x,
        parameters,
        batch=batch,
        threads=config.threads or available_cores(),
        steps_done=steps_done,
    )


def _step_rows(config: Config, rows: int) -> int:
    return min(config.batch_size or rows, rows)


def _starting_point(
    network: Network,
    prepared: Prepared,
    x: NDArray[Any],
    rows: Order,
    initial: Model | None,
    image_shape: tuple[int, ...] | None,
) -> tuple[NDArray[Any], PrincipalAxes | None]:
    """Return the first weights, flat, and principal axes of the rows if they were learnt."""
    config = prepared.config
    from_axes = initial is None and config.init == "pca"
    axes = learn_axes(x, rows, prepared.preprocess, config, network, to_start=from_axes)
    if initial is None:
        return initial_parameters(network, config, image_shape, axes).astype(config.dtype), axes
    if initial.network.layers != network.layers:
        raise ConfigError(
            f"init_from: that model is {_shape(initial.network)} and this one would be "
            f"{_shape(network)}; give the same hidden, decoder and activations"
        )
    return np.array(initial.parameters, config.dtype), axes


def _shape(network: Network) -> str:
    widths = [network.columns, *(layer.n_out for layer in network.layers)]
    kinds = {layer.activation for layer in network.layers}
    tied = ", tied" if network.layers[-1].shared else ""
    return f"{'-'.join(map(str, widths))} ({', '.join(sorted(kinds))}{tied})"


def _notes(
    config: Config, x: NDArray[Any], statistics: ColumnStatistics, rows: int
) -> Iterator[str]:
    """Yield what a person should know about these data with these settings."""
    constant = int(statistics.constant(x.dtype).sum())
    if not mean_variance(statistics, x.dtype):
        yield f"the {rows} training rows are all but the same: there is nothing to learn from them"
    elif config.scale in ("standard", "minmax") and constant:
        columns = "1 column is" if constant == 1 else f"{constant} columns are"
        yield f"{columns} constant over the training rows: only centred, not scaled"
    highest = int(np.max(statistics.highest))
    if config.scale == "unit" and x.dtype == np.uint8 and highest <= PIXEL_BYTES:
        yield f"no byte is above {highest} and all are scaled as 0 to 255; see scale=minmax"
    if config.sparsity == "none" and 1 < rows <= config.code_size:
        yield (
            f"a code of {config.code_size} units has room for each of the {rows} training rows "
            "by itself: give more rows, or fewer units"
        )


def _remedy(config: Config) -> str:
    """Say what to lower."""
    scaling = "scale the data (scale=minmax)"
    if config.full_batch:
        smaller = "lower beta or " if config.sparsity == "kl" else ""
        return scaling if config.scale == "none" else f"{smaller}raise weight_decay"
    rate = f"lower learning_rate (now {config.resolved('learning_rate'):g})"
    return f"{rate}, or {scaling}" if config.scale == "none" else rate
