"""From rows and a configuration to a model: the whole of `fit`, for the shell and for Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae import encoding
from gpuae.backends import Device, computed_by, get_ops, resolve_device
from gpuae.backends.ops import Ops
from gpuae.config import Config
from gpuae.defaults import PIXEL_BYTES, held_out
from gpuae.errors import ConfigError, DivergedError, InputError
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.counts import counts_note
from gpuae.model.init import initial_parameters
from gpuae.model.missing import filled_once, learn_fill
from gpuae.model.model import Model
from gpuae.model.network import Network
from gpuae.model.pca import PrincipalAxes
from gpuae.model.preprocess import fit_preprocess
from gpuae.model.reference import learn_axes, reference
from gpuae.model.row_weights import balanced, chosen
from gpuae.model.statistics import (
    ColumnStatistics,
    RowWeights,
    column_statistics,
    mean_variance,
    total_weight,
)
from gpuae.model.targets import unfit_targets
from gpuae.storage.rows.categorical import Categorical, widths
from gpuae.storage.rows.lazy_rows import AnyRows
from gpuae.storage.rows.pages import gathered
from gpuae.training.batches import Order
from gpuae.training.checkpoint import Checkpoints, CheckpointSaver
from gpuae.training.deadline import NO_END, Deadline
from gpuae.training.device_choice import choose_device
from gpuae.training.folds import Fold, Validated, cross_validate, fold_rows
from gpuae.training.held_out import MEASURED_ROWS, Unseen, held_out_facts
from gpuae.training.history import Observer, Silence
from gpuae.training.interruption import Interrupted
from gpuae.training.partition import partition
from gpuae.training.preparation import Prepared, new_team, prepare
from gpuae.training.pretraining import LAYER, Pretraining, spent, spent_in, told_by
from gpuae.training.speed import measure
from gpuae.training.state import State
from gpuae.training.team import Team
from gpuae.training.trainer import Ending, Trainer, TrainingResult
from gpuae.training.within_time import as_begun, planned

SHAPE = ("hidden", "activation", "code_activation", "output_activation", "decoder")
"""Settings by which a network has the layers that it has."""
OF_THE_OUTPUT = ("loss", "huber_delta", "output_activation")
SUITED = ("scale", "whiten", "whiten_epsilon", "missing", "loss", "huber_delta")
"""Settings of what the weights of a network are made for."""


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
    result: TrainingResult
    device: Device
    x: NDArray[Any]
    """All rows (n, d) that count, without missing values; validation rows of their own follow."""
    rows: Order
    """Numbers of the rows that the model was trained on, ascending."""
    trials: tuple[Trial, ...]
    """Models and the rows that each was not trained on: one, or one for each fold; none where
    no rows were held out."""
    weights: RowWeights = None
    """How much each of the rows of x counts, 1 on average."""

    @property
    def training_rows(self) -> int:
        """How many rows the model was trained on."""
        return len(self.rows)

    @property
    def unseen(self) -> Order:
        """Numbers of the rows that the model itself was not trained on."""
        own = [trial.rows for trial in self.trials if trial.model is self.model]
        return own[0] if own else np.arange(0)

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to stop."""
        return self.result.ending is Ending.INTERRUPTED

    def _kept(self) -> str:
        return f"epoch {self.result.best_epoch}" if self.result.best_epoch else "the start"

    def raise_if_diverged(self) -> None:
        """Raise what a person should be told when the loss stopped being finite."""
        if self.result.ending is not Ending.DIVERGED:
            return
        raise DivergedError(
            "the loss, a weight or a mean of the optimizer was no finite number in epoch "
            f"{self.result.lost_epoch}: {_remedy(self.model.config)}; "
            f"the weights of {self._kept()} were kept"
        )


