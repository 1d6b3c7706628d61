"""A connection of somebody on this machine, who may not know the token and mean no good."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS, MOST_WAITING = 32, 16
"""At a time: each takes a file of this process, which training needs for its own."""
PATIENCE_SECONDS = 5.0
"""How long nothing may be asked."""


class Connection(H11Protocol):
    """Ends where nothing is asked for long, a request does not go on, or there are too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, if there is room."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self.loop.call_later(PATIENCE_SECONDS, self._look, None)

    def _look(self, before: Any) -> None:
        """End if nothing is being answered, and nothing else was since the look before."""
        answered = self.cycle is None or self.cycle.response_complete
        if answered and self.cycle is before:
            self.transport.abort()
        if not self.transport.is_closing():
            self.loop.call_later(PATIENCE_SECONDS, self._look, self.cycle)
