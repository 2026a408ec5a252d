"""The car's web page: shows what the camera and the pilot report, stops the car, drives it by hand, and selects models.

Requests of browsers come in (`app`, checked by `origin`), requests to the pilot go out (`controller`, for the one
operator of `operator_lock`). `event_log` keeps events and telemetry, `health` reads the board's temperature and load,
`startup` finds the first model and the address. `static/` is the page itself.
"""

from racer.lazy import lazy_attributes

_MODULES = {"ConsoleController": "controller", "create_app": "app", "make_server": "startup"}
__getattr__ = lazy_attributes(__name__, _MODULES)

__all__ = ["ConsoleController", "create_app", "make_server"]
