"""gpuae plot: what has a model learnt?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import click
from click.shell_completion import CompletionItem

from gpuae.cli.base import PATH, Command, force_option, machine_options, trust_options
from gpuae.cli.columns import using_column_options
from gpuae.cli.completions import beginning, files
from gpuae.cli.help_text import Context

Option = Callable[[Any], Any]


@dataclass(frozen=True)
class Kind:
    """A kind of picture: its help, the metavars of its arguments, the options of its own."""

    help: str
    arguments: str
    options: tuple[str, ...] = ()

    @property
    def reads_rows(self) -> bool:
        """Whether it is made from DATA."""
        return "DATA" in self.arguments


KINDS = {
    "weights": Kind("What each unit of the first layer looks for.", "MODEL", ("count", "alike")),
    "reconstructions": Kind("Rows and their reconstructions.", "MODEL DATA", ("rows", "count")),
    "history": Kind("Loss and learning rate, epoch by epoch.", "MODEL"),
    "codes": Kind(
        "How large codes are, and how often each unit is active.", "MODEL DATA", ("sample",)
    ),
    "onehot": Kind("What each code unit alone adds to a row.", "MODEL", ("count", "alike")),
    "map": Kind(
        "Rows by their codes, in two dimensions.", "MODEL DATA", ("colour", "method", "sample")
    ),
    "dimensions": Kind("How much codes of growing size explain.", "DATA", ("max",)),
    "errors": Kind(
        "Errors of rows, and the columns that cause the largest.",
        "MODEL [DATA]",
        ("threshold", "sample"),
    ),
}
"""Each kind of picture, in the order of a first look."""
ALL = "all"
EXAMPLES = {
    "weights": "gpuae plot weights model.h5 -o filters.png",
    "reconstructions": "gpuae plot reconstructions model.h5 test.h5 --rows 0,5,10-19 -o a.png",
    "history": "gpuae plot history model.h5",
    "codes": "gpuae plot codes model.h5 test.h5",
    "onehot": "gpuae plot onehot model.h5 --alike -o units.pdf",
    "map": "gpuae plot map model.h5 test.h5 --colour label -o map.svg",
    "dimensions": "gpuae plot dimensions rows.csv --max 32 -o sizes.png",
    "errors": "gpuae plot errors model.h5 today.csv --threshold 3",
}
MORE = {
    "dimensions": "DATA are rows, of which models are trained for minutes, or a file ending in "
    ".json that `gpuae dimensions --json` has printed.",
    "errors": "Without DATA, MODEL is an HDF5 file that gpuae score has made; then only the "
    "distribution is drawn.",
}
OPTIONS: dict[str, Option] = {
    "count": click.option(
        "--count",
        type=click.IntRange(min=1),
        metavar="N",
        help="Number of units, or rows, to draw.",
    ),
    "alike": click.option("--alike", is_flag=True, help="Place similar units next to one another."),
    "rows": click.option(
        "--rows", metavar="ROWS", help="Rows of DATA, counted from 0, such as 0,5,10-19."
    ),
    "colour": click.option(
        "--colour", metavar="NAME", help="Colour by label, or by a column [label, if any]."
    ),
    "method": click.option(
        "--method",
        type=click.Choice(["pca", "tsne", "umap"]),
        default="pca",
        show_default=True,
        help="How rows are placed; umap needs umap-learn.",
    ),
    "threshold": click.option(
        "--threshold",
        type=float,
        metavar="X",
        help="Score above which a row is an outlier [the model's].",
    ),
    "sample": click.option(
        "--sample", type=click.IntRange(min=1), metavar="N", help="Draw at most this many rows."
    ),
    "max": click.option(
        "--max", "most", type=click.IntRange(min=1), metavar="K", help="Largest code size to try."
    ),
}
_OUTPUTS = click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="PNG, SVG or PDF, by its ending; may be repeated [default: the terminal].",
)
_CHARACTERS = click.option(
    "--characters", is_flag=True, help="Use characters even if the terminal shows images."
)


class Drawing(Command):
    """A command that says whose an option of another kind is, and what is one argument too many."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Do so."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            owners = _owners(error.option_name)
            if not owners:
                raise
            message = f"{error.option_name} is for {owners}, not for {self.name}"
        except click.UsageError as error:
            if "unexpected extra argument" not in error.message:
                raise
            extra = error.message.partition("(")[2].rstrip(")")
            message = f"{self.name} takes {self._taken()} and no more; leave out {extra[:80]}"
        raise click.UsageError(message, ctx)

    def _taken(self) -> str:
        own = (param for param in self.params if isinstance(param, click.Argument))
        return " ".join(str(argument.metavar) for argument in own)


