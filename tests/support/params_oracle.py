"""The 27 params by the definitions of DeepRacer's simulator, written with shapely on the rows of a route.

Independent of racer's kernels: nothing of `racer` is imported, every projection searches the whole line, and every
test of a place is a test of a polygon. Source: github aws-deepracer-community/deepracer-simapp,
`bundle/markov/track_geom/track_data.py` and `track_geom/utils.py` (lines, borders, objects, crashes),
`agent_ctrl/utils.py` (progress, sides), `agent_ctrl/rollout_agent_ctrl.py` (flags), `cameras/frustum.py` (camera).
Its code is not copied: these are its definitions in our words.

Where the source has no usable answer (a line that crosses itself), `SourceRoute.stretch` applies its definitions for
an open course to the stretch of road near a known arc length.

Units: m, rad, m/s; `heading`, `steering_angle` in degrees and `progress` in percent, as the source reports them.
"""

import bisect
import math
from typing import NamedTuple

import numpy as np
from shapely.geometry import LinearRing, LineString, Point, Polygon

FRONT_POINT = 0.14
"""Distance of the point that is projected ahead of the chassis origin [m] (RELATIVE_POSITION_OF_FRONT_OF_CAR)."""
CAMERA_OFFSET = (0.14529379, 0.0, 0.13032555)
CAMERA_PITCH = 0.2618
CAMERA_VIEW = 1.13
"""Horizontal field of view [rad]; the vertical one has 480 / 640 of its tangent."""
CAMERA_NEAR, CAMERA_FAR = 0.2, 300.0
CAR_SIZE = (0.32352, 0.1961)
"""Length along the heading and width [m]; a bot has the same (BOT_CAR_DIMENSION)."""
BOX_SIZE = (0.5, 0.4)
"""The same for a box (BOX_OBSTACLE_DIMENSION): 0.4 m x 0.3 m and a buffer of 0.1 m."""
BOX_HEIGHT_OF_ORIGIN, BOT_HEIGHT_OF_ORIGIN = 0.1, 0.0
"""Height of the pose of an object above the ground [m] (OBSTACLE_Z, BOT_CAR_Z)."""


class CarState(NamedTuple):
    """State of the car at a control step.

    Attributes:
        x: chassis origin [m]; also `y`.
        yaw: heading [rad].
        wheels: wheel centres [m], shape (4, 2).
        steps: control steps of the episode; the prepare step is 1.
        speed: commanded speed [m/s].
        steering_angle: commanded angle [degrees].
        sim_time: simulation clock [s].
        start_share: share of the line (0..1) from which progress counts.
        progress_before: progress of the previous step [%].
        near: arc length near the car [m]; only for routes that cross themselves.
    """

    x: float
    y: float
    yaw: float
    wheels: np.ndarray
    steps: float = 2.0
    speed: float = 0.0
    steering_angle: float = 0.0
    sim_time: float = 0.0
    start_share: float = 0.0
    progress_before: float = 0.0
    near: float | None = None

    @property
    def front(self):
        """The point that is projected."""
        return Point(self.x + FRONT_POINT * math.cos(self.yaw), self.y + FRONT_POINT * math.sin(self.yaw))


class ObjectState(NamedTuple):
    """Pose of a box or a bot; `near` as in `CarState`."""

    x: float
    y: float
    yaw: float
    is_bot: bool
    speed: float = 0.0
    near: float | None = None

    @property
    def point(self):
        """Its centre."""
        return Point(self.x, self.y)

    @property
    def corners(self):
        """Corners of its bounding rectangle [m], four pairs."""
        return rectangle(self.x, self.y, self.yaw, CAR_SIZE if self.is_bot else BOX_SIZE)


class Place(NamedTuple):
    """Projection of a point onto the centre line.

    Attributes:
        distance: arc length of the projection [m].
        foot: the projection.
        inner: point of the inner border nearest to the projection; also `outer`.
        waypoints: index of the row behind and of the row ahead.
    """

    distance: float
    foot: Point
    inner: Point
    outer: Point
    waypoints: tuple[int, int]


