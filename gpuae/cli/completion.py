"""gpuae completion: let the Tab key complete commands, options and values."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gpuae.cli.base import declare, tell

BASH_COMPLETION = (
    "/usr/share/bash-completion/bash_completion",
    "/opt/homebrew/etc/profile.d/bash_completion.sh",
    "/usr/local/etc/profile.d/bash_completion.sh",
)
"""Where the package is that makes bash look for the files of single commands."""
SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_GPUAE_COMPLETE"
BEGIN, END = "# >>> completion of gpuae >>>", "# <<< completion of gpuae <<<"
"""Around what is added to ~/.zshrc, so that it is added once and can be found again."""


@declare
@click.argument("shell", required=False, type=click.Choice(SHELLS))
@click.option("--install", is_flag=True, help="Write it to where the shell finds it.")
def command(shell: str | None, install: bool) -> None:
    """Print what makes SHELL complete gpuae with the Tab key, or install it.

    SHELL is bash, zsh or fish [default: the one that $SHELL names]. --install writes a file in your
    home folder, says which, and how to undo it; for zsh it also adds two lines to .zshrc, once.

    \b
    Example:
      gpuae completion --install
    """
    chosen = shell or _own_shell()
    script = script_for(chosen)
    if not install:
        click.echo(script)
        return
    path = place_for(chosen)
    _write(path, script + "\n")
    tell(f"wrote {path}; to undo this, delete it")
    if chosen == "zsh":
        tell(_add_to_zshrc(path.parent))
    if chosen == "bash" and not any(Path(own).exists() for own in BASH_COMPLETION):
        tell("bash looks there only with the package bash-completion, which is not found here")
    tell(f"{chosen} completes gpuae from its next start on")


def script_for(shell: str) -> str:
    """Return the program that a shell runs to learn how gpuae is completed."""
    from click.shell_completion import get_completion_class

    from gpuae.cli import root

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click completes no commands for {shell}")
    return found(root, {}, "gpuae", VARIABLE).source()


def place_for(shell: str) -> Path:
    """Return the file that a shell reads when gpuae is to be completed."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return {
        "bash": data / "bash-completion" / "completions" / "gpuae",
        "zsh": data / "zsh" / "site-functions" / "_gpuae",
        "fish": config / "fish" / "completions" / "gpuae.fish",
    }[shell]


def _own_shell() -> str:
    """Return the name of the person's shell.

    Raises
    ------
    click.UsageError
        For one without completion, or where it is not known.
    """
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        found = f"$SHELL is {name}" if name else "$SHELL says of no shell"
        raise click.UsageError(f"{found}; say which of {', '.join(SHELLS)} it is for")
    return name


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, with the folders that lead to it."""
    from gpuae.storage.files.output_file import OutputFile

    path.parent.mkdir(parents=True, exist_ok=True)
    with OutputFile(path, True) as file:
        file.write(memoryview(text.encode()), 0)


def _add_to_zshrc(folder: Path) -> str:
    """Let zsh look for functions in a folder, unless it is told to already; say what was done."""
    zshrc = Path(os.environ.get("ZDOTDIR") or Path.home()) / ".zshrc"
    before = zshrc.read_text("utf-8", "surrogateescape") if zshrc.exists() else ""
    if BEGIN in before:
        return f"{zshrc} has the lines that it needs already"
    lines = (BEGIN, f"fpath=({_quoted(folder)} $fpath)", "autoload -Uz compinit && compinit", END)
    with zshrc.open("a", encoding="utf-8") as file:
        gap = "\n" if before and not before.endswith("\n") else ""
        file.write(gap + "\n".join(lines) + "\n")
    return f"added {len(lines)} lines to {zshrc}; to undo this, delete those from {BEGIN!r} on"


def _quoted(path: Path) -> str:
    from shlex import quote

    return quote(str(path))
