"""The window, and pictures and films of drives.

A replay, or policies and races that drive while they are watched, go in; a window or a film comes out. `playback` holds
the data and the clock; `live` drives policies; `compose`, `chase`, `hud`, `marks` and `sensors` draw a moment; `window`
and `video` are the two places that show pictures; `watch` joins them for the commands. Only this room loads pygame.
"""

import os

from racer.lazy import lazy_attributes

# pygame reads these when it is imported: no greeting on the terminal, and on Windows one pixel for one pixel.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")

_MODULES = {"LiveSource": "live", "ReplaySource": "playback", "ViewerWindow": "window", "write_video": "video"}
__all__ = ["LiveSource", "ReplaySource", "ViewerWindow", "write_video"]
__getattr__ = lazy_attributes(__name__, _MODULES)
