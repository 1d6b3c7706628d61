"""Every setting of a run, validated, under one name everywhere.

The command line, TOML files, the Python API and the `config_json` attribute of HDF5 files all speak
the field names of `Config`. A `Config` is what a person asked for; `Config.resolve` fills in
what depends on the data and gives the `Config` that is trained with and stored.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Set
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from gpuae.errors import ConfigError
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.code_rules import CODE_RULES, CodeRule
from gpuae.functions.losses import ANY_TARGETS, COUNTS, LOSSES

if TYPE_CHECKING:
    Activation: TypeAlias = str
    Loss: TypeAlias = str
else:
    Activation = Literal[tuple(ACTIVATIONS)]
    Loss = Literal[tuple(LOSSES)]
Decoder: TypeAlias = Literal["untied", "transpose", "tied"]
Init: TypeAlias = Literal["pca", "glorot", "he", "distance"]
Noise: TypeAlias = Literal["none", "gaussian", "clipped_gaussian", "masking", "salt_pepper"]
Scale: TypeAlias = Literal[
    "none", "unit", "standard", "shrunk", "pooled", "minmax", "sigma", "log1p"
]
Whiten: TypeAlias = Literal["none", "pca", "zca"]
Missing: TypeAlias = Literal["refuse", "mean"]
Optimizer: TypeAlias = Literal["adam", "sgd", "lbfgs"]
Schedule: TypeAlias = Literal["constant", "cosine", "warmup_cosine", "plateau"]
Shuffle: TypeAlias = Literal["auto", "full", "block", "none"]
FloatType: TypeAlias = Literal["float32", "float64"]
if TYPE_CHECKING:
    Sparsity: TypeAlias = str
else:
    Sparsity = Literal[tuple(CODE_RULES)]
Precision: TypeAlias = Literal["float32", "tf32", "bf16"]
OutlierScore: TypeAlias = Literal["mse", "knn"]
WHITEN_EPSILON = 1e-5
MAX_LAYERS, MAX_EPOCHS = 100, 10**9
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Mean: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Epochs: TypeAlias = Annotated[int, Field(ge=0, le=MAX_EPOCHS)]

BY_LAYER = ("noise_level", "dropout", "rho", "beta", "l1", "k", "pretrain")
"""Settings that may be a list of numbers, one for each layer of the encoder."""

CENTRED = ("standard", "shrunk", "pooled", "log1p")
"""Scalings that move the mean of a column to 0."""
RUN_OPTIONS = ("device", "threads", "memory", "max_time")
MAX_WIDTH = (1 << 31) - 1
"""What BLAS counts with."""
SHOWN_CHARACTERS = 200
"""Of a value that is refused."""
MAX_TOML_BYTES = 1 << 20
MAX_KEY_DOTS = 200
"""In a line of TOML before any value; keys of thousands of parts would be read for minutes."""
SIZE_PATTERN = r"^\d+(\.\d+)?[KMGT]?B?$"
TIME_PATTERN = r"^\d{1,9}(\.\d{1,9})? ?(s|min|h)$"
_WIDTHS = re.compile(r"\d+(\s*[,;\s]\s*\d+)*", re.ASCII)
_DEVICE_PATTERN = r"^(auto|cpu|numpy|cuda(:\d+)?)$"


def read_toml(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML file as they are there.

    Raises
    ------
    ConfigError
        When it cannot be read or is no TOML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TOML_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_TOML_BYTES:
        raise ConfigError(
            f"{path}: is larger than {MAX_TOML_BYTES >> 20} MiB and settings are a few "
            "lines of text; give a TOML file"
        )
    try:
        text = content.decode("utf-8-sig")
        if any(line.partition("=")[0].count(".") > MAX_KEY_DOTS for line in text.splitlines()):
            raise ValueError("a name has hundreds of dots in it")
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits
        raise ConfigError(f"{path}: is not a TOML file: {error}") from None


class Settings(BaseModel):
    """Settings that are read and stored in one way. Immutable; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("seed", mode="before", check_fields=False)
    @classmethod
    def _plain(cls, value: object) -> object:
        """Accept NumPy's integers of 64 bits without sign, too."""
        return int(value) if isinstance(value, Integral) else value

    @field_validator(*BY_LAYER, "activation", mode="before", check_fields=False)
    @classmethod
    def _listed(cls, value: object) -> object:
        """Accept text with commas between the values of the layers; a list of one is its value."""
        if isinstance(value, str) and "," in value:
            value = [part.strip() for part in value.split(",")]
        if isinstance(value, list | tuple) and len(value) < 2:
            if not value:
                raise ValueError("needs a value, or one for each layer")
            return value[0]
        return tuple(value) if isinstance(value, list) else value

    @classmethod
    def parse(cls, settings: Mapping[str, Any], source: str = "settings") -> Self:
        """Validate a mapping of settings.

        Raises
        ------
        ConfigError
            In one sentence that names the `source` and the setting concerned.
        """
        for name in settings:
            if name not in cls.model_fields:
                raise ConfigError(f"{source}: {_unknown(name, cls)}")
        try:
            return cls(**settings)
        except ValidationError as error:
            raise ConfigError(f"{source}: {_sentence(error)}") from None

    def resolved(self, name: str) -> Any:
        """Return a setting that the data may decide; of a resolved configuration only."""
        value = getattr(self, name)
        if value is None:
            raise ConfigError(f"{name}: is known only once there are data")
        return value

    def stored(self) -> dict[str, Any]:
        """Return the settings that describe the result, without those of this machine only."""
        return self.model_dump(mode="json", exclude=set(RUN_OPTIONS), exclude_none=True)