def rectangle(x, y, yaw, size):
    """Corners of a rectangle by its centre, heading and (length, width)."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    out = []
    for ahead, left in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
        dx, dy = 0.5 * ahead * size[0], 0.5 * left * size[1]
        out.append((x + dx * cos - dy * sin, y + dx * sin + dy * cos))
    return out


def previous_and_next(values, value):
    """Indices of the sorted values about a value, cyclic: a value equal to one of them is behind itself."""
    ahead = bisect.bisect_right(values, value)
    return (ahead - 1) % len(values), ahead % len(values)


def progress(share, start_share, before):
    """Percentage driven since the start; the previous value decides on which side of the line the car is."""
    now = 100.0 * (share - start_share)
    if now <= 0.0:
        now += 100.0
    if before > now + 50.0:
        now += 100.0
    if now > before + 50.0:
        now -= 100.0
    return min(now, 100.0)


def view_slack(car, point, height):
    """How far a point is inside the camera's frustum: the least of its six clearances [m], negative outside."""
    cos, sin = math.cos(car.yaw), math.sin(car.yaw)
    down = (math.cos(CAMERA_PITCH), math.sin(CAMERA_PITCH))
    forward = np.array([down[0] * cos, down[0] * sin, -down[1]])
    left = np.array([-sin, cos, 0.0])
    up = np.array([down[1] * cos, down[1] * sin, down[0]])
    ahead, aside, above = CAMERA_OFFSET
    camera = np.array([car.x + ahead * cos - aside * sin, car.y + ahead * sin + aside * cos, above])
    ray = np.array([point[0], point[1], height]) - camera
    depth = float(ray @ forward)
    wide = math.tan(0.5 * CAMERA_VIEW)
    high = wide * 480.0 / 640.0
    return min(
        depth - CAMERA_NEAR,
        CAMERA_FAR - depth,
        (wide * depth - abs(float(ray @ left))) / math.hypot(1.0, wide),
        (high * depth - abs(float(ray @ up))) / math.hypot(1.0, high),
    )


def object_view_slack(car, thing):
    """The same for an object: the best of its centre and its four corners, at the height of its origin."""
    height = BOT_HEIGHT_OF_ORIGIN if thing.is_bot else BOX_HEIGHT_OF_ORIGIN
    return max(view_slack(car, point, height) for point in [(thing.x, thing.y), *thing.corners])


def touches(car, thing):
    """True where a corner of the car is inside the object's rectangle: the source's test of a collision."""
    box = Polygon(thing.corners)
    return any(box.contains(Point(corner)) for corner in rectangle(car.x, car.y, car.yaw, CAR_SIZE))


def overlap_depth(car, thing):
    """Depth to which the two rectangles overlap [m]; negative where they are separated, by their distance."""
    ours, other = Polygon(rectangle(car.x, car.y, car.yaw, CAR_SIZE)), Polygon(thing.corners)
    shared = ours.intersection(other)
    return math.sqrt(shared.area) if shared.area > 0.0 else -ours.distance(other)


def without_repeated_rows(rows):
    """Rows whose centre differs from that of the row before: what the published simulator keeps since March 2026."""
    return rows[np.concatenate([[True], (np.diff(rows[:, :2], axis=0) != 0.0).any(axis=1)])]


class _Line:
    """A polyline with the share of its length at each row."""

    def __init__(self, points, *, loop):
        self.line = (LinearRing if loop else LineString)(points)
        self.length = self.line.length
        self.coords = list(self.line.coords)
        self.shares = [self.line.project(Point(p), normalized=True) for p in self.coords[:-1]] + [1.0]

    def nearest(self, point):
        """The point of the line nearest to a point."""
        return self.line.interpolate(self.line.project(point))


