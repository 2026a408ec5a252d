"""A naive camera: rays through 4 x 4 places of each pixel, one after the other against everything. The renderer's twin.

Written from the formulas of the lenses and the shapes of the track alone; it shares no code with the renderer.
"""

from itertools import pairwise

import numpy as np

from racer.sim.course import wall_lines
from racer.track.polygons import inset_borders, mitred_normals, start_line_quads


def rays(camera, width, height, samples):
    """(H * S, W * S, 3) directions right, down, ahead of the places in the picture."""
    u = (np.arange(width * samples) + 0.5) / samples - camera["column"]
    v = (np.arange(height * samples) + 0.5) / samples - camera["row"]
    u, v = np.meshgrid(u / camera["focal"], v / camera["focal"])
    if camera["lens"] == 0:
        return np.stack([u, v, np.ones_like(u)], axis=-1)
    r = np.hypot(u, v)
    table = np.linspace(0.0, 2.6, 20_001)
    radii = table + sum(camera[f"k{n}"] * table ** (2 * n + 1) for n in (1, 2, 3, 4))
    angle = np.interp(r, radii, table)
    scale = np.where(r > 0.0, np.sin(angle) / np.maximum(r, 1e-12), 1.0)
    return np.stack([u * scale, v * scale, np.cos(angle)], axis=-1)


def axes(camera, yaw):
    """Unit vectors of the world to the right of, down from and ahead of a camera on a car."""
    yaw = yaw + camera["yaw"]
    pitch, roll = camera["pitch"], camera["roll"]
    level = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    side = np.cross(level, up)
    ahead = np.cos(pitch) * level - np.sin(pitch) * up
    down = -np.cos(pitch) * up - np.sin(pitch) * level
    return np.cos(roll) * side + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * side, ahead


def inside(points, quad):
    """Which of the points (P, 2) lie in a convex or concave quad, by the crossing number."""
    odd = np.zeros(len(points), bool)
    for a, b in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        if a[1] == b[1]:
            continue
        crosses = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
        odd ^= crosses & (points[:, 0] < (b[0] - a[0]) * (points[:, 1] - a[1]) / (b[1] - a[1]) + a[0])
    return odd


def in_strip(points, left, right, closed):
    """Which of the points lie between two lines of a road, quad by quad."""
    found = np.zeros(len(points), bool)
    for k in range(len(left) if closed else len(left) - 1):
        m = (k + 1) % len(left)
        quad = np.array([left[k], left[m], right[m], right[k]])
        low, high = quad.min(axis=0), quad.max(axis=0)
        near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1) & ~found)
        found[near] = inside(points[near], quad)
    return found


def dash_quads(track):
    """The dashes of a centre line, cut where it has a corner."""
    line = np.vstack([track.center, track.center[:1]]) if track.closed else track.center
    line = line[np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-9])]
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    period = track.look.dash_length + track.look.dash_gap
    if track.closed:
        side = np.vstack([mitred_normals(line[:-1], closed=True), mitred_normals(line[:-1], closed=True)[:1]])
        period = s[-1] / round(s[-1] / period)
    else:
        side = mitred_normals(line)
    side = side * 0.5 * track.look.center_line_width
    painted = track.look.dash_length / (track.look.dash_length + track.look.dash_gap) * period
    quads = []
    for begin in np.arange(0.0, s[-1], period):
        cuts = np.unique(np.concatenate([[begin, min(begin + painted, s[-1])], s[(s > begin) & (s < begin + painted)]]))
        at = np.array([np.array([np.interp(c, s, line[:, k]) for k in range(2)]) for c in cuts])
        across = np.array([np.array([np.interp(c, s, side[:, k]) for k in range(2)]) for c in cuts])
        quads += [
            np.stack([at[k] + across[k], at[k + 1] + across[k + 1], at[k + 1] - across[k + 1], at[k] - across[k]])
            for k in range(len(cuts) - 1)
        ]
    return quads


