"""The shell's face of gpuae. Commands are imported when they are called: --help answers at once."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from gpuae.cli import streams
from gpuae.cli.base import own_defects
from gpuae.cli.help_text import Context
from gpuae.printable import printable

COMMANDS = {
    "fit": "Train an autoencoder on a matrix of rows.",
    "sweep": "Train with many settings, and compare the models on unseen rows.",
    "watch": "Show the progress of a training run in a browser, from its checkpoint.",
    "stack": "Join models, each trained on the codes of the one before, into one.",
    "presets": "List the presets of settings, or show one.",
    "encode": "Write the code of each row: the extracted features.",
    "finetune": "Make a classifier from a model and labelled rows.",
    "predict": "Write the class of each row, and the probabilities.",
    "decode": "Turn codes back into rows.",
    "reconstruct": "Write each row as the model rebuilds it.",
    "compress": "Write rounded codes and the decoder into a small file; rows come back inexactly.",
    "decompress": "Turn a compressed file back into rows.",
    "score": "Write each row's reconstruction error, an anomaly score.",
    "neighbors": "Find the rows whose codes are nearest to those of some rows.",
    "evaluate": "Measure a model on data, compared with PCA of the same size.",
    "report": "Write a page that shows how good a model is and what it learnt.",
    "dimensions": "Estimate how many code units the data need, compared with PCA.",
    "plot": "Draw what a model has learnt, to a file or in the terminal.",
    "inspect": "Show what a gpuae file or another HDF5 file holds.",
    "import": "Make a model of one that Keras or PyTorch saved.",
    "export": "Write a model for other programs: ONNX, PyTorch, safetensors or npz.",
    "verify": "Check that files are intact, or that two have the same content.",
    "convert": "Turn tables, arrays, images or recordings into a gpuae data set.",
    "gradcheck": "Check the gradient of a configuration numerically.",
    "doctor": "Show what this machine computes with, and why.",
    "bench": "Time training on CPU and GPU, compared with its lower bound.",
    "completion": "Let the Tab key complete commands, options and values.",
    "demo": "Train, encode and evaluate once, on handwritten digits.",
}
"""Each command's module of the same name in this package, and its one-line help."""
MODULES = {"import": "import_model"}
"""Modules of commands that Python keeps the name of for itself."""
EXIT_CODES = {
    0: "success",
    1: "the run failed, or what was checked is not as it should be",
    2: "wrong usage or input",
    3: "the time of --max-time was over; the same command goes on",
    130: "interrupted by Ctrl-C, SIGTERM or SIGHUP",
}
"""What the code means that a command ends with."""


class LazyGroup(click.Group):
    """Knows the commands by name and imports one when it is called."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a first day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command's module."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gpuae.cli.{MODULES.get(name, name)}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands without importing them, and options."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(incomplete)
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names, or say which may have been meant."""
        if args[0] == "help":
            args = [*args[1:2], "--help"]
        name = args[0]
        if name == "--help":
            self.parse_args(ctx, args)  # prints it and ends
        if name not in COMMANDS and ctx.resilient_parsing:  # the Tab key, which says nothing
            return None, None, args
        if name not in COMMANDS:
            close = get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean {close[0]}?" if close else "gpuae --help lists all commands"
            raise click.UsageError(f"No such command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, whose defects never look like the user's mistakes."""
        with own_defects(ctx):
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])


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

    Being told to end (SIGTERM, or SIGHUP from a closed terminal) is taken as Ctrl-C, unless whoever
    started gpuae has it ignored, as nohup does.
    """
    try:
        _hear(signal.default_int_handler)
        streams.prepare()
        code = run(arguments)
        error = streams.finish()
        if error is not None and not code:
            code = _unprinted(error)
    except KeyboardInterrupt:
        code = 130
    _hear(signal.SIG_DFL)  # from here on there is nobody to catch it
    sys.exit(code)


def _hear(handler: Any) -> None:
    """Handle every signal that asks to end this way, unless it is ignored."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _unprinted(error: OSError) -> int:
    """Say why results cannot be printed, unless who read them has had enough; return the code."""
    if not isinstance(error, BrokenPipeError):
        click.echo(f"Error: the results cannot be printed ({error.strerror})", err=True)
    return 1


def _show(error: click.ClickException) -> None:
    """Show an error of click's, which may name what a stranger's file is called."""
    text = io.StringIO()
    error.show(text)
    click.echo(printable(text.getvalue()), err=True, nl=False)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; every error becomes one sentence on stderr."""
    from gpuae.errors import GpuaeError

    try:
        ended = root.main(arguments, prog_name="gpuae", standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except GpuaeError as error:
        click.echo(printable(f"Error: {error}"), err=True)
        return error.exit_code
    except OSError as error:  # of --help, say
        return _unprinted(error)
    return ended if isinstance(ended, int) else 0  # click gives --help's and --version's code
