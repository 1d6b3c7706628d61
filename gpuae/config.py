"""Every setting of a run, validated, under one name everywhere.

The command line, TOML files, the Python API and the `config_json` attribute of HDF5 files all speak
the field names of `Config`. A `Config` is what a person asked for; `Config.resolve` fills in
what depends on the data and gives the `Config` that is trained with and stored.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from gpuae.errors import ConfigError

Activation: TypeAlias = Literal["sigmoid", "tanh", "relu", "leaky_relu", "identity"]
Decoder: TypeAlias = Literal["untied", "transpose", "tied"]
Init: TypeAlias = Literal["glorot", "he", "distance"]
Loss: TypeAlias = Literal["mse", "sse", "bce"]
Sparsity: TypeAlias = Literal["none", "kl", "l1", "topk"]
Noise: TypeAlias = Literal["none", "gaussian", "masking", "salt_pepper"]
Scale: TypeAlias = Literal["none", "unit", "standard", "minmax", "sigma"]
Whiten: TypeAlias = Literal["none", "pca", "zca"]
Missing: TypeAlias = Literal["refuse", "mean"]
Optimizer: TypeAlias = Literal["adam", "sgd", "lbfgs"]
Schedule: TypeAlias = Literal["constant", "cosine", "plateau"]
Shuffle: TypeAlias = Literal["auto", "full", "block", "none"]
FloatType: TypeAlias = Literal["float32", "float64"]
Precision: TypeAlias = Literal["float32", "tf32"]

UNBOUNDED = ("relu", "leaky_relu", "identity")
RUN_OPTIONS = ("device", "threads", "memory")
MAX_WIDTH = (1 << 31) - 1
"""What BLAS counts with."""
SIZE_PATTERN = r"^\d+(\.\d+)?[KMGT]?B?$"
FULL_SHUFFLE_BYTES = 1 << 30
"""Data up to this size are shuffled row by row when `shuffle` is left to `auto`."""

_DEVICE_PATTERN = r"^(auto|cpu|numpy|cuda(:\d+)?)$"


@dataclass(frozen=True)
class DataFacts:
    """What has to be known of the training data to resolve the settings that depend on it."""

    rows: int
    columns: int
    dtype: str
    """NumPy's name of the stored type, such as `uint8`."""
    lowest: float
    """Smallest value in the training rows."""
    highest: float
    """Largest value in the training rows."""

    @property
    def nbytes(self) -> int:
        """Size of the whole matrix as it is stored."""
        from numpy import dtype

        return self.rows * self.columns * dtype(self.dtype).itemsize


