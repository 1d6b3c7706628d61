"""The rows of a table of text read by compiled code, a block on each of several threads.

Blocks are cut where rows end, so that each can be read by itself. What is done with them is done in
the order of the rows.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from gpuae import backends
from gpuae.importers import table_rows, table_text
from gpuae.importers.table_content import TableContent
from gpuae.importers.table_header import Header
from gpuae.training.thread_pool import available_cores

cells = backends.table_cells()
NOTED_AT_ONCE = 1 << 14
MOST_THREADS = 4
"""One hands the bytes over and looks at what the others have read: more would wait for it."""


@dataclass(frozen=True)
class Block:
    """Whole rows of a table, and what has been read of them."""

    text: bytes
    values: NDArray[np.float64]
    """(rows, features), right but for the cells that are noted."""
    noted: NDArray[np.int64]
    """The cells that the compiled code leaves to Python, as `numba_cells` describes them."""
    state: NDArray[np.int64]
    """Why and where the compiled code stopped, as `numba_cells` describes it."""


class _Reader:
    """Reads blocks of rows."""

    def __init__(self, content: TableContent) -> None:
        header, decimal = content.header, content.options.decimal
        self._content = content
        self._features = len(content.features)
        self._marks = np.frombuffer(f"{header.delimiter}{decimal or '.'}".encode(), np.uint8)
        self.places = np.full(len(header.names), cells.SKIPPED, np.int64)
        self.places[list(content.features)] = range(self._features)
        self.places[list(content.cells)] = cells.KEPT
        self._missing = np.array(sorted(content.findings.missing_numbers), np.float64)

    def __call__(self, text: bytes) -> Block:
        """Read whole rows. Rows and lines are counted from the first of these."""
        most = len(text) // len(self.places) + 1  # each cell is followed by a byte
        values = np.empty((most, self._features))
        noted = np.empty((NOTED_AT_ONCE + len(self.places), 6), np.int64)
        state = np.zeros(8, np.int64)
        state[cells.UNSURE] = not self._content.is_narrow
        state[cells.STATUS], parts = cells.FULL, []
        while state[cells.STATUS] == cells.FULL:
            state[cells.NOTED] = 0
            cells.read_cells(
                np.frombuffer(text, np.uint8),
                self._marks,
                self.places,
                self._missing,
                values,
                noted,
                state,
            )
            parts.append(noted[: state[cells.NOTED]].copy())
        return Block(text, values[: state[cells.ROWS]], np.concatenate(parts), state)


def read_blocks(blocks: Iterable[bytes], before: int, content: TableContent) -> None:
    """Read the rows of a text in some blocks, before which there are lines.

    Raises
    ------
    InputError
        Where quotes are wrong, or a row has another number of cells than the first.
    """
    reader = _Reader(content)
    parsed = _ahead(reader, _whole_rows(blocks, content.header))
    for block in parsed:
        _append(block, reader.places, before, content)
        before += int(block.state[cells.LINES])
        if block.state[cells.STATUS] == cells.RAGGED:
            content.check_width(before, int(block.state[cells.WIDTH]))
        if block.state[cells.STATUS] == cells.LONG:
            rest = chain((block.text[block.state[cells.POSITION] :],), (b.text for b in parsed))
            table_rows.read_lines(table_text.lines(content.header.path, rest), before, content)


def _ahead(read: _Reader, texts: Iterator[bytes]) -> Iterator[Block]:
    """Yield what is read of each text, in order, while threads read some of the next."""
    threads = min(available_cores(), MOST_THREADS)
    asked: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="gpuae table") as pool:
        for text in texts:
            asked.append(pool.submit(read, text))
            if len(asked) > threads:
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()


def _whole_rows(blocks: Iterable[bytes], header: Header) -> Iterator[bytes]:
    """Yield the same text in blocks each of which ends where a row ends."""
    waiting: list[bytes] = []
    size = wanted = 0
    for block in blocks:
        waiting.append(block)
        size += len(block)
        if size < wanted:
            continue
        text = b"".join(waiting)
        end = _end_of_rows(text, header)
        if end:
            yield _plain(text[:end], header)
        waiting, size, wanted = [text[end:]], len(text) - end, 2 * (len(text) - end)
        table_text.check_row(size, header.path)
    yield _plain(b"".join(waiting), header)


def _end_of_rows(text: bytes, header: Header) -> int:
    """Return where the last row ends that is surely whole, 0 where there is none."""
    if b'"' in text and not header.blanks:
        block, delimiter = np.frombuffer(text, np.uint8), np.uint8(ord(header.delimiter))
        return int(cells.end_of_rows(block, delimiter))
    return text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1


def _plain(text: bytes, header: Header) -> bytes:
    """Return whole rows with one delimiter between cells."""
    if not header.blanks:
        return text
    return "".join(header.with_delimiter(io.StringIO(text.decode(), newline=""))).encode()


def _append(block: Block, places: NDArray[np.int64], before: int, content: TableContent) -> None:
    for column in content.cells:
        own = block.noted[block.noted[:, cells.COLUMN] == column]
        content.keep(column, _texts(block.text, own, content.header))
    values = block.values
    if content.features:
        _judge(block, places, before, content)
    if block.state[cells.FRACTION]:
        content.findings.fraction = True
    if block.state[cells.UNSURE] or content.options.wide:
        content.look(values)
    content.append(values)


def _judge(block: Block, places: NDArray[np.int64], before: int, content: TableContent) -> None:
    """Decide by Python what the noted cells of features hold, in the order of rows and features."""
    feature = places[block.noted[:, cells.COLUMN]]
    own, feature = block.noted[feature >= 0], feature[feature >= 0]
    order = np.lexsort((feature, own[:, cells.ROW]))
    own, feature = own[order], feature[order]
    start = content.count * len(content.features)
    at = own[:, cells.ROW] * len(content.features) + feature
    found = [
        content.findings.number(text.strip(), before + line, column, start + place)
        for text, line, column, place in zip(
            _texts(block.text, own, content.header),
            own[:, cells.LINE].tolist(),
            own[:, cells.COLUMN].tolist(),
            at.tolist(),
            strict=True,
        )
    ]
    block.values[own[:, cells.ROW], feature] = found
    content.look(np.array(found))


def _texts(text: bytes, noted: NDArray[np.int64], header: Header) -> list[str]:
    """Return the cells that are noted, without quotes."""
    spans = noted[:, [cells.START, cells.STOP, cells.QUOTED]].tolist()
    return [
        _unquoted(text[start:stop].decode(), header) if quoted else text[start:stop].decode()
        for start, stop, quoted in spans
    ]


def _unquoted(cell: str, header: Header) -> str:
    return next(csv.reader(io.StringIO(cell, newline=""), delimiter=header.delimiter))[0]
