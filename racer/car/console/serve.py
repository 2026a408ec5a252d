"""Runs the console: where it listens, under which token, and the address to open."""

from __future__ import annotations

import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from racer.assets import write_atomically
from racer.car.console.desk import Desk
from racer.car.console.guard import own_names
from racer.errors import MissingExtra, RacerError

MESSAGE_MAX = 4096
"""Bytes of a message of a page."""


def read_token(path: Path) -> str:
    """The console's token; made and written (mode 0600) where there is none yet.

    Raises:
        RacerError: the file holds something else.
    """
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(24) + "\n")
        path.chmod(0o600)
    token = path.read_text(encoding="ascii", errors="replace").strip()
    if len(token) < 16 or not token.isascii() or any(char.isspace() for char in token):
        raise RacerError(f"{path} holds no token of at least 16 characters; delete it to get a new one")
    return token


def address(host: str, port: int, token: str) -> str:
    """What to open in a browser; the token is behind `#`, which a browser does not send."""
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/#token={token}"


def serve(desk: Desk, *, host: str, port: int, names: Sequence[str] = ()) -> None:
    """Serve until a signal.

    Raises:
        MissingExtra: fastapi, uvicorn or websockets is not installed.
        KeyboardInterrupt: after Ctrl-C; SystemExit after SIGTERM.
    """
    run(make_server(desk, host=host, port=port, names=names))


def run(server: Any) -> None:
    """Run it until a signal; uvicorn gives the signal back when it has closed, and the caller can clean up.

    Raises:
        KeyboardInterrupt: after Ctrl-C; SystemExit after SIGTERM.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    server.run()


def make_server(desk: Desk, *, host: str, port: int, names: Sequence[str] = ()) -> Any:
    """A uvicorn server, not running yet."""
    try:
        import uvicorn
        import websockets  # noqa: F401 (uvicorn's websockets need it)

        from racer.car.console.app import create_app
    except ImportError:
        raise MissingExtra("The console", "car") from None
    config = uvicorn.Config(
        create_app(desk, names=own_names(names)), host=host, port=port, log_level="warning", ws="websockets-sansio",
        ws_max_size=MESSAGE_MAX, ws_max_queue=8, ws_ping_interval=5.0, ws_ping_timeout=5.0,
        ws_per_message_deflate=False, server_header=False, timeout_graceful_shutdown=2, limit_concurrency=64,
    )  # fmt: skip
    return uvicorn.Server(config)