class Config(Settings):
    """All settings of an autoencoder; see the table in docs/settings.md."""

    hidden: tuple[int, ...] | None = Field(
        None,
        description="widths of the encoder layers, the last is the code; one width: the code alone",
    )
    depth: int | None = Field(
        None,
        ge=1,
        le=MAX_LAYERS,
        description="number of encoder layers, if hidden is the width of the code alone",
    )
    activation: Activation | tuple[Activation, ...] | None = Field(
        None,
        description="of all hidden layers, or a list: of each before the code, and of each "
        "after it if they differ [relu]",
    )
    code_activation: Activation | None = Field(
        None, description="of the code [identity; the same as activation, if that is given]"
    )
    output_activation: Literal["auto"] | Activation = Field(
        "auto",
        description="auto: what the loss needs (bce: sigmoid), otherwise identity; "
        "sigmoid for kl if the targets lie in [0, 1]",
    )
    decoder: Decoder = Field(
        "untied",
        description="transpose: starts as the encoder's transpose; tied: remains its transpose",
    )
    init: Init | None = Field(None, description="initial weights [pca; for a sparse code glorot]")
    loss: Loss = Field(
        "mse", description="; ".join(f"{own.name}: {own.sentence}" for own in LOSSES.values())
    )
    huber_delta: float | None = Field(
        None, gt=0, description="huber: error from which errors count linearly [1]"
    )
    weight_decay: float = Field(0.0, ge=0, description="λ of (λ/2)·Σ‖W‖²")
    sparsity: Sparsity = Field(
        "none",
        description="; ".join(
            f"{rule.name}: {rule.sentence}" for rule in CODE_RULES.values() if rule.constrains
        ),
    )
    rho: Mean | tuple[Mean, ...] = Field(
        0.05, description="kl: target mean activation of a code unit"
    )
    beta: NotNegative | tuple[NotNegative, ...] | None = Field(
        None, description="kl: weight of the penalty [3 for sse, 6/d for a mean over d columns]"
    )
    l1: NotNegative | tuple[NotNegative, ...] | None = Field(
        None, description="l1: weight of the penalty [0.1 for sse, 0.2/d for a mean over d columns]"
    )
    k: Count | tuple[Count, ...] = Field(
        32,
        description="topk: code units kept in each row; if not given, at most half of the code",
    )
    noise: Noise = Field("none", description="on the input, in training only")
    noise_level: NotNegative | tuple[NotNegative, ...] = Field(
        0.0, description="gaussian: standard deviation; others: probability"
    )
    dropout: Share | tuple[Share, ...] = Field(
        0.0, description="rate on hidden activations, in training only"
    )
    scale: Scale | None = Field(
        None,
        description="scaling of the columns [standard; pooled or shrunk for pixels]; log1p: counts",
    )
    whiten: Whiten = Field("none", description="after scaling")
    whiten_epsilon: Annotated[float, Field(gt=0, le=1)] = Field(
        WHITEN_EPSILON,
        description="share of the largest variance that whitening adds along each axis",
    )
    missing: Missing = Field(
        "refuse",
        description="missing values; mean: replace them by the mean of their column in training",
    )
    optimizer: Optimizer = Field("adam", description="lbfgs is full batch")
    learning_rate: float | None = Field(
        None, gt=0, description="learning rate of adam and sgd [0.002; 0.001 for sgd]"
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd")
    schedule: Schedule | None = Field(
        None, description="of the learning rate [warmup_cosine; constant for sgd]"
    )
    steps: int | None = Field(
        None, ge=1, description="total number of steps, instead of epochs [from the data]"
    )
    epochs: int | None = Field(
        None,
        ge=0,
        le=MAX_EPOCHS,
        description="passes over the rows; iterations of lbfgs [from steps]",
    )
    batch_size: int | None = Field(None, ge=1, description="rows in a step [from the data]")
    shuffle: Shuffle = Field("auto", description="order of the rows in an epoch")
    validation: float | None = Field(
        None, ge=0, lt=1, description="fraction of the rows held out [0.1; 0.25 with 4 folds]"
    )
    folds: int | None = Field(
        None,
        ge=1,
        description="number of times that different rows are held out, before a last fit to all "
        "[4 below 2,000 rows, else 1: hold out once]",
    )
    patience: int | None = Field(
        None,
        ge=0,
        description="epochs without improvement before stopping early; 0: never [a fifth of all]",
    )
    outlier_score: OutlierScore = Field(
        "mse", description="score of a row; knn: distance to training rows and their errors"
    )
    contamination: float | None = Field(
        None, gt=0, le=0.5, description="share of rows that count as outliers [none]"
    )
    trim: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="share of the training rows, the most unlike the others, to leave out",
    )
    pretrain: Epochs | tuple[Epochs, ...] = Field(
        0,
        description="epochs of each layer alone, on the codes of the one below, before all layers",
    )
    seed: int = Field(0, ge=0, lt=1 << 64, description="seed of all random numbers")
    dtype: FloatType = Field(
        "float32", description="type of the computation and the stored weights"
    )
    device: str = Field(
        "auto", pattern=_DEVICE_PATTERN, description="auto, cpu, cuda, cuda:N or numpy"
    )
    threads: int | None = Field(None, ge=1, description="number of CPU threads [all cores]")
    tile_rows: int | None = Field(
        None, ge=1, description="rows that a thread computes at once [auto]"
    )
    memory: str | None = Field(
        None,
        pattern=SIZE_PATTERN,
        description="limit for data held in memory, such as 2GB [a quarter of what is free]",
    )
    precision: Precision = Field("float32", description="precision of matrix products on GPUs")
    max_time: str | None = Field(
        None,
        pattern=TIME_PATTERN,
        description="time that training may take, such as 90s, 10min or 2h: as many epochs as fit",
    )

    @field_validator("hidden", mode="before")
    @classmethod
    def _widths(cls, value: object) -> object:
        """Accept 200, any sequence, and text with commas, semicolons or blanks between widths."""
        if isinstance(value, str):
            if not _WIDTHS.fullmatch(value.strip()):
                raise ValueError("needs widths such as 128,32")
            return tuple(re.findall(r"\d+", value))
        if isinstance(value, Set):
            raise ValueError("needs its widths in an order, such as (128, 32)")
        if isinstance(value, Integral) and not isinstance(value, bool):
            return (int(value),)
        return value

    @field_validator("hidden")
    @classmethod
    def _positive_widths(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and not (value and all(1 <= width <= MAX_WIDTH for width in value)):
            raise ValueError("needs one or more widths from 1 to 2147483647, such as 128,32")
        if value is not None and len(value) > MAX_LAYERS:
            raise ValueError(f"needs at most {MAX_LAYERS} widths and has {len(value)}")
        return value

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        for check in _CHECKS:
            check(self)
        return self

    @classmethod
    def from_toml(cls, path: Path, overrides: Mapping[str, Any]) -> Config:
        """Read a TOML file of settings; `overrides` (from the command line) win."""
        return cls.parse({**read_toml(path), **overrides}, source=str(path))

    @property
    def code_rule(self) -> CodeRule:
        """What `sparsity` names."""
        return CODE_RULES[self.sparsity]

    @property
    def full_batch(self) -> bool:
        """Whether every step sees all training rows."""
        return self.optimizer == "lbfgs"

    @property
    def rebuilds_counts(self) -> bool:
        """Whether the outputs are counts, while the inputs are their logarithms."""
        return self.scale == "log1p" and LOSSES[self.loss].targets is COUNTS

    @property
    def code_size(self) -> int:
        """Width of the code; of a resolved configuration only."""
        return self.resolved_hidden[-1]

    @property
    def resolved_hidden(self) -> tuple[int, ...]:
        """Encoder widths; of a resolved configuration only."""
        widths: tuple[int, ...] = self.resolved("hidden")
        return widths

    def of_layer(self, name: str, layer: int) -> Any:
        """Return a setting as it is for one encoder layer, counted from 0; -1: for the code."""
        value = self.resolved(name)
        return value[layer] if isinstance(value, tuple) else value

    @property
    def drops(self) -> bool:
        """Whether there is dropout in any layer."""
        return any(of_each(self.dropout))

    @property
    def pretrains(self) -> bool:
        """Whether layers are trained alone before all of them are."""
        return any(of_each(self.pretrain))


def of_each(value: Any) -> tuple[Any, ...]:
    """Return the values of a setting that may be a list; none of one that is open."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _check_activations(config: Config) -> None:
    for setting in ("activation", "code_activation"):
        for name in of_each(getattr(config, setting)):
            if ACTIVATIONS[name].output_only:
                raise ValueError(
                    f"{setting}={name} would grow beyond all bounds from layer to layer: it is for "
                    "output_activation; use softplus, say"
                )


def _check_layers(config: Config) -> None:
    """Check what is said of each layer, once it is known how many there are."""
    if config.pretrains and config.init == "pca":
        raise ValueError(
            "init=pca starts all layers together and pretrain one after the other; leave init out, "
            "or pretrain"
        )
    if config.pretrains and (config.folds or 1) > 1:
        raise ValueError("folds=1 is all that pretrain can do; leave folds out")
    if config.hidden is None or (config.depth is None and len(config.hidden) == 1):
        return
    depth = config.depth or len(config.hidden)
    if config.pretrains and depth == 1:
        raise ValueError(
            "pretrain is of two or more layers, and this network has one; give hidden more widths, "
            "such as 128,32, or leave pretrain out"
        )
    for name in BY_LAYER:
        value = getattr(config, name)
        check_list(name, value, depth)
        if isinstance(value, tuple) and name != "dropout" and not config.pretrains:
            raise ValueError(
                f"{name} by layer has no effect without pretrain, which trains each layer alone; "
                "give one value, or pretrain"
            )
    names = config.activation
    if isinstance(names, tuple) and len(names) not in (depth - 1, 2 * depth - 2):
        raise ValueError(
            f"activation has {len(names)} names for an encoder of {depth} layers; give one, "
            f"{depth - 1} of those before the code, or {2 * depth - 2} of all but code and output"
        )


def check_list(name: str, value: object, depth: int) -> None:
    """Refuse a list of another length than the encoder has layers.

    Raises
    ------
    ConfigError
        Saying both.
    """
    if isinstance(value, tuple) and len(value) != depth:
        raise ConfigError(
            f"{name} has {len(value)} values and the encoder {depth} layers; give one value, or "
            "one for each layer"
        )


def _check_loss(config: Config) -> None:
    loss = LOSSES[config.loss]
    targets, output = loss.targets, config.output_activation
    if loss.output and output != "auto" and not loss.takes(output):
        raise ValueError(
            f"loss={loss.name} needs output_activation={loss.output.name}, not "
            f"{output}: {loss.reason}"
        )
    centred = config.scale if config.scale in CENTRED else None
    if config.rebuilds_counts and config.whiten == "none":
        return
    if targets is not ANY_TARGETS and (centred or config.whiten != "none"):
        raise ValueError(
            f"loss={loss.name} needs targets {targets.words}, which scale={centred or CENTRED[0]} "
            f"and whiten do not give; {targets.remedy} without whitening"
        )


def _check_counts(config: Config) -> None:
    if config.scale == "log1p" and config.missing != "refuse":
        raise ValueError(
            "scale=log1p divides a row by its total, which a row with missing values has not; "
            "leave missing out, or take another scale"
        )


def _check_sparsity(config: Config) -> None:
    codes = of_each(config.code_activation or config.activation)[-1:]
    if config.pretrains:  # each layer has a code of its own
        codes += of_each(config.activation)
    for code in codes:
        if config.code_rule.bounded and not ACTIVATIONS[code].bounded:
            bounded = " or ".join(own.name for own in ACTIVATIONS.values() if own.bounded)
            raise ValueError(
                f"sparsity={config.sparsity} needs a bounded code: use activation {bounded}, "
                f"not {code}, or sparsity=l1"
            )
    if not (config.code_rule.selects and config.hidden and "k" in config.model_fields_set):
        return
    alone = config.pretrains or isinstance(config.k, tuple)
    for layer, units in enumerate(config.hidden):
        k = config.of_layer("k", min(layer, len(of_each(config.k)) - 1))
        if k > units and (alone or layer == len(config.hidden) - 1):
            raise ValueError(
                f"k={k} is larger than the code of {units} units; lower k"
                f"{', or give one for each layer' if alone else ''}"
            )


_ONCE_DEFAULT = {"beta": 3.0, "l1": 1e-4, "learning_rate": 1e-3, "schedule": "constant"}
"""What files of earlier versions hold where a setting had no effect."""


def _check_switched_off(config: Config) -> None:
    """Refuse a value that would be ignored because what it belongs to is switched off."""
    owners = ((name, rule.name) for rule in CODE_RULES.values() for name in rule.settings)
    for name, owner in owners:
        idle = (Config.model_fields[name].default, _ONCE_DEFAULT.get(name))
        if config.sparsity != owner and getattr(config, name) not in idle:
            raise ValueError(f"{name} has no effect without sparsity={owner}")
    parameters = ((own.parameter[0], own.name) for own in LOSSES.values() if own.parameter)
    for name, owner in parameters:
        if config.loss != owner and getattr(config, name) is not None:
            raise ValueError(f"{name} has no effect without loss={owner}")
    if config.whiten == "none" and config.whiten_epsilon != WHITEN_EPSILON:
        raise ValueError("whiten_epsilon has no effect without whiten=pca or zca")
    if config.momentum and config.optimizer != "sgd":
        raise ValueError("momentum belongs to optimizer=sgd")
    if config.precision != "float32" and config.dtype != "float32":
        raise ValueError(f"precision={config.precision} is of float32, not of dtype={config.dtype}")


def _check_shape(config: Config) -> None:
    if config.depth is None or config.hidden is None or len(config.hidden) == 1:
        return
    if config.depth != len(config.hidden):
        raise ValueError(
            f"depth={config.depth} contradicts the {len(config.hidden)} widths of hidden; "
            "leave one of them out"
        )


def _check_length(config: Config) -> None:
    if config.steps is not None and config.epochs is not None:
        raise ValueError("steps and epochs both say how long to train; leave one of them out")
    if config.folds is not None and config.folds > 1:
        if config.full_batch:
            raise ValueError("folds=1 is all that optimizer=lbfgs can do; leave folds out")
        if config.validation == 0:
            raise ValueError("folds hold out rows in turn, and validation=0 none; leave one out")


def _check_time(config: Config) -> None:
    if config.max_time is None:
        return
    if not re.search("[1-9]", config.max_time):
        raise ValueError("max_time is no time at all; give one such as 10min, or epochs=0")
    if config.pretrains:
        raise ValueError("max_time cannot be kept by pretrain; leave one of them out")


def _check_numbers(config: Config) -> None:
    """Refuse numbers that are infinite, or a threshold that is 0, in the type of the weights."""
    smallest, largest = _RANGES[config.dtype]
    for name in _SIZES:
        value = max(of_each(getattr(config, name)), default=0.0)
        if value > largest:
            raise ValueError(f"{name}={value:g} is more than {config.dtype} can hold; lower it")
    if config.huber_delta is not None and config.huber_delta < smallest:
        raise ValueError(
            f"huber_delta={config.huber_delta:g} is as good as 0 in {config.dtype}; raise it"
        )


_RANGES = {"float32": (1.2e-38, 3.4e38), "float64": (2.3e-308, 1.7e308)}
"""Smallest and largest number with all digits."""
_SIZES = ("weight_decay", "beta", "l1", "noise_level", "huber_delta")


def _check_noise(config: Config) -> None:
    levels = of_each(config.noise_level)
    if config.noise == "none" and any(levels):
        raise ValueError("noise_level has no effect without noise; add noise=gaussian, say")
    if config.noise != "none" and not any(levels):
        raise ValueError(f"noise={config.noise} needs a noise_level above 0")
    if config.noise in ("masking", "salt_pepper") and max(levels) > 1:
        raise ValueError(f"noise={config.noise} needs a noise_level in (0, 1]: a probability")


def _check_full_batch(config: Config) -> None:
    if not config.full_batch:
        return
    fixed: dict[str, tuple[object, ...]] = {
        "batch_size": (None,),
        "steps": (None,),
        "learning_rate": (None,),
        "schedule": (None,),
        "shuffle": ("auto", "none"),
    }
    for name, allowed in fixed.items():
        if getattr(config, name) not in (*allowed, _ONCE_DEFAULT.get(name)):
            raise ValueError(f"{name} has no meaning for optimizer=lbfgs, which is full batch")


_CHECKS = (
    _check_activations,
    _check_loss,
    _check_counts,
    _check_shape,
    _check_layers,
    _check_sparsity,
    _check_switched_off,
    _check_noise,
    _check_numbers,
    _check_length,
    _check_time,
    _check_full_batch,
)


def _unknown(name: str, settings: type[BaseModel]) -> str:
    close = difflib.get_close_matches(name, settings.model_fields, n=1)
    hint = f"; did you mean {close[0]}?" if close else "; `gpuae fit --help` lists all settings"
    return f"unknown setting {name}{hint}"


_PATTERNS_IN_WORDS = {
    "device": "auto, cpu, cuda, cuda:N or numpy",
    "memory": "an amount such as 500MB or 2GB",
    "max_time": "a time such as 90s, 10min or 2h",
}


def _sentence(error: ValidationError) -> str:
    first = _most_telling(error)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        message = f"should be {_PATTERNS_IN_WORDS[str(first['loc'][0])]}"
    if not first["loc"]:
        return message
    return f"{first['loc'][0]}: {message[0].lower()}{message[1:]}, got {_shown(first['input'])}"


def _most_telling(error: ValidationError) -> ErrorDetails:
    """Return the first error, of a list rather the one of a value in it than of the whole."""
    errors = error.errors()
    same = [own for own in errors if own["loc"][:1] == errors[0]["loc"][:1]]
    return max(same, key=lambda own: len(own["loc"]))


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # integers of thousands of digits, deep nesting
        return "what is too long to print"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
