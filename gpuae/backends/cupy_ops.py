"""`Ops` for GPUs: our own CUDA kernels, and products of cuBLAS.

Everything is put into the device's queue and nothing waits for it, but for `to_host` and `dot`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.backends import philox
from gpuae.backends.cuda_deferred import (
    Advance,
    Columns,
    Total,
    Work,
    arrays_among,
    overlap,
    table_of,
)
from gpuae.backends.cuda_kernel import BLOCK, instance_of, known_to_kernels
from gpuae.backends.cuda_kernels import (
    KERNELS,
    MARKED,
    NOISES,
    SUM_TILE,
    TILE_COLUMNS,
    TURNED,
    loss_type,
)
from gpuae.backends.cuda_products import Product, small_product
from gpuae.backends.gpu import Gpu, Recorded
from gpuae.backends.ops import (
    Array,
    Clock,
    Corruption,
    Fetched,
    Ops,
    Program,
    Recorder,
    Ring,
    Rows,
    Scaling,
)
from gpuae.config import Activation, Loss
from gpuae.functions.activations import ACTIVATIONS
from gpuae.functions.losses import LOSSES

MOST_STRIPS = 256
SMALLEST_STRIP = 16
WARPS = 8
"""Column sums: a strip of rows for each partial sum, which is a block's work in 128 columns."""
MOVED_AT_ONCE = 4 * BLOCK
MOST_MOVED_TILES = 1024
"""Of an optimizer's step: no more partial sums of squares."""
MOST_IN_ONE_BLOCK = 1 << 14
"""Partial sums of the code that `kl_slope`, which is one block, adds up itself."""
ARRIVALS = "arrivals"
"""Scratch for counters of blocks that share a tile of a product."""
CORRECTIONS = "corrections"
"""Scratch for what `advance` leaves for Adam's step."""


