"""Lines of Python that make a model's network in PyTorch and load its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuae.exchange.computation import Computation, Dense
from gpuae.exchange.named_arrays import PREPROCESS
from gpuae.functions.activations import LEAKY_SLOPE
from gpuae.model.network import SOFTMAX

MODULES = {
    "sigmoid": "nn.Sigmoid()",
    "tanh": "nn.Tanh()",
    "relu": "nn.ReLU()",
    "leaky_relu": f"nn.LeakyReLU({LEAKY_SLOPE})",
    "identity": "nn.Identity()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "elu": "nn.ELU()",
    "softplus": "nn.Softplus()",
    "exponential": "Exponential()",
    SOFTMAX: "nn.Softmax(dim=1)",
}
"""What PyTorch calls each activation."""

_EXPONENTIAL = """

class Exponential(nn.Module):
    def forward(self, z):
        return z.exp()
"""
_LARGEST = """

class Largest(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, a):
        values, places = a.topk(self.k, dim=1)
        return torch.zeros_like(a).scatter(1, places, values)
"""
_PARTS = """

class Parts(nn.Module):
    def __init__(self, sizes, modules):
        super().__init__()
        self.sizes, self.modules_of_parts = sizes, modules

    def forward(self, z):
        parts = zip(z.split(self.sizes, dim=1), self.modules_of_parts)
        return torch.cat([module(part) for part, module in parts], dim=1)
"""


@dataclass(frozen=True)
class Load:
    """What gives the state dict, and the line that it is imported by, if it is not of PyTorch."""

    imported: str
    call: str


def lines(computation: Computation, arrays: Mapping[str, NDArray[Any]], load: Load) -> str:
    """Return the program, for arrays of a state dict."""
    used = {own.activation for own in (*computation.encoder, *computation.decoder)}
    parts = [
        "import torch\n",
        f"{load.imported}\n" if load.imported else "",
        "from torch import nn\n",
        _preprocess(computation, arrays),
        _EXPONENTIAL if "exponential" in used else "",
        "" if computation.k is None else _LARGEST,
        _PARTS if computation.decoder[-1].groups else "",
        _network(computation),
        f"\n\nmodel = Network()\nmodel.load_state_dict({load.call})\nmodel.eval()",
    ]
    return "".join(parts)


def _module(name: str, beginning: Iterable[str], methods: Iterable[str]) -> str:
    """Return a class with these lines in its `__init__`, and methods without `self`."""
    inner = "".join(f"        {line}\n" for line in beginning)
    first = "    def __init__(self):\n        super().__init__()\n"
    return "".join((f"\n\nclass {name}(nn.Module):\n", first, inner, *methods))


def _method(heading: str, *body: str) -> str:
    """Return a method; lines of its body that are empty are left out."""
    return f"\n    def {heading}:\n" + "".join(f"        {line}\n" for line in body if line)


def _preprocess(computation: Computation, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the module that scales rows and brings them back."""
    own = computation.preprocess
    clips = np.isfinite(own.clip_low) or np.isfinite(own.clip_high)
    forward = _method(
        "forward(self, rows)",
        "a = rows.double()",
        "" if own.fill is None else "a = torch.where(a.isnan(), self.fill, a)",
        "a = (a - self.center) * self.factor",
        "a = a.clamp(self.clip_low, self.clip_high)" if clips else "",
        "a = (a - self.whiten_mean) @ self.whiten" if own.whitening else "",
        "return a",
    )
    back = _method(
        "back(self, a)",
        "a = a.double()",
        "a = a @ self.unwhiten + self.whiten_mean" if own.whitening else "",
        "return a / self.factor + self.center",
    )
    methods = (forward,) if computation.classifies else (forward, back)
    return _module("Preprocess", _buffers(arrays), methods)


def _buffers(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    for name, values in arrays.items():
        part, _, own = name.partition(".")
        if part == PREPROCESS:
            zeros = f"torch.zeros({values.shape}, dtype=torch.float64)"
            yield f'self.register_buffer("{own}", {zeros})'


def _network(computation: Computation) -> str:
    """Return the module that is the whole network."""
    kind = f"torch.{computation.dtype.name}"
    beginning = ["self.preprocess = Preprocess()"]
    for part in ("encoder", "decoder"):
        layers = list(_layers(getattr(computation, part), kind))
        if part == "encoder" and computation.k is not None:
            layers.append(f"Largest({min(computation.k, computation.code_size)})")
        beginning += [f"self.{part} = nn.Sequential(", *(f"    {own}," for own in layers), ")"]
    encode = f"return self.encoder(self.preprocess(rows).to({kind}))"
    methods = [_method("encode(self, rows)", encode)]
    if computation.classifies:
        forward = _method("forward(self, rows)", "return self.decoder(self.encode(rows))")
        return _module("Network", beginning, (*methods, forward))
    methods += [
        _method("decode(self, code)", "return self.preprocess.back(self.decoder(code))"),
        _method("forward(self, rows)", "return self.decode(self.encode(rows))"),
        _method(
            "score(self, rows)",
            "made = self.decoder(self.encode(rows)).double()",
            "return ((made - self.preprocess(rows)) ** 2).mean(dim=1)",
        ),
    ]
    return _module("Network", beginning, methods)


def _layers(layers: tuple[Dense, ...], kind: str) -> Iterator[str]:
    for own in layers:
        n_in, n_out = own.weight.shape
        yield f"nn.Linear({n_in}, {n_out}, dtype={kind})"
        modules = [MODULES[name] for _, name in own.parts]
        sizes = [size for size, _ in own.parts]
        yield modules[0] if len(sizes) == 1 else f"Parts({sizes}, [{', '.join(modules)}])"
