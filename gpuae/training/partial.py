"""Training that is fed: one pass over each portion of rows as it comes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import computed_by, get_ops, resolve_device
from gpuae.backends.ops import Array
from gpuae.config import Config
from gpuae.errors import ConfigError, DivergedError, InputError
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.init import initial_parameters
from gpuae.model.missing import filled_once, learn_fill
from gpuae.model.model import Model
from gpuae.model.objective import objective
from gpuae.model.reference import learn_axes
from gpuae.model.row_weights import that_count
from gpuae.model.statistics import RowWeights, column_statistics, total_weight
from gpuae.model.targets import unfit_targets
from gpuae.storage.rows.categorical import widths
from gpuae.training.batches import step_sizes
from gpuae.training.optimizers import all_finite, create_optimizer
from gpuae.training.preparation import Prepared, new_team, prepare
from gpuae.training.progress_chunks import ProgressChunks


class PartialFit:
    """Keeps network, optimizer and counts between portions.

    Rows are numbered by a running count, so noise does not depend on how they are portioned.

    Parameters
    ----------
    first
        The first portion (m, d), from which scaling is learnt.
    fitted
        A model to go on with instead, in its own settings and scaling.
    rows_seen
        How many rows that model has been trained on.
    weights
        How much each row of the first portion counts, (m,); rows of weight 0 are left out.

    The learning rate stays the same: how many portions there will be is not known. A model that was
    trained with a `schedule` goes on at its full rate.

    Raises
    ------
    ConfigError
        For lbfgs and pretrain, which need all rows at once, and for a schedule.
    """

    def __init__(
        self,
        first: NDArray[Any],
        config: Config,
        fitted: Model | None = None,
        rows_seen: int = 0,
        weights: RowWeights = None,
    ) -> None:
        if (fitted.config if fitted else config).full_batch:
            raise ConfigError("optimizer=lbfgs is full batch: use fit, or optimizer=adam")
        if fitted is None and config.schedule not in (None, "constant"):
            raise ConfigError(
                f"schedule={config.schedule} needs to know how many epochs there will be, and "
                "partial_fit does not: leave schedule out, or use fit"
            )
        if fitted is None and config.pretrains:
            raise ConfigError(
                "pretrain passes all rows layer by layer, and partial_fit has them in portions: "
                "leave pretrain out, or use fit"
            )
        self._device = resolve_device(config.device)
        self._ops = get_ops(self._device, config.precision)
        self._fitted = fitted
        if weights is not None:
            first, weights = that_count(first, weights)
        if fitted is None:
            self._prepared = _first_preparation(first, config, weights)
        else:
            self._prepared = _again(fitted)
        sizes = widths(fitted.categorical) if fitted else ()
        self._network = mirrored_autoencoder(self._prepared.config, first.shape[1], sizes)
        start = fitted.parameters if fitted else self._initial_parameters(first, weights)
        self._parameters = self._ops.asarray(start.astype(self._prepared.config.dtype))
        self._optimizer = create_optimizer(self._ops, self._network.size, self._prepared.config)
        self._memory = (self._parameters, *self._optimizer.vectors.values())
        self._before = [self._ops.empty(own.shape, str(own.dtype)) for own in self._memory]
        self._rate: float = self._prepared.config.resolved("learning_rate")
        self._chunks = ProgressChunks()
        self._rows_seen = rows_seen
        self._rows_fed, self._weight_fed = 0, 0.0
        self._steps_done = 0
        self.loss = math.nan
        """J over the last portion, while it was passed."""

    def _initial_parameters(self, first: NDArray[Any], weights: RowWeights) -> NDArray[Any]:
        config, preprocess = self._prepared.config, self._prepared.preprocess
        axes = None
        if config.init == "pca":
            x, rows = filled_once(first, preprocess.fill), np.arange(len(first))
            own = (preprocess, config, self._network)
            axes = learn_axes(x, rows, *own, to_start=True, weights=weights)
        return initial_parameters(self._network, config, pca=axes, center=preprocess.center)

    def feed(self, x: NDArray[Any], weights: RowWeights = None) -> None:
        """Train on the rows of x (m, d), once each, in their order.

        Weights (m,) are divided by their mean over all portions so far. Rows of weight 0 are left
        out.

        Raises
        ------
        InputError
            Where rows are no targets of the loss.
        DivergedError
            When the loss, a weight or what the optimizer remembers stops being finite; all of them
            are what they were before the portion.
        """
        if weights is not None:
            x, weights = that_count(x, weights)
        config, count = self._prepared.config, len(x)
        fed = self._rows_fed + count, self._weight_fed + total_weight(count, weights)
        x = filled_once(x, self._prepared.preprocess.fill)
        wrong = unfit_targets(x, config)
        if wrong is not None:
            raise InputError(f"rows of this portion: {wrong}")
        self._copy(self._memory, self._before)
        steps = step_sizes(count, config.batch_size or count)
        own = (self._ops, self._network, self._prepared, x, self._parameters, count)
        relative = None if weights is None else weights * (fed[0] / fed[1])
        with new_team(*own, self._steps_done, row_weights=relative) as team:
            team.start_epoch(np.arange(count), 0, self._rate, self._rows_seen)
            for portion in self._chunks.of([steps]):
                team.run(portion, self._optimizer)
            loss = objective(team.totals(count), config)
        if not (math.isfinite(loss) and all_finite(self._ops, self._memory)):
            self._copy(self._before, self._memory)
            raise DivergedError(
                "the loss, a weight or a mean that the optimizer keeps was no finite number: give "
                "rows in the range of the first portion, or lower learning_rate "
                f"(now {self._rate:g}); everything is as it was before this portion"
            )
        self.loss = loss
        self._rows_fed, self._weight_fed = fed
        self._rows_seen += count
        self._steps_done += len(steps)

    def _copy(self, sources: Sequence[Array], targets: Sequence[Array]) -> None:
        for source, target in zip(sources, targets, strict=True):
            self._ops.axpby(1.0, source, 0.0, target)

    def model(self) -> Model:
        """Return the model as it stands."""
        return Model(
            config=self._prepared.config,
            parameters=self._ops.to_host(self._parameters),
            preprocess=self._prepared.preprocess,
            attributes={"seed": self._prepared.config.seed, **computed_by(self._device)},
            feature_names=self._fitted.feature_names if self._fitted else None,
            image_shape=self._fitted.image_shape if self._fitted else None,
            categorical=self._fitted.categorical if self._fitted else (),
        )


def _first_preparation(first: NDArray[Any], config: Config, weights: RowWeights) -> Prepared:
    config = config.model_copy(update={"schedule": "constant"})
    rows = np.arange(len(first))
    fill = learn_fill(first, rows, config, weights=weights)
    x = filled_once(first, fill)
    statistics = column_statistics(x, rows, weights)
    return prepare(x, rows, config, statistics, fill, whole_steps=True, weights=weights)


def _again(fitted: Model) -> Prepared:
    return Prepared(fitted.config, fitted.preprocess)
