"""Reproduces published results with the commands of gpuae, and says how near it comes.

    python -m bench.reproduce.run [--quick | --only NAME,NAME] [--data FOLDER] [--keep FOLDER]
                                  [--save]

Each row of rows/ is run in a folder of its own, step by step; a row that fails does not end the
others. The exit code is 1 if one did. --save writes bench/results/reproduce-*.json and *.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.reproduce.data import MissingDataError, default_folder, find
from bench.reproduce.report import lines, markdown
from bench.reproduce.rows import FOLDER, Row, RowError, read_rows
from bench.reproduce.work import Outcome, run_row
from bench.run import ROOT, machine, state, versions

INTERRUPTED = 130


def parser(rows: dict[str, Row]) -> argparse.ArgumentParser:
    """Describe the command line, for these rows."""

    def names(listed: str) -> list[str]:
        wanted = listed.split(",")
        unknown = [name for name in wanted if name not in rows]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"there is no row {', '.join(unknown)}; there are {', '.join(rows)}"
            )
        return wanted

    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = made.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="only rows that take minutes")
    which.add_argument("--only", type=names, metavar="NAME,NAME", help="only these rows")
    made.add_argument("--data", type=Path, metavar="FOLDER", help="with the idx files of MNIST")
    made.add_argument("--keep", type=Path, metavar="FOLDER", help="where to leave all files")
    made.add_argument("--save", action="store_true", help="keep the figures in bench/results/")
    return made


def chosen(rows: dict[str, Row], asked: argparse.Namespace) -> list[Row]:
    """Return the rows that are asked for."""
    if asked.only:
        return [rows[name] for name in asked.only]
    return [row for row in rows.values() if row.quick or not asked.quick]


def check_free(folder: Path | None, rows: Iterable[Row]) -> None:
    """Refuse to mix with what is there already.

    Raises
    ------
    FileExistsError
        Saying where.
    """
    for row in rows:
        if folder is not None and (folder / row.name).exists():
            raise FileExistsError(
                f"{folder / row.name} is there already; remove it, or give --keep another folder"
            )


@contextmanager
def work_folder(kept: Path | None, name: str) -> Iterator[Path]:
    """Make a folder for a row, which goes when the row has ended unless it is to be kept."""
    if kept is None:
        with TemporaryDirectory(prefix=f"gpuae-{name}-") as folder:
            yield Path(folder)
        return
    folder = kept / name
    folder.mkdir(parents=True)
    yield folder


def save(outcomes: list[Outcome], sources: str, results: Path) -> None:
    """Write the figures with machine, versions and the state of the sources they are of."""
    now = datetime.now(UTC)
    made = {"date": f"{now:%Y-%m-%d %H:%M} UTC", "sources": sources, "versions": versions()}
    rows = {outcome.row.name: outcome.stored() for outcome in outcomes}
    content = json.dumps({**made, "machine": machine(), "rows": rows}, indent=1)
    tables = "\n".join([f"gpuae {sources}, {made['date']}", "", *markdown(outcomes)])
    for ending, text in ((".json", content), (".md", tables)):
        path = results / f"reproduce-{now:%Y-%m-%d-%H%M}{ending}"
        path.write_text(text + "\n", encoding="utf-8")
        print(f"wrote {path}")


def run(
    arguments: list[str], *, folder: Path = FOLDER, results: Path = ROOT / "bench/results"
) -> int:
    """Run rows of a folder and return the exit code: 1 where one failed, 2 for wrong usage."""
    sources = state()  # now: they may change while it runs
    try:
        rows = read_rows(folder)
        asked = parser(rows).parse_args(arguments)
        wanted = chosen(rows, asked)
        data = asked.data or default_folder()
        files = {row.name: find(data, row.places) for row in wanted}
        check_free(asked.keep, wanted)
    except (RowError, MissingDataError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 2
    outcomes = []
    for row in wanted:
        with work_folder(asked.keep, row.name) as own:
            outcomes.append(run_row(row, files[row.name], own))
        print("\n".join(lines(outcomes[-1])), flush=True)
    print("\n".join(["", *markdown(outcomes)]))
    if asked.save:
        save(outcomes, sources, results)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def main() -> None:
    """Run what the command line asks for."""
    try:
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
