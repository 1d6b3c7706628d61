"""What is answered to a browser, and to whom: those who know the address, on this machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from importlib.resources import files

from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gpuae.live.board import Board
from gpuae.live.run import Asked

HOSTS = ["127.0.0.1", "localhost"]
FILES = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "draw.js": ("draw.js", "text/javascript"),
}
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def application(
    board: Board, token: str, tickets: set[str], ask: Callable[[Asked], None] | None
) -> ASGIApp:
    """Return an application that shows the board below /TOKEN/ and knows nothing else.

    Parameters
    ----------
    tickets
        Each leads to the page, and is gone then.
    ask
        Is told which button was pressed; None: there are no buttons.
    """

    async def events(_: Request) -> Response:
        return StreamingResponse(board.events(), media_type="text/event-stream")

    routes = [Route(f"/{name}", _file(*own)) for name, own in FILES.items()]
    routes.append(Route("/events", events))
    if ask is not None:
        routes += [_button(wish, ask) for wish in (Asked.KEEP, Asked.STOP)]
    pages = Starlette(routes=[Mount(f"/{token}", routes=routes)])
    return _with_headers(TrustedHostMiddleware(_gate(pages, token, tickets), HOSTS))


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    content = (files("gpuae.live") / name).read_bytes()
    return lambda _: Response(content, media_type=kind)


def _button(wish: Asked, ask: Callable[[Asked], None]) -> Route:
    async def press(request: Request) -> Response:
        if not _comes_from_the_page(request):
            return PlainTextResponse("only the page itself may do that", 403)
        ask(wish)
        return Response(status_code=204)

    return Route(f"/{wish.value}", press, methods=["POST"])


def _comes_from_the_page(request: Request) -> bool:
    """Whether a browser says that it was no page of another site that sent this."""
    sent = request.headers
    own = f"http://{sent['host']}"
    return sent.get("origin") == own and sent.get("sec-fetch-site", "same-origin") == "same-origin"


def _gate(pages: ASGIApp, token: str, tickets: set[str]) -> ASGIApp:
    """Let through who knows the token or has a ticket; for all others there is nothing here."""

    def chosen(path: str) -> ASGIApp:
        first = path.removeprefix("/").partition("/")[0]
        if secrets.compare_digest(first.encode("utf-8", "replace"), token.encode()):
            return pages
        if first in tickets:
            tickets.remove(first)
            return RedirectResponse(f"/{token}/", 303)
        return PlainTextResponse("Not Found", 404)

    async def enter(scope: Scope, receive: Receive, send: Send) -> None:
        await chosen(scope["path"])(scope, receive, send)

    return enter


def _with_headers(inner: ASGIApp) -> ASGIApp:
    own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *own]}
            await send(message)

        await inner(scope, receive, send_more)

    return answer
