"""A model as ONNX: raw rows in, codes, reconstructions, scores or probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from gpuae.errors import OutputError
from gpuae.exchange.computation import (
    CODE,
    OUTLIER,
    PROBABILITIES,
    RECONSTRUCTION,
    SCORE,
    Computation,
    Dense,
    Matrix,
    Results,
)
from gpuae.exchange.onnx_activations import activation
from gpuae.exchange.onnx_graph import Graph, Value
from gpuae.exchange.required import check_installed
from gpuae.exchange.task import Task, Written
from gpuae.model.preprocess import Preprocess

PACKAGES, EXTRA = ("onnx", "onnxruntime"), "onnx"
ROWS = "rows"
"""Name of the input."""
ERRORS_ONLY = 3
"""Of what onnxruntime may print."""
MOST_BYTES = 2**31 - 1
"""Of one message of protobuf, which an ONNX file is."""


def written(task: Task) -> Written:
    """Return the file of a model.

    Raises
    ------
    ConfigError
        Where onnx or onnxruntime is not installed.
    OutputError
        Where it would be too large for the format.
    """
    for package in PACKAGES:
        check_installed(package, "ONNX is written and checked", EXTRA)
    arrays = sum(own.weight.nbytes for own in _all_layers(task.computation))
    if arrays >= MOST_BYTES:
        raise OutputError(
            f"{task.path}: files of ONNX are smaller than 2 GiB and the weights take "
            f"{arrays / 2**30:.1f}; save the model as .safetensors, .npz or .pt"
        )
    content = _encoded(task)
    use = (
        f"import onnxruntime\n\nsession = onnxruntime.InferenceSession({task.path.name!r})\n"
        f"{', '.join(task.outputs)}{',' * (len(task.outputs) == 1)} = session.run(\n"
        f"    {list(task.outputs)}, {{{ROWS!r}: rows.astype({task.input_type.name!r})}}\n)"
    )
    return Written({task.path: content}, partial(_run, content, task.outputs), use=use)


def _all_layers(computation: Computation) -> tuple[Dense, ...]:
    return (*computation.encoder, *computation.decoder)


def _encoded(task: Task) -> bytes:
    build = _Build(Graph(), task.computation, task.input_type)
    likes = build.outputs(task.outputs)
    rows = np.empty((0, task.computation.columns), task.input_type)
    model = build.graph.model((ROWS, rows), likes, task.about.texts(), task.about.producer)
    return bytes(model.SerializeToString(deterministic=True))


@dataclass(frozen=True)
class _Build:
    """What puts nodes for a computation into a graph."""

    graph: Graph
    computation: Computation
    input_type: np.dtype[Any]

    def outputs(self, wanted: tuple[str, ...]) -> dict[str, Matrix]:
        """Add nodes for some outputs; return an array of no rows like each of them."""
        values: dict[str, Callable[[], Value]] = {
            CODE: lambda: self._code,
            RECONSTRUCTION: self._restored,
            SCORE: lambda: self._score,
            OUTLIER: self._outlier,
            PROBABILITIES: lambda: self._made,
        }
        for name in wanted:
            self.graph.name(values[name](), name)
        return {name: self._like(name) for name in wanted}

    def _like(self, name: str) -> Matrix:
        own = self.computation
        return {
            CODE: np.empty((0, own.code_size), own.dtype),
            RECONSTRUCTION: np.empty((0, own.columns), own.row_type),
            SCORE: np.empty(0, np.float64),
            OUTLIER: np.empty(0, np.bool_),
            PROBABILITIES: np.empty((0, len(own.decoder[-1].bias)), own.dtype),
        }[name]

    @cached_property
    def _clean(self) -> Value:
        """What brings raw rows to the network: as `gpuae.model.feed` does, step by step."""
        own, graph = self.computation.preprocess, self.graph
        number = _number(own, self.input_type, self.computation.dtype)
        rows = ROWS
        if own.fill is not None:
            fill = graph.constant(own.fill, self.input_type)
            rows = graph.add("Where", graph.add("IsNaN", rows), fill, rows)
        before, after = own.centers()
        a = graph.add("Sub", graph.cast(rows, number), graph.constant(before, number))
        a = graph.add("Mul", a, graph.constant(own.factor, number))
        if np.isfinite(own.clip_low) or np.isfinite(own.clip_high):
            ends = (graph.constant(end, number) for end in (own.clip_low, own.clip_high))
            a = graph.add("Clip", a, *ends)
        a = graph.cast(a, self.computation.dtype)
        if own.whitening is None:
            return a
        a = graph.add("Sub", a, graph.constant(after, self.computation.dtype))
        forward = graph.constant(own.whitening.forward, self.computation.dtype)
        return graph.add("MatMul", a, forward)

    def _layers(self, layers: tuple[Dense, ...], a: Value) -> Value:
        for layer in layers:
            product = self.graph.add("MatMul", a, self.graph.constant(layer.weight))
            z = self.graph.add("Add", product, self.graph.constant(layer.bias))
            a = self._activated(z, layer)
        return a

    def _activated(self, z: Value, layer: Dense) -> Value:
        """Add the activation of each part of a layer's outputs."""
        graph, dtype, sizes = self.graph, self.computation.dtype, [n for n, _ in layer.parts]
        if len(sizes) == 1:
            return activation(graph, z, layer.parts[0][1], dtype)
        split = graph.constant(sizes, np.int64)
        parts = zip(graph.several("Split", len(sizes), z, split, axis=1), layer.parts, strict=True)
        made = [activation(graph, own, name, dtype) for own, (_, name) in parts]
        return graph.add("Concat", *made, axis=1)

    @cached_property
    def _code(self) -> Value:
        own, graph = self.computation, self.graph
        code = self._layers(own.encoder, self._clean)
        if own.k is None or own.k >= own.code_size:
            return code
        k = graph.constant([own.k], np.int64)
        values, places = graph.several("TopK", 2, code, k, axis=1)
        nothing = graph.add("Sub", code, code)
        return graph.add("ScatterElements", nothing, places, values, axis=1)

    @cached_property
    def _made(self) -> Value:
        """What the last layer makes of the code."""
        return self._layers(self.computation.decoder, self._code)

    def _restored(self) -> Value:
        """Add the way back to the data's own units, in float64 as gpuae goes it."""
        own, graph, made = self.computation.preprocess, self.graph, self._made
        if own.whitening is not None:
            back = graph.constant(own.whitening.back, self.computation.dtype)
            shift = graph.constant(own.centers()[1], self.computation.dtype)
            made = graph.add("Add", graph.add("MatMul", made, back), shift)
        wide = graph.cast(made, np.float64)
        scaled = graph.add("Div", wide, graph.constant(own.factor))
        rows = graph.add("Add", scaled, graph.constant(own.centers()[0]))
        return graph.cast(rows, self.computation.row_type)

    @cached_property
    def _score(self) -> Value:
        off = self.graph.cast(self.graph.add("Sub", self._made, self._clean), np.float64)
        squares = self.graph.add("Mul", off, off)
        axes = self.graph.constant([1], np.int64)
        return self.graph.add("ReduceMean", squares, axes, keepdims=0)

    def _outlier(self) -> Value:
        limit = self.graph.constant(self.computation.threshold, np.float64)
        return self.graph.add("Greater", self._score, limit)


def _number(own: Preprocess, input_type: np.dtype[Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type to scale in: float64 where rounding would show."""
    common = np.result_type(input_type, dtype)
    return np.dtype(np.float64) if own.is_lost_in(common) else common


def _run(content: bytes, outputs: tuple[str, ...], rows: Matrix) -> Results:
    """Return what onnxruntime computes with a file's content for raw rows (m, d)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    return dict(zip(outputs, session.run(list(outputs), {ROWS: rows}), strict=True))
