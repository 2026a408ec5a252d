"""The window and its pictures: what is to be seen (scene), how it looks (drawing), and the loop between person and it.

Pure data first: `scene` and `source` say what happens, from a replay or a simulation; `playback` says when. `compose`
draws a moment on a surface, and `window` and `video` are the two places that ask for pictures. pygame is loaded only in
this room.
"""

import os

# pygame reads these when it is imported: no greeting on the terminal, and on Windows one pixel for one pixel.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
