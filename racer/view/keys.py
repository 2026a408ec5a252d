"""Which keys do what: one table, for the loop, for the list in the window and for the docs."""

from __future__ import annotations

import pygame

from racer.view.state import Command

KEYS: dict[Command, tuple[tuple[str, int], ...]] = {
    Command.PAUSE: (("space", pygame.K_SPACE),),
    Command.STEP: ((".", pygame.K_PERIOD),),
    Command.STEP_BACK: ((",", pygame.K_COMMA),),
    Command.FASTER: (("+", pygame.K_PLUS), ("", pygame.K_EQUALS), ("", pygame.K_KP_PLUS), ("]", pygame.K_RIGHTBRACKET)),
    Command.SLOWER: (("-", pygame.K_MINUS), ("", pygame.K_KP_MINUS), ("[", pygame.K_LEFTBRACKET)),
    Command.AHEAD: (("right", pygame.K_RIGHT),),
    Command.BACK: (("left", pygame.K_LEFT),),
    Command.FOLLOW_NEXT: (("tab", pygame.K_TAB), ("n", pygame.K_n)),
    Command.FOLLOW_PREVIOUS: (("p", pygame.K_p),),
    Command.VIEW: (("v", pygame.K_v),),
    Command.ZOOM_IN: (("z", pygame.K_z), ("page up", pygame.K_PAGEUP)),
    Command.ZOOM_OUT: (("x", pygame.K_x), ("page down", pygame.K_PAGEDOWN)),
    Command.RESTART: (("r", pygame.K_r),),
    Command.WAYPOINTS: (("1", pygame.K_1),),
    Command.BORDERS: (("2", pygame.K_2),),
    Command.LIDAR: (("3", pygame.K_3),),
    Command.HEAT: (("4", pygame.K_4),),
    Command.WANTS: (("5", pygame.K_5),),
    Command.TRAILS: (("6", pygame.K_6), ("t", pygame.K_t)),
    Command.NAMES: (("7", pygame.K_7),),
    Command.INSET: (("c", pygame.K_c),),
    Command.SCREENSHOT: (("s", pygame.K_s), ("F12", pygame.K_F12)),
    Command.FULLSCREEN: (("f", pygame.K_f), ("F11", pygame.K_F11)),
    Command.HELP: (("F1", pygame.K_F1), ("h", pygame.K_h)),
    Command.QUIT: (("q", pygame.K_q), ("esc", pygame.K_ESCAPE)),
}
DRIVING = (pygame.K_LEFT, pygame.K_RIGHT, pygame.K_UP, pygame.K_DOWN)
"""Keys of a person who drives; they do nothing else then."""

_COMMANDS = {key: command for command, keys in KEYS.items() for _, key in keys}


def command_of(key: int, *, driving: bool = False) -> Command | None:
    """What a key does; None for nothing."""
    return None if driving and key in DRIVING else _COMMANDS.get(key)


def key_list(*, driving: bool = False) -> list[tuple[str, str]]:
    """Keys and what they do, for people."""
    rows = [("arrows", "drive: steer, go, brake")] if driving else []
    for command, keys in KEYS.items():
        shown = [name for name, key in keys if name and not (driving and key in DRIVING)]
        if shown:
            rows.append((", ".join(shown), command.value))
    return rows
