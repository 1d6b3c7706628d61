"""The folder of a sweep, which is its state: a run that has left its result is done.

sweep.json            what the sweep is of: another sweep is refused by it
NAME/checkpoint.h5    of a run that is under way, or was when it was stopped
NAME/model.h5         of a run that is done
NAME/result.json      its figures; written last
results.csv, results.h5, results.png, best.h5
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gpuae.errors import InputError, OutputError
from gpuae.storage.files.locked_file import held
from gpuae.storage.files.output_file import OutputFile, check_output
from gpuae.sweeps.results import Result
from gpuae.sweeps.runs import Run

STATE = "sweep.json"
MODEL, CHECKPOINT, RESULT = "model.h5", "checkpoint.h5", "result.json"
MOST_BYTES = 1 << 20
"""Of a file of the state: more is none that a sweep has written."""


@dataclass(frozen=True)
class Folder:
    """Where a sweep is kept.

    Attributes
    ----------
    identity
        What makes it this sweep: the data, and the settings that are not varied.
    """

    path: Path
    identity: Mapping[str, Any]

    def check(self) -> None:
        """Refuse a folder that is of something else, or that cannot be written to.

        Raises
        ------
        InputError
            Where it is another sweep's.
        OutputError
            Where it holds other things, or nothing can be written there.
        """
        if not self.path.exists():
            check_output(self.path, force=False)
            return
        if not self.path.is_dir():
            raise OutputError(f"{self.path}: is no folder; give the name of one")
        check_output(self.path / STATE, force=True)
        if (self.path / STATE).exists():
            self._check_same()
        elif any(not own.name.startswith(".") for own in self.path.iterdir()):
            raise OutputError(f"{self.path}: holds other things; give a new or an empty folder")

    def _check_same(self) -> None:
        there = read_json(self.path / STATE)
        here = _plain(self.identity)
        if there == here:
            return
        what = next(_differences(there, here))
        raise InputError(
            f"{self.path}: is of another sweep: {what}; give the same, or another folder"
        )

    def held(self) -> AbstractContextManager[None]:
        """Keep other sweeps from this folder for as long as the block lasts.

        Raises
        ------
        OutputError
            When another one has it.
        """
        return held(self.path / STATE)

    def make(self) -> None:
        """Make the folder where there is none; it is signed once it is held."""
        self.path.mkdir(exist_ok=True)

    def sign(self) -> None:
        """Write down what the folder is of, which another sweep may have done meanwhile."""
        self.check()
        write_json(self.path / STATE, _plain(self.identity))

    def of(self, run: Run) -> Path:
        """Return the folder of a run."""
        return self.path / run.name

    def done(self, run: Run) -> Result | None:
        """Return the result of a run that is done."""
        return self._result(self.of(run))

    def all_done(self) -> Iterator[Result]:
        """Yield the results of all runs that are done, whichever command asked for them."""
        for folder in sorted(self.path.iterdir()):
            result = self._result(folder) if folder.is_dir() else None
            if result is not None:
                yield result

    def _result(self, folder: Path) -> Result | None:
        """Return what a run has left; None where it has not ended, or its model is gone."""
        path = folder / RESULT
        if not (path.is_file() and (folder / MODEL).is_file()):
            return None
        try:
            return Result.model_validate(read_json(path))
        except ValidationError:
            raise InputError(
                f"{path}: is not what a sweep writes; remove it, and the run is made again"
            ) from None

    def finish(self, run: Run, result: Result) -> None:
        """Keep the result of a run; its checkpoint is needed no longer."""
        write_json(self.of(run) / RESULT, result.model_dump(mode="json"))
        with suppress(OSError):
            (self.of(run) / CHECKPOINT).unlink()


def read_json(path: Path) -> Any:
    """Read a file of the state.

    Raises
    ------
    InputError
        Where it is none.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError
        return json.loads(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not what a sweep writes; give another folder") from None


def write_json(path: Path, content: Any) -> None:
    """Write a file of the state, which appears complete or not at all."""
    text = json.dumps(content, indent=2) + "\n"
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, which appears complete or not at all; one that is there is replaced."""
    with OutputFile(path, force=True) as file:
        file.write(memoryview(content), 0)


def _plain(value: Any) -> Any:
    """Return a value as it comes back from JSON."""
    return json.loads(json.dumps(value))


def _differences(there: Any, here: Any) -> Iterator[str]:
    """Yield in what two sweeps differ, each in words."""
    if not isinstance(there, dict):
        yield f"{STATE} is not what a sweep writes"
        return
    for name in ("data", "options", "device", "varied", "weights_sha256"):
        if there.get(name) != here.get(name):
            yield f"its {name} ({_short(there.get(name))}) is not {_short(here.get(name))}"
    fixed = there.get("settings")
    fixed = fixed if isinstance(fixed, dict) else {}
    for name in sorted(fixed.keys() | here["settings"].keys()):
        if fixed.get(name) != here["settings"].get(name):
            yield f"it has {name}={fixed.get(name)} and this one {here['settings'].get(name)}"
    yield f"{STATE} is not what this gpuae writes"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
