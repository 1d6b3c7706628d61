"""pyarrow, an optional package that only parquet and Arrow files need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from gpuae.errors import GpuaeError, InputError

EXTRA = "pip install 'gpuae[parquet]'"


def check_installed(path: Path, kind: type[GpuaeError], what: str = "parquet") -> None:
    """Refuse a file of a format where pyarrow is missing, with an error of this kind."""
    if find_spec("pyarrow") is None:
        raise kind(f"{path}: {what} needs the package pyarrow; install it: {EXTRA}")


@contextmanager
def arrow_errors(source: str, what: str = "parquet") -> Iterator[None]:
    """Turn what pyarrow raises on bad files into an InputError."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, UnicodeDecodeError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{source}: cannot be read as {what} ({reason}); make it again") from None
