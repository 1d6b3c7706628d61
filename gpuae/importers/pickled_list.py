"""Lists of names in pickles, which are looked through and never executed.

A pickle is a program for a machine with a stack. Of its instructions those are followed that make
texts, numbers, lists and tuples; a pickle with any other is not read.
Source: the module `pickletools` of Python, which describes every instruction.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

_VALUES = frozenset(
    [
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "STRING"),
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"),
    ]
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


def unpickled_list(content: bytes) -> list[Any] | None:
    """Return the list in a pickle; None for one of anything but texts, numbers, lists and tuples.

    Lists may hold themselves.
    """
    machine = _Machine()
    try:
        for instruction, given, _ in pickletools.genops(content):
            machine.follow(instruction.name, given)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None  # it is damaged, or does something else
    found = machine.stack.pop() if machine.stack else None
    return found if isinstance(found, list) else None


class _Machine:
    """The stack of a pickle, and what it remembers."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memory: dict[int, Any] = {}
        self._others: dict[str, Callable[[Any], object]] = {
            **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda _: None),
            "MARK": lambda _: self._marks.append(len(self.stack)),
            **dict.fromkeys(("EMPTY_LIST", "EMPTY_TUPLE"), lambda _: self.stack.append([])),
            **dict.fromkeys(("LIST", "TUPLE"), lambda _: self.stack.append(self._since_mark())),
            "TUPLE1": lambda _: self._gather(1),
            "TUPLE2": lambda _: self._gather(2),
            "TUPLE3": lambda _: self._gather(3),
            "APPEND": lambda _: self._append([self.stack.pop()]),
            "APPENDS": lambda _: self._append(self._since_mark()),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._remember),
            "MEMOIZE": lambda _: self._remember(len(self._memory)),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), self._recall),
        }

    def follow(self, name: str, given: Any) -> None:
        """Do what an instruction says; KeyError for one that is not followed."""
        if name in _VALUES:
            self.stack.append(given)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        else:
            self._others[name](given)

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def _gather(self, count: int) -> None:
        found = [self.stack.pop() for _ in range(count)]
        self.stack.append(found[::-1])

    def _append(self, values: list[Any]) -> None:
        self.stack[-1].extend(values)

    def _remember(self, place: Any) -> None:
        self._memory[int(place)] = self.stack[-1]

    def _recall(self, place: Any) -> None:
        self.stack.append(self._memory[int(place)])