def ground_colours(track, look, points):
    """Colours (P, 3) of points of the ground."""
    colours = np.tile(look["field"].astype(float), (len(points), 1))
    colours[in_strip(points, track.left, track.right, track.closed)] = look["edge_line"]
    inner = in_strip(points, *inset_borders(track, track.look.edge_line_width), track.closed)
    colours[inner] = look["road"]
    at = np.flatnonzero(inner)
    middle = points[at]
    for quad in dash_quads(track):
        near = np.flatnonzero((np.abs(middle - quad.mean(axis=0)) < 0.2).all(axis=1))
        colours[at[near[inside(middle[near], quad)]]] = look["center_line"]
    for quad in start_line_quads(track, track.look.start_line_length, track.look.edge_line_width):
        colours[inside(points, quad)] = look["start_line"]
    return colours


def picture(camera, look, pose, track, *, width, height, axle, boxes=(), walls=False, samples=4):
    """The frame (H, W, 3) float64 of a camera on a car at `pose`, whose axles' middle is `axle` ahead of it.

    `boxes` are (x, y, yaw, length, width, height, colour), painted without shading.
    """
    x, y, yaw = pose
    right, down, ahead = axes(camera, yaw)
    forward, left = axle + camera["forward"], camera["left"]
    eye = np.array(
        [
            x + forward * np.cos(yaw) - left * np.sin(yaw),
            y + forward * np.sin(yaw) + left * np.cos(yaw),
            float(camera["up"]),
        ]
    )
    seen = rays(camera, width, height, samples)
    way = (seen[..., :1] * right + seen[..., 1:2] * down + seen[..., 2:] * ahead).reshape(-1, 3)
    distance = np.full(len(way), np.inf)
    # Sky: from the row and column of the place, as the renderer's formula, which is not a ray's.
    u = (np.arange(width * samples) + 0.5) / samples - camera["column"]
    v = (np.arange(height * samples) + 0.5) / samples - camera["row"]
    u, v = np.meshgrid(u / camera["focal"], v / camera["focal"])
    rise = np.clip(u * right[2] + v * down[2] + ahead[2], 0.0, 1.0).reshape(-1, 1)
    colours = look["horizon"] + (look["sky"] - look["horizon"]).astype(float) * rise
    falls = way[:, 2] < -1e-9
    t = np.where(falls, -eye[2] / np.minimum(way[:, 2], -1e-9), np.inf)
    points = eye[:2] + way[falls, :2] * t[falls, None]
    colours[falls] = ground_colours(track, look, points)
    distance[falls] = t[falls]
    if walls:
        for line in wall_lines(track):
            for a, b in pairwise(line):
                edge = b - a
                below = way[:, 0] * edge[1] - way[:, 1] * edge[0]
                with np.errstate(divide="ignore", invalid="ignore"):
                    t = ((a - eye[:2])[0] * edge[1] - (a - eye[:2])[1] * edge[0]) / below
                    along = ((a - eye[:2])[0] * way[:, 1] - (a - eye[:2])[1] * way[:, 0]) / below
                    up = eye[2] + t * way[:, 2]
                    hit = (
                        (t > 0) & (along >= 0) & (along <= 1) & (up >= 0) & (up <= look["wall_height"]) & (t < distance)
                    )
                colours[hit], distance[hit] = look["wall"], t[hit]
    for bx, by, turn, length, wide, high, colour in boxes:
        c, s = np.cos(turn), np.sin(turn)
        to = eye - [bx, by, 0.0]
        origin = np.array([c * to[0] + s * to[1], c * to[1] - s * to[0], to[2]])
        ways = np.stack([c * way[:, 0] + s * way[:, 1], c * way[:, 1] - s * way[:, 0], way[:, 2]], axis=1)
        low, high_corner = np.array([-length / 2, -wide / 2, 0.0]), np.array([length / 2, wide / 2, high])
        with np.errstate(divide="ignore", invalid="ignore"):
            one, two = (low - origin) / ways, (high_corner - origin) / ways
        enter, leave = np.minimum(one, two).max(axis=1), np.maximum(one, two).min(axis=1)
        hit = (enter <= leave) & (enter > 0.0) & (enter < distance)
        colours[hit], distance[hit] = colour, enter[hit]
    return colours.reshape(height, samples, width, samples, 3).mean(axis=(1, 3))