def _owners(option: str) -> str:
    """Name the kinds that have an option; empty where there are none."""
    name = option.removeprefix("--")
    owners = [kind for kind, own in KINDS.items() if name in own.options]
    return " and ".join(own for own in (", ".join(owners[:-1]), *owners[-1:]) if own)


class Plots(click.Group):
    """Has a command for each kind of picture, for lists of them, and for all."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the kinds."""
        return [*KINDS, ALL]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Make the command that draws a kind, or several."""
        return _command(name, _kinds(name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find what is to be drawn, or say what may have been meant."""
        for name in args[0].split(",") if args[0] != ALL else ():
            if name not in KINDS and ctx.resilient_parsing:  # the Tab key, which says nothing
                return None, None, args
            if name not in KINDS:
                close = get_close_matches(name, KINDS, n=1)
                hint = f"did you mean {close[0]}?" if close else f"kinds are {', '.join(KINDS)}"
                raise click.UsageError(f"No such kind of picture {name[:80]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete kinds, of several the last one."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return beginning(self.list_commands(ctx), incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the kinds without making their commands."""
        with formatter.section("Kinds"):
            formatter.write_dl([(name, own.help) for name, own in KINDS.items()])


@click.group(
    name="plot",
    cls=Plots,
    options_metavar="",
    subcommand_metavar="KIND[,KIND…] MODEL [DATA] [OPTIONS]",
)
def command() -> None:
    """Draw what a model has learnt, to a file or in the terminal.

    Without -o a picture is drawn in the terminal: as an image if the terminal can show one (kitty,
    sixel), otherwise in characters. KIND may be a list, or `all` for every kind that MODEL and DATA
    allow; {kind} in the name of a file stands for each of them. MODEL may be a checkpoint.
    `gpuae plot KIND --help` lists the options of a kind.

    \b
    Example:
      gpuae plot weights model.h5 -o filters.png
      gpuae plot weights,history,codes model.h5 test.h5 -o {kind}.svg
    """


def _kinds(name: str) -> tuple[str, ...]:
    if name == ALL:
        return tuple(kind for kind in KINDS if kind != "dimensions")
    return tuple(dict.fromkeys(name.split(",")))


def _command(name: str, kinds: tuple[str, ...]) -> click.Command:
    """Return the command that draws these kinds, with their options."""
    if "dimensions" in kinds and len(kinds) > 1:
        raise click.UsageError("dimensions are of data, not of a model; draw them by themselves")

    def command(**given: Any) -> None:
        from gpuae.cli.pictures import draw

        draw(kinds, given, lenient=name == ALL)

    for option in reversed(_options(kinds)):
        command = option(command)
    return click.command(name=name, cls=Drawing, help=_help(name, kinds))(command)


def _options(kinds: tuple[str, ...]) -> list[Option]:
    """Return arguments and options, in the order of the help."""
    own = [KINDS[kind] for kind in kinds]
    named = [name for name in OPTIONS if any(name in kind.options for kind in own)]
    rows = any(kind.reads_rows for kind in own)
    reading = (using_column_options, machine_options) if rows else ()
    chosen = [OPTIONS[name] for name in named]
    return [
        *_arguments(kinds),
        _OUTPUTS,
        force_option,
        _CHARACTERS,
        *chosen,
        *reading,
        trust_options,
    ]


def _arguments(kinds: tuple[str, ...]) -> list[Option]:
    """Return MODEL and DATA, which is needed if one of the kinds cannot do without it."""
    given = {KINDS[kind].arguments for kind in kinds}
    model = click.argument("model_path", metavar="MODEL", type=PATH)
    if given == {"DATA"}:
        return [click.argument("data", metavar="DATA", shell_complete=files())]
    if given == {"MODEL"}:
        return [model]
    needed = "MODEL DATA" in given and kinds != _kinds(ALL)
    metavar = "DATA" if needed else "[DATA]"
    return [model, click.argument("data", metavar=metavar, required=needed, shell_complete=files())]


def _help(name: str, kinds: tuple[str, ...]) -> str:
    """Return the help of a command: of a list what each of its kinds is."""
    words = " ".join(KINDS[kind].help for kind in kinds)
    more = "".join(f"\n\n{MORE[kind]}" for kind in kinds if kind in MORE)
    example = EXAMPLES.get(name, f"gpuae plot {name} model.h5 test.h5 -o {{kind}}.png")
    return f"{words}{more}\n\n\b\nExample:\n  {example}"
