"""The cells of a block of a table of text, found and converted in one pass.

Rows are split as Python's csv module splits them. A cell becomes a number here where the result is
surely the nearest float64; every other cell is left to the caller, who is told its place. So
nothing here decides what is no number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuae.backends.numba_compile import bare_kernel, bare_part, inlined_bare_part
from gpuae.backends.numba_decimal import nearest, survives_as_written

ROW, COLUMN, LINE, START, STOP, QUOTED = range(6)
"""What is noted of a cell: its row and line in the block, its column, its bytes, and whether these
are with quotes that have to be taken off."""
POSITION, ROWS, LINES, NOTED, STATUS, WIDTH, FRACTION, UNSURE = range(8)
"""What is known after a block: the bytes, rows and lines that are done with, how many cells are
noted, why it ended, how many cells the last row had, whether a number is not written as an integer,
and whether one may not survive in float32 as it is written."""
ENDED, FULL, RAGGED, LONG = range(4)
"""Why: no whole row is left, no more cells can be noted, a row has another number of cells, or a
cell has more than `LONGEST` bytes."""

SKIPPED, KEPT = -1, -2
"""Columns that are no features."""
LONGEST = 131_072
"""Python's csv module refuses cells of more characters."""
LARGEST_EXPONENT = 1_000_000
"""No cell has so many digits that a larger one made a difference."""
EXACT_INTEGER = (1 << 53) - 1
SHORT_DIGITS = 6
"""Integers of so many digits are exact in float32."""
MOST_DIGITS = 19
"""So many fit into 64 bits."""
_QUOTE, _RETURN, _FEED, _BLANK = 34, 13, 10, 32
_PLUS, _MINUS, _ZERO, _E = 43, 45, 48, 101


@inlined_bare_part
def _ends_cell(byte: Any, delimiter: Any) -> Any:
    return byte == delimiter or byte in (_FEED, _RETURN)


@inlined_bare_part
def _digits(block: Any, at: int, digits: Any, count: int, more: Any) -> Any:
    """Read digits; return the place after them, all so far, how many count, and those beyond 19."""
    beyond = 0
    while at < block.size:
        digit = np.int64(block[at]) - _ZERO
        if digit < 0 or digit > 9:
            break
        if count < MOST_DIGITS:
            digits = digits * np.uint64(10) + np.uint64(digit)
            count += digits != 0
        else:
            beyond += 1
            more = more or digit != 0
        at += 1
    return at, digits, count, beyond, more


@inlined_bare_part
def _exponent(block: Any, at: Any) -> Any:
    """Read what follows an e; return the place after it and the exponent, or −1 and anything."""
    negative = False
    if at < block.size and (block[at] == _MINUS or block[at] == _PLUS):
        negative = block[at] == _MINUS
        at += 1
    start = at
    exponent: Any = 0
    while at < block.size:
        digit = np.int64(block[at]) - _ZERO
        if digit < 0 or digit > 9:
            break
        exponent = min(exponent * 10 + digit, LARGEST_EXPONENT)
        at += 1
    return (at if at > start else -1), (-exponent if negative else exponent)


@inlined_bare_part
def _number(block: Any, at: int, point: Any) -> Any:
    """Read a decimal; return the place after it (−1: it is none), digits, power, more, sign, form.

    The form is whether it is written as an integer.
    """
    negative = False
    if at < block.size and (block[at] == _MINUS or block[at] == _PLUS):
        negative = block[at] == _MINUS
        at += 1
    start = at
    at, digits, count, power, more = _digits(block, at, np.uint64(0), 0, False)
    read, integer = at - start, True
    if at < block.size and block[at] == point:
        integer, start = False, at + 1
        at, digits, count, beyond, more = _digits(block, start, digits, count, more)
        read += at - start
        power += beyond - (at - start)
    if read and at < block.size and (block[at] | 32) == _E:
        integer = False
        at, exponent = _exponent(block, at + 1)
        power += exponent
    return (at if read else -1), digits, power, more, negative, integer


@inlined_bare_part
def _after_quotes(block: Any, at: int) -> Any:
    """Read a cell from its first quote to its last; return the place after it and more.

    That is whether the quotes hold quotes, and the line breaks in them. Quotes that are never
    closed hold all the rest, whose last line break begins no line.
    """
    doubled, breaks = False, 0
    at += 1
    while at < block.size:
        byte = block[at]
        if byte == _QUOTE:
            if at + 1 == block.size or block[at + 1] != _QUOTE:
                return at + 1, doubled, breaks
            doubled = True
            at += 1
        elif byte == _FEED or (
            byte == _RETURN and (at + 1 == block.size or block[at + 1] != _FEED)
        ):
            breaks += 1
        at += 1
    last = block[block.size - 1]
    return at, True, breaks - (breaks > 0 and last in (_FEED, _RETURN))


@bare_part
def _cell(block: Any, start: int, delimiter: Any) -> Any:
    """Return where a cell ends, its bytes, whether these need unquoting, and its line breaks."""
    at, quoted, breaks = start, False, 0
    first, last = start, -1
    if at < block.size and block[at] == _QUOTE:
        at, quoted, breaks = _after_quotes(block, at)
        first, last = start + 1, at - 1
    closed = at
    while at < block.size and not _ends_cell(block[at], delimiter):
        at += 1
    if quoted or at > closed or last < 0:
        quoted, first, last = quoted or (last >= 0), start, at
    return at, first, last, quoted, breaks


