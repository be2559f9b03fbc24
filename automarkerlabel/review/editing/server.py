"""The server of a review, for one person at this machine.

It listens on loopback alone. Its address has a token that nobody can guess, so that other users and programs of the
machine are kept out; hosts and origins are checked, so that pages of other sites are, too (DNS rebinding, forged
requests). It answers the few paths of `_PATHS` and reads no file for anybody.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automarkerlabel.errors import AutoMarkerLabelError
from automarkerlabel.review.editing.session import Session
from automarkerlabel.review.report.page import served_page

HOSTS = ("127.0.0.1", "localhost")
_MOST_BYTES = 65_536  # of a request's body
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_UNEXPECTED = (MemoryError, OSError, RuntimeError, ValueError)  # what libraries raise on a machine in need

Endpoint = Callable[[Request], Awaitable[Response]]


def new_token() -> str:
    """43 characters that nobody can guess."""
    return secrets.token_urlsafe(32)


def application(session: Session, token: str, port: int) -> ASGIApp:
    """The ASGI application that serves a review at `/TOKEN/`, to `HOSTS` at `port`."""
    page = served_page(session.reviewed.source.name)

    async def show(request: Request) -> Response:
        return HTMLResponse(page)

    async def view(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(session.view))

    async def points(request: Request) -> Response:
        return Response(session.points(), media_type="application/octet-stream")

    async def edit(values: dict[str, Any]) -> dict[str, Any]:
        await run_in_threadpool(session.edit, values)
        return await run_in_threadpool(session.view)

    def then_view(work: Callable[[], None]) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
        async def act(values: dict[str, Any]) -> dict[str, Any]:
            await run_in_threadpool(work)
            return await run_in_threadpool(session.view)

        return act

    async def save(values: dict[str, Any]) -> dict[str, Any]:
        done = await run_in_threadpool(session.save)
        return {**done, "view": await run_in_threadpool(session.view)}

    acts = {
        "edit": edit, "undo": then_view(session.undo), "redo": then_view(session.redo),
        "relabel": then_view(session.relabel), "save": save,
    }  # fmt: skip
    routes = [Route("/", show), Route("/api/view", view), Route("/api/points", points)]
    routes += [Route(f"/api/{name}", _posted(act), methods=["POST"]) for name, act in acts.items()]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return _Guard(app, token, port)


def _posted(act: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> Endpoint:
    """An endpoint that takes a JSON object and answers with one; what goes wrong is told in one line."""

    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _error("expected the content type application/json", 415)
        try:
            body = await _body(request)
            values = None if body is None else json.loads(body or b"{}")
        except (ValueError, RecursionError, ClientDisconnect):
            return _error("expected JSON, found none", 400)
        if body is None:
            return _error(f"expected at most {_MOST_BYTES} bytes, found more", 413)
        if not isinstance(values, dict):
            return _error("expected a JSON object, found other JSON", 400)
        try:
            return JSONResponse(await act(values))
        except AutoMarkerLabelError as error:
            return _error(" ".join(str(error).split()), 400)
        except _UNEXPECTED as error:
            return _error(f"unexpected {error!r}", 500)

    return endpoint


async def _body(request: Request) -> bytes | None:
    """The body of a request; None if it is too large, which is known before all of it was read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return None
    return bytes(body)


def _error(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status)


class _Guard:
    """Lets through what has the token and comes from the page itself, and puts `_HEADERS` on every answer."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token.encode()
        self.hosts = frozenset(f"{host}:{port}" for host in HOSTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(k, v) for k, v in message["headers"] if k.decode().lower() not in _HEADERS]
                message["headers"] = [*kept, *((k.encode(), v.encode()) for k, v in _HEADERS.items())]
            await send(message)

        if scope["type"] != "http":
            return  # neither websockets nor anything else
        answer = self._refusal(Request(scope))
        if answer is not None:
            await answer(scope, receive, with_headers)
            return
        rest = scope["path"][1 + len(self.token) :]
        await self.app({**scope, "path": rest, "raw_path": rest.encode()}, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """What is answered to those who are not let in."""
        host, origin = request.headers.get("host", "").lower(), request.headers.get("origin")
        needed = request.method not in ("GET", "HEAD")
        if host not in self.hosts or (origin != f"http://{host}" and (needed or origin is not None)):
            return PlainTextResponse("expected a request of the page itself", 403)
        first = request.scope["path"][1:].partition("/")[0]
        if not secrets.compare_digest(first.encode(errors="replace"), self.token):
            return PlainTextResponse("nothing here", 404)
        return None
