"""What a format is given to write, and what it says that it would write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuae.exchange.about import About
from gpuae.exchange.agreement import Run
from gpuae.exchange.computation import Computation


@dataclass(frozen=True)
class Task:
    """A model to be written.

    Attributes
    ----------
    path
        Of the file; what lies beside it has names of its own.
    outputs
        Names of those of the computation that are wanted.
    input_type
        Of the raw rows that another program gives: float32 or float64.
    """

    path: Path
    computation: Computation
    about: About
    outputs: tuple[str, ...]
    input_type: np.dtype[Any]


@dataclass(frozen=True)
class Written:
    """What is to be written.

    Attributes
    ----------
    files
        Content of each file, all of them complete.
    run
        Gives what these contents compute for raw rows, by whoever can read them.
    notes
        What a person should know, in sentences.
    code
        Lines of Python that make the network again; None where the format needs none.
    use
        Lines of Python that use the file, where these are others.
    """

    files: Mapping[Path, bytes]
    run: Run
    notes: tuple[str, ...] = ()
    code: str | None = None
    use: str | None = None
