"""Settings that are left to the data: what each becomes, and why.

A `Config` is what a person asked for. `held_out` decides how rows are held out, which only takes
their number; `resolve` decides the rest once the rows have been looked at. What the person chose
stays. bench/README.md has the trials that the numbers come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from gpuae.config import CENTRED, Config, of_each
from gpuae.errors import ConfigError
from gpuae.functions.activations import ACTIVATIONS, SIGMOID
from gpuae.functions.losses import ANY_TARGETS, LOSSES, UNIT_TARGETS

FEW_ROWS = 2000
"""Fewer are too few to spare a tenth of them: all are held out in turn."""
FOLDS = 4
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 10_000

CODE_SHARE, WIDEST_CODE = 4, 32
"""The code has a quarter as many units as there are columns, and at most so many."""
PAIRS_START = "pairs of it start as PCA exactly"
PAIRS = 2
"""Rectifiers that carry one score without loss."""
NARROW, WIDE, WIDEST = 64, 128, 256
"""Widths of the first layer."""
SOME_ROWS, MANY_ROWS, MANY_COLUMNS = 1_000, 20_000, 256
"""From MANY on the first layer is as wide as WIDEST and another one follows."""

STEPS, FOLD_STEPS, MOST_EPOCHS = 10_000, 4000, 500
"""Of all training, and of each of several trainings."""
WORK, ROW_WORK, MOST_WORK = 3e11, 4e8, 3e12
"""About how many floating-point operations training may take: in all, more for each row."""
FEWEST_STEPS = 200
LARGEST_BATCH, SMALLEST_BATCH = 256, 32
BATCHES = 32
"""About so many batches make an epoch of few rows."""
LBFGS_ITERATIONS = 200
PATIENCE_SHARE = 5
"""Training stops early after a fifth of all epochs without gain."""

LEARNING_RATE, SGD_RATE = 2e-3, 1e-3
FULL_SHUFFLE_BYTES = 1 << 30
"""Data up to this size are shuffled row by row."""
PIXEL_BYTES = 127
"""Bytes of pixels go beyond it."""

PIXEL_TYPES = ("uint8", "uint16")


@dataclass(frozen=True)
class DataFacts:
    """What has to be known of the data to resolve the settings that depend on them."""

    rows: int
    columns: int
    dtype: str
    """NumPy's name of the stored type, such as `uint8`."""
    lowest: float
    """Smallest value in the training rows."""
    highest: float
    """Largest value in the training rows."""
    training_rows: int | None = None
    """How many of the rows are trained on; None: all."""
    one_range: bool = False
    """Whether all columns seem to measure the same in the same range, as pixels do."""

    @property
    def nbytes(self) -> int:
        """Size of the whole matrix as it is stored."""
        from numpy import dtype

        return self.rows * self.columns * dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Resolved:
    """A configuration to train with, and why it has the values that the person did not give."""

    config: Config
    reasons: dict[str, str]


def held_out(config: Config, rows: int, *, own_rows: bool = False) -> Config:
    """Decide which part of so many rows is held out, and how often.

    `own_rows` says that rows of their own are held out instead.
    """
    if own_rows or config.validation == 0 or rows < 2:
        return config.model_copy(update={"validation": 0.0, "folds": 1})
    folds = config.folds
    if folds is None:
        asked = config.validation is not None or config.patience == 0
        asked = asked or config.full_batch or config.pretrains
        folds = 1 if asked or rows >= FEW_ROWS else FOLDS
    folds = min(folds, rows)
    if folds > 1:
        return config.model_copy(update={"validation": 1 / folds, "folds": folds})
    share = config.validation
    if share is None:
        share = min(HELD_OUT_SHARE, MOST_HELD_OUT / rows)
    return config.model_copy(update={"validation": share, "folds": 1})


def resolve(config: Config, facts: DataFacts) -> Resolved:
    """Fill in what depends on the data; what the person chose stays.

    Raises
    ------
    ConfigError
        Where the settings make no sense for these data.
    """
    choices = _Choices(config)
    _choose_layers(choices, facts)
    _choose_values(choices, facts)
    _choose_objective(choices, facts)
    _choose_course(choices, facts)
    return choices.taken()


