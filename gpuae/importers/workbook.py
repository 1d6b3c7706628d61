"""Excel workbooks (.xlsx, .xlsm), through openpyxl, which is an extra: one sheet is a table.

A workbook is a zip archive of XML. What it may unpack to is limited, and XML that declares types or
entities of its own is refused: no spreadsheet program writes any, and entities can grow endlessly.
"""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import islice
from typing import IO, Any, NoReturn
from xml.parsers import expat

from gpuae.errors import InputError
from gpuae.storage.files import limits, zipped
from gpuae.storage.files.input_file import InputFile
from gpuae.words import listed

EXTRA = "pip install 'gpuae[excel]'"
OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""The name of what holds an encrypted workbook."""
ENDINGS = (".xlsx", ".xlsm")
PARTS = ("xl/workbook.xml", "xl/worksheets/")
"""One of which a member of every such archive begins with."""
SAVE_SHEET = "save its sheet as csv"
MOST_INFLATION = 100
"""Unpacked over packed size: of workbooks of many kinds it is 5 to 30."""
MOST_ROWS = 1 << 20
"""That a sheet of Excel's has."""
BLOCK_BYTES = 1 << 20
_FORMULA = re.compile(rb"<(?:\w+:)?f[ />]")
_DAMAGED = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, AssertionError),
    *(ArithmeticError, RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error, expat.ExpatError),
)
"""What openpyxl raises on damaged files; ParseError is a SyntaxError."""


def refuse_old(file: InputFile) -> NoReturn:
    """Refuse what lies in the container of Excel's formats before 2007.

    Raises
    ------
    InputError
        Always; encrypted workbooks lie in such a container too.
    """
    if any(ENCRYPTED in block for block in file.blocks()):
        raise InputError(
            f"{file}: is an Excel workbook that a password protects; save it without a password"
        )
    raise InputError(
        f"{file}: is an Excel workbook of the format before 2007; save it as xlsx, or {SAVE_SHEET}"
    )


@contextmanager
def opened(file: InputFile, *, formulas: bool = False) -> Iterator[Any]:
    """Open a workbook of openpyxl's, in which cells hold values, or the formulas themselves.

    Raises
    ------
    InputError
        Where openpyxl is missing, for damaged files, and for what no workbook needs.
    """
    if find_spec("openpyxl") is None:
        raise InputError(f"{file}: workbooks need the package openpyxl; install it: {EXTRA}")
    with _errors(file):
        _check_archive(file)
        from openpyxl import load_workbook

        book = load_workbook(
            file.stream(), read_only=True, data_only=not formulas, keep_links=False
        )
        try:
            yield book
        finally:
            book.close()


def choose(file: InputFile, book: Any, name: str | None) -> Any:
    """Return the sheet of that name, or the only one with something in it.

    Raises
    ------
    InputError
        Where there is none, or more than one and no name.
    """
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    for sheet in sheets.values():
        sheet.reset_dimensions()  # what a file declares need not be so
    if name is not None:
        if name not in sheets:
            raise InputError(f"{file}::{name}: is not in the workbook; {_named(sheets)}")
        return sheets[name]
    filled = [title for title, sheet in sheets.items() if _is_filled(sheet)]
    if not filled:
        raise InputError(f"{file}: has no sheet with anything in it; fill one")
    if len(filled) > 1:
        raise InputError(
            f"{file}: has several sheets; give FILE::SHEET to say which: {_named(filled)}"
        )
    return sheets[filled[0]]


def most_bytes(file: InputFile) -> int:
    """Return how much a workbook may unpack to, in bytes."""
    return max(limits.current().free_bytes, MOST_INFLATION * file.size)


def check_size(file: InputFile, size: int) -> None:
    """Refuse a workbook that unpacks to so many bytes, if they are too many."""
    if size > most_bytes(file):
        raise InputError(
            f"{file}: unpacks to over {MOST_INFLATION} times its size; {limits.ADVICE}"
        )
    limits.check_memory(size, str(file), SAVE_SHEET)


def rows_of(file: InputFile, sheet: Any, *, values: bool = True) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a sheet from the first on, as values or as cells.

    Raises
    ------
    InputError
        For more rows than a sheet can have.
    """
    for count, row in enumerate(sheet.iter_rows(values_only=values)):
        if count == MOST_ROWS:
            raise InputError(f"{file}: has a row beyond the last that a sheet has; make it again")
        yield row


def may_have_formulas(file: InputFile) -> bool:
    """Whether a sheet of a workbook has a formula, by a look at the XML as it is."""
    with _errors(file), zipfile.ZipFile(file.stream()) as archive:
        sheets = [name for name in archive.namelist() if name.startswith(PARTS)]
        return any(_has_formula(archive, name) for name in sheets)


def _has_formula(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as content:
        before = b""
        while block := content.read(BLOCK_BYTES):
            if _FORMULA.search(before + block):
                return True
            before = block[-64:]
    return False


def _named(titles: Iterable[str]) -> str:
    return f"the sheets are {listed([*map(repr, titles)], 20, more='and more')}"


def _is_filled(sheet: Any) -> bool:
    """Whether a cell of a sheet holds anything."""
    rows = islice(sheet.iter_rows(values_only=True), MOST_ROWS)
    return any(value is not None for row in rows for value in row)


@contextmanager
def _errors(file: InputFile) -> Iterator[None]:
    """Turn what openpyxl raises on damaged files into an InputError, and be silent about styles."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"{file}: is an Excel workbook; {SAVE_SHEET}, for it cannot be read as it is ({reason})"
        ) from None


def _check_archive(file: InputFile) -> None:
    """Refuse an archive that unpacks to too much, or whose XML declares anything."""
    with zipfile.ZipFile(file.stream()) as archive:
        check_size(file, sum(member.file_size for member in archive.infolist()))
        for member in archive.infolist():
            zipped.check_packing(member)
            with archive.open(member) as content:
                _check_prolog(file, content)


def _check_prolog(file: InputFile, content: IO[bytes]) -> None:
    """Refuse XML that begins with a declaration of types or entities.

    Any member can be a sheet, whatever its name: pictures end the look at once, for they are no
    XML. What is XML and damaged is refused when it is read.
    """
    parser = expat.ParserCreate()
    begun = False

    def refuse(*_: object) -> None:
        raise InputError(
            f"{file}: holds XML that declares types or entities of its own, which no workbook "
            "needs; save it again by a spreadsheet program"
        )

    def begin(*_: object) -> None:
        nonlocal begun
        begun = True

    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, begin
    with suppress(expat.ExpatError):
        while not begun and (block := content.read(4096)):
            parser.Parse(block)
