"""The rows of a table of text, read once, or twice where its first column misleads."""

from __future__ import annotations

from itertools import islice
from typing import Any, NamedTuple

from numpy.typing import NDArray

from gpuae.errors import DeviceError, InputError
from gpuae.importers import table_header, table_rows, table_text
from gpuae.importers.compressed import Blocks
from gpuae.importers.options import ReadOptions
from gpuae.importers.roles import Roles, assign
from gpuae.importers.table_content import TableContent
from gpuae.importers.table_header import Header
from gpuae.importers.table_labels import row_ids
from gpuae.importers.table_text import Text

SAMPLED_ROWS = 1000


class Table(NamedTuple):
    """A table that has been read."""

    header: Header
    roles: Roles
    content: TableContent
    row_ids: NDArray[Any] | None
    """Those in a column without a name, if there are any."""
    features: tuple[int, ...]
    """Columns of numbers and of times, in their order."""


def read(file: Blocks, options: ReadOptions, memory: int) -> Table:
    """Read a table. Its first rows tell whether a first column without a name identifies rows.

    Where the others do not agree, it is read again.

    Raises
    ------
    InputError
        As `table.load` says, but for what the cells of features hold.
    """
    text = table_text.opened(file)
    header = table_header.parse(file.path, text.beginning, options)
    roles = assign(header.titles, options, header.index)
    taken = {*roles.requested, *roles.others, *roles.categorical, *roles.times}
    index = None if header.index in taken else header.index
    is_index = index is not None and _begins_with_ids(text, header)
    is_feature = False
    while True:
        content = _content(header, roles, index if is_index else None, options, memory)
        _read(text, content)
        counted = (
            None if index is None or not is_index else row_ids(content.cells[index], str(file))
        )
        if is_index and counted is None:
            is_index, is_feature = False, True
        elif not (is_index or is_feature) and index in content.findings.without_number:
            is_index = True
        else:
            features = roles.features(index if is_index else None)
            return Table(header, roles, content, counted, features)
        text = table_text.opened(file)


def _begins_with_ids(text: Text, header: Header) -> bool:
    """Whether the first column identifies rows, as far as the beginning of a table tells."""
    lines = header.lines_of(text.beginning)
    rows = table_header.rows(header.path, lines, header.delimiter, header.lines)
    try:
        cells = [row[0] for _, row in islice(rows, SAMPLED_ROWS)]
        return bool(cells) and row_ids(cells, str(header.path)) is not None
    except InputError:  # which is met, and told, when all is read
        return False


def _content(
    header: Header, roles: Roles, index: int | None, options: ReadOptions, memory: int
) -> TableContent:
    others = (*roles.others, index, *roles.categorical, *sorted(roles.times))
    kept = [column for column in others if column is not None]
    numbers = tuple(column for column in roles.features(index) if column not in roles.times)
    return TableContent(header, numbers, kept, options, memory)


def _read(text: Text, content: TableContent) -> None:
    """Read all rows of a table: by compiled code where it is large and there is a compiler."""
    header = content.header
    if text.is_small or not _read_compiled(text, content):
        lines = table_text.lines(text.file, text.after(header.lines))
        table_rows.read_lines(header.with_delimiter(lines), header.lines, content)
    content.check_count()


def _read_compiled(text: Text, content: TableContent) -> bool:
    """Read a table by compiled code; return whether there is a compiler."""
    try:
        from gpuae.importers.table_blocks import read_blocks
    except DeviceError:  # Numba is told not to compile
        return False
    read_blocks(text.after(content.header.lines), content.header.lines, content)
    return True