def read_toml(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML file as they are there.

    Raises
    ------
    ConfigError
        When it cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not a TOML file: {error}") from None


class Config(BaseModel):
    """All settings; see the table in README.md. Immutable; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hidden: tuple[int, ...] | None = Field(
        None, description="encoder widths, the last is the code [200, at most half the columns]"
    )
    activation: Activation = Field("sigmoid", description="of all hidden layers")
    output_activation: Literal["auto"] | Activation = Field(
        "auto", description="auto: sigmoid where the scaled targets lie in [0, 1], else identity"
    )
    decoder: Decoder = Field(
        "untied", description="transpose: starts as the encoder's transpose; tied: stays so"
    )
    init: Init | None = Field(None, description="initial weights [glorot; he for relus]")
    loss: Loss = Field("mse", description="of the reconstruction")
    weight_decay: float = Field(0.0, ge=0, description="λ of (λ/2)·Σ‖W‖²")
    sparsity: Sparsity = Field("none", description="penalty on the code")
    rho: float = Field(0.05, gt=0, lt=1, description="kl: wanted mean activation of a code unit")
    beta: float = Field(3.0, ge=0, description="kl: weight of the penalty, which suits loss=sse")
    l1: float = Field(1e-4, ge=0, description="l1: weight of the penalty")
    k: int = Field(32, ge=1, description="topk: code units of a row that stay")
    noise: Noise = Field("none", description="on the input, in training only")
    noise_level: float = Field(
        0.0, ge=0, description="gaussian: standard deviation; others: probability"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="rate on hidden activations, in training")
    scale: Scale | None = Field(None, description="of the columns [minmax; unit for uint8]")
    whiten: Whiten = Field("none", description="after scaling")
    missing: Missing = Field(
        "refuse", description="values: mean fills them by the column's mean in training"
    )
    optimizer: Optimizer = Field("adam", description="lbfgs is full batch")
    learning_rate: float = Field(1e-3, gt=0, description="of adam and sgd")
    momentum: float = Field(0.0, ge=0, lt=1, description="of sgd")
    schedule: Schedule = Field("constant", description="of the learning rate over the epochs")
    epochs: int = Field(50, ge=0, description="passes over the rows; iterations of lbfgs")
    batch_size: int | None = Field(None, ge=1, description="rows of a step [256]")
    shuffle: Shuffle = Field("auto", description="order of the rows in an epoch")
    validation: float = Field(0.1, ge=0, lt=1, description="fraction of the rows held out")
    patience: int = Field(
        10, ge=0, description="epochs without gain before stopping early; 0: never stop early"
    )
    pretrain: int = Field(0, ge=0, description="epochs of greedy layer-wise training")
    seed: int = Field(0, ge=0, lt=1 << 64, description="of all random numbers")
    dtype: FloatType = Field("float32", description="of the computation and the stored weights")
    device: str = Field(
        "auto", pattern=_DEVICE_PATTERN, description="auto, cpu, cuda, cuda:N or numpy"
    )
    threads: int | None = Field(None, ge=1, description="of the CPU [all its cores]")
    tile_rows: int | None = Field(None, ge=1, description="rows a thread computes at once [auto]")
    memory: str | None = Field(
        None,
        pattern=SIZE_PATTERN,
        description="of data that are held in memory, such as 2GB [a quarter of what is free]",
    )
    precision: Precision = Field("float32", description="of matrix products on GPUs")

    @field_validator("hidden", mode="before")
    @classmethod
    def _widths(cls, value: object) -> object:
        """Accept 200, "128,32" and any sequence."""
        if isinstance(value, str):
            parts = value.replace(" ", "").split(",")
            if not all(part.isdecimal() for part in parts):
                raise ValueError("needs widths such as 128,32")
            return tuple(parts)
        if isinstance(value, Integral) and not isinstance(value, bool):
            return (int(value),)
        return value

    @field_validator("hidden")
    @classmethod
    def _positive_widths(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and not (value and all(1 <= width <= MAX_WIDTH for width in value)):
            raise ValueError("needs one or more widths from 1 to 2147483647, such as 128,32")
        return value

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        for check in _CHECKS:
            check(self)
        return self

    @classmethod
    def parse(cls, settings: Mapping[str, Any], source: str = "settings") -> Config:
        """Validate a mapping of settings.

        Raises
        ------
        ConfigError
            In one sentence that names the `source` and the setting concerned.
        """
        for name in settings:
            if name not in cls.model_fields:
                raise ConfigError(f"{source}: {_unknown(name)}")
        try:
            return cls(**settings)
        except ValidationError as error:
            raise ConfigError(f"{source}: {_sentence(error)}") from None

    @classmethod
    def from_toml(cls, path: Path, overrides: Mapping[str, Any]) -> Config:
        """Read a TOML file of settings; `overrides` (from the command line) win."""
        return cls.parse({**read_toml(path), **overrides}, source=str(path))

    @property
    def full_batch(self) -> bool:
        """Whether every step sees all training rows."""
        return self.optimizer == "lbfgs"

    @property
    def code_size(self) -> int:
        """Width of the code; of a resolved configuration only."""
        return self.resolved_hidden[-1]

    @property
    def resolved_hidden(self) -> tuple[int, ...]:
        """Encoder widths; of a resolved configuration only."""
        if self.hidden is None:
            raise ConfigError("hidden: is known only once there are data")
        return self.hidden

    def stored(self) -> dict[str, Any]:
        """Return the settings that describe the result, without those of this machine only."""
        return self.model_dump(mode="json", exclude=set(RUN_OPTIONS), exclude_none=True)

    def resolve(self, facts: DataFacts) -> Config:
        """Fill in what depends on the data; what the person chose stays.

        Raises
        ------
        ConfigError
            Where the settings make no sense for these data.
        """
        scale = self.scale or ("unit" if facts.dtype == "uint8" else "minmax")
        unit_targets = self._targets_in_unit_interval(scale, facts)
        if self.loss == "bce" and not unit_targets:
            raise ConfigError(
                f"loss: bce needs targets in [0, 1] and the data span "
                f"[{facts.lowest:g}, {facts.highest:g}]; use scale=minmax or scale=unit"
            )
        output = "sigmoid" if unit_targets else "identity"
        chosen = {
            "hidden": self.hidden or (max(1, min(200, facts.columns // 2)),),
            "init": self.init or ("he" if self.activation in ("relu", "leaky_relu") else "glorot"),
            "scale": scale,
            "output_activation": output if self.output_activation == "auto" else None,
            "shuffle": self._resolve_shuffle(facts) if self.shuffle == "auto" else None,
            "batch_size": None if self.full_batch else self.batch_size or 256,
        }
        given = {name: value for name, value in chosen.items() if value is not None}
        return Config.parse({**self.model_dump(), **given})

    def _targets_in_unit_interval(self, scale: str, facts: DataFacts) -> bool:
        if self.whiten != "none" or scale == "standard":
            return False
        if scale == "none":
            return facts.lowest >= 0 and facts.highest <= 1
        return scale != "unit" or facts.lowest >= 0 or not facts.dtype.startswith("int")

    def _resolve_shuffle(self, facts: DataFacts) -> Shuffle:
        if self.full_batch:
            return "none"
        return "full" if facts.nbytes <= FULL_SHUFFLE_BYTES else "block"


def _check_available(config: Config) -> None:
    """Refuse what is planned but does not work yet, rather than ignore it."""
    if config.pretrain:
        raise ValueError("pretrain is not available in this version; leave it out")


def _check_loss(config: Config) -> None:
    if config.loss != "bce":
        return
    if config.output_activation not in ("auto", "sigmoid"):
        raise ValueError(
            f"loss=bce needs output_activation=sigmoid, not {config.output_activation}: "
            "the cross-entropy is of probabilities"
        )
    if config.scale == "standard" or config.whiten != "none":
        raise ValueError(
            "loss=bce needs targets in [0, 1], which scale=standard and whiten do not give; "
            "use scale=minmax or scale=unit without whitening"
        )


def _check_sparsity(config: Config) -> None:
    if config.sparsity == "kl" and config.activation in UNBOUNDED:
        raise ValueError(
            f"sparsity=kl needs a bounded code: use activation sigmoid or tanh, "
            f"not {config.activation}, or sparsity=l1"
        )
    if config.sparsity == "topk" and config.hidden and config.k > config.hidden[-1]:
        raise ValueError(
            f"k={config.k} is larger than the code of {config.hidden[-1]} units; lower k"
        )


def _check_switched_off(config: Config) -> None:
    """Refuse a value that would be ignored because what it belongs to is switched off."""
    owners = {"rho": "kl", "beta": "kl", "l1": "l1", "k": "topk"}
    for name, owner in owners.items():
        default = Config.model_fields[name].default
        if config.sparsity != owner and getattr(config, name) != default:
            raise ValueError(f"{name} has no effect without sparsity={owner}")
    if config.momentum and config.optimizer != "sgd":
        raise ValueError("momentum belongs to optimizer=sgd")
    if config.precision == "tf32" and config.dtype != "float32":
        raise ValueError(f"precision=tf32 is of float32, not of dtype={config.dtype}")


def _check_noise(config: Config) -> None:
    if config.noise == "none" and config.noise_level:
        raise ValueError("noise_level has no effect without noise; add noise=gaussian, say")
    if config.noise != "none" and not config.noise_level:
        raise ValueError(f"noise={config.noise} needs a noise_level above 0")
    if config.noise in ("masking", "salt_pepper") and config.noise_level > 1:
        raise ValueError(f"noise={config.noise} needs a noise_level in (0, 1]: a probability")


def _check_full_batch(config: Config) -> None:
    if not config.full_batch:
        return
    fixed: dict[str, tuple[object, ...]] = {
        "batch_size": (None,),
        "learning_rate": (1e-3,),
        "schedule": ("constant",),
        "shuffle": ("auto", "none"),
    }
    for name, allowed in fixed.items():
        if getattr(config, name) not in allowed:
            raise ValueError(f"{name} has no meaning for optimizer=lbfgs, which is full batch")


_CHECKS = (
    _check_available,
    _check_loss,
    _check_sparsity,
    _check_switched_off,
    _check_noise,
    _check_full_batch,
)


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, Config.model_fields, n=1)
    hint = f"; did you mean {close[0]}?" if close else "; `gpuae fit --help` lists all settings"
    return f"unknown setting {name}{hint}"


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_pattern_mismatch":
        message = f"should be {Config.model_fields[str(first['loc'][0])].description}"
    if not first["loc"]:
        return message
    return f"{first['loc'][0]}: {message[0].lower()}{message[1:]}, got {first['input']!r}"