class CupyOps:
    """`Ops` on arrays of a GPU; see the protocol for what each operation does."""

    name = "cuda"

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self._scratch: dict[str, Array] = {}

    def recorders(self, threads: int, barrier: Callable[[], object]) -> list[Recorder]:
        if threads != 1:
            raise ValueError("a GPU has one queue: one thread fills it")
        return [QueueRecorder(self.gpu)]

    def session(self) -> AbstractContextManager[object]:
        return self.gpu.session()

    # Memory

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        return self.gpu.empty(shape, dtype)

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Array:
        return self.gpu.upload(np.zeros(shape, dtype))

    def asarray(self, host: NDArray[Any]) -> Array:
        return self.gpu.upload(known_to_kernels(host))

    def assign(self, target: Array, host: NDArray[Any]) -> None:
        self.gpu.write(target, np.ascontiguousarray(host, target.dtype))

    def to_host(self, array: Array) -> NDArray[Any]:
        return self.gpu.read(array)

    def fill(self, array: Array, value: float) -> None:
        x = array.reshape(-1)
        self._flat("fill", x.size, {"Real": x.dtype.name}, x=x, value=value)

    def start_epoch(self, clock: Clock, epoch: int, rate: float, row_base: int) -> None:
        self._launch(
            "start_epoch",
            1,
            {},
            counters=clock.counters,
            rate=clock.rate,
            epoch=epoch,
            row_base=row_base,
            new_rate=rate,
        )

    def advance(self, clock: Clock, count: int) -> None:
        self._do(Advance(clock.counters, count, self._corrections()))

    # Matrix products

    def gemm(
        self,
        a: Array,
        b: Array,
        out: Array,
        transpose_a: bool = False,
        transpose_b: bool = False,
        accumulate: bool = False,
    ) -> None:
        if any(own.size and own.strides[1] != own.itemsize for own in (a, b, out)):
            raise ValueError("a product needs matrices whose rows are contiguous")
        if out.size == 0:
            return
        self._about_to_use(a, b, out)
        if a.size == 0:
            if not accumulate:
                self.fill(out, 0.0)
            return
        own = None
        if self.gpu.precision == "float32":
            own = small_product(a, b, out, transpose_a, transpose_b)
        if own is not None:
            self._multiply(own, accumulate)
        else:
            if self.gpu.precision == "bf16" and out.dtype.name == "float32":
                a, b = self._rounded(a), self._rounded(b)
            call = self.gpu.product(a, b, out, transpose_a, transpose_b, accumulate)
            work = out.size * (a.size // len(out))
            self._submit(Recorded(call, (a, b), (out,), work))

    # From rows to batches

    def gather(self, rows: Rows, source: Array, scaling: Scaling, out: Array) -> None:
        self._batch(
            "gather",
            out,
            _gather_types(source, scaling, out),
            places=_places(rows),
            **_clock(rows),
            **_scaling(source, scaling),
            out=out,
        )

    def corrupt(self, rows: Rows, x: Array, noise: Corruption, out: Array) -> None:
        self._batch(
            "corrupt",
            x,
            {"Real": x.dtype.name, "Kind": NOISES[noise.kind]},
            numbers=rows.order,
            **_clock(rows),
            **_noise(noise),
            low=noise.low,
            high=noise.high,
            x=x,
            noisy=out,
        )

    def gather_corrupt(
        self,
        rows: Rows,
        source: Array,
        scaling: Scaling,
        noise: Corruption,
        out: Array,
        noisy: Array,
    ) -> None:
        self._batch(
            "gather_corrupt",
            out,
            _gather_types(source, scaling, out) | {"Kind": NOISES[noise.kind]},
            places=_places(rows),
            numbers=rows.order,
            **_clock(rows),
            **_scaling(source, scaling),
            **_noise(noise),
            lowest=noise.low,
            highest=noise.high,
            out=out,
            noisy=noisy,
        )

    def normalize_rows(self, x: Array, total: float) -> None:
        self._by_row("normalize_rows", x, {"Real": x.dtype.name}, x=x, total=total)

    def log1p(self, x: Array, center: Array, out: Array) -> None:
        self._batch("log1p_less", x, {"Real": x.dtype.name}, x=x, center=center, out=out)

    def unscale(self, x: Array, scaling: Scaling, out: Array) -> None:
        types = {"Real": x.dtype.name, "Number": out.dtype.name}
        center, factor = scaling.center, scaling.factor
        self._batch("unscale", x, types, x=x, center=center, factor=factor, out=out)

    # Forward

    def bias_activation(
        self, z: Array, bias: Array, activation: Activation, preactivation: Array | None = None
    ) -> None:
        given = {"z": z, "bias": bias, "preactivation": preactivation}
        types = {"F": ACTIVATIONS[activation].struct}
        if own := self._unfinished_product(z):
            self._launch_product("product_activation", own, types, **given)
        else:
            self._batch("bias_activation", z, {"Real": z.dtype.name, **types}, **given)

    def bias_activation_dropout(
        self,
        rows: Rows,
        z: Array,
        bias: Array,
        activation: Activation,
        layer: int,
        rate: float,
        seed: int,
        mask: Array,
        out: Array,
        preactivation: Array | None = None,
    ) -> None:
        self._batch(
            "bias_activation_dropout",
            z,
            {"Real": z.dtype.name, "F": ACTIVATIONS[activation].struct},
            numbers=rows.order,
            **_clock(rows),
            **_dropout(layer, rate, seed),
            z=z,
            bias=bias,
            preactivation=preactivation,
            mask=mask,
            out=out,
        )

    def topk_mask(self, a: Array, k: int, mask: Array) -> None:
        self._by_row("topk_mask", a, {"Real": a.dtype.name}, a=a, k=k, mask=mask)

    def dropout_mask(
        self, rows: Rows, layer: int, rate: float, seed: int, mask: Array, combine: bool
    ) -> None:
        self._batch(
            "dropout_mask",
            mask,
            {"Real": mask.dtype.name},
            numbers=rows.order,
            **_clock(rows),
            **_dropout(layer, rate, seed),
            combine=combine,
            mask=mask,
        )

    def multiply(self, a: Array, mask: Array, out: Array) -> None:
        self._flat("multiply", a.size, {"Real": a.dtype.name}, a=a, mask=mask, out=out)

    def copy_columns(
        self, source: Array, first: int, out: Array, out_first: int, count: int
    ) -> None:
        rows = len(source)
        if rows * count:
            self._launch(
                "copy_columns",
                -(-rows * count // BLOCK),
                {"Real": source.dtype.name},
                source=source,
                width=source.shape[1],
                first=first,
                out=out,
                out_width=out.shape[1],
                out_first=out_first,
                rows=rows,
                columns=count,
            )

    def add_column_sums(self, a: Array, sums: Array, row_weights: Array | None = None) -> None:
        partials = self._partials(a, "float64")
        given = {"a": a, "row_weights": row_weights, "strip": strip_rows(len(a))}
        self._tiles("column_sums", a, {"Real": a.dtype.name}, **given, partials=partials)
        self._finish(columns=partials, out=sums, add_to_out=True)

    def add_absolute_sum(self, a: Array, total: Array, row_weights: Array | None = None) -> None:
        self._sum("Absolute", a, a, 1.0, total, add=True, row_weights=row_weights)

    def row_errors(self, output: Array, target: Array, errors: Array) -> None:
        types = {"Real": output.dtype.name}
        self._by_row("row_errors", output, types, output=output, target=target, errors=errors)

    # Objective and backward

    def output_loss(
        self,
        z: Array,
        bias: Array,
        target: Array,
        activation: Activation,
        loss: Loss,
        total: Array,
        parameter: float = 0.0,
        row_weights: Array | None = None,
    ) -> None:
        given = {"z": z, "bias": bias, "target": target, "row_weights": row_weights}
        if LOSSES[loss].compiled_row is not None:
            losses, _ = self._row_losses(given, activation, loss, parameter, finished=True)
        else:
            losses = self._losses(z)
            self._tiles(
                "output_loss",
                z,
                {"Real": z.dtype.name, "Loss": loss_type(loss, activation)},
                **given,
                parameter=parameter,
                strip=strip_rows(len(z)),
                losses=losses,
            )
        factor = LOSSES[loss].value_factor(z.shape[1])
        self._finish(partials=losses, factor=factor, total=total)

    def output_delta(
        self,
        z: Array,
        bias: Array,
        target: Array,
        activation: Activation,
        loss: Loss,
        rows_of_step: int,
        total: Array,
        bias_gradient: Array,
        accumulate: bool,
        parameter: float = 0.0,
        row_weights: Array | None = None,
    ) -> None:
        given = {"z": z, "bias": bias, "target": target}
        weighted = given | {"row_weights": row_weights}
        factor = LOSSES[loss].delta_factor(z.shape[1]) / rows_of_step
        if LOSSES[loss].compiled_row is not None:
            own = (weighted, activation, loss, parameter)
            losses, slopes = self._row_losses(*own, finished=False)
            types = {"F": ACTIVATIONS[activation].struct}
            columns = self._with_column_sums(
                "row_delta", z, types, **given, **slopes, factor=factor
            )
        else:
            types = {"Loss": loss_type(loss, activation)}
            weighted |= {"parameter": parameter, "factor": factor}
            if product := self._unfinished_product(z):
                losses = self._scratch_of("losses", "float64", product.tiles)
                columns = self._product_sums(
                    "product_output_delta", product, types, **weighted, losses=losses
                )
            else:
                losses = self._losses(z)
                columns = self._with_column_sums(
                    "output_delta", z, types, **weighted, losses=losses
                )
        self._finish(
            columns=columns,
            out=bias_gradient,
            add_to_out=accumulate,
            partials=losses,
            factor=LOSSES[loss].value_factor(z.shape[1]),
            total=total,
        )

    def softmax(self, z: Array, bias: Array) -> None:
        self._softmax_rows(z, bias, None, None, finished=True)

    def softmax_loss(
        self, z: Array, bias: Array, target: Array, total: Array, row_weights: Array | None = None
    ) -> None:
        losses, _ = self._softmax_rows(z, bias, target, row_weights, finished=True)
        self._finish(partials=losses, factor=1.0, total=total)

    def softmax_delta(
        self,
        z: Array,
        bias: Array,
        target: Array,
        rows_of_step: int,
        total: Array,
        bias_gradient: Array,
        accumulate: bool,
        row_weights: Array | None = None,
    ) -> None:
        losses, of_rows = self._softmax_rows(z, bias, target, row_weights, finished=False)
        columns = self._partials(z, z.dtype.name)
        self._tiles(
            "softmax_delta",
            z,
            {"Real": z.dtype.name},
            z=z,
            bias=bias,
            target=target,
            row_weights=row_weights,
            **of_rows,
            factor=1 / rows_of_step,
            strip=strip_rows(len(z)),
            column_sums=columns,
        )
        self._finish(
            columns=columns,
            out=bias_gradient,
            add_to_out=accumulate,
            partials=losses,
            factor=1.0,
            total=total,
        )

    def kl_slope(
        self,
        code_sums: Array,
        rows_of_step: int,
        rho: float,
        beta: float,
        activation: Activation,
        slope: Array,
        total: Array,
        weight_sum: Array | None = None,
    ) -> None:
        unfinished = self._unfinished(code_sums)
        self._launch(
            "kl_slope",
            1,
            {"Real": slope.dtype.name},
            partials=unfinished and unfinished.columns,
            strips=unfinished.strips if unfinished else 0,
            add_to_sums=bool(unfinished and unfinished.add_to_out),
            sums=code_sums,
            rows=rows_of_step,
            weight_sum=weight_sum,
            rho=rho,
            beta=beta,
            signed_units=ACTIVATIONS[activation].signed,
            slope=slope,
            total=total,
            columns=len(slope),
        )

    def hidden_delta(
        self,
        delta: Array,
        a: Array,
        mask: Array | None,
        slope: Array | None,
        l1: float,
        activation: Activation,
        bias_gradient: Array,
        accumulate: bool,
        preactivation: Array | None = None,
        row_weights: Array | None = None,
    ) -> None:
        types = {"F": ACTIVATIONS[activation].struct}
        given: dict[str, Any] = {
            "delta": delta,
            "z": a if preactivation is None else preactivation,
            "mask": mask,
            "slope": slope,
            "row_weights": row_weights,
            "l1": l1,
        }
        if product := self._unfinished_product(delta):
            own = given | {"activations": a}
            columns = self._product_sums("product_hidden_delta", product, types, **own)
        else:
            columns = self._with_column_sums("hidden_delta", delta, types, **given, a=a)
        self._finish(columns=columns, out=bias_gradient, add_to_out=accumulate)

    # A code of which k of h units are active

    def topk(self, a: Array, k: int, indices: Array, values: Array) -> None:
        types = {"Real": a.dtype.name}
        self._by_row("topk", a, types, a=a, k=k, indices=indices, values=values)

    def sparse_product(self, indices: Array, values: Array, w: Array, out: Array) -> None:
        types, k = {"Real": out.dtype.name}, indices.shape[1]
        self._batch("sparse_product", out, types, indices=indices, values=values, w=w, out=out, k=k)

    def sparse_delta(self, indices: Array, delta_next: Array, w: Array, out: Array) -> None:
        rows, k = indices.shape
        if rows:
            self._launch(
                "sparse_delta",
                -(-rows * k // WARPS),
                {"Real": out.dtype.name},
                indices=indices,
                delta_next=delta_next,
                w=w,
                out=out,
                rows=rows,
                k=k,
                columns=w.shape[1],
            )

    def sparse_hidden_delta(
        self,
        delta: Array,
        a: Array,
        indices: Array,
        activation: Activation,
        bias_gradient: Array,
        accumulate: bool,
    ) -> None:
        rows, k = indices.shape
        units = len(bias_gradient)
        self._launch(
            "sparse_hidden_delta",
            -(-units // WARPS),
            {"Real": delta.dtype.name, "F": ACTIVATIONS[activation].struct},
            delta=delta,
            a=a,
            indices=indices,
            marks=self._marks(indices, units),
            bias_gradient=bias_gradient,
            accumulate=accumulate,
            rows=rows,
            k=k,
            units=units,
        )

    def sparse_outer_rows(
        self,
        indices: Array,
        values: Array,
        delta_next: Array,
        rows: slice,
        out: Array,
        accumulate: bool,
    ) -> None:
        columns, units = out.shape[1], rows.stop
        self._launch(
            "sparse_outer_rows",
            -(-len(out) * -(-columns // TILE_COLUMNS) // WARPS),
            {"Real": out.dtype.name},
            indices=indices,
            values=values,
            delta_next=delta_next,
            marks=self._marks(indices, units),
            first=rows.start,
            count=len(out),
            out=out,
            accumulate=accumulate,
            rows=len(indices),
            k=indices.shape[1],
            columns=columns,
            units=units,
        )

    def sparse_outer_columns(
        self,
        inputs: Array,
        indices: Array,
        delta: Array,
        rows: slice,
        out: Array,
        accumulate: bool,
    ) -> None:
        count, units = out.shape
        self._launch(
            "sparse_outer_columns",
            -(-count // TILE_COLUMNS) * -(-units // TURNED),
            {"Real": out.dtype.name},
            inputs=inputs,
            indices=indices,
            delta=delta,
            marks=self._marks(indices, units),
            first=rows.start,
            count=count,
            out=out,
            accumulate=accumulate,
            rows=len(indices),
            k=indices.shape[1],
            columns=inputs.shape[1],
            units=units,
        )

    # Parameters

    def sum_lanes(self, lanes: Array, place: slice, out: Array) -> None:
        flat, stride = lanes.reshape(-1), lanes.shape[1]
        self._finish(columns=flat[place.start :], out=out, strips=len(lanes), stride=stride)

    def add_squares(self, x: Array, factor: float, total: Array) -> None:
        self._sum("Square", x, x, factor, total, add=True)

    def adam(
        self,
        parameters: Array,
        gradient: Array,
        first: Array,
        second: Array,
        clock: Clock,
        weight_decay: float = 0.0,
        decayed: int | None = None,
        squares: Array | None = None,
        factor: float = 1.0,
    ) -> None:
        own = {"g": gradient, "first": first, "second": second, "counters": clock.counters}
        own |= {"rate": clock.rate, "known": self._corrections()}
        self._move("adam", parameters, own, weight_decay, decayed, squares, factor)

    def sgd(
        self,
        parameters: Array,
        gradient: Array,
        velocity: Array,
        momentum: float,
        clock: Clock,
        weight_decay: float = 0.0,
        decayed: int | None = None,
        squares: Array | None = None,
        factor: float = 1.0,
    ) -> None:
        own = {"g": gradient, "velocity": velocity, "rate": clock.rate, "momentum": momentum}
        self._move("sgd", parameters, own, weight_decay, decayed, squares, factor)

    def _move(
        self,
        name: str,
        w: Array,
        own: dict[str, Any],
        weight_decay: float,
        decayed: int | None,
        squares: Array | None,
        factor: float,
    ) -> None:
        """Launch an optimizer's step, which leaves partial sums of squares if they are wanted."""
        count, tile = w.size, moved_tile(w.size)
        tiles, partials = -(-count // tile), None
        if squares is not None:
            partials = self._scratch_of("losses", "float64", tiles)
        if count:
            self._launch(
                name,
                tiles,
                {"Real": w.dtype.name},
                w=w,
                **own,
                decay=weight_decay,
                decayed=count if decayed is None else decayed,
                squares=partials,
                tile=tile,
                count=count,
            )
        if count and partials is not None:
            self._do(Total(partials, factor, squares, add_to_total=True))

    def dot(self, x: Array, y: Array) -> float:
        total = self.gpu.empty((1,), "float64")
        self._sum("Product", x, y, 1.0, total, add=False)
        return float(self.gpu.read(total)[0])

    def axpby(self, alpha: float, x: Array, beta: float, y: Array) -> None:
        types = {"Real": y.dtype.name}
        self._flat("axpby", y.size, types, alpha=alpha, x=x, beta=beta, y=y)

    # The device

    def device(self) -> str:
        return self.gpu.name

    def room(self) -> int:
        return self.gpu.room()

    def holds(self, x: NDArray[Any], reserve: int) -> bool:
        size = x.size * known_to_kernels(x[:0]).dtype.itemsize
        return size + reserve <= self.gpu.room()

    def ring(self, x: NDArray[Any], slot_rows: int, slots: int) -> Ring:
        return self.gpu.ring(x, slot_rows, slots)

    def fetch(self, array: Array) -> Fetched:
        return self.gpu.fetch(array)

    # Launches

    def _launch(
        self, name: str, blocks: int, types: dict[str, str], *, work: int = 0, **arguments: Any
    ) -> None:
        self._about_to_use(*arrays_among(arguments.values()))
        kernel = KERNELS[name]
        blocks = max(1, min(blocks, self.gpu.blocks))
        call = self.gpu.launch(kernel, instance_of(kernel, **types), blocks, arguments)
        self._submit(Recorded(call, *kernel.reads_and_writes(arguments), work))

    def _batch(self, name: str, matrix: Array, types: dict[str, str], **arguments: Any) -> None:
        """Launch a thread for every four columns of a row of a matrix (m, n)."""
        rows, columns = matrix.shape
        if matrix.size:
            blocks = -(-rows * -(-columns // 4) // BLOCK)
            self._launch(name, blocks, types, **arguments, rows=rows, columns=columns)

    def _by_row(self, name: str, matrix: Array, types: dict[str, str], **arguments: Any) -> None:
        """Launch a warp for every row of a matrix (m, n)."""
        rows, columns = matrix.shape
        if matrix.size:
            blocks = -(-rows // WARPS)
            self._launch(name, blocks, types, **arguments, rows=rows, columns=columns)

    def _flat(self, name: str, count: int, types: dict[str, str], **arguments: Any) -> None:
        """Launch a thread for every four elements."""
        if count:
            blocks = -(-count // (4 * BLOCK))
            self._launch(name, blocks, types, **arguments, count=count)

    def _tiles(self, name: str, matrix: Array, types: dict[str, str], **arguments: Any) -> None:
        """Launch a block for every tile of a matrix (m, n)."""
        rows, columns = matrix.shape
        if matrix.size:
            self._launch(
                name, tile_count(rows, columns), types, **arguments, rows=rows, columns=columns
            )

    def _with_column_sums(
        self, name: str, matrix: Array, types: dict[str, str], **arguments: Any
    ) -> Array:
        """Launch a block for every tile of a matrix (m, n); return partial column sums."""
        columns = self._partials(matrix, matrix.dtype.name)
        types = {"Real": matrix.dtype.name, **types}
        strip = strip_rows(len(matrix))
        self._tiles(name, matrix, types, **arguments, strip=strip, column_sums=columns)
        return columns

    def _product_sums(
        self, name: str, product: Product, types: dict[str, str], **arguments: Any
    ) -> Array:
        """Launch a product whose kernel sums its columns; return partial sums."""
        size = product.strips, product.out.shape[1]
        columns = self._scratch_of("columns", "float32", size[0] * size[1]).reshape(size)
        self._launch_product(name, product, types, **arguments, column_sums=columns)
        return columns

    def _multiply(self, product: Product, accumulate: bool) -> None:
        """Launch a small product."""
        self._launch_product("product", product, {}, out=product.out, add_to_out=accumulate)

    def _rounded(self, factor: Array) -> Array:
        """Return a copy of a factor as bfloat16, which is uint16 here."""
        copy = self.gpu.empty(factor.shape, "uint16")
        self._round(factor, copy)
        return copy

    def _round(self, factor: Array, copy: Array) -> None:
        self._flat("to_bfloat16", factor.size, {}, x=factor, y=copy)

    def _launch_product(
        self, name: str, product: Product, types: dict[str, str], **arguments: Any
    ) -> None:
        partials = arrivals = None
        if product.splits > 1:
            partials = self._scratch_of("products", "float32", product.partials)
            arrivals = self._arrivals(product.tiles)
        self._launch(
            name,
            product.tiles * product.splits,
            {"Shape": product.shape, **types},
            work=product.out.size * (product.a.size // len(product.out)),
            **product.arguments(),
            partials=partials,
            arrivals=arrivals,
            **arguments,
        )

    def _arrivals(self, tiles: int) -> Array:
        """Return a counter for each tile; all are 0, as a product leaves them."""
        if ARRIVALS not in self._scratch or len(self._scratch[ARRIVALS]) < tiles:
            self._scratch[ARRIVALS] = self.zeros((tiles,), "uint32")
        return self._scratch[ARRIVALS][:tiles]

    def _unfinished_product(self, out: Array) -> Product | None:
        """Return the product that would be written to out, which is then the caller's, if any."""
        return None

    def _sum(
        self,
        term: str,
        x: Array,
        y: Array,
        factor: float,
        total: Array,
        *,
        add: bool,
        row_weights: Array | None = None,
    ) -> None:
        columns = x.shape[-1]
        x, y = x.reshape(-1), y.reshape(-1)
        tiles = -(-x.size // SUM_TILE)
        partials = self._scratch_of("losses", "float64", tiles)
        if x.size:
            types = {"Real": x.dtype.name, "Term": term}
            given = {"x": x, "y": y, "row_weights": row_weights, "partials": partials}
            self._launch("sum_of", tiles, types, **given, count=x.size, columns=columns)
        self._finish(partials=partials, factor=factor, total=total, add_to_total=add)

    def _finish(
        self,
        *,
        columns: Array | None = None,
        out: Array | None = None,
        add_to_out: bool = False,
        partials: Array | None = None,
        factor: float = 0.0,
        total: Array | None = None,
        add_to_total: bool = True,
        strips: int | None = None,
        stride: int | None = None,
    ) -> None:
        """Add partial sums up: those of columns, (strips, n), into out (n,), and others to total.

        `strips` and `stride` say where the rows of `columns` are, if it is flat.
        """
        if columns is not None and out is not None:
            if strips is None or stride is None:
                strips, stride = columns.shape
            self._do(Columns(columns.reshape(-1), strips, stride, out, add_to_out))
        if partials is not None and total is not None:
            self._do(Total(partials, factor, total, add_to_total))

    def _do(self, work: Work) -> None:
        """Launch a small work; a recorder may put it off."""
        match work:
            case Columns(columns, strips, stride, out, add_to_out):
                self._launch(
                    "finish_columns",
                    work.groups,
                    {"T": out.dtype.name},
                    columns=columns,
                    strips=strips,
                    stride=stride,
                    out=out,
                    add_to_out=add_to_out,
                    width=len(out),
                )
            case Total(partials, factor, total, add_to_total):
                self._launch(
                    "finish_total",
                    1,
                    {},
                    partials=partials,
                    tiles=len(partials),
                    factor=factor,
                    total=total,
                    add_to_total=add_to_total,
                )
            case Advance(counters, rows, corrections):
                self._launch(
                    "advance", 1, {}, counters=counters, rows=rows, corrections=corrections
                )

    def _unfinished(self, sums: Array) -> Columns | None:
        """Return the work that would write sums, which is then the caller's, if it was put off."""
        return None

    def _about_to_use(self, *arrays: Array) -> None:
        """Do what was put off and concerns these arrays."""

    def _corrections(self) -> Array:
        """Return where `advance` leaves what Adam divides by; no step has the number 0."""
        if CORRECTIONS not in self._scratch:
            self._scratch[CORRECTIONS] = self.zeros((3,), "float64")
        return self._scratch[CORRECTIONS]

    def _partials(self, matrix: Array, dtype: str) -> Array:
        """Return a buffer (strips, n) for partial column sums of a matrix (m, n)."""
        rows, columns = matrix.shape
        strips = -(-rows // strip_rows(rows))
        return self._scratch_of("columns", dtype, strips * columns).reshape(strips, columns)

    def _marks(self, indices: Array, units: int) -> Array:
        """Mark the rows in which each of the first units is active: (rows / 32, units) words."""
        rows, k = indices.shape
        words = -(-rows // 32)
        marks = self._scratch_of("marks", "uint32", words * units)
        if rows:
            tiles = words * -(-units // MARKED)
            self._launch(
                "mark_rows", tiles, {}, indices=indices, marks=marks, rows=rows, k=k, units=units
            )
        return marks

    def _row_losses(
        self,
        given: dict[str, Array],
        activation: Activation,
        loss: Loss,
        parameter: float,
        *,
        finished: bool,
    ) -> tuple[Array, dict[str, Array]]:
        """Compute losses (m,), and what of target and output makes their derivative, (m,) each."""
        z = given["z"]
        real, rows = z.dtype.name, len(z)
        losses = self._scratch_of("losses", "float64", rows)
        slopes = {
            name: self._scratch_of(name, "float64", rows) for name in ("of_target", "of_output")
        }
        f, own = ACTIVATIONS[activation].struct, LOSSES[loss].struct
        self._by_row(
            "row_loss",
            z,
            {"Real": real, "F": f, "Loss": own},
            **given,
            parameter=parameter,
            finished=finished,
            losses=losses,
            **slopes,
        )
        return losses, slopes

    def _softmax_rows(
        self,
        z: Array,
        bias: Array,
        target: Array | None,
        row_weights: Array | None,
        *,
        finished: bool,
    ) -> tuple[Array, dict[str, Array]]:
        """Compute losses (m,), and what makes deltas of logits, (m,) each; z too if `finished`."""
        types, rows = {"Real": z.dtype.name}, len(z)
        losses = self._scratch_of("losses", "float64", rows)
        of_rows = {
            "top": self._scratch_of("top", z.dtype.name, rows),
            "share": self._scratch_of("share", "float64", rows),
        }
        given = {"z": z, "bias": bias, "target": target, "row_weights": row_weights}
        self._by_row("softmax_rows", z, types, **given, finished=finished, losses=losses, **of_rows)
        return losses, of_rows

    def _losses(self, matrix: Array) -> Array:
        """Return a buffer for a partial sum of each tile of a matrix."""
        return self._scratch_of("losses", "float64", tile_count(*matrix.shape))

    def _scratch_of(self, use: str, dtype: str, size: int) -> Array:
        """Return a buffer that is overwritten by the next operation of the same use."""
        key = f"{use} {dtype}"
        if key not in self._scratch or len(self._scratch[key]) < size:
            self._scratch[key] = self.gpu.empty((max(size, 1),), dtype)
        return self._scratch[key][:size]

    def _submit(self, recorded: Recorded) -> None:
        recorded.call()


class QueueRecorder(CupyOps):
    """Records calls, of which the device makes a program.

    Small works are put off until what they write is used, or the program ends; zeros that the first
    of them overwrites are not written at all. A small product is put off until the next call, which
    may be one that a kernel does together with it. A factor is rounded once for all products that
    take it before it changes.
    """

    def __init__(self, gpu: Gpu) -> None:
        super().__init__(gpu)
        self._calls: list[Recorded] = []
        self._works: list[Work] = []
        self._product: Product | None = None
        self._zeros: list[Array] = []
        self._copies: dict[tuple[int, tuple[int, ...]], tuple[Array, Array]] = {}
        self._up_to_date: set[tuple[int, tuple[int, ...]]] = set()
        self._taken: Counter[str] = Counter()

    @property
    def ops(self) -> Ops:
        """Itself."""
        return self

    def barrier(self) -> None:
        """Nothing: there is nobody else."""

    def take(self) -> Program:
        """Return the calls since the last time."""
        self._catch_up()
        self._taken.clear()
        self._up_to_date.clear()
        calls, self._calls = self._calls, []
        return self.gpu.program(calls)

    def fill(self, array: Array, value: float) -> None:
        if value == 0 and array.size:
            self._do_product()
            self._about_to_use(array)
            self._zeros.append(array)
        else:
            super().fill(array, value)

    def _submit(self, recorded: Recorded) -> None:
        self._do_product()
        self._calls.append(recorded)
        self._has_changed(recorded.writes)

    def _rounded(self, factor: Array) -> Array:
        key = self.gpu.address(factor), factor.shape
        if key not in self._copies:
            self._copies[key] = factor, self.gpu.empty(factor.shape, "uint16")
        _, copy = self._copies[key]
        if key not in self._up_to_date:
            self._round(factor, copy)
            self._up_to_date.add(key)
        return copy

    def _has_changed(self, written: Iterable[Array]) -> None:
        """Hear of what is written: copies of it have to be made again."""
        for key in list(self._up_to_date):
            factor, _ = self._copies[key]
            if _any_overlaps(self.gpu, factor, written):
                self._up_to_date.remove(key)

    def _multiply(self, product: Product, accumulate: bool) -> None:
        if accumulate:
            super()._multiply(product, accumulate)
        else:
            self._do_product()
            self._product = product

    def _unfinished_product(self, out: Array) -> Product | None:
        product = self._product
        if product is None or not _same(self.gpu, product.out, out):
            return None
        self._product = None
        return product

    def _do_product(self) -> None:
        """Record the product that was put off, before anything else is."""
        product, self._product = self._product, None
        if product is not None:
            super()._multiply(product, accumulate=False)

    def _arrivals(self, tiles: int) -> Array:
        """Return counters that no other product of the program uses."""
        return self.zeros((tiles,), "uint32")

    def _do(self, work: Work) -> None:
        self._do_product()
        zeros = self._zeros_of(work.writes[0])
        if zeros is not None and isinstance(work, Columns) and work.add_to_out:
            self._forget(zeros)
            work = replace(work, add_to_out=False)
        self._about_to_use(*work.writes)
        self._works.append(work)

    def _unfinished(self, sums: Array) -> Columns | None:
        for number, work in enumerate(self._works):
            if isinstance(work, Columns) and _same(self.gpu, work.out, sums):
                if work.columns.size > MOST_IN_ONE_BLOCK or work.stride != len(sums):
                    return None
                del self._works[number]
                return work
        return None

    def _about_to_use(self, *arrays: Array) -> None:
        for zeros in [own for own in self._zeros if _any_overlaps(self.gpu, own, arrays)]:
            self._write_zeros(zeros)
        written = [own for work in self._works for own in work.writes]
        if any(_any_overlaps(self.gpu, own, arrays) for own in written):
            self._do_works()

    def _catch_up(self) -> None:
        """Record all that was put off."""
        self._do_product()
        for zeros in list(self._zeros):
            self._write_zeros(zeros)
        self._do_works()

    def _write_zeros(self, zeros: Array) -> None:
        self._forget(zeros)
        super().fill(zeros, 0.0)

    def _zeros_of(self, array: Array) -> Array | None:
        return next((own for own in self._zeros if _same(self.gpu, own, array)), None)

    def _forget(self, zeros: Array) -> None:
        self._zeros = [own for own in self._zeros if own is not zeros]

    def _do_works(self) -> None:
        """Record all works that were put off, as one launch."""
        works, self._works = self._works, []
        if len(works) == 1:
            super()._do(works[0])
        elif works:
            table, groups = table_of(self.gpu, works)
            uploaded = self.gpu.upload(table)
            self._launch("finish_all", groups, {}, table=uploaded, works=len(works), groups=groups)
            last = self._calls[-1]  # of what its table has the addresses of, it must know
            reads = [own for work in works for own in work.reads]
            writes = [own for work in works for own in work.writes]
            self._calls[-1] = replace(last, reads=(*last.reads, *reads), writes=tuple(writes))
            self._has_changed(writes)

    def _scratch_of(self, use: str, dtype: str, size: int) -> Array:
        """Return a buffer that nothing else in the program uses: what is put off still needs it."""
        key = f"{use} {dtype}"
        first, end = self._taken[key], self._taken[key] + size
        if key not in self._scratch or len(self._scratch[key]) < end:
            self._scratch[key] = self.gpu.empty((max(2 * end, 1),), dtype)
        self._taken[key] = end
        return self._scratch[key][first:end]


def _any_overlaps(gpu: Gpu, one: Array, others: Iterable[Array]) -> bool:
    return any(overlap(gpu, one, other) for other in others)


def _same(gpu: Gpu, one: Array, other: Array) -> bool:
    """Whether two arrays are the same memory, seen alike."""
    seen_alike = (one.shape, one.dtype) == (other.shape, other.dtype)
    return seen_alike and gpu.address(one) == gpu.address(other)


def moved_tile(count: int) -> int:
    """Return how many of so many parameters a block moves at once, whose squares it adds up."""
    return MOVED_AT_ONCE * max(1, -(-count // (MOVED_AT_ONCE * MOST_MOVED_TILES)))


def strip_rows(rows: int) -> int:
    """Return the rows of a strip: so many that there are no more than MOST_STRIPS."""
    return max(SMALLEST_STRIP, WARPS * math.ceil(rows / (WARPS * MOST_STRIPS)))


def tile_count(rows: int, columns: int) -> int:
    """Return how many tiles a matrix has: strips of TILE_COLUMNS columns."""
    return -(-rows // strip_rows(rows)) * -(-columns // TILE_COLUMNS)


def _places(rows: Rows) -> Array:
    return rows.order if rows.places is None else rows.places


def _clock(rows: Rows) -> dict[str, Any]:
    return {"counters": rows.clock.counters, "first": rows.first}


def _gather_types(source: Array, scaling: Scaling, out: Array) -> dict[str, str]:
    return {
        "Source": source.dtype.name,
        "Number": scaling.center.dtype.name,
        "Real": out.dtype.name,
    }


def _scaling(source: Array, scaling: Scaling) -> dict[str, Any]:
    return {"source": source, **vars(scaling)}


def _noise(noise: Corruption) -> dict[str, Any]:
    return {"seed": noise.seed, "level": noise.level, "threshold": noise.threshold}


def _dropout(layer: int, rate: float, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "stream": philox.stream(philox.Purpose.DROPOUT, layer),
        "threshold": philox.threshold(rate),
        "kept": 1 / (1 - rate),
    }