def fit(
    x: NDArray[Any],
    config: Config,
    *,
    validation: AnyRows | None = None,
    observer: Observer | None = None,
    initial: Model | None = None,
    checkpoints: Checkpoints | None = None,
    ready: Callable[[Model], None] | None = None,
    attributes: Mapping[str, str | int | float] | None = None,
    feature_names: tuple[str, ...] | None = None,
    image_shape: tuple[int, ...] | None = None,
    categorical: Categorical = (),
    kept: Order | None = None,
    weights: RowWeights = None,
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
    categorical
        Columns of categories, whose members are the last columns of x.
    kept
        Numbers of the rows, of x and then of `validation`, to train on or hold out; None: all.
    weights
        How much each of the rows counts, of x and then of `validation`; above 0.

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
    if initial is not None:
        encoding.check_rebuilds(initial)
        _check_same_categories(initial, categorical)
        config = _shaped_as(initial, config)
    deadline = Deadline.of(config)
    resolve_device(config.device)  # one that is not there is refused before anything is read
    watcher = observer or Silence()
    config = held_out(config, len(x), own_rows=validation is not None)
    parts = partition(x, validation, config).only(kept)
    rows, validation_rows = parts.training, parts.held_out
    weights = balanced(weights, np.arange(len(parts.x)))
    fill = learn_fill(parts.x, rows, config, feature_names, weights)
    x = filled_once(parts.x, fill)
    statistics = column_statistics(x, rows, weights)
    prepared = prepare(
        x,
        rows,
        config,
        statistics,
        fill,
        pixels=image_shape is not None,
        weights=weights,
        categories=widths(categorical),
    )
    wrong = unfit_targets(x, prepared.config, validation_rows)
    if wrong is not None:
        raise InputError(f"held-out rows: {wrong}")
    network = mirrored_autoencoder(prepared.config, x.shape[1], widths(categorical))
    row_bytes = x.shape[1] * x.dtype.itemsize
    device = choose_device(network, prepared.config, len(rows), row_bytes, watcher)
    job = _Job(
        ops=get_ops(device, prepared.config.precision),
        network=network,
        x=x,
        initial=initial,
        attributes={"seed": config.seed, **computed_by(device), **(attributes or {})},
        feature_names=feature_names,
        image_shape=image_shape,
        weights=weights,
        categorical=categorical,
        deadline=deadline,
    )
    start = job.within_time(prepared, rows, validation_rows, checkpoints)
    prepared = start.prepared if start else prepared
    watcher.chosen(prepared.config, x.shape[1], len(rows), prepared.reasons)
    for note in _notes(prepared.config, x, statistics, len(rows), sum(widths(categorical))):
        watcher.note(note)
    free = "scale" in prepared.reasons and not categorical
    if free and (advice := counts_note(prepared.config, x, rows)):
        watcher.note(advice)
    start = start or job.start(prepared, rows)
    first = job.model(start, TrainingResult())
    if ready is not None:
        ready(first)
    model, result, trials = _train(job, start, first, (rows, validation_rows), watcher, checkpoints)
    return _with_facts(Fit(model, result, device, x, rows, trials, weights))


def _train(
    job: _Job,
    start: Start,
    first: Model,
    parts: tuple[Order, Order],
    watcher: Observer,
    checkpoints: Checkpoints | None,
) -> tuple[Model, TrainingResult, tuple[Trial, ...]]:
    """Train from `first`, with folds before where there are to be some."""
    rows, validation_rows = parts
    saver = state = None
    if checkpoints is not None:
        state = checkpoints.load(first)
        saver = CheckpointSaver(checkpoints, partial(job.model, start), watcher)
    try:
        validated, trials = job.cross_validate(start.prepared, rows, watcher)
    except (_Stopped, KeyboardInterrupt) as stopped:
        trials = stopped.trials if isinstance(stopped, _Stopped) else ()
        model = trials[0].model if trials else first
        return model, TrainingResult(ending=Ending.INTERRUPTED), trials
    result = job.train(start, rows, validation_rows, watcher, saver, validated, state)
    model = job.model(start, result)
    if len(validation_rows):
        trials = (Trial(model, validation_rows),)
    return model, result, trials


def _with_facts(fitted: Fit) -> Fit:
    """Let the model keep what was found of the rows that were held out."""
    tried = []
    for trial in fitted.trials:
        rows = trial.rows[:MEASURED_ROWS]
        tried.append(Unseen(trial.model, gathered(fitted.x, rows), chosen(fitted.weights, rows)))
    facts = held_out_facts(tried, fitted.device.name)
    model = replace(fitted.model, attributes={**fitted.model.attributes, **facts})
    trials = tuple(
        replace(trial, model=model) if trial.model is fitted.model else trial
        for trial in fitted.trials
    )
    return replace(fitted, model=model, trials=trials)


@dataclass(frozen=True)
class Start:
    """What training begins with."""

    prepared: Prepared
    parameters: Any
    """The flat vector (size,), on the device; training changes it."""
    pca: PrincipalAxes | None
    """What the model is compared with."""


class _Stopped(Exception):  # noqa: N818 it is no error
    """Training was asked to stop while rows were held out in turn.

    Parameters
    ----------
    trials
        The first fold's network, which all rows but its own were trained on; none at the start.
    """

    def __init__(self, trials: tuple[Trial, ...]) -> None:
        super().__init__()
        self.trials = trials


@dataclass(frozen=True)
class _Job:
    """What all trainings of one fit share: that of the model, and one for each fold."""

    ops: Ops
    network: Network
    x: NDArray[Any]
    initial: Model | None
    attributes: Mapping[str, str | int | float]
    feature_names: tuple[str, ...] | None
    image_shape: tuple[int, ...] | None
    weights: RowWeights
    categorical: Categorical = ()
    deadline: Deadline = NO_END

    def within_time(
        self,
        prepared: Prepared,
        rows: Order,
        held_out: Order,
        checkpoints: Checkpoints | None,
    ) -> Start | None:
        """Return a start with no more epochs than there is time for; None where time is free.

        A run that goes on has the epochs that it was begun with.
        """
        if not self.deadline.limited:
            return None
        start = self.start(prepared, rows)  # takes its time, too
        own = as_begun(prepared, checkpoints, self.deadline)
        if own is None and not prepared.config.full_batch:
            speed = measure(self.ops, self.network, prepared, self.x, rows, held_out)
            own = planned(prepared, self.deadline, speed, len(rows), len(held_out))
        if own is None or own is prepared:
            return start
        if self.initial is None and own.config.init == "pca":  # no other than with these epochs
            return replace(start, prepared=own)
        return self.start(own, rows)

    def start(self, prepared: Prepared, rows: Order) -> Start:
        """Find the weights to begin with on these rows."""
        host, axes = _starting_point(
            self.network, prepared, self.x, rows, self.initial, self.image_shape, self.weights
        )
        parameters = self.ops.empty(host.shape, prepared.config.dtype)
        self.ops.assign(parameters, host)
        return Start(prepared, parameters, reference(axes, prepared.config, self.network))

    def model(self, start: Start, result: TrainingResult, parameters: Any = None) -> Model:
        """Return what the weights, or others of the same training, come to."""
        return Model(
            config=start.prepared.config,
            parameters=self.ops.to_host(start.parameters if parameters is None else parameters),
            preprocess=start.prepared.preprocess,
            history=result.history.arrays(),
            attributes={**self.attributes, "best_epoch": result.best_epoch},
            feature_names=self.feature_names,
            image_shape=self.image_shape,
            pca=start.pca,
            categorical=self.categorical,
        )

    def team(self, start: Start, rows: Order, unseen: Order) -> Team:
        """Gather who trains on these rows, and evaluates others."""
        own = (self.ops, self.network, start.prepared, self.x, start.parameters, len(rows))
        return new_team(*own, row_weights=balanced(self.weights, rows, unseen))

    def cross_validate(
        self, prepared: Prepared, rows: Order, watcher: Observer
    ) -> tuple[Validated | None, tuple[Trial, ...]]:
        """Find how long to train, by folds; nothing where there is one only.

        Raises
        ------
        _Stopped
            When it was asked to stop.
        """
        config = prepared.config
        if config.folds == 1:
            return None, ()
        folds, starts = [], []
        with ExitStack() as teams:
            for own, unseen in fold_rows(len(rows), config.resolved("folds"), config.seed):
                statistics = column_statistics(self.x, rows[own], self.weights)
                members = sum(self.network.categories)
                scaling = fit_preprocess(
                    self.x, rows[own], config, statistics, self.weights, members
                )
                scaling = replace(scaling, fill=prepared.preprocess.fill)
                start = self.start(replace(prepared, preprocess=scaling), rows[own])
                team = teams.enter_context(self.team(start, rows[own], rows[unseen]))
                share = total_weight(len(unseen), chosen(self.weights, rows[unseen]))
                folds.append(Fold(self.ops, team, config, rows[own], rows[unseen], share))
                starts.append(start)
            try:
                so_far = partial(self.model, starts[0], TrainingResult())
                part = self.deadline.part(len(folds) / (len(folds) + 1))
                validated = cross_validate(folds, config, watcher, so_far, part)
            except (Interrupted, KeyboardInterrupt):
                raise _Stopped(self._first_of(folds, starts)) from None
        pairs = zip(starts, folds, strict=True)
        return validated, tuple(
            Trial(self.model(start, TrainingResult()), fold.held_out) for start, fold in pairs
        )

    def _first_of(self, folds: Sequence[Fold], starts: Sequence[Start]) -> tuple[Trial, ...]:
        """Return what the first fold has learnt so far, if anything was gained."""
        if not folds[0].best.epoch:
            return ()
        folds[0].best.put_back()
        return (Trial(self.model(starts[0], TrainingResult()), folds[0].held_out),)

    def train(
        self,
        start: Start,
        rows: Order,
        validation_rows: Order,
        watcher: Observer,
        saver: CheckpointSaver | None,
        validated: Validated | None,
        state: State | None,
    ) -> TrainingResult:
        """Train the model's weights, in place."""
        config = start.prepared.config
        before = TrainingResult()
        if config.pretrains:
            before = self.pretrain(start, rows, watcher, saver, state)
            if before.ending in (Ending.INTERRUPTED, Ending.DIVERGED):
                return before
            state = state if state and LAYER not in state else None
            watcher.stage_starts("whole network")
        losses = validated.losses if validated else None
        with self.team(start, rows, validation_rows) as team:
            build = partial(self.model, start)
            result = Trainer(
                self.ops,
                team,
                config,
                rows,
                validation_rows,
                watcher,
                build,
                saver,
                losses,
                self.deadline,
            ).train(state)
        result.epochs_pretrained = before.epochs_pretrained
        result.seconds_pretrained = before.seconds_pretrained
        if validated:
            result.epochs_validated = validated.epochs
            result.seconds_validated = validated.seconds
            if result.ending is Ending.FINISHED:
                _end_as_the_folds(result, validated)
        return result

    def pretrain(
        self,
        start: Start,
        rows: Order,
        watcher: Observer,
        saver: CheckpointSaver | None,
        state: State | None,
    ) -> TrainingResult:
        """Train the layers one after the other, in place; a state of the whole has done so."""
        if state is not None and LAYER not in state:
            if saver is not None:
                saver.start_stage(partial(self.model, start), spent_in(state))
            return told_by(state)

        def model(flat: NDArray[Any]) -> Model:
            return self.model(start, TrainingResult(), self.ops.asarray(flat))

        flat = self.ops.to_host(start.parameters)
        weights = balanced(self.weights, rows)
        own = Pretraining(self.ops, self.network, start.prepared, self.x, rows, model, weights)
        result = own.train(flat, watcher, saver, state)
        self.ops.assign(start.parameters, flat)
        if saver is not None:
            saver.start_stage(partial(self.model, start), spent(result))
        return result


def _end_as_the_folds(result: TrainingResult, validated: Validated) -> None:
    """Let a result that went as far as the folds say how these ended."""
    if validated.diverged:
        result.ending, result.lost_epoch = Ending.DIVERGED, validated.epochs
    elif validated.out_of_time:
        result.ending = Ending.OUT_OF_TIME
    elif validated.stopped_early:
        result.ending = Ending.EARLY


def _starting_point(
    network: Network,
    prepared: Prepared,
    x: NDArray[Any],
    rows: Order,
    initial: Model | None,
    image_shape: tuple[int, ...] | None,
    weights: RowWeights,
) -> tuple[NDArray[Any], PrincipalAxes | None]:
    """Return the first weights, flat, and principal axes of the rows if they were learnt."""
    config = prepared.config
    from_axes = initial is None and config.init == "pca"
    own = (prepared.preprocess, config, network)
    axes = learn_axes(x, rows, *own, to_start=from_axes, weights=weights)
    if initial is None:
        center = prepared.preprocess.center
        first = initial_parameters(network, config, image_shape, axes, center)
        return first.astype(config.dtype), axes
    if initial.network.layers != network.layers:
        raise ConfigError(
            f"init_from: that model is {_shape(initial.network)} and this one would be "
            f"{_shape(network)}; give the same hidden, decoder and activations"
        )
    return np.array(initial.parameters, config.dtype), axes


def _shaped_as(initial: Model, config: Config) -> Config:
    """Let a network be as that of the model it starts from, in all that the person left open."""
    given = config.model_fields_set
    if "hidden" in given or "depth" in given:
        return config
    own = {name: getattr(initial.config, name) for name in SHAPE + SUITED if name not in given}
    if {"loss", "output_activation"} & given:
        own = {name: value for name, value in own.items() if name not in OF_THE_OUTPUT}
    return Config.parse(config.model_dump(exclude_unset=True) | own)


def _check_same_categories(initial: Model, categorical: Categorical) -> None:
    """Refuse to start from a model of other categories."""
    if initial.categorical != categorical:
        raise ConfigError(
            "init_from: that model knows other categories than these data have; give data with the "
            "same values in the same columns, or leave --init-from out"
        )


def _shape(network: Network) -> str:
    widths = [network.columns, *(layer.n_out for layer in network.layers)]
    kinds = [layer.activation for layer in network.layers]
    tied = ", tied" if network.layers[-1].transposed else ""
    return f"{'-'.join(map(str, widths))} ({', '.join(kinds)}{tied})"


def _notes(
    config: Config, x: NDArray[Any], statistics: ColumnStatistics, rows: int, members: int
) -> Iterator[str]:
    """Yield what a person should know about these data with these settings.

    The last `members` of the columns are of categories.
    """
    constant = int(statistics.first(x.shape[1] - members).constant(x.dtype).sum())
    if not mean_variance(statistics, x.dtype):
        yield f"the {rows} training rows are all but the same: there is nothing to learn from them"
    elif config.scale in ("standard", "minmax") and constant:
        columns = "1 column is" if constant == 1 else f"{constant} columns are"
        yield f"{columns} constant over the training rows: only centred, not scaled"
    highest = int(np.max(statistics.highest))
    if config.scale == "unit" and x.dtype == np.uint8 and highest <= PIXEL_BYTES:
        yield f"no byte is above {highest} and all are scaled as 0 to 255; see scale=minmax"
    if not config.code_rule.constrains and 1 < rows <= config.code_size:
        yield (
            f"a code of {config.code_size} units has room for each of the {rows} training rows "
            "by itself: give more rows, or fewer units"
        )
    if _can_copy(config, x.shape[1]):
        yield (
            f"a code of {config.code_size} units has room for all {x.shape[1]} columns and may "
            "copy them: give fewer units, or sparsity, noise or dropout"
        )


def _can_copy(config: Config, columns: int) -> bool:
    """Return whether no layer is narrower than the data and nothing else is asked of the code."""
    narrowest = min(config.resolved_hidden)
    free = not (config.code_rule.constrains or config.drops or config.noise != "none")
    return free and 1 < columns <= narrowest


def _remedy(config: Config) -> str:
    """Say what to lower."""
    scaling = "scale the data (scale=minmax)"
    if config.full_batch:
        smaller = f"{config.code_rule.weaker} or " if config.code_rule.reduces else ""
        return scaling if config.scale == "none" else f"{smaller}raise weight_decay"
    rate = f"lower learning_rate (now {config.resolved('learning_rate'):g})"
    return f"{rate}, or {scaling}" if config.scale == "none" else rate
