"""The shell's face of gpuae. Commands are imported when they are called: --help answers at once."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

import click

COMMANDS = {
    "fit": "Train an autoencoder on a matrix of rows.",
    "presets": "List the presets of settings, or show one.",
    "encode": "Write the code of each row: the extracted features.",
    "decode": "Turn codes back into rows.",
    "reconstruct": "Write what the model makes of each row.",
    "score": "Write each row's reconstruction error, an anomaly score.",
    "evaluate": "Measure a model on data, beside PCA of the same size.",
    "inspect": "Show what a gpuae file or another HDF5 file holds.",
    "verify": "Check that files are whole, or that two say the same.",
    "convert": "Turn idx, npy, npz, csv, h5ad, mat or HDF5 into a gpuae data set.",
    "gradcheck": "Prove the gradient of a configuration.",
    "doctor": "Show what this machine would compute with, and why.",
    "bench": "Time training on CPU and GPU, and beside its bound.",
    "demo": "Do the main job once, on handwritten digits.",
}
"""Each command's module of the same name in this package, and its one-line help."""


class LazyGroup(click.Group):
    """Knows the commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a first day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command's module."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gpuae.cli.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gpuae", message="gpuae %(version)s")
def root() -> None:
    """Train classical autoencoders on your own matrix.

    \b
    gpuae fit rows.csv -o model.h5 --hidden 32
    gpuae encode model.h5 rows.csv -o features.h5
    gpuae evaluate model.h5 rows.csv
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code: 0, 1 for a failed run, 2 for wrong usage or input.

    Being told to end (SIGTERM, or SIGHUP from a closed terminal) is taken as Ctrl-C.
    """
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without λ is no reason to fail
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; every error becomes one sentence on stderr."""
    from gpuae.errors import GpuaeError

    try:
        ended = root.main(arguments, prog_name="gpuae", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; Python would complain at exit
        return 1
    except GpuaeError as error:
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    return ended if isinstance(ended, int) else 0  # click gives --help's and --version's code
