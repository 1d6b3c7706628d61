"""Before training: settings and scaling by the data, and who will compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends.ops import DeviceOps, Ops
from gpuae.config import Config
from gpuae.defaults import DataFacts, resolve
from gpuae.errors import ConfigError
from gpuae.functions.losses import LOSSES
from gpuae.memory import physical_memory
from gpuae.model.autoencoder import mirrored_autoencoder
from gpuae.model.network import Network
from gpuae.model.preprocess import Preprocess, fit_preprocess
from gpuae.model.statistics import ColumnStatistics, RowWeights, Vector, share_one_range
from gpuae.training.batches import Order, choose_lanes, choose_tile_rows
from gpuae.training.footprint import bytes_needed
from gpuae.training.gpu_team import gpu_team
from gpuae.training.team import Job, Team
from gpuae.training.thread_pool import available_cores
from gpuae.training.thread_team import EVALUATION_ROWS, thread_team


@dataclass(frozen=True)
class Prepared:
    """A resolved configuration and the preprocessing that was learnt for it."""

    config: Config
    preprocess: Preprocess
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why settings are what they are that the person did not give."""


def prepare(
    x: NDArray[Any],
    rows: Order,
    config: Config,
    statistics: ColumnStatistics,
    fill: Vector | None = None,
    *,
    pixels: bool = False,
    whole_steps: bool = False,
    weights: RowWeights = None,
    categories: tuple[int, ...] = (),
) -> Prepared:
    """Resolve a configuration for some training rows of x and learn their preprocessing.

    `fill` is what missing values of x were filled with. `pixels` says that the columns are those of
    images. With `whole_steps` more rows are to come, so that a step will have its full
    `batch_size`. Rows count by their weights (n,), if they have any, as in the statistics. The last
    columns are groups of categories of these widths.
    """
    if categories:
        _check_suits_categories(config)
    numbers = statistics.first(x.shape[1] - sum(categories))
    facts = DataFacts(
        rows=len(x),
        columns=x.shape[1],
        dtype=x.dtype.name,
        lowest=float(np.min(numbers.lowest)) if len(numbers.lowest) else 0.0,
        highest=float(np.max(numbers.highest)) if len(numbers.highest) else 1.0,
        training_rows=len(rows),
        one_range=pixels or share_one_range(numbers),
    )
    chosen = resolve(config, facts)
    resolved = chosen.config
    network = mirrored_autoencoder(resolved, x.shape[1], categories)
    step_rows = resolved.batch_size if whole_steps else None
    step_rows = step_rows or _step_rows(resolved, len(rows))
    tile_rows = choose_tile_rows(resolved, network, step_rows)
    _check_size(network, resolved, tile_rows * choose_lanes(resolved, step_rows, tile_rows))
    resolved = Config.parse({**resolved.model_dump(), "tile_rows": tile_rows})
    preprocess = fit_preprocess(x, rows, resolved, statistics, weights, sum(categories))
    return Prepared(resolved, replace(preprocess, fill=fill), chosen.reasons)


def _check_suits_categories(config: Config) -> None:
    """Refuse settings that make no sense where some columns are probabilities."""
    unsuitable = {
        f"loss: {config.loss} compares whole rows": not LOSSES[config.loss].is_by_column,
        f"whiten: {config.whiten} mixes all columns": config.whiten != "none",
        f"scale: {config.scale} cuts all columns off": config.scale == "sigma",
        f"scale: {config.scale} divides rows by their totals": config.scale == "log1p",
        "pretrain: trains layers alone, by one loss for all columns": config.pretrains,
    }
    for reason, applies in unsuitable.items():
        if applies:
            raise ConfigError(
                f"{reason}, which columns of categories do not allow; leave it out, or the "
                "categories"
            )


def _check_size(network: Network, config: Config, rows_held: int) -> None:
    """Refuse a network that this machine cannot hold, before it tries to."""
    folds = max(1, config.folds or 1)  # all of which are trained at once
    needed = folds * bytes_needed(network, config, rows_held + EVALUATION_ROWS)
    if needed > physical_memory():
        each = f"{folds} folds of it need" if folds > 1 else "needs"
        raise ConfigError(
            f"hidden: this network has {network.size:.3g} parameters and {each} "
            f"{needed / 2**30:.3g} GiB of memory to train, more than this machine has; "
            f"lower hidden or batch_size{', or give folds=1' if folds > 1 else ''}"
        )


def new_team(
    ops: Ops,
    network: Network,
    prepared: Prepared,
    x: NDArray[Any],
    parameters: Any,
    rows: int,
    steps_done: int = 0,
    targets: NDArray[Any] | None = None,
    row_weights: RowWeights = None,
) -> Team:
    """Gather the threads, or the GPU, that will train `parameters` on so many rows of x (n, d).

    The rows are what the network is to rebuild, unless there are `targets` (n, outputs). They count
    the same, unless there are `row_weights` (n,), whose mean over the rows of a pass should be 1.
    """
    config = prepared.config
    job = Job(
        ops,
        network,
        config,
        prepared.preprocess,
        x,
        parameters,
        batch=_step_rows(config, rows),
        steps_done=steps_done,
        targets=targets,
        row_weights=row_weights,
    )
    if isinstance(ops, DeviceOps):
        return gpu_team(ops, job)
    return thread_team(job, config.threads or available_cores())


def _step_rows(config: Config, rows: int) -> int:
    return min(config.batch_size or rows, rows)