class _Choices:
    """A configuration that is being filled in."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.reasons: dict[str, str] = {}

    def choose(self, name: str, value: object, reason: str) -> None:
        """Take a value for a setting that is still open."""
        if getattr(self.config, name) in (None, "auto"):
            self.set(name, value)
            self.reasons[name] = reason

    def set(self, name: str, value: object) -> None:
        self.config = self.config.model_copy(update={name: value})

    def taken(self) -> Resolved:
        """Check the whole."""
        return Resolved(Config.parse(self.config.model_dump()), self.reasons)


# The network


def _choose_layers(choices: _Choices, facts: DataFacts) -> None:
    config = choices.config
    sparse = config.code_rule.constrains
    one_layer = sparse or config.activation is not None
    if config.code_rule.bounded:
        choices.choose("activation", "sigmoid", f"{config.sparsity} needs bounded units")
    choices.choose("activation", "relu", "a rectifier" if config.pretrains else PAIRS_START)
    if one_layer:
        choices.choose("code_activation", _nearest_the_code(choices.config), "as activation")
    choices.choose("code_activation", "identity", "a linear code, as PCA's")
    if config.hidden is None:
        code = max(1, min(WIDEST_CODE, facts.columns // CODE_SHARE))
        choices.choose("hidden", (code,), f"a code for {facts.columns} columns")
    code = choices.config.code_size
    if config.hidden is None or len(config.hidden) == 1:
        depth, reason = _depth(config, code, facts, one_layer=one_layer)
        widths = _widths_to(code, depth, facts)
        choices.set("hidden", (*widths, code))
        choices.reasons["hidden"] = reason
    choices.set("depth", len(choices.config.resolved_hidden))
    if config.code_rule.selects and "k" not in config.model_fields_set:
        _choose_active_units(choices, code)
    mirrored = config.decoder != "untied" and not _starts_as_pca(choices.config)
    random = sparse or mirrored or config.pretrains
    first = of_each(choices.config.activation)[0]
    rectifier = ACTIVATIONS[first].rectifier
    if random:
        choices.choose("init", "he" if rectifier else "glorot", f"suits {first}")
    choices.choose("init", "pca", "no worse than PCA before the first step")


def _nearest_the_code(config: Config) -> str:
    """Return the activation of the layer before the code."""
    names = of_each(config.activation)
    before = len(config.hidden or ()) - 1
    return str(names[before - 1] if 0 < before < len(names) else names[-1])


def _starts_as_pca(config: Config) -> bool:
    """Whether a decoder with the encoder's weights can undo it."""
    names = (*of_each(config.activation), config.resolved("code_activation"))
    return all(ACTIVATIONS[name].undone_by_transpose for name in names)


def _depth(config: Config, code: int, facts: DataFacts, *, one_layer: bool) -> tuple[int, str]:
    if config.depth is not None:
        return config.depth, f"depth={config.depth} was asked for"
    if one_layer:
        return 1, "one layer, where activation or sparsity is given"
    if code >= facts.columns:
        return 1, f"no fewer than the {facts.columns} columns"
    if _training_rows(facts) >= MANY_ROWS and facts.columns >= MANY_COLUMNS:
        return (
            3,
            f"{_training_rows(facts):,} rows of {facts.columns} columns can teach three layers",
        )
    return 2, "a layer before the code, to be able to gain on PCA"


