"""The console over HTTP: static files, one websocket for status and commands, one for pictures, downloads."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
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
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_TICK_S, _HELLO_S, _PICTURE_S = 0.05, 5.0, 0.02
_CLOSE_REFUSED, _CLOSE_POLICY, _CLOSE_TRY_LATER = 4401, 1008, 1013
_PAGES_MAX = 8
_PENDING_MAX = 4


class _PageSlots:
    """How many pages are connected; a flood of connections must not take the car's memory."""

    def __init__(self) -> None:
        self.count = 0

    @contextlib.contextmanager
    def place(self) -> Any:
        """One page's place; yields whether there was one."""
        self.count += 1
        try:
            yield self.count <= 2 * _PAGES_MAX
        finally:
            self.count -= 1


def create_app(desk: ConsoleController, *, names: Collection[str]) -> FastAPI:
    """The application; `names` are those by which this machine may be called."""
    rooms = _PageSlots()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick_forever(desk))
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.to_thread(desk.link.disarm)
            if desk.wizard:
                await asyncio.to_thread(desk.wizard.close)

    app = FastAPI(title="racer console", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)

    @app.middleware("http")
    async def guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        host = request.headers.get("host")
        if not host_allowed(host, names):
            return Response("this car is not called that; start the console with --name", 421, _HEADERS)
        # Stopping moves nothing: it is never refused.
        if request.url.path != "/api/stop" and not origin_allowed(request.headers.get("origin"), host):
            return Response("not from another site", 403, _HEADERS)
        response = await call(request)
        for key, value in _HEADERS.items():
            response.headers.setdefault(key, value)
        return response

    _serve_files(app)
    _serve_data(app, desk)

    @app.websocket("/ws")
    async def command(socket: WebSocket) -> None:
        with rooms.place() as free:
            connection = await _authenticate(socket, desk, names, free=free)
            if connection is not None:
                await _serve_commands(socket, desk, connection)

    @app.websocket("/ws/picture")
    async def picture(socket: WebSocket) -> None:
        with rooms.place() as free:
            if await _authenticate(socket, desk, names, free=free) is not None:
                await _send_pictures(socket, desk)

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


def _serve_data(app: FastAPI, desk: ConsoleController) -> None:
    def require(request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not desk.knows(token):
            raise HTTPException(401, "the token is missing or wrong")

    @app.post("/api/stop")
    def stop(request: Request) -> dict[str, bool]:
        desk.stop(request.client.host if request.client else "an unknown client")
        return {"stopped": True}

    @app.get("/api/models")
    def models(request: Request) -> dict[str, Any]:
        require(request)
        try:
            cards = [asdict(card) for card in desk.store.cards()]
        except RacerError as error:
            return {"error": str(error), "current": None, "previous": None, "models": []}
        return {"current": desk.store.current, "previous": desk.store.previous, "models": cards}

    @app.get("/api/log")
    def log(request: Request) -> list[dict[str, Any]]:
        require(request)
        return desk.record.events()

    @app.get("/api/board")
    def read_health(request: Request) -> dict[str, Any]:
        require(request)
        found = {
            "temperature": health.processor_temperature(),
            "throttling": health.throttling_causes(),
            "load": health.processor_load(),
        }
        return {key: value for key, value in found.items() if value is not None}

    @app.get("/api/telemetry.csv")
    def telemetry(request: Request) -> Response:
        require(request)
        return Response(desk.record.csv(), media_type="text/csv")


async def _tick_forever(desk: ConsoleController) -> None:
    while True:
        desk.tick()
        await asyncio.sleep(_TICK_S)


async def _authenticate(
    socket: WebSocket, desk: ConsoleController, names: Collection[str], *, free: bool
) -> PageConnection | None:
    """Let a page in whose origin, host and token are right; a refused one learns why and is closed."""
    host = socket.headers.get("host")
    if not host_allowed(host, names) or not origin_allowed(socket.headers.get("origin"), host):
        await socket.close(_CLOSE_POLICY)  # before the handshake: HTTP 403
        return None
    await socket.accept()
    try:
        if not free:
            raise RacerError("too many pages are open on this car")
        message = await asyncio.wait_for(_receive(socket), _HELLO_S)
        return desk.opened(str(message.get("token", "")))
    except (RacerError, TimeoutError) as error:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.send_text(json.dumps({"error": str(error) or "no token came"}))
            await socket.close(_CLOSE_REFUSED if free else _CLOSE_TRY_LATER)
    except (WebSocketDisconnect, RuntimeError):
        pass
    return None


async def _serve_commands(socket: WebSocket, desk: ConsoleController, connection: PageConnection) -> None:
    sending = asyncio.create_task(_send_status(socket, desk, connection))
    pending: set[asyncio.Task[None]] = set()
    try:
        while True:
            message = await _receive(socket)
            if message.get("do") == "beat":
                if problem := _run_message(desk, connection, message):
                    await socket.send_text(json.dumps({"error": problem}))
            elif message.get("do") == "stop":
                desk.stop("a page")
                await socket.send_text(json.dumps({"done": "stop"}))
            elif len(pending) < _PENDING_MAX:
                # In a separate task, because it may take seconds, and heartbeats must not wait behind it.
                task = asyncio.create_task(_run_and_reply(socket, desk, connection, message))
                pending.add(task)
                task.add_done_callback(pending.discard)
            else:
                connection.spend(desk.clock())
                await socket.send_text(json.dumps({"error": "the car is still busy with what was asked before"}))
    except MessageRateExceeded as error:
        await _close_flooded(socket, desk, error)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        sending.cancel()
        desk.closed(connection)


def _run_message(desk: ConsoleController, connection: PageConnection, message: dict[str, Any]) -> str | None:
    try:
        desk.take(connection, message)
    except MessageRateExceeded:
        raise
    except RacerError as error:
        return " ".join(str(error).split())
    return None


async def _run_and_reply(
    socket: WebSocket, desk: ConsoleController, connection: PageConnection, message: dict[str, Any]
) -> None:
    try:
        problem = await asyncio.to_thread(_run_message, desk, connection, message)
        reply = {"error": problem} if problem else {"done": message.get("do")}
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.send_text(json.dumps(reply))
    except MessageRateExceeded as error:
        await _close_flooded(socket, desk, error)


async def _close_flooded(socket: WebSocket, desk: ConsoleController, error: MessageRateExceeded) -> None:
    desk.record.event(f"a page was closed: {error}")
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(_CLOSE_POLICY)


async def _send_status(socket: WebSocket, desk: ConsoleController, connection: PageConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_text(json.dumps({"status": desk.view(connection)}))
            await asyncio.sleep(_TICK_S)


async def _send_pictures(socket: WebSocket, desk: ConsoleController) -> None:
    """A picture for each request of the page, and only a new one: a slow page gets fewer, never older ones."""
    last = -1
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await _receive(socket)
            while (found := desk.link.picture()) is None or found.number == last:
                await asyncio.sleep(_PICTURE_S)
            last = found.number
            await socket.send_bytes(found.jpeg)


async def _receive(socket: WebSocket) -> dict[str, Any]:
    """Return the next message; what is not a JSON object counts as an empty message, which has no effect."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    try:
        found = json.loads(message.get("text") or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
