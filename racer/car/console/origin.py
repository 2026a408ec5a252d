"""Checks that a request comes from the console's own page, by its headers Host and Origin.

Without the check of Host, a foreign web site could point a name at the car (DNS rebinding) and would then have the same
origin. Without the check of Origin, it could open a websocket from the user's browser. Both come before the token.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit


def own_host_names(more: Collection[str] = ()) -> frozenset[str]:
    """Return the allowed host names of this machine, in lower case; addresses are always allowed.

    Args:
        more: Further names.
    """
    name = socket.gethostname().lower()
    return frozenset({"localhost", name, f"{name}.local", *(extra.lower() for extra in more)})


def host_allowed(host: str | None, names: Collection[str]) -> bool:
    """Return whether a Host header is an address, which a foreign site cannot claim, or one of the names."""
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
    """Return whether a request comes from the own page; a cross-site request of a browser always has an Origin."""
    if origin is None:
        return True
    return host is not None and origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
