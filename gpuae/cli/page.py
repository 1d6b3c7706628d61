"""A page in a browser beside a command: whether there is one, where, and how it ends."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gpuae.cli.base import say

if TYPE_CHECKING:
    import socket

    from gpuae.live.run import Outcome, Run
    from gpuae.live.server import Server
    from gpuae.model.model import Model
    from gpuae.pictures.sample import Sample
    from gpuae.training.history import Observer

F = TypeVar("F", bound=Callable[..., Any])

open_option = click.option(
    "--open",
    "opens",
    is_flag=True,
    help="Open the page in a browser on this machine, and wait for the browser.",
)
port_option = click.option(
    "--port", type=click.IntRange(1, 65535), help="Port of the page [default: any free one]."
)


def live_options(function: F) -> F:
    """Add --live, --open and --port."""
    live = click.option(
        "--live",
        is_flag=True,
        help="Show training on a web page of this machine, until it ends.",
    )
    return live(open_option(port_option(function)))


class NoPage:
    """Stands for a page that nobody asked for."""

    keeps = False
    """Whether its reader ended training for a model of what it has learnt."""
    stops = False
    """Whether its reader ended training for no model."""

    def start(
        self,
        subject: tuple[str, Path, bool],
        notes: Sequence[str],
        sample: Callable[[], tuple[Sample | None, str]],
    ) -> tuple[Observer, ...]:
        """Show a run; return who has to hear of it for that.

        Parameters
        ----------
        subject
            What it is trained on, where the model goes, and whether there are checkpoints.
        notes
            What was said before.
        sample
            Returns rows whose reconstructions are shown, if any are, and what to say of them.
        """
        return ()

    def show(self, model: Model) -> None:
        """Show the weights that were kept."""

    def tell(self, headline: str, lines: Sequence[str]) -> None:
        """Have it say at the end how the run went."""


class Page(NoPage):
    """The page of a run, which is there from `start` on.

    Parameters
    ----------
    taken
        The port's socket.
    """

    def __init__(self, taken: socket.socket, *, opens: bool) -> None:
        self._socket, self._opens = taken, opens
        self._server: Server | None = None
        self._run: Run | None = None
        self._outcome: Outcome | None = None

    def start(
        self,
        subject: tuple[str, Path, bool],
        notes: Sequence[str],
        sample: Callable[[], tuple[Sample | None, str]],
    ) -> tuple[Observer, ...]:
        """Say where it is to be seen."""
        from gpuae.cli.progress import describe
        from gpuae.live.run import Run, Subject

        data, output, resumable = subject
        run = Run(Subject(data, str(output), buttons=True, resumable=resumable), describe)
        for note in notes:
            run.note(note)
        run.sample, run.sample_note = sample()
        self.serve(run)
        return (run,)

    def serve(self, run: Run) -> None:
        """Let the page be seen, and say where."""
        from gpuae.live.server import Server

        self._run, self._server = run, Server(run, self._socket)
        self._server.start()
        say(f"watch it at {self._server.address}")
        if self._opens:
            threading.Thread(target=_open, args=(self._server,), daemon=True).start()

    @property
    def keeps(self) -> bool:  # type: ignore[override]
        """Whether its reader ended training for a model of what it has learnt."""
        return self._asked("keep")

    @property
    def stops(self) -> bool:  # type: ignore[override]
        """Whether its reader ended training for no model."""
        return self._asked("stop")

    def show(self, model: Model) -> None:
        """Show the weights that were kept."""
        from gpuae.live.weights import Seen

        if self._run is not None:
            self._run.weights.put(Seen(model, "the model that was written"))

    def tell(self, headline: str, lines: Sequence[str]) -> None:
        """Have it say at the end how the run went."""
        from gpuae.live.run import Outcome

        self._outcome = Outcome(headline[:1].upper() + headline[1:], tuple(lines))

    def _asked(self, wish: str) -> bool:
        return self._run is not None and self._run.asked.value == wish

    def close(self, error: BaseException | None) -> None:
        """Show the end, with the error that ended the run if one did, and let the port go."""
        if self._server is not None:
            if not isinstance(error, KeyboardInterrupt):
                _wait(self._server)
            self._server.close(self._ended(error))
        self._socket.close()
        if error is None and self._server is not None and not self._server.was_seen:
            say("note: nobody opened the page, and it is gone; gpuae watch MODEL shows the end")

    def _ended(self, error: BaseException | None) -> Outcome:
        from gpuae.live.run import Outcome

        if self._outcome is not None and (error is None or isinstance(error, KeyboardInterrupt)):
            return self._outcome
        if isinstance(error, KeyboardInterrupt):
            return Outcome("Interrupted", ("no model was written",))
        told = self._outcome.lines if self._outcome else ()
        return Outcome("Failed", (*told, str(error) or type(error).__name__), failed=True)


@contextmanager
def page(port: int | None, *, opens: bool) -> Iterator[Page]:
    """Yield a page whose port is taken.

    Raises
    ------
    ConfigError
        Where what serves it is not installed.
    OutputError
        Where the port cannot be had.
    """
    _check_installed()
    from gpuae.live.server import listen

    own = Page(listen(port or 0), opens=opens)
    try:
        yield own
    except BaseException as error:
        own.close(error)
        raise
    own.close(None)


def wanted_page(live: bool, port: int | None, *, opens: bool) -> AbstractContextManager[NoPage]:
    """Return a page if one is wanted.

    Raises
    ------
    UsageError
        For options of a page that is not.
    """
    if live:
        return page(port, opens=opens)
    for name, given in (("--open", opens), ("--port", port is not None)):
        if given:
            raise click.UsageError(f"{name} needs --live, which shows a page")
    return nullcontext(NoPage())


def _check_installed() -> None:
    from gpuae.errors import ConfigError

    for package in ("starlette", "uvicorn"):
        if find_spec(package) is None:
            raise ConfigError(
                f"a page needs {package}, which is not installed; `pip install 'gpuae[live]'`, or "
                "leave the page out"
            )


def _open(server: Server) -> None:
    def show(address: str) -> bool:
        try:
            return webbrowser.open(address)
        except webbrowser.Error:
            return False

    if not server.open(show):
        say("note: no browser could be opened; open the address yourself")


def _wait(server: Server) -> None:
    """Wait for a browser that was opened, until Ctrl-C: all else is done."""
    with suppress(KeyboardInterrupt):
        if server.awaited:
            say("waiting for the browser to show the page; Ctrl-C ends that")
            server.wait()
