"""Serves the console over HTTP: static files, a websocket for status and commands, one for pictures, and downloads."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, WebSocket, WebSocketDisconnect

from racer.car.console import health
from racer.car.console.controller import ConsoleController, MessageRateExceeded, PageConnection
from racer.car.console.origin import host_allowed, origin_allowed
from racer.errors import RacerError

STATIC = Path(__file__).parent / "static"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# Only the own files run in the page, no page may embed it, and nothing of a car is kept in a cache.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_TICK_S, _HELLO_S, _PICTURE_S = 0.05, 5.0, 0.02
"""Time between statuses, longest wait for the token, and time between looks for a new picture [s]."""
_CLOSE_REFUSED, _CLOSE_POLICY, _CLOSE_TRY_LATER = 4401, 1008, 1013
"""Close codes of websockets: 4000 to 4999 are free for applications, the others are registered (RFC 6455, IANA)."""
_SOCKETS_MAX = 16
"""Number of open websockets, two for each page: a flood of connections must not take the car's memory."""
_PENDING_MAX = 4
"""Number of commands of a page that may run at once."""


def create_app(controller: ConsoleController, *, names: Collection[str]) -> FastAPI:
    """Return the application.

    Args:
        controller: Controller of the console.
        names: Allowed host names of this machine.
    """
    sockets: set[WebSocket] = set()

    @contextlib.contextmanager
    def counted(socket: WebSocket) -> Iterator[bool]:
        """Count an open websocket; yields whether there is room for it."""
        sockets.add(socket)
        try:
            yield len(sockets) <= _SOCKETS_MAX
        finally:
            sockets.discard(socket)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The watch over the commanding page runs as long as the server does, whichever pages are open.
        ticking = asyncio.create_task(_tick_forever(controller))
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.to_thread(controller.link.disarm)  # a car without a console must not drive
            if controller.wizard:
                await asyncio.to_thread(controller.wizard.close)

    app = FastAPI(title="racer console", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)

    @app.middleware("http")
    async def guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        host = request.headers.get("host")
        if not host_allowed(host, names):
            return Response("unknown host name; start the console with --name", 421, _HEADERS)
        # A stop cannot move the car, so it is never refused.
        if request.url.path != "/api/stop" and not origin_allowed(request.headers.get("origin"), host):
            return Response("requests from other sites are refused", 403, _HEADERS)
        response = await call(request)
        for key, value in _HEADERS.items():
            response.headers.setdefault(key, value)
        return response

    _serve_files(app)
    _serve_data(app, controller)

    @app.websocket("/ws")
    async def command(socket: WebSocket) -> None:
        with counted(socket) as free:
            if (connection := await _authenticate(socket, controller, names, free=free)) is not None:
                await _serve_commands(socket, controller, connection)

    @app.websocket("/ws/picture")
    async def picture(socket: WebSocket) -> None:
        with counted(socket) as free:
            if await _authenticate(socket, controller, names, free=free) is not None:
                await _send_pictures(socket, controller)

    return app


def _serve_files(app: FastAPI) -> None:
    files = {
        path.name: (path.read_bytes(), _MEDIA_TYPES[path.suffix])
        for path in STATIC.iterdir()
        if path.suffix in _MEDIA_TYPES
    }

    @app.get("/")
    def index() -> Response:
        return Response(files["index.html"][0], media_type=files["index.html"][1])

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return Response(files[name][0], media_type=files[name][1])


