"""Whether files are complete and unchanged, and were made from one another as they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gpuae.errors import InputError
from gpuae.storage import file_format
from gpuae.storage.content_hash import file_hash
from gpuae.storage.files.input_file import InputFile
from gpuae.storage.hdf5 import opening, reading, walk
from gpuae.storage.hdf5.nodes import File
from gpuae.storage.provenance.lineage import Record, SourceFile
from gpuae.storage.provenance.structure import check_structure


@dataclass(frozen=True)
class Verdict:
    """The result of checking a file."""

    path: Path
    kind: str | None = None
    """None for a file that is not gpuae's."""
    hashed: bool = False
    """Whether the file has a content hash, which is then right unless `problems` says otherwise."""
    record: Record = field(default_factory=Record)
    problems: tuple[str, ...] = ()
    made_from: tuple[Path, ...] = ()
    """Which of the other files it was made from."""
    source_of: tuple[Path, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def with_problem(self, problem: str) -> Verdict:
        """Return it with one more thing that is wrong."""
        return replace(self, problems=(*self.problems, problem.removeprefix(f"{self.path}: ")))


def verify(paths: Sequence[Path]) -> list[Verdict]:
    """Check files one by one and, of several, whether they were made from one another.

    Files that are not gpuae's may be among them where gpuae's were made from them.

    Raises
    ------
    InputError
        When one of them is missing, a folder, no plain file, or not ours to read.
    """
    files = {path: _opened(path) for path in paths}
    verdicts = [_alone(path, files[path]) for path in paths]
    if len(verdicts) > 1:
        hashes = {path: file.sha256 for path, file in files.items() if file is not None}
        verdicts = [_among(verdict, verdicts, hashes) for verdict in verdicts]
    return [
        verdict
        if verdict.kind or verdict.problems or verdict.source_of
        else verdict.with_problem("is not a gpuae file, nor was one of the others made from it")
        for verdict in verdicts
    ]


def _opened(path: Path) -> InputFile | None:
    """Open a file; None if it is empty, which is a verdict and no error."""
    is_empty = path.is_file() and path.stat().st_size == 0
    return None if is_empty else InputFile(path)


def _alone(path: Path, given: InputFile | None) -> Verdict:
    verdict = Verdict(path)
    try:
        if given is None or not opening.is_hdf5(given):
            return verdict
        with opening.opened(given) as file:
            return _of_open(file)
    except InputError as error:
        return verdict.with_problem(str(error))


def _of_open(file: File) -> Verdict:
    path = file.path
    attributes = reading.root_attributes(file)
    kind = file_format.kind_of(attributes)
    if kind is None:
        return Verdict(path)
    stated = attributes.get(file_format.CONTENT_SHA256)
    verdict = Verdict(path, kind, stated is not None)
    try:
        objects = walk.guarded_objects(file)
        check_structure(file, attributes)
        verdict = replace(verdict, record=Record.of(attributes, str(path)))
    except InputError as error:
        return verdict.with_problem(str(error))
    if stated is not None and stated != file_hash.content_sha256(objects):
        return verdict.with_problem("its content is not what was written: the hash differs")
    return verdict


def _among(verdict: Verdict, all_of_them: Sequence[Verdict], hashes: dict[Path, str]) -> Verdict:
    """Return a verdict with what the other files say about it."""
    if verdict.path not in hashes:
        return verdict
    others = [v for v in all_of_them if v.path != verdict.path and v.path in hashes]
    own = hashes[verdict.path]
    made_from = tuple(v.path for v in others if _is_made_from(verdict, hashes[v.path]))
    source_of = tuple(v.path for v in others if _is_made_from(v, own))
    for problem in _contradictions(verdict, others, hashes):
        verdict = verdict.with_problem(problem)
    return replace(verdict, made_from=made_from, source_of=source_of)


def _is_made_from(verdict: Verdict, sha256: str) -> bool:
    """Whether a file says that one with this hash is among its sources."""
    return any(
        own.sha256 == sha256 for source in verdict.record.sources for own in (source, *source.parts)
    )


def _contradictions(
    verdict: Verdict, others: Sequence[Verdict], hashes: dict[Path, str]
) -> Iterator[str]:
    """Yield which sources are not the files that they seem to be."""
    for source in (own for given in verdict.record.sources for own in given.files):
        if source.sha256 is None or source.sha256 in hashes.values():
            continue
        for other in others:
            if _seems_to_be(source, other, others):
                yield f"was made from another {source.role} than {other.path}: the hashes differ"


def _seems_to_be(source: SourceFile, other: Verdict, others: Sequence[Verdict]) -> bool:
    """Whether a file has a source's name, or is the only model among them."""
    models = [verdict for verdict in others if verdict.kind == "model"]
    return source.name == other.path.name or (source.role == "model" and models == [other])
