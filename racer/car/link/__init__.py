"""Connection of a pilot and its console: statuses and pictures go up, requests and heartbeats go down.

`protocol` defines the messages and the interface of a pilot for the console; `process_link` implements it by a pilot in
a separate process, which it starts, watches and restarts. Console and pilot both import this room, and it imports
neither.
"""

from racer.lazy import lazy_attributes

__all__ = ["PilotLink", "PilotSetup", "PilotStatus", "ProcessLink"]

_MODULES = {
    "PilotLink": "protocol",
    "PilotSetup": "process_link",
    "PilotStatus": "protocol",
    "ProcessLink": "process_link",
}
__getattr__ = lazy_attributes(__name__, _MODULES)