def _serve_data(app: FastAPI, controller: ConsoleController) -> None:
    def require(request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not controller.accepts_token(token):
            raise HTTPException(401, "the token is missing or wrong")

    @app.post("/api/stop")
    def stop(request: Request) -> dict[str, bool]:
        controller.stop(request.client.host if request.client else "an unknown client")
        return {"stopped": True}

    @app.get("/api/models")
    def models(request: Request) -> dict[str, Any]:
        require(request)
        try:
            cards = [asdict(card) for card in controller.store.cards()]
        except RacerError as error:
            return {"error": str(error), "current": None, "previous": None, "models": []}
        return {"current": controller.store.current, "previous": controller.store.previous, "models": cards}

    @app.get("/api/log")
    def log(request: Request) -> list[dict[str, Any]]:
        require(request)
        return controller.log.events()

    @app.get("/api/board")
    def read_health(request: Request) -> dict[str, Any]:
        require(request)
        values = {
            "temperature": health.processor_temperature(),
            "throttling": health.throttling_causes(),
            "load": health.processor_load(),
        }
        return {key: value for key, value in values.items() if value is not None}

    @app.get("/api/telemetry.csv")
    def telemetry(request: Request) -> Response:
        require(request)
        return Response(controller.log.csv(), media_type="text/csv")


async def _tick_forever(controller: ConsoleController) -> None:
    while True:
        controller.tick()
        await asyncio.sleep(_TICK_S)


async def _authenticate(
    socket: WebSocket, controller: ConsoleController, names: Collection[str], *, free: bool
) -> PageConnection | None:
    """Accept a page whose origin, host and token are right; another one receives the reason and is closed."""
    host = socket.headers.get("host")
    if not host_allowed(host, names) or not origin_allowed(socket.headers.get("origin"), host):
        await socket.close(_CLOSE_POLICY)  # before the handshake, so the answer is HTTP 403
        return None
    await socket.accept()
    try:
        if not free:
            raise RacerError("too many pages are open on this car")
        # The token is in the first message, not in the address, which servers and browsers log.
        message = await asyncio.wait_for(_receive(socket), _HELLO_S)
        return controller.open_page(str(message.get("token", "")))
    except (RacerError, TimeoutError) as error:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.send_text(json.dumps({"error": str(error) or "no token came"}))
            await socket.close(_CLOSE_REFUSED if free else _CLOSE_TRY_LATER)
    except (WebSocketDisconnect, RuntimeError):
        pass
    return None


async def _serve_commands(socket: WebSocket, controller: ConsoleController, connection: PageConnection) -> None:
    sending = asyncio.create_task(_send_status(socket, controller, connection))
    pending: set[asyncio.Task[None]] = set()
    try:
        while True:
            message = await _receive(socket)
            # Heartbeats and stops are handled here: no other message of the page may delay them.
            if message.get("do") == "beat":
                if problem := _run_message(controller, connection, message):
                    await socket.send_text(json.dumps({"error": problem}))
            elif message.get("do") == "stop":
                controller.stop("a page")
                await socket.send_text(json.dumps({"done": "stop"}))
            elif len(pending) < _PENDING_MAX:
                # In a separate task, because a command may take seconds, and heartbeats must not wait for it.
                task = asyncio.create_task(_run_and_reply(socket, controller, connection, message))
                pending.add(task)
                task.add_done_callback(pending.discard)
            else:
                connection.spend(controller.clock())
                await socket.send_text(json.dumps({"error": "the car is still busy with earlier commands"}))
    except MessageRateExceeded as error:
        await _close_flooded(socket, controller, error)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        sending.cancel()
        controller.close_page(connection)


def _run_message(controller: ConsoleController, connection: PageConnection, message: dict[str, Any]) -> str | None:
    try:
        controller.handle_message(connection, message)
    except RacerError as error:
        return " ".join(str(error).split())
    return None


async def _run_and_reply(
    socket: WebSocket, controller: ConsoleController, connection: PageConnection, message: dict[str, Any]
) -> None:
    try:
        problem = await asyncio.to_thread(_run_message, controller, connection, message)
        reply = {"error": problem} if problem else {"done": message.get("do")}
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.send_text(json.dumps(reply))
    except MessageRateExceeded as error:
        await _close_flooded(socket, controller, error)


async def _close_flooded(socket: WebSocket, controller: ConsoleController, error: MessageRateExceeded) -> None:
    controller.log.event(f"a page was closed: {error}")
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(_CLOSE_POLICY)


async def _send_status(socket: WebSocket, controller: ConsoleController, connection: PageConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_text(json.dumps({"status": controller.view(connection)}))
            await asyncio.sleep(_TICK_S)


async def _send_pictures(socket: WebSocket, controller: ConsoleController) -> None:
    """Send a new picture for each request of the page: a slow page receives fewer pictures, never older ones."""
    last = -1  # no picture was sent yet
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await _receive(socket)
            while (picture := controller.link.picture()) is None or picture.number == last:
                await asyncio.sleep(_PICTURE_S)
            last = picture.number
            await socket.send_bytes(picture.jpeg)


async def _receive(socket: WebSocket) -> dict[str, Any]:
    """Return the next message; what is not a JSON object counts as an empty message, which has no effect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    try:
        content = json.loads(message.get("text") or "")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
