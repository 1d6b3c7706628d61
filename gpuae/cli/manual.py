"""The manual page gpuae(1), made of what --help says of each command.

`python -m gpuae.cli.manual > man/gpuae.1` writes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from textwrap import wrap

import click

from gpuae.cli import COMMANDS, EXIT_CODES, root

LINE = 60
"""Characters of a line, some of which become longer."""
PARAGRAPH_KEPT = "\b"
"""What a docstring marks a paragraph with whose lines stay as they are."""
_ESCAPES = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga"}


def manual() -> str:
    """Return the page, in the man macros."""
    with click.Context(root, info_name="gpuae", **root.context_settings) as ctx:
        lines = [
            '.TH GPUAE 1 "" "gpuae" "User Commands"',
            ".SH NAME",
            r"gpuae \- train classical autoencoders on your own matrix",
            ".SH SYNOPSIS",
            ".B gpuae",
            r"\fICOMMAND\fR [\fIARGUMENTS\fR] [\fIOPTIONS\fR]",
            ".SH DESCRIPTION",
            *list(_text(root.help or ""))[1:],
            ".SH OPTIONS",
            *_options(root, ctx),
            ".SH COMMANDS",
            *(line for name in COMMANDS for line in _command(name, ctx)),
            ".SH EXIT STATUS",
            *(line for code, meaning in EXIT_CODES.items() for line in _item(str(code), meaning)),
        ]
    return "\n".join(lines) + "\n"


def _command(name: str, ctx: click.Context) -> Iterator[str]:
    """Yield the section of a command, and of a group's commands their options."""
    command = root.get_command(ctx, name)
    if command is None:
        raise LookupError(name)
    with click.Context(command, info_name=name, parent=ctx) as own:
        yield f".SS gpuae {_plain(name)}"
        usage = " ".join(command.collect_usage_pieces(own))
        yield f"\\fBgpuae {_plain(name)}\\fR {_plain(usage)}"
        yield from _text(command.help or "")
        yield from _options(command, own)
        if isinstance(command, click.Group):
            for inner in command.list_commands(own):
                yield from _kind(command, inner, own)


def _kind(group: click.Group, name: str, ctx: click.Context) -> Iterator[str]:
    """Yield what a group's command is for, and which options it has."""
    command = group.get_command(ctx, name)
    if command is None:
        raise LookupError(name)
    options = [own.opts[-1] for own in command.params if isinstance(own, click.Option)]
    summary = (command.help or "").partition("\n")[0]
    yield from _item(f"{ctx.info_name} {name}", f"{summary} Options: {', '.join(options)}.")


def _options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            yield from _item(*record)


def _item(name: str, meaning: str) -> Iterator[str]:
    """Yield a name and what it means."""
    yield from (".TP", f"\\fB{_plain(name)}\\fR", *_wrapped(meaning))


def _text(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text."""
    for paragraph in cleandoc(text).split("\n\n"):
        kept = paragraph.startswith(PARAGRAPH_KEPT)
        lines = [line for line in paragraph.split("\n") if line != PARAGRAPH_KEPT]
        if kept:
            yield from (".PP", ".nf", *map(_plain, lines), ".fi")
        else:
            yield from (".PP", *_wrapped(" ".join(lines)))


def _wrapped(text: str) -> Iterator[str]:
    """Yield text in short lines, which whoever shows it fills anew."""
    for line in wrap(text, LINE, break_long_words=False, break_on_hyphens=False):
        yield _plain(line)


def _plain(text: str) -> str:
    """Return text in which nothing is a macro or an escape."""
    escaped = "".join(_ESCAPES.get(own, own) for own in text)
    escaped = re.sub(r"[^\x00-\x7f]", lambda own: f"\\[u{ord(own[0]):04X}]", escaped)
    return r"\&" + escaped if escaped.startswith(".") else escaped


if __name__ == "__main__":
    sys.stdout.write(manual())
