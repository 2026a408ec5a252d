"""Which requests come from our own page: the Host that was asked for, and the Origin of the page that asks.

Without the first a foreign web site could point its own name at the car (DNS rebinding) and would be of the same
origin; without the second it could open a websocket from the user's browser. Both come before the token.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit


def own_host_names(more: Collection[str] = ()) -> frozenset[str]:
    """Names by which this machine may be called; addresses need no name."""
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name}.local", *(one.lower() for one in more)})


def host_allowed(host: str | None, names: Collection[str]) -> bool:
    """Whether a Host header is an address, which no foreign site can claim, or one of our names."""
    if not host:
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.lower() in names
    return True


def origin_allowed(origin: str | None, host: str | None) -> bool:
    """Return whether a request comes from our own page; a cross-site request of a browser always has an Origin."""
    if origin is None:
        return True
    return host is not None and origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
