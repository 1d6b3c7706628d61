"""What pages show, in parts by name; each page is sent the parts that it has not seen.

A page that reads slowly misses states between two that it reads, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

ALIVE_SECONDS = 10.0
"""After that much silence a word is sent, so that a page which is gone is noticed."""


class Board:
    """The newest state of each part, as JSON; all its methods belong to one thread."""

    def __init__(self) -> None:
        self.pages = 0
        """That are open,"""
        self.visits = 0
        """and that ever were."""
        self.closed = False
        self._parts: dict[str, bytes] = {}
        self._changed = asyncio.Event()

    def put(self, name: str, content: Any) -> None:
        """Show a part in place of what it was."""
        own = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
        if self._parts.get(name) != own:
            self._parts[name] = own
            self._tell()

    def close(self) -> None:
        """Let every page have what is there, and no more."""
        self.closed = True
        self._tell()

    async def somebody(self) -> None:
        """Wait until a page is open, or none will be."""
        while not (self.pages or self.closed):
            await self._changed.wait()

    async def events(self) -> AsyncIterator[bytes]:
        """Yield parts as server-sent events, as they change."""
        seen: dict[str, bytes] = {}
        self.pages += 1
        self.visits += 1
        self._tell()
        try:
            yield b"retry: 1000\n\n"
            while True:
                new = {name: own for name, own in self._parts.items() if seen.get(name) is not own}
                seen |= new
                if new:
                    yield b"".join(_event(name, own) for name, own in new.items())
                elif self.closed:
                    yield _event("end", b"{}")
                    return
                elif not await self._has_changed():
                    yield b": still here\n\n"
        finally:
            self.pages -= 1

    async def _has_changed(self) -> bool:
        with suppress(TimeoutError):
            return await asyncio.wait_for(self._changed.wait(), ALIVE_SECONDS)
        return False

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _event(name: str, content: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + content + b"\n\n"
