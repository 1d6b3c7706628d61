"""The text of CUDA sources as a compiler gets it: headers inlined.

CuPy keeps compiled kernels on disk under the text it was given. A header that were only named there
could change without notice.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from gpuae.backends.cuda_kernel import Kernel

OPTIONS = ("--std=c++17",)
"""For NVRTC, beside the architecture."""

_INCLUDE = re.compile(r'^#include "(?P<name>[\w.]+)"$', re.MULTILINE)


@cache
def source(name: str) -> str:
    """Return a file of `gpuae.kernels` with the text of its headers in place of their names."""
    return _inlined(name)


def names_of_sources() -> list[str]:
    """Return the names of all files with kernels."""
    return sorted(own.name for own in files("gpuae.kernels").iterdir() if own.name.endswith(".cu"))


def unit(kernel: Kernel, instances: tuple[tuple[str, ...], ...]) -> str:
    """Return what to compile for some instances of a kernel.

    Their declarations from the table come last, so a table that does not fit the source does not
    compile.
    """
    declarations = "\n".join(kernel.declaration(instance) for instance in instances)
    return f"{source(kernel.file)}\n{declarations}\n"


def _inlined(name: str) -> str:
    text = files("gpuae.kernels").joinpath(name).read_text(encoding="utf-8")
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        included = _INCLUDE.fullmatch(line)
        if included:
            lines.append(_inlined(included["name"]))
            lines.append(f'#line {number + 1} "{name}"')
        elif line != "#pragma once":
            lines.append(line)
    return f'#line 1 "{name}"\n' + "\n".join(lines)
