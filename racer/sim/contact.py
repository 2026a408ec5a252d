"""Contacts: do two oriented rectangles overlap?

Separating axis theorem for two rectangles: they are apart if and only if one of the four side directions separates
them (Gottschalk, Lin, Manocha, "OBBTree", 1996, in two dimensions).
"""

import math

from racer.sim.jit import inlined


@inlined
def rectangles_overlap(x1, y1, yaw1, length1, width1, x2, y2, yaw2, length2, width2):  # type: ignore[no-untyped-def]
    """True where two rectangles (centre, heading, length along it, width across) share a point.

    Touching counts. A circle test first: most pairs are far apart.
    """
    dx, dy = x2 - x1, y2 - y1
    reach = 0.5 * (math.hypot(length1, width1) + math.hypot(length2, width2))
    if dx * dx + dy * dy > reach * reach:
        return False
    c1, s1 = math.cos(yaw1), math.sin(yaw1)
    c2, s2 = math.cos(yaw2), math.sin(yaw2)
    turn_c = abs(c1 * c2 + s1 * s2)
    turn_s = abs(c1 * s2 - s1 * c2)
    l1, w1, l2, w2 = 0.5 * length1, 0.5 * width1, 0.5 * length2, 0.5 * width2
    return (
        abs(dx * c1 + dy * s1) <= l1 + l2 * turn_c + w2 * turn_s
        and abs(dy * c1 - dx * s1) <= w1 + l2 * turn_s + w2 * turn_c
        and abs(dx * c2 + dy * s2) <= l2 + l1 * turn_c + w1 * turn_s
        and abs(dy * c2 - dx * s2) <= w2 + l1 * turn_s + w1 * turn_c
    )
