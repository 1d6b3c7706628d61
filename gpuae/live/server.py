"""The server of a page: a thread with an event loop of its own, for this machine only."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

import uvicorn

from gpuae.errors import OutputError
from gpuae.live.application import application
from gpuae.live.board import Board
from gpuae.live.connection import MOST_WAITING, Connection
from gpuae.live.painter import Painter
from gpuae.live.run import Asked, Outcome, Run

HOST = "127.0.0.1"
FLUSH_SECONDS, STOP_SECONDS, GONE_SECONDS = 0.6, 0.3, 5.0
"""How long pages have to read the end, the server to go, and what is left of it to be cut off."""
COMING_SECONDS = 10.0
"""How long a browser that was opened has to show the page, even where training has ended."""


def listen(port: int) -> socket.socket:
    """Take a port of this machine, which nobody else can reach; 0: any that is free.

    Raises
    ------
    OutputError
        Where it cannot be had.
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would share the port
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
        taken.listen(MOST_WAITING)  # so that whoever has the address at once only has to wait
    except OSError as error:
        taken.close()
        raise OutputError(
            f"--port {port}: cannot be had ({error.strerror}); give another, or leave --port out "
            "for one that is free"
        ) from error
    return taken


class _Quiet(uvicorn.Server):
    """Does nothing while nobody asks for anything, where the original looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait until it is to end."""
        await self.ending.wait()

    def end(self) -> None:
        """End, in whichever way it waits."""
        self.should_exit = True
        self.ending.set()


class Server:
    """Shows a run to whoever has the address, until it is closed.

    Parameters
    ----------
    taken
        The socket, which belongs to the server from now on.
    """

    def __init__(self, run: Run, taken: socket.socket) -> None:
        self._run, self._socket = run, taken
        self._board = Board()
        self._painter = Painter(run, self._board)
        self._tickets: set[str] = set()
        self._coming = False
        token = secrets.token_urlsafe(16)
        self._origin = f"http://{HOST}:{taken.getsockname()[1]}"
        self.address = f"{self._origin}/{token}/"
        ask = self._ask if run.subject.buttons else None
        self._uvicorn = _Quiet(
            uvicorn.Config(
                application(self._board, token, self._tickets, ask),
                http=Connection,
                backlog=MOST_WAITING,
                timeout_graceful_shutdown=1,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=False,
            )
        )
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._work, name="gpuae-live", daemon=True)

    @property
    def was_seen(self) -> bool:
        """Whether anybody ever had the page open."""
        return self._board.visits > 0

    @property
    def awaited(self) -> bool:
        """Whether a browser is about to show the page."""
        return self._coming and not self.was_seen

    def start(self) -> None:
        """Let it answer.

        Raises
        ------
        OutputError
            Where it cannot.
        """
        self._thread.start()
        try:
            self._loop.result()
        except OSError as error:
            raise OutputError(f"--live: no page can be served ({error.strerror})") from error

    def open(self, show: Callable[[str], bool]) -> bool:
        """Have the page shown; return whether that went well.

        Parameters
        ----------
        show
            Is given an address that leads to the page once, for everybody on this machine can read
            which address a browser was started with.
        """
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        self._coming = True
        self._coming = show(f"{self._origin}/{ticket}")
        return self._coming

    def close(self, outcome: Outcome) -> None:
        """Let pages that are open show how the run ended, and be gone within a second."""
        self._run.outcome = outcome
        if self._thread.is_alive():
            self._end()
        self._socket.close()

    def _end(self) -> None:
        loop = self._loop.result()
        shown = asyncio.run_coroutine_threadsafe(self._finish(), loop)
        wait([shown], FLUSH_SECONDS + STOP_SECONDS)
        loop.call_soon_threadsafe(self._uvicorn.end)
        self._thread.join(STOP_SECONDS)
        self._uvicorn.force_exit = True  # whoever has not read it by now will not
        self._thread.join(GONE_SECONDS)

    def wait(self) -> None:
        """Wait for a browser that is about to show the page."""
        until = time.monotonic() + COMING_SECONDS
        while self.awaited and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.05)

    def _ask(self, wish: Asked) -> None:
        if self._run.asked is Asked.NOTHING:
            self._run.asked = wish
            self._board.put("status", self._run.status())

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            if self._loop.done():
                raise
            self._loop.set_exception(error)

    async def _serve(self) -> None:
        self._loop.set_result(asyncio.get_running_loop())
        painting = asyncio.create_task(self._painter.paint())
        await self._uvicorn.serve([self._socket])
        painting.cancel()

    async def _finish(self) -> None:
        try:
            if self._board.pages:
                self._painter.finish()
        finally:
            self._board.close()
        until = time.monotonic() + FLUSH_SECONDS
        while self._board.pages and time.monotonic() < until:
            await asyncio.sleep(0.01)