def _widths_to(code: int, depth: int, facts: DataFacts) -> tuple[int, ...]:
    """Return the widths of the layers before the code, halving from the first on."""
    rows, columns = _training_rows(facts), facts.columns
    first = NARROW if rows < SOME_ROWS else max(NARROW, min(WIDE, 2 * columns))
    if rows >= MANY_ROWS and columns >= MANY_COLUMNS:
        first = WIDEST
    return tuple(max(2 * PAIRS * code, first // 2**layer) for layer in range(depth - 1))


def _choose_active_units(choices: _Choices, code: int) -> None:
    """Let no more than half of a code be active, nor of that of a layer that is trained alone."""
    if choices.config.pretrains:
        widths = choices.config.resolved_hidden
        most = choices.config.of_layer("k", -1)
        choices.set("k", tuple(max(1, min(most, units // 2)) for units in widths))
        choices.reasons["k"] = "half of a code at most"
        return
    if choices.config.of_layer("k", -1) > code // 2:
        choices.set("k", max(1, code // 2))
        choices.reasons["k"] = f"half of a code of {code}"


# Preprocessing and the objective


def _choose_values(choices: _Choices, facts: DataFacts) -> None:
    config = choices.config
    targets = LOSSES[config.loss].targets
    if targets.scale is not None:
        choices.choose("scale", targets.scale, f"targets {targets.words}")
    elif targets is UNIT_TARGETS or config.output_activation == SIGMOID.name:
        pixels = facts.dtype == "uint8" and facts.highest > PIXEL_BYTES
        scale = "unit" if pixels or (facts.one_range and "int" not in facts.dtype) else "minmax"
        choices.choose("scale", scale, f"targets {UNIT_TARGETS.words}")
    elif facts.one_range and facts.dtype in PIXEL_TYPES:
        choices.choose("scale", "pooled", "all columns share one range, as pixels")
    elif facts.one_range:
        choices.choose("scale", "shrunk", "columns of one range, which may be pixels or a table")
    choices.choose("scale", "standard", "columns of their own units")
    if choices.config.scale == "log1p" and facts.lowest < 0:
        raise ConfigError(
            "scale: log1p takes counts, of 0 or more, and the data span "
            f"[{facts.lowest:g}, {facts.highest:g}]; give counts, or another scale"
        )
    _choose_output(choices, facts)


def _choose_output(choices: _Choices, facts: DataFacts) -> None:
    config, loss = choices.config, LOSSES[choices.config.loss]
    span = _span_of_targets(config, facts)
    if not loss.targets.include(*span):
        raise ConfigError(
            f"loss: {loss.name} needs targets {loss.targets.words} and the data span "
            f"[{facts.lowest:g}, {facts.highest:g}]; {loss.targets.remedy}"
        )
    if loss.output is not None:
        choices.choose("output_activation", loss.output.name, f"targets {loss.targets.words}")
    elif config.code_rule.bounded and UNIT_TARGETS.include(*span):
        choices.choose("output_activation", SIGMOID.name, f"targets {UNIT_TARGETS.words}")
    choices.choose("output_activation", "identity", f"targets {ANY_TARGETS.words}")


def _span_of_targets(config: Config, facts: DataFacts) -> tuple[float, float]:
    """Return bounds of what the network is to make, in preprocessed units."""
    if config.rebuilds_counts:
        return 0.0, math.inf
    if config.whiten != "none" or config.scale in CENTRED:
        return -math.inf, math.inf
    if config.scale == "none":
        return facts.lowest, facts.highest
    signed = config.scale == "unit" and facts.lowest < 0 and facts.dtype.startswith("int")
    return -1.0 if signed else 0.0, 1.0


def _choose_objective(choices: _Choices, facts: DataFacts) -> None:
    """Weigh penalties as beside a sum over columns; a mean is 2/d of it."""
    config = choices.config
    parameter = LOSSES[config.loss].parameter
    if parameter is not None:
        choices.choose(*parameter, "in preprocessed units")
    if config.code_rule.weight is not None:
        choices.choose(config.code_rule.weight[0], *penalty_weight(config, facts.columns))


def penalty_weight(config: Config, columns: int) -> tuple[float, str]:
    """Return what the penalty of the rule for the code weighs if nobody says, and why."""
    if config.code_rule.weight is None:
        raise RuntimeError(f"sparsity={config.sparsity} has no penalty")
    beside_sum = config.code_rule.weight[1]
    if LOSSES[config.loss].keeps_size:
        return beside_sum * 2 / columns, f"beside a mean over {columns} columns"
    return beside_sum, "beside a sum over columns"


# Training


def _choose_course(choices: _Choices, facts: DataFacts) -> None:
    config, rows = choices.config, _training_rows(facts)
    if config.full_batch:
        choices.choose("shuffle", "none", "full batch")
        choices.choose("epochs", LBFGS_ITERATIONS, "iterations")
    else:
        batch = 2 ** round(math.log2(max(1, rows / BATCHES)))
        batch = max(SMALLEST_BATCH, min(LARGEST_BATCH, batch))
        choices.choose("batch_size", batch, f"for {rows:,} rows")
        shuffle = "full" if facts.nbytes <= FULL_SHUFFLE_BYTES else "block"
        choices.choose("shuffle", shuffle, "by the size of the data")
        rate = SGD_RATE if config.optimizer == "sgd" else LEARNING_RATE
        choices.choose("learning_rate", rate, f"suits {config.optimizer}")
        plain = "constant" if config.optimizer == "sgd" else "warmup_cosine"
        choices.choose("schedule", plain, f"suits {config.optimizer}")
        _choose_epochs(choices, facts)
    patience = patience_for(choices.config.resolved("epochs"))
    choices.choose("patience", patience, "a fifth of all epochs")


def patience_for(epochs: int) -> int:
    """Return after how many epochs without gain training stops, of so many."""
    return max(1, math.ceil(epochs / PATIENCE_SHARE))


def _choose_epochs(choices: _Choices, facts: DataFacts) -> None:
    """Turn a budget of steps into epochs."""
    config, rows = choices.config, _training_rows(facts)
    batch = min(config.resolved("batch_size"), rows)
    steps, reason = config.steps, f"{config.steps} steps"
    if steps is None:
        steps = _steps(config, facts, batch)
        steps = min(steps, MOST_EPOCHS * math.ceil(rows / batch))
        reason = f"about {steps:,} steps"
    choices.set("steps", None)
    choices.choose("epochs", max(1, round(steps * batch / rows)), reason)


def _steps(config: Config, facts: DataFacts, batch: int) -> int:
    """Return how many steps data of this size are given."""
    widths = (facts.columns, *config.resolved_hidden)
    weights = 2 * sum(a * b for a, b in pairwise(widths))
    folds = config.folds or 1
    work = min(MOST_WORK, WORK + ROW_WORK * _training_rows(facts))
    affordable = work / (6 * batch * weights * (folds + 1 if folds > 1 else 1))
    return int(max(FEWEST_STEPS, min(FOLD_STEPS if folds > 1 else STEPS, affordable)))


def _training_rows(facts: DataFacts) -> int:
    return facts.rows if facts.training_rows is None else facts.training_rows
