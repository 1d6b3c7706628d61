"""What all commands share: how they are declared, their common options, how they print."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from traceback import walk_tb
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gpuae.cli.completions import MODELS, files
from gpuae.cli.help_text import Context
from gpuae.errors import GpuaeError, InputError
from gpuae.printable import printable

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """A command with --debug."""

    context_class = Context

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                is_eager=True,
                callback=_remember_debug,
                help="Show the traceback of an unexpected error.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run it, showing on a terminal how far it is."""
        from gpuae.cli.status_line import status_line

        with status_line(str(self.name)):
            return super().invoke(ctx)


@contextmanager
def own_defects(ctx: click.Context) -> Iterator[None]:
    """Report an unexpected exception in one line, or with --debug in full.

    Raises
    ------
    GpuaeError
        For what the system refuses.
    """
    try:
        yield
    except (GpuaeError, click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except BrokenPipeError:
        raise
    except MemoryError as error:
        needed = f" ({error})" if str(error) else ""
        raise GpuaeError(
            f"not enough memory{needed}; give fewer rows or columns, or lower hidden or batch_size"
        ) from error
    except Exception as error:
        if _is_of_hdf5(error):
            raise InputError(
                f"a file that was given is damaged ({error}); copy it or make it again"
            ) from error
        if isinstance(error, OSError):
            raise _said_by_system(error) from error
        if ctx.meta.get("gpuae.debug"):
            raise
        say(
            f"Error: gpuae failed unexpectedly ({type(error).__name__}: {error}). "
            "This is a defect of gpuae; please report it with the output of --debug."
        )
        raise click.exceptions.Exit(1) from error


def _is_of_hdf5(error: Exception) -> bool:
    """Whether it was h5py that raised an error which has no number of the system's."""
    frames = [frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)]
    return getattr(error, "errno", None) is None and "h5py" in Path(frames[-1]).parts


def _said_by_system(error: OSError) -> GpuaeError:
    """Word what the system refuses, which is no defect of ours."""
    if error.errno == errno.ENOSPC:
        return GpuaeError("the disk that the output goes to is full; make room")
    reason = error.strerror or str(error)
    if error.filename is None:
        return GpuaeError(f"the system refuses to go on ({reason})")
    return InputError(f"{error.filename}: cannot be used ({reason}); check its name and folder")


def declare(function: F) -> Command:
    """Declare the function as the command that its module is named after."""
    name = function.__module__.rsplit(".", 1)[-1]
    return click.command(name=name, cls=Command)(function)


def _remember_debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    ctx.meta["gpuae.debug"] = value


class PathType(click.ParamType[Path]):
    """A path that is checked by whoever opens it, who can say more about it."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Make it a Path."""
        return Path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer models where a model is meant, else all files."""
        endings = MODELS if (param.metavar or "").startswith("MODEL") else ()
        return files(*endings)(ctx, param, incomplete)


PATH = PathType()


def _joined(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> str:
    """Make one DATA of the names of one file or of several."""
    if ctx.resilient_parsing or len(value) == 1:
        return " ".join(value)
    from gpuae.importers import joined

    return joined(value)


def files_argument(name: str) -> Callable[[F], F]:
    """Return an argument that takes one file or several, which the shell may have named."""
    return click.argument(
        name,
        metavar=f"{name.upper()}...",
        nargs=-1,
        required=True,
        callback=_joined,
        shell_complete=files(),
    )


data_argument = files_argument("data")
model_argument = click.argument("model_path", metavar="MODEL", type=PATH)
force_option = click.option("--force", is_flag=True, help="Replace an output file that exists.")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, for other programs."
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or numpy."
)


class SizeType(click.ParamType[int]):
    """An amount of memory, such as 500MB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Make it bytes."""
        from gpuae.memory import data_memory

        try:
            return data_memory(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _trust_size(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Lift the limits until the command has ended."""
    if value:
        from gpuae.storage.files.limits import trust_size

        ctx.with_resource(trust_size())


def _allow_filters(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Let the filters of hdf5plugin unpack values until the command has ended."""
    if value:
        from gpuae.storage.files.limits import allow_filters

        ctx.with_resource(allow_filters())


def trust_options(function: F) -> F:
    """Add --trust-size and --allow-filters, for files from a source that is trusted."""
    size = click.option(
        "--trust-size",
        is_flag=True,
        expose_value=False,
        callback=_trust_size,
        help="Lift the limits on size and compression, for files from a source that you trust.",
    )
    filters = click.option(
        "--allow-filters",
        is_flag=True,
        expose_value=False,
        callback=_allow_filters,
        help="Let filters of hdf5plugin unpack HDF5, for files from a source that you trust.",
    )
    return size(filters(function))


def machine_options(function: F) -> F:
    """Add --device, --threads and --memory; the command gets them as `machine`."""

    @wraps(function)
    def command(*, device: str, threads: int | None, memory: int | None, **others: Any) -> Any:
        from gpuae.machine import Machine

        return function(machine=Machine(device, threads, memory), **others)

    memory_option = click.option(
        "--memory",
        type=SizeType(),
        metavar="SIZE",
        help="Limit for data held in memory, such as 2GB [default: a quarter of what is free].",
    )
    threads_option = click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Number of CPU threads [default: all cores].",
    )
    return device_option(threads_option(memory_option(command)))  # type: ignore[return-value]


def output_options(kind: str) -> Callable[[F], F]:
    """Return -o and --force for a command that writes a file of this kind."""
    output = click.option(
        "-o", "--output", required=True, type=PATH, metavar="FILE", help=f"Where to write {kind}."
    )
    return lambda function: output(force_option(function))


def say(message: str) -> None:
    """Tell the person something; standard output stays for results."""
    click.echo(printable(message), err=True)


def tell(result: str) -> None:
    """Print a result, in which nothing steers the terminal: names of files may be strangers'."""
    click.echo(printable(result))


def print_json(value: Any) -> None:
    """Print a result for a program."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")
