"""The rows of the suite: one TOML file for each, in the folder rows/.

A row has a title, its source, the conventions on which its figures depend, whether it is quick
(minutes on two cores), steps and figures. A step is a command that is run in the row's folder, with
places for data in braces; a figure is a number in the JSON that a step prints, by the step's name
and the key: `test.loss`.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.reproduce.rules import RULES

FOLDER = Path(__file__).parent / "rows"
PLACE = re.compile(r"\{(\w+)\}")
PROGRAMS = ("gpuae", "python")


class RowError(Exception):
    """A file describes no row."""


class Figure(BaseModel):
    """A published figure, and where ours comes from.

    Attributes
    ----------
    source
        The step and the key of its JSON, with a point between.
    published
        None where the source shows a picture instead of a number.
    bound
        What ours is compared with in place of the published one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(alias="from", pattern=r"^\w+\.\w+$")
    rule: str
    published: float | None = None
    bound: float | None = None

    @field_validator("rule")
    @classmethod
    def _known(cls, rule: str) -> str:
        if rule not in RULES:
            raise ValueError(f"there is no rule {rule!r}; there are {', '.join(RULES)}")
        return rule

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if self.published is None and self.bound is None:
            raise ValueError("give what was published, or a bound")
        return self

    @property
    def other(self) -> float:
        """What ours is compared with."""
        other = self.published if self.bound is None else self.bound
        assert other is not None
        return other

    @property
    def step(self) -> str:
        """The step that prints it."""
        return self.source.partition(".")[0]

    @property
    def key(self) -> str:
        """Its name in what the step prints."""
        return self.source.partition(".")[2]


class Row(BaseModel):
    """A published setup: how it is brought about, and what should come out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    source: str
    conventions: str
    quick: bool
    steps: dict[str, str] = Field(min_length=1)
    figures: dict[str, Figure] = Field(min_length=1)

    @field_validator("steps")
    @classmethod
    def _programs(cls, steps: dict[str, str]) -> dict[str, str]:
        for step, command in steps.items():
            if shlex.split(command)[:1] not in [[program] for program in PROGRAMS]:
                raise ValueError(f"{step} begins with neither {' nor '.join(PROGRAMS)}")
        return steps

    @model_validator(mode="after")
    def _figures_of_steps(self) -> Self:
        for name, figure in self.figures.items():
            if figure.step not in self.steps:
                raise ValueError(f"{name} is from {figure.step}, which is no step")
        return self

    @property
    def places(self) -> set[str]:
        """The data that its steps name."""
        return {place for command in self.steps.values() for place in PLACE.findall(command)}


def read_row(path: Path) -> Row:
    """Read a row, whose name is its file's.

    Raises
    ------
    RowError
        Saying what is wrong where.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        return Row.model_validate({"name": path.stem, **found})
    except tomllib.TOMLDecodeError as error:
        raise RowError(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the row"
        raise RowError(f"{path}: {where}: {first['msg']}") from None


def read_rows(folder: Path = FOLDER) -> dict[str, Row]:
    """Read all rows of a folder, in the order of their names."""
    return {path.stem: read_row(path) for path in sorted(folder.glob("*.toml"))}
