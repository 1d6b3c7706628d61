"""Settings of a classifier's training, beside those of the autoencoder that it is made from."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from gpuae.config import (
    SIZE_PATTERN,
    Config,
    Epochs,
    Optimizer,
    Schedule,
    Settings,
    Share,
    Shuffle,
    check_list,
)
from gpuae.defaults import FULL_SHUFFLE_BYTES
from gpuae.errors import ConfigError

Weight: TypeAlias = Annotated[float, Field(ge=1e-30, le=1e30)]
ClassWeight: TypeAlias = Literal["none", "balanced"] | dict[str, Weight]
"""A mapping is from labels, as text, to weights; labels that are not in it weigh 1."""

MOST_WEIGHTS = 1 << 15
"""Characters of a mapping, which has to fit into an attribute of a file."""

STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 3000, 20, 300
"""Of each stage, where nobody says how long."""
LEARNING_RATE, SGD_RATE = 1e-3, 1e-2
LARGEST_BATCH, SMALLEST_BATCH, BATCHES = 256, 16, 32
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 10_000
LBFGS_ITERATIONS = 200
PATIENCE_SHARE = 5
OPEN = (None, "auto")


class FinetuneConfig(Settings):
    """How a softmax layer is trained on codes, and then the whole network."""

    head_epochs: Epochs | None = Field(
        None,
        description="epochs of the softmax layer alone, on the codes as they are [from the data]",
    )
    epochs: Epochs | None = Field(
        None, description="epochs of the whole network after that; 0: none [from the data]"
    )
    class_weight: ClassWeight = Field(
        "none", description="balanced: rows of rare classes have more weight"
    )
    weight_decay: float = Field(0.0, ge=0, description="λ of (λ/2)·Σ‖W‖²")
    dropout: Share | tuple[Share, ...] = Field(
        0.0, description="rate on hidden activations, while the whole network is trained"
    )
    optimizer: Optimizer = Field(
        "adam", description="lbfgs is full batch, and its epochs are iterations"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="learning rate of adam and sgd [0.001; 0.01 for sgd]"
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd")
    schedule: Schedule | None = Field(
        None, description="of the learning rate [warmup_cosine; constant for sgd]"
    )
    batch_size: int | None = Field(None, ge=1, description="rows in a step [from the data]")
    shuffle: Shuffle = Field("auto", description="order of the rows in an epoch")
    validation: float | None = Field(
        None, ge=0, lt=1, description="fraction of each class held out [0.1, at most 10,000 rows]"
    )
    patience: int | None = Field(
        None,
        ge=0,
        description="epochs without improvement before a stage stops; 0: never [a fifth of all]",
    )
    seed: int = Field(0, ge=0, lt=1 << 64, description="seed of all random numbers")
    threads: int | None = Field(None, ge=1, description="number of CPU threads [all cores]")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or numpy")
    memory: str | None = Field(
        None,
        pattern=SIZE_PATTERN,
        description="limit for data held in memory, such as 2GB [a quarter of what is free]",
    )

    @model_validator(mode="after")
    def _combinations(self) -> Self:
        """Refuse what the settings of an autoencoder's training refuse too."""
        try:
            Config.parse({name: getattr(self, name) for name in self.model_fields_set & SHARED})
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("settings: ")) from None
        if len(str(self.class_weight)) > MOST_WEIGHTS:
            raise ValueError(
                f"class_weight has {len(self.class_weight)} weights, more than a file has room "
                "for; give balanced, or weights of fewer classes"
            )
        if self.head_epochs == 0 and self.epochs == 0:
            raise ValueError("head_epochs and epochs are both 0: nothing would be trained")
        return self

    def check_layers(self, depth: int) -> None:
        """Refuse a list of another length than the encoder has layers.

        Raises
        ------
        ConfigError
            Saying both.
        """
        check_list("dropout", self.dropout, depth)

    def resolve(self, rows: int, nbytes: int) -> FinetuneConfig:
        """Fill in what depends on how many rows there are, and bytes; what was chosen stays."""
        share = self.validation
        if share is None:
            share = min(HELD_OUT_SHARE, MOST_HELD_OUT / rows)
        trained = max(1, round(rows * (1 - share)))
        shuffle = "full" if nbytes <= FULL_SHUFFLE_BYTES else "block"
        chosen: dict[str, Any] = {"validation": share, "shuffle": shuffle}
        if self.optimizer == "lbfgs":
            chosen["shuffle"], epochs = "none", LBFGS_ITERATIONS
        else:
            batch = 2 ** round(math.log2(max(1, trained / BATCHES)))
            batch = self.batch_size or max(SMALLEST_BATCH, min(LARGEST_BATCH, batch))
            epochs = math.ceil(STEPS / math.ceil(trained / batch))
            epochs = max(FEWEST_EPOCHS, min(MOST_EPOCHS, epochs))
            chosen["batch_size"] = batch
            chosen["learning_rate"] = SGD_RATE if self.optimizer == "sgd" else LEARNING_RATE
            chosen["schedule"] = "constant" if self.optimizer == "sgd" else "warmup_cosine"
        chosen |= {"head_epochs": epochs, "epochs": epochs}
        own = {name: value for name, value in chosen.items() if getattr(self, name) in OPEN}
        return self.model_copy(update=own)

    def training(self, model: Config, epochs: int, *, whole: bool) -> Config:
        """Return by what a stage is trained of a classifier made from a model.

        Parameters
        ----------
        epochs
            How many.
        whole
            Whether it is all of the network, on rows; else the softmax layer, on codes.
        """
        patience = self.patience
        if patience is None:
            patience = max(1, math.ceil(epochs / PATIENCE_SHARE))
        rule = "none" if not (whole and model.code_rule.selects) else model.sparsity
        own = {
            **{name: getattr(self, name) for name in SHARED},
            **{"epochs": epochs, "patience": patience, "folds": 1, "tile_rows": None},
            **{"pretrain": 0, "noise": "none", "noise_level": 0.0, "sparsity": rule},
        }
        if not whole:
            own |= {"scale": "none", "whiten": "none", "missing": "refuse", "dropout": 0.0}
        return model.model_copy(update=own)


SHARED = FinetuneConfig.model_fields.keys() & Config.model_fields.keys()
"""Settings of an autoencoder's training too."""
