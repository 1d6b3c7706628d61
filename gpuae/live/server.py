"""The server of a page: a thread with an event loop of its own, for this machine only."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import suppress

import uvicorn

from gpuae.errors import OutputError
from gpuae.live.application import application
from gpuae.live.board import Board
from gpuae.live.painter import Painter
from gpuae.live.run import Asked, Outcome, Run

HOST = "127.0.0.1"
FLUSH_SECONDS, STOP_SECONDS = 0.6, 0.3
"""How long pages have to read the end, and the server to go."""


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
        taken.listen()  # so that whoever has the address at once only has to wait
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
        token = secrets.token_urlsafe(16)
        self.address = f"http://{HOST}:{taken.getsockname()[1]}/{token}/"
        ask = self._ask if run.subject.buttons else None
        self._uvicorn = _Quiet(
            uvicorn.Config(
                application(self._board, token, ask),
                http="h11",
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

    def start(self) -> None:
        """Let it answer."""
        self._thread.start()
        self._loop.result()

    def close(self, outcome: Outcome) -> None:
        """Let pages that are open show how the run ended, and be gone within a second."""
        self._run.outcome = outcome
        loop = self._loop.result()
        shown = asyncio.run_coroutine_threadsafe(self._finish(), loop)
        with suppress(TimeoutError):
            shown.result(FLUSH_SECONDS + STOP_SECONDS)
        loop.call_soon_threadsafe(self._uvicorn.ending.set)
        self._thread.join(STOP_SECONDS)
        self._uvicorn.force_exit = True  # whoever has not read it by now will not
        self._thread.join()

    def _ask(self, wish: Asked) -> None:
        if self._run.asked is Asked.NOTHING:
            self._run.asked = wish
            self._board.put("status", self._run.status())

    def _work(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop.set_result(asyncio.get_running_loop())
        painting = asyncio.create_task(self._painter.paint())
        await self._uvicorn.serve([self._socket])
        painting.cancel()

    async def _finish(self) -> None:
        if self._board.pages:
            self._painter.finish()
        self._board.close()
        until = time.monotonic() + FLUSH_SECONDS
        while self._board.pages and time.monotonic() < until:
            await asyncio.sleep(0.01)
