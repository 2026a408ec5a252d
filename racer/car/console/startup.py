"""Starts the console: installs the given models, finds the model in use, reads the token, and runs the web server."""

from __future__ import annotations

import secrets
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from racer.assets import write_atomically
from racer.car.bench import load_choice
from racer.car.console.controller import ConsoleController
from racer.car.console.origin import own_host_names
from racer.car.models.store import ModelCard, ModelStore
from racer.errors import BundleError, MissingExtra, RacerError
from racer.policy.load import find_bundle


def install_models(models: ModelStore, specs: Sequence[Path], *, report: Callable[[str], None]) -> None:
    """Install bundles into the store, and use the first of them; where the bench measured them here, its choice.

    Args:
        models: Store of the car.
        specs: Bundles, or run folders, which give the model their name.
        report: Receives lines for the user.

    Raises:
        BundleError: A bundle is broken, or cannot drive this car.
    """
    cards = [_install_model(models, spec, report) for spec in specs]
    if cards:
        models.use(cards[0].sha256)


def current_model(models: ModelStore, *, report: Callable[[str], None]) -> Path | None:
    """Return the file of the model in use; None where there is none, or where it may no longer drive this car."""
    if models.current is None:
        return None
    try:
        models.verified(models.current)
    except BundleError as error:
        report(f"note      no model is loaded: {error}")
        return None
    return models.path(models.current)


def chosen_threads(bundle: Path) -> int:
    """Return the number of threads that the bench chose for exactly this bundle, else 1."""
    choice = load_choice(bundle)
    return choice.threads if choice.bundle == bundle else 1


def _install_model(models: ModelStore, spec: Path, report: Callable[[str], None]) -> ModelCard:
    choice = load_choice(find_bundle(spec))
    if choice.reason:
        report(f"bench     {choice.reason}")
    if not spec.is_dir():
        return models.install(choice.bundle)
    # The checkpoint of a run is called `best` or `last`; the folder says which run.
    source, name = str(choice.bundle), spec.resolve().name
    return models.install_bytes(choice.bundle.read_bytes(), name=name, signature=None, source=source)


PAGE_MESSAGE_MAX = 4096
"""Largest message of a page [bytes]."""


def read_token(path: Path) -> str:
    """Return the console's token; a missing file is created with a new one (mode 0600).

    Raises:
        RacerError: The file does not hold a token.
    """
    if not path.exists():
        write_atomically(path, secrets.token_urlsafe(24) + "\n")
        path.chmod(0o600)
    token = path.read_text(encoding="ascii", errors="replace").strip()
    if len(token) < 16 or not token.isascii() or any(char.isspace() for char in token):
        raise RacerError(f"{path} holds no token of at least 16 characters; delete it to get a new one")
    return token


def console_address(host: str, port: int, token: str) -> str:
    """Return the address to open in a browser; the token follows `#`, which a browser does not send."""
    shown = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/#token={token}"


def run_server(server: Any) -> None:
    """Run a server until a signal; uvicorn raises the signal again after it has closed, and the caller can clean up.

    Raises:
        KeyboardInterrupt: After Ctrl-C.
        SystemExit: After SIGTERM.
    """
    # SIGTERM becomes SystemExit, so that `finally` blocks end the pilot as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    server.run()


def make_server(controller: ConsoleController, *, host: str, port: int, names: Sequence[str] = ()) -> Any:
    """Return a uvicorn server that does not run yet.

    Args:
        controller: Controller of the console.
        host: Address to listen on.
        port: Port to listen on.
        names: Further host names of this machine.

    Raises:
        MissingExtra: fastapi, uvicorn or websockets is not installed.
    """
    try:
        import uvicorn
        import websockets  # noqa: F401 (uvicorn's websockets need it)

        from racer.car.console.app import create_app
    except ImportError:
        raise MissingExtra("The console", "car") from None
    # Limits against a flood: size and number of waiting messages, and connections. Pings find a lost page.
    config = uvicorn.Config(
        create_app(controller, names=own_host_names(names)), host=host, port=port, log_level="warning", 
        ws="websockets-sansio",
        ws_max_size=PAGE_MESSAGE_MAX, ws_max_queue=8, ws_ping_interval=5.0, ws_ping_timeout=5.0,
        ws_per_message_deflate=False, server_header=False, timeout_graceful_shutdown=2, limit_concurrency=64,
    )  # fmt: skip
    return uvicorn.Server(config)
