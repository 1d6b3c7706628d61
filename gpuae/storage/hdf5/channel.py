"""Messages between the program and the process that asks HDF5 for it.

A message is JSON and some raw bytes, each after its length; nothing in it can be run as code. What
comes from a process that has read a hostile file is not to be trusted further than that.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

_LENGTHS = struct.Struct("<QQ")
_SECONDS = struct.Struct("@ll")
"""As the system has them: whole ones and millionths."""
MOST_JSON_BYTES = 64 << 20
MOST_RAW_BYTES = 4 << 30


class Channel:
    """One end of a pair of connected sockets.

    Parameters
    ----------
    connected
        Is closed with the channel.
    patience
        Seconds that are waited for the next bytes of a message.
    """

    def __init__(self, connected: socket.socket, patience: float) -> None:
        self._socket = connected
        whole, part = divmod(patience, 1)
        allowed = _SECONDS.pack(int(whole), int(part * 1e6))
        # a timeout of Python's would need poll(), which fails where no file may be opened
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, allowed)

    def fileno(self) -> int:
        """Return its descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Let the other end know that nothing will follow."""
        self._socket.close()

    def send(self, said: object, raw: bytes | memoryview = b"") -> None:
        """Send a message; `raw` are bytes that lie together."""
        text = json.dumps(said).encode()
        self._socket.sendall(_LENGTHS.pack(len(text), len(raw)) + text)
        if len(raw):
            self._socket.sendall(raw)

    def receive(self, into: memoryview | None = None) -> tuple[Any, bytearray | memoryview]:
        """Return the next message, the raw bytes `into` a buffer where they are as many.

        Raises
        ------
        EOFError
            When the other end is closed, or sends what is no message.
        BlockingIOError
            When nothing comes for too long.
        """
        text_size, raw_size = _LENGTHS.unpack(self._read(_LENGTHS.size))
        if text_size > MOST_JSON_BYTES or raw_size > MOST_RAW_BYTES:
            raise EOFError
        try:
            said = json.loads(self._read(text_size))
        except (ValueError, RecursionError):
            raise EOFError from None
        if into is None or len(into) != raw_size:
            return said, self._read(raw_size)
        self._fill(into)
        return said, into

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        self._fill(memoryview(content))
        return content

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self._socket.recv_into(view)
            if count == 0:
                raise EOFError
            view = view[count:]
