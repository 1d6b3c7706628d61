"""A graph of ONNX while it is built: nodes, and the arrays that they use."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

OPSET, IR_VERSION = 21, 10
"""Read by every onnxruntime that the extra `onnx` allows; gelu as one operation needs 20."""
Value: TypeAlias = str
"""The name of what a node gives."""


class Graph:
    """Nodes in the order of their use."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._arrays: list[Any] = []

    def constant(self, values: Any, dtype: Any = None) -> Value:
        """Return an array that the file holds."""
        from onnx import numpy_helper

        name = f"constant_{len(self._arrays)}"
        array = np.ascontiguousarray(values, dtype).reshape(np.shape(values))
        self._arrays.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operation: str, *inputs: Value, **attributes: Any) -> Value:
        """Return what an operation gives."""
        return self.several(operation, 1, *inputs, **attributes)[0]

    def several(
        self, operation: str, count: int, /, *inputs: Value, **attributes: Any
    ) -> list[Value]:
        """Return the outputs of an operation that has so many."""
        from onnx import helper

        names = [f"{operation.lower()}_{len(self._nodes)}_{place}" for place in range(count)]
        self._nodes.append(helper.make_node(operation, list(inputs), names, **attributes))
        return names

    def cast(self, value: Value, dtype: Any) -> Value:
        """Return a value in another type."""
        return self.add("Cast", value, to=type_of(dtype))

    def name(self, value: Value, name: str) -> None:
        """Give a value a name of its own, as an output has."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [value], [name]))

    def model(
        self,
        rows: tuple[str, NDArray[Any]],
        outputs: dict[str, NDArray[Any]],
        about: dict[str, str],
        producer: str,
    ) -> Any:
        """Return the whole as ONNX has it.

        Parameters
        ----------
        rows
            Name of the input, and an array of no rows that is like it.
        outputs
            The same of each output.
        about
            Names and texts that describe the model.
        """
        from onnx import helper

        graph = helper.make_graph(
            self._nodes,
            "gpuae",
            [_described(*rows)],
            [_described(name, like) for name, like in outputs.items()],
            self._arrays,
        )
        name, _, version = producer.partition(" ")
        made = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=name,
            producer_version=version,
        )
        helper.set_model_props(made, about)
        return made


def _described(name: str, like: NDArray[Any]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, type_of(like.dtype), ["rows", *like.shape[1:]])


def type_of(dtype: Any) -> int:
    """Return ONNX's number of a type."""
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