class SourceRoute:
    """A route in one direction of travel.

    Args:
        rows: centre, inner and outer border [m], shape (R, 6), in the order of the file. It is a loop where the last
            row equals the first.
        reverse: True to drive against that order.

    Attributes:
        crosses_itself: True where the centre line meets itself.
    """

    def __init__(self, rows, *, reverse=False):
        rows = np.asarray(rows, float)
        loop = bool((rows[0] == rows[-1]).all())
        ccw = loop is False or LinearRing(rows[:, :2]).is_ccw
        self._build(rows[::-1] if reverse else rows, loop=loop, inner_is_left=bool(ccw) != reverse)
        self.reverse = reverse
        self.crosses_itself = not self.center.line.is_simple
        self._pieces = {}

    def _build(self, rows, *, loop, inner_is_left, first_row=0, first_distance=0.0):
        self.rows, self.loop, self.inner_is_left = rows, loop, inner_is_left
        self.first_row, self.first_distance = first_row, first_distance
        self.center = _Line(rows[:, :2], loop=loop)
        self.inner, self.outer = (_Line(rows[:, k : k + 2], loop=loop) for k in (2, 4))
        if loop:
            self.road = Polygon(rows[:, 4:6], [rows[:, 2:4]])
            self.inner_half = Polygon(rows[:, :2], [rows[:, 2:4]])
        else:
            back = rows[::-1, 2:4]
            self.road = Polygon(np.vstack([rows[:, 4:6], back]))
            self.inner_half = Polygon(np.vstack([rows[:, :2], back]))

    def stretch(self, near, reach=2.5):
        """The road within `reach` of an arc length [m], as an open course that reports the whole route's numbers."""
        rows = self.rows[:-1] if self.loop else self.rows
        count, length = len(rows), self.center.length
        at = np.array(self.center.shares[:count]) * length
        turns = np.arange(-1, 2) if self.loop else np.arange(1)
        index = np.tile(np.arange(count), len(turns))
        unwrapped = np.concatenate([at + turn * length for turn in turns])
        first, last = np.searchsorted(unwrapped, [near - reach, near + reach])
        first, last = max(first - 1, 0), min(last + 1, len(index))
        if (first, last) not in self._pieces:
            piece = self._pieces[first, last] = SourceRoute.__new__(SourceRoute)
            piece._build(
                rows[index[first:last]], loop=False, inner_is_left=self.inner_is_left,
                first_row=int(index[first]), first_distance=float(unwrapped[first]),
            )  # fmt: skip
        return self._pieces[first, last]

    def _near(self, near):
        return self if near is None else self.stretch(near)

    def place(self, point, near=None):
        """Project a point onto the centre line: the nearest of the whole line, or of the stretch about `near`."""
        route = self._near(near)
        share = route.center.line.project(point, normalized=True)
        foot = route.center.line.interpolate(share, normalized=True)
        distance = route.first_distance + share * route.center.length
        behind, ahead = previous_and_next(route.center.shares, share)
        if near is not None:
            rows = len(self.rows) - 1 if self.loop else len(self.rows)
            behind = (route.first_row + behind) % rows
            ahead = behind + 1
            distance %= self.center.length if self.loop else math.inf
        return Place(distance, foot, route.inner.nearest(foot), route.outer.nearest(foot), (behind, ahead))

    def row_distances(self):
        """Arc length of each row [m]."""
        return np.array(self.center.shares) * self.center.length

    def wheels_on_track(self, car):
        """For each wheel centre whether it is on the road."""
        road = self._near(car.near).road
        return [road.contains(Point(wheel)) for wheel in car.wheels]

    def is_object_left(self, thing):
        """True where an object is on the half of the road that is left of the centre line."""
        half = self._near(thing.near).inner_half
        return half.contains(thing.point) != (not self.inner_is_left)

    def is_crashed(self, car, objects, share):
        """The flag that reward functions get: a bot that the car is ahead of, counted from the first row, is at fault.

        Only the first object that is touched counts.
        """
        for thing in objects:
            if touches(car, thing):
                if not thing.is_bot:
                    return True
                front = CarState(thing.x, thing.y, thing.yaw, wheels=np.empty((0, 2))).front
                other = self.place(front, thing.near).distance / self.center.length
                ours = progress(share, car.start_share, car.progress_before) + 100.0 * car.start_share
                return ours % 100.0 < 100.0 * other % 100.0
        return False

    def params(self, car, objects=()):
        """The dict of a reward function.

        Args:
            car: a `CarState`.
            objects: `ObjectState` of each box and bot, in the order in which they were made.
        """
        front = car.front
        place = self.place(front, car.near)
        share = place.distance / self.center.length
        wheels = self.wheels_on_track(car)
        to_inner, to_outer = place.inner.distance(front), place.outer.distance(front)
        heading = math.degrees(math.atan2(math.sin(car.yaw), math.cos(car.yaw)))
        out = {
            "all_wheels_on_track": all(wheels),
            "x": front.x,
            "y": front.y,
            "heading": heading,
            "closest_waypoints": list(place.waypoints),
            "waypoints": self.center.coords,
            "distance_from_center": place.foot.distance(front),
            "is_left_of_center": (to_inner < to_outer) == self.inner_is_left,
            "track_width": place.inner.distance(place.outer),
            "track_length": self.center.length,
            "progress": progress(share, car.start_share, car.progress_before),
            "steps": car.steps,
            "speed": car.speed,
            "steering_angle": car.steering_angle,
            "is_reversed": self.reverse,
            "is_crashed": self.is_crashed(car, objects, share),
            "is_offtrack": not any(wheels),
            "projection_distance": place.distance,
            "sim_time": car.sim_time,
        }
        return out | self._object_params(car, place.distance, objects)

    def _object_params(self, car, distance, objects):
        places = [self.place(thing.point, thing.near) for thing in objects]
        order = sorted(range(len(objects)), key=lambda k: places[k].distance)
        closest, seen = [0, 0], False
        if objects:
            behind, ahead = previous_and_next([places[k].distance for k in order], distance)
            closest = [order[behind], order[ahead]]
            # The source compares this index with one of a list that begins with the car itself, so that it looks at
            # the object before: the meaning that its comment and the key's name have is kept here.
            seen = object_view_slack(car, objects[order[ahead]]) > 0.0
        bots = any(thing.is_bot for thing in objects)
        return {
            "closest_objects": closest,
            "objects_location": [[thing.x, thing.y] for thing in objects],
            "objects_distance": [place.distance for place in places],
            "objects_heading": [thing.yaw if bots else 0.0 for thing in objects],
            "objects_left_of_center": [self.is_object_left(thing) for thing in objects],
            "objects_speed": [thing.speed if bots else 0.0 for thing in objects],
            "object_in_camera": seen,
            "objects_distance_from_center": [
                place.foot.distance(thing.point) for place, thing in zip(places, objects, strict=True)
            ],
        }