@bare_part
def _is_absent(value: Any, absent: Any) -> Any:
    found = False
    for number in absent:
        found = found or value == number
    return found


@inlined_bare_part
def _short_integer(block: Any, at: Any, delimiter: Any) -> Any:
    """Read a cell of few digits and nothing else; return where it ends (−1: it is none) and it."""
    start = at
    value: Any = 0
    while at < block.size:
        digit = np.int64(block[at]) - _ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        at += 1
    short = start < at <= start + SHORT_DIGITS
    ended = at == block.size or _ends_cell(block[at], delimiter)
    return (at if short and ended else -1), np.float64(value)


@inlined_bare_part
def _decimal(block: Any, at: Any, delimiter: Any, point: Any, state: Any) -> Any:
    """Read a cell of a number and blanks; return where it ends (−1: it may be none) and it."""
    while at < block.size and block[at] == _BLANK:
        at += 1
    at, digits, power, more, negative, integer = _number(block, at, point)
    if at < 0:
        return -1, 0.0
    while at < block.size and block[at] == _BLANK:
        at += 1
    value = nearest(digits, power, more)
    ended = at == block.size or _ends_cell(block[at], delimiter)
    if not ended or np.isnan(value) or (integer and value > EXACT_INTEGER):
        return -1, 0.0
    if not integer:
        state[FRACTION] = 1
    if not state[UNSURE] and not survives_as_written(value, digits, power):
        state[UNSURE] = 1
    return at, (-value if negative else value)


@inlined_bare_part
def _plain(block: Any, start: Any, delimiter: Any, point: Any, absent: Any, state: Any) -> Any:
    """Read a cell that holds a number; return where it ends (−1: it may hold none) and it."""
    at, value = _short_integer(block, start, delimiter)
    if at < 0:
        at, value = _decimal(block, start, delimiter, point, state)
    if absent.size and _is_absent(value, absent):
        return -1, 0.0
    return at, value


@bare_part
def _note(noted: Any, place: int, row: int, column: int, cell: Any) -> None:
    """Note a cell; its line is known when its row has ended."""
    _, first, last, quoted, _ = cell
    noted[place, ROW], noted[place, COLUMN] = row, column
    noted[place, START], noted[place, STOP], noted[place, QUOTED] = first, last, quoted


@inlined_bare_part
def _after_line_break(block: Any, at: int) -> Any:
    both = block[at] == _RETURN and at + 1 < block.size and block[at + 1] == _FEED
    return at + 2 if both else at + 1


@bare_kernel
def read_cells(
    block: Any, marks: Any, places: Any, absent: Any, values: Any, noted: Any, state: Any
) -> None:
    """Read whole rows from `state[POSITION]` of a block (bytes,) on.

    Parameters
    ----------
    marks
        What separates cells, and what stands before the fraction of a number.
    places
        Of each column (c,): where in `values` its numbers are written; `SKIPPED` where nowhere,
        `KEPT` where all its cells are noted.
    absent
        Numbers that are noted instead of written.
    values
        Of shape (rows, features), with room for as many rows as the block can hold.
    noted
        Of shape (cells, 6), with room for all columns at least; its own columns are named above.
    state
        Of shape (8,), named above: read and written.
    """
    state[STATUS] = ENDED
    while state[POSITION] < block.size:
        at, row = state[POSITION], state[ROWS]
        if block[at] == _FEED or block[at] == _RETURN:
            state[LINES] += 1
            state[POSITION] = _after_line_break(block, at)
            continue
        if state[NOTED] + places.size > len(noted):
            state[STATUS] = FULL
            return
        column, count, breaks, going_on = 0, state[NOTED], 0, True
        while going_on:
            start, place, at = at, places[column] if column < places.size else SKIPPED, -1
            if place >= 0:
                at, values[row, place] = _plain(block, start, marks[0], marks[1], absent, state)
            if at < 0:
                cell = _cell(block, start, marks[0])
                at, breaks = cell[0], breaks + cell[4]
                if place != SKIPPED:
                    _note(noted, count, row, column, cell)
                    count += 1
            if at - start > LONGEST:
                state[STATUS] = LONG
                return
            column += 1
            going_on = at < block.size and block[at] == marks[0]
            at += going_on
        state[LINES] += breaks + 1
        noted[state[NOTED] : count, LINE] = state[LINES]
        if column != places.size:
            state[STATUS], state[WIDTH] = RAGGED, column
            return
        state[POSITION] = _after_line_break(block, at) if at < block.size else at
        state[NOTED], state[ROWS] = count, row + 1


@bare_kernel
def end_of_rows(block: Any, delimiter: Any) -> int:
    """Return where the last whole row of a block (bytes,) ends, whatever is in quotes.

    It is 0 where there is none, and all of the block where a cell is so long that nobody can say.
    """
    at, end = 0, 0
    while at < block.size:
        start = at
        at = _cell(block, at, delimiter)[0]
        if at - start > LONGEST:
            return int(block.size)
        if at + 1 >= block.size:  # a line break that comes last may be the first half of one
            break
        end = end if block[at] == delimiter else _after_line_break(block, at)
        at = at + 1 if block[at] == delimiter else end
    return end
