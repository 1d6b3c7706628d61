"""The pickles of PyTorch's state dicts, read by an interpreter that knows tensors and containers.

Python's own would call whatever a file names. Here nothing is called: the few names that a state
dict needs stand for what is made here, and any other is refused.

Source: Python's `pickletools` for the opcodes; torch/serialization.py and torch/_utils.py for what
they call.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpuae.errors import InputError
from gpuae.exchange.value_types import OF_TORCH, ValueType
from gpuae.storage.rows import row_types

MOST_VALUES = 1_000_000
"""Opcodes of a pickle."""
SHOWN = 100
"""Characters of a name that is refused."""


@dataclass(frozen=True)
class Storage:
    """Values in a member of the archive."""

    key: str
    kind: ValueType
    size: int


@dataclass(frozen=True)
class Tensor:
    """Some values of a storage, by their place, shape and strides, counted in values."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _Name:
    """What a pickle would import."""

    name: str


def _container(*arguments: Any) -> dict[str, Any]:
    if arguments:
        raise ValueError("a dictionary that is made of something")
    return {}


def _tensor(*arguments: Any) -> Tensor:
    storage, offset, shape, strides = arguments[:4]
    counts = (offset, *shape, *strides)
    right = all(type(own) is int and own >= 0 for own in counts) and len(shape) == len(strides)
    if not isinstance(storage, Storage) or not right or not row_types.is_possible(shape):
        raise ValueError("a tensor of no storage or shape")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _first(*arguments: Any) -> Any:
    return arguments[0]


CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _container,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _first,
}
"""What stands for what may be called."""
KINDS = {f"torch.{name}": own for name, own in OF_TORCH.items()}


def read(content: bytes, source: str) -> Any:
    """Return what a pickle holds.

    Raises
    ------
    InputError
        For names that a state dict does not need, and for what is no such pickle.
    """
    try:
        return _Machine(source).run(content)
    except InputError:
        raise
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{source}: its pickle is no state dict ({reason}); save one by "
            "torch.save(model.state_dict(), FILE)"
        ) from None


class _Machine:
    """A stack, the stacks below each mark, and what has been remembered."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """Follow all opcodes."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if count > MOST_VALUES:
                raise ValueError("too many values")
            if opcode.name == "STOP":
                return self._stack.pop()
            self._follow(opcode.name, argument)
        raise ValueError("no end")

    def _follow(self, name: str, argument: Any) -> None:
        if name in _IGNORED:
            return
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        else:
            raise ValueError(f"it uses {name}")

    def _named(self, argument: str) -> None:
        """Push what a name stands for."""
        name = argument.replace(" ", ".", 1)
        if name in KINDS:
            self._stack.append(KINDS[name])
        elif name in CALLS:
            self._stack.append(_Name(name))
        else:
            raise InputError(
                f"{self._source}: wants to call {name[:SHOWN]}, and what a file names is never "
                "called; save only the numbers, by torch.save(model.state_dict(), FILE)"
            )

    def _named_by_stack(self, _argument: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise ValueError("a name that is no text")
        self._named(f"{module} {name}")

    def _call(self, _argument: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError("it calls what is no name")
        self._stack.append(CALLS[function.name](*arguments))

    def _stored(self, _argument: Any) -> None:
        """Push the storage that a tuple describes."""
        word, kind, key, _, size = self._stack.pop()
        right = isinstance(kind, ValueType) and isinstance(key, str) and type(size) is int
        if word != "storage" or not right or size < 0:
            raise ValueError("a storage of no known type")
        self._stack.append(Storage(key, kind, size))

    def _built(self, _argument: Any) -> None:
        """Leave further attributes of a dictionary out."""
        self._stack.pop()
        if not isinstance(self._stack[-1], dict):
            raise ValueError("it builds what is no dictionary")

    def _mark(self, _argument: Any) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        found, self._stack = self._stack, self._below.pop()
        return found

    def _tuple(self, _argument: Any) -> None:
        found = tuple(self._since_mark())
        self._stack.append(found)

    def _tuple_of(self, count: int) -> None:
        found = tuple(self._stack[-count:])
        del self._stack[-count:]
        self._stack.append(found)

    def _items(self, _argument: Any) -> None:
        found = self._since_mark()
        for key, value in zip(found[::2], found[1::2], strict=True):
            self._add(key, value)

    def _item(self, _argument: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._add(key, value)

    def _add(self, key: object, value: object) -> None:
        """Add to a dictionary; to hash nested tuples could take for ever."""
        if not isinstance(key, str | int):
            raise ValueError("a key that is neither text nor number")
        self._target(dict)[key] = value

    def _appended(self, _argument: Any) -> None:
        value = self._stack.pop()
        self._target(list).append(value)

    def _extended(self, _argument: Any) -> None:
        found = self._since_mark()
        self._target(list).extend(found)

    def _target(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise ValueError("it adds to what is no container")
        return self._stack[-1]

    def _remember(self, place: Any) -> None:
        self._memo[len(self._memo) if place is None else place] = self._stack[-1]

    def _recall(self, place: int) -> None:
        self._stack.append(self._memo[place])


_IGNORED = ("PROTO", "FRAME")
_LITERALS = (
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINFLOAT"),
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1"),
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "GLOBAL": _Machine._named,
    "STACK_GLOBAL": _Machine._named_by_stack,
    "REDUCE": _Machine._call,
    "BINPERSID": _Machine._stored,
    "BUILD": _Machine._built,
    "TUPLE": _Machine._tuple,
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "SETITEM": _Machine._item,
    "SETITEMS": _Machine._items,
    "APPEND": _Machine._appended,
    "APPENDS": _Machine._extended,
    "BINPUT": _Machine._remember,
    "LONG_BINPUT": _Machine._remember,
    "MEMOIZE": _Machine._remember,
    "BINGET": _Machine._recall,
    "LONG_BINGET": _Machine._recall,
}
