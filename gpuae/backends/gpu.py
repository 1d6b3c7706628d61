"""What `CupyOps` needs of a device that runs the CUDA kernels.

A GPU through CuPy is one (`cupy_gpu`); the tests run the same sources on the CPU through another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from gpuae.backends.cuda_kernel import Kernel
from gpuae.backends.ops import Array, Fetched, Program, Ring

Call: TypeAlias = Callable[[], None]
"""Work whose arguments are settled; calling it hands the work to the device's queue."""


@dataclass(frozen=True)
class Recorded:
    """A call, with the arrays it reads and those it writes (and may read).

    `work` is how many multiplications of a product it makes, if it does.
    """

    call: Call
    reads: tuple[Array, ...]
    writes: tuple[Array, ...]
    work: int = 0


class Gpu(Protocol):
    """Memory, launches and matrix products of one device, all in one queue."""

    name: str
    blocks: int
    """How many blocks of a kernel are launched at most."""
    precision: str
    """Of products of float32 matrices: `float32`, or what their factors are rounded to."""

    def session(self) -> AbstractContextManager[object]:
        """Return a context in which to use the device."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Allocate; `DeviceError` where there is no room."""
        ...

    def upload(self, host: NDArray[Any]) -> Array:
        """Copy a host array, of a type that kernels know, to the device."""
        ...

    def write(self, target: Array, host: NDArray[Any]) -> None:
        """Copy a host array into a buffer of its shape and type."""
        ...

    def read(self, array: Array) -> NDArray[Any]:
        """Wait for all work and copy an array to the host."""
        ...

    def fetch(self, array: Array) -> Fetched:
        """Begin to copy an array to the host, beside what is queued from now on."""
        ...

    def address(self, array: Array) -> int:
        """Return where an array begins."""
        ...

    def room(self) -> int:
        """Return how many bytes can still be allocated."""
        ...

    def ring(self, x: NDArray[Any], slot_rows: int, slots: int) -> Ring:
        """Prepare to bring rows of a host matrix in, ahead of the work on them."""
        ...

    def launch(
        self, kernel: Kernel, instance: tuple[str, ...], blocks: int, arguments: Mapping[str, Any]
    ) -> Call:
        """Prepare a launch: compile the kernel unless that was done, check the arguments."""
        ...

    def product(
        self,
        a: Array,
        b: Array,
        out: Array,
        transpose_a: bool,
        transpose_b: bool,
        accumulate: bool,
    ) -> Call:
        """Prepare out = a·b or out += a·b of matrices whose rows are contiguous, none empty.

        a and b are of the type of out; or uint16, as which they are bfloat16, and out is float32.
        """
        ...

    def program(self, calls: Sequence[Recorded]) -> Program:
        """Make a program of calls that were prepared; those may run at once that can."""
        ...
