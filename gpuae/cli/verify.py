"""gpuae verify: is this file what was written, and are these two the same?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gpuae.cli.base import PATH, declare, json_option, print_json, tell, trust_options

if TYPE_CHECKING:
    from gpuae.storage.provenance.comparison import Difference
    from gpuae.storage.provenance.verification import Verdict

SHOWN_DIFFERENCES = 10


@declare
@click.argument("files", metavar="FILE...", type=PATH, nargs=-1, required=True)
@click.option("--same", is_flag=True, help="Compare two files, ignoring timings.")
@json_option
@trust_options
def command(files: tuple[Path, ...], same: bool, as_json: bool) -> None:
    """Check that each FILE has what its kind must have and is unchanged since it was written.

    If several files are given, this also checks whether they were made from one another as they
    say; they may include data that gpuae did not write. With --same two files are compared instead.
    The exit code is 1 if something is wrong or different.

    \b
    Example:
      gpuae verify model.h5 rows.csv features.h5
      gpuae verify --same model.h5 again.h5
    """
    if same and len(files) != 2:
        raise click.UsageError(f"--same compares two files, not {len(files)}")
    fine = _compare(files[0], files[1], as_json) if same else _check(files, as_json)
    if not fine:
        raise click.exceptions.Exit(1)


def _check(files: tuple[Path, ...], as_json: bool) -> bool:
    from gpuae.storage.provenance.verification import verify

    verdicts = verify(files)
    if as_json:
        print_json([_plain(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            tell(f"{verdict.path}: {_sentence(verdict)}")
    return all(verdict.ok for verdict in verdicts)


def _sentence(verdict: Verdict) -> str:
    """Word a verdict for a person."""
    if not verdict.ok:
        return f"WRONG: {'; '.join(verdict.problems)}"
    parts = [f"ok, {verdict.kind or 'not a gpuae file'}"]
    if verdict.kind:
        parts.append("content as written" if verdict.hashed else "no content hash: an older file")
    for words, paths in (("made from", verdict.made_from), ("source of", verdict.source_of)):
        if paths:
            parts.append(f"{words} {', '.join(map(str, paths))}")
    return "; ".join(parts)


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "file": str(verdict.path),
        "ok": verdict.ok,
        "kind": verdict.kind,
        "content_hash": verdict.hashed,
        "problems": verdict.problems,
        "made_from": [str(path) for path in verdict.made_from],
        "source_of": [str(path) for path in verdict.source_of],
    }


def _compare(one: Path, other: Path, as_json: bool) -> bool:
    from gpuae.storage.files.input_file import InputFile
    from gpuae.storage.provenance.comparison import differences

    found = list(differences(InputFile(one), InputFile(other)))
    if as_json:
        print_json({"same": not found, "differences": [vars(entry) for entry in found]})
    elif found:
        tell("\n".join([f"{one} and {other} differ:", *_first(found)]))
    else:
        tell(f"{one} and {other} are the same, but for timings")
    return not found


def _first(found: list[Difference]) -> list[str]:
    lines = [f"  {entry.path}: {entry.what}" for entry in found[:SHOWN_DIFFERENCES]]
    more = len(found) - len(lines)
    return [*lines, f"  and {more} more"] if more else lines
