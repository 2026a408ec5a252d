"""One control step of a range of worlds: move, locate, touch, judge, and fill the telemetry.

Order (design): action -> physics steps -> locate on the course -> contacts -> status -> telemetry. Sensors follow in
kernels of their own.
"""

import math

from racer.sim.centerline import is_on_road, project_on_centerline
from racer.sim.contact import AHEAD, NO_CONTACT, classify_contact
from racer.sim.dtypes import BACKWARD_STEPS, STUCK_DISTANCE, STUCK_STEPS, EpisodeStatus
from racer.sim.jit import device, kernel
from racer.sim.telemetry import FRONT_POINT, write_object_telemetry, write_telemetry
from racer.sim.traffic import pause_bots, step_bots
from racer.sim.vehicle import drive_vehicle, push_command

SEARCH_REACH = 0.5
"""m of arc searched beside what the car moved."""
WHEEL_SEARCH_REACH = 2.0
"""m of arc searched for a wheel on either side of the front point: round the tightest inner border."""

# Plain integers: they compile faster than members of the enum.
IN_PROGRESS, LAP_COMPLETE, OFF_TRACK = (
    int(EpisodeStatus.IN_PROGRESS),
    int(EpisodeStatus.LAP_COMPLETE),
    int(EpisodeStatus.OFF_TRACK),
)
CRASHED, IMMOBILIZED = int(EpisodeStatus.CRASHED), int(EpisodeStatus.IMMOBILIZED)
REVERSED, TIME_UP = int(EpisodeStatus.REVERSED), int(EpisodeStatus.TIME_UP)
_DEGREES = 180.0 / math.pi
_ROUNDING = 1e-9
"""Percent; the sum of many gains may miss a whole lap by this, most of all at the end of an open track."""


@device
def locate_car(car, vehicle, tables, reach):  # type: ignore[no-untyped-def]
    """Project the front point, update `s`, `lateral`, `travelled`, `progress`, and count the wheels on the road."""
    course, segments = tables.courses[car.course], tables.segments
    cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
    front_x, front_y = car.x + FRONT_POINT * cos_yaw, car.y + FRONT_POINT * sin_yaw
    segment, along, lateral = project_on_centerline(course, segments, car.segment, front_x, front_y, reach)
    s = segments[course.first + segment].s + along
    gained = s - car.s
    if course.closed == 1:
        if gained > 0.5 * course.length:
            gained -= course.length
        elif gained < -0.5 * course.length:
            gained += course.length
    car.segment, car.s, car.lateral = segment, s, lateral
    car.travelled += gained
    goal = course.length if course.closed == 1 else max(course.length - car.start_s, 1e-9)
    car.progress = 100.0 * car.travelled / goal
    if car.progress > 100.0 - _ROUNDING:
        car.progress = 100.0

    # Wheel centres are about 0.3 m at most from the front point.
    wheels = 0
    for k in range(4):
        along_car = vehicle.front if k < 2 else -vehicle.rear
        across = 0.5 * (vehicle.track_front if k < 2 else vehicle.track_rear)
        if k % 2 == 1:
            across = -across
        wheel_x = car.x + along_car * cos_yaw - across * sin_yaw
        wheel_y = car.y + along_car * sin_yaw + across * cos_yaw
        if is_on_road(course, segments, segment, wheel_x, wheel_y, WHEEL_SEARCH_REACH):
            wheels += 1
    car.wheels_on = wheels


@device
def check_contacts(world, me, batch, tables, plan):  # type: ignore[no-untyped-def]
    """True where a car hits something, on the same track; a bot that runs into it from behind stops instead.

    Of two cars that touch, both hit: whose fault it is, rules may ask `find_contacts`.
    """
    number = batch.objects.shape[1]
    hit = False
    for k in range(number + batch.cars.shape[1]):
        contact = classify_contact(world, me, k, batch, tables)
        if contact == AHEAD and k < number:
            pause_bots(world, batch.objects, plan)
        elif contact != NO_CONTACT:
            hit = True
    return hit


@device
def update_status(car, crashed, steps_max):  # type: ignore[no-untyped-def]
    """Status of a car after a step; a fault comes before a completed lap."""
    if crashed:
        car.status = CRASHED
    elif car.wheels_on == 0:
        car.status = OFF_TRACK
    elif car.progress >= 100.0:
        car.status = LAP_COMPLETE
    elif car.stuck_steps >= STUCK_STEPS:
        car.status = IMMOBILIZED
    elif car.backward_steps >= BACKWARD_STEPS:
        car.status = REVERSED
    elif car.steps >= steps_max:
        car.status = TIME_UP
    else:
        car.status = IN_PROGRESS


@device
def finish_step(world, batch, tables, clock, plan):  # type: ignore[no-untyped-def]
    """Contacts, status and telemetry of the cars of one world, once all have been moved and located."""
    cars, telemetry = batch.cars, batch.telemetry
    for c in range(cars.shape[1]):
        car = cars[world, c]
        if car.active == 1 and car.status <= IN_PROGRESS and car.steps > 1:
            update_status(car, check_contacts(world, c, batch, tables, plan), clock.steps_max)
    control_dt = clock.substeps * clock.dt
    for c in range(cars.shape[1]):
        if cars[world, c].active == 0:
            telemetry[world, c].steps = 0
        else:
            write_telemetry(cars[world, c], tables, control_dt, telemetry[world, c])
            if batch.things.shape[2] > 0:
                write_object_telemetry(world, c, batch, tables)


@device
def drive_delayed(car, vehicle, commands, steps, clock):  # type: ignore[no-untyped-def]
    """Move a car through a control step by its command, or by those that reach it now where they take time."""
    if commands.shape[0] == 0:
        drive_vehicle(car, vehicle, car.steer_command / _DEGREES, car.speed_command, clock.substeps, clock.dt)
        return
    older, row = push_command(commands, steps, car.steer_command, car.speed_command, clock.substeps)
    for part in range(2):
        k = row + 1 - part
        count = older if part == 0 else clock.substeps - older
        if count > 0:
            drive_vehicle(car, vehicle, commands[k, 0] / _DEGREES, commands[k, 1], count, clock.dt)


@kernel
def step_worlds(first, last, actions, delay, batch, tables, clock, plan):  # type: ignore[no-untyped-def]
    """Step worlds `first`..`last`.

    Args:
        actions: (N, C, 2) float64, degrees (left positive) and m/s.
        delay: Delay, what is on its way; changed in place.
        batch: Batch, changed in place.
        tables: Courses.
        clock: Clock.
        plan: ObjectPlan.

    A car whose episode has ended stays where it is until it is placed again; bots drive while any car does.
    """
    cars, objects = batch.cars, batch.objects.shape[1]
    for n in range(first, last):
        running = False
        for c in range(cars.shape[1]):
            car, vehicle = cars[n, c], batch.vehicles[n, c]
            if car.active == 0 or car.status > IN_PROGRESS:
                continue
            running = True
            car.steer_command = actions[n, c, 0]
            car.speed_command = actions[n, c, 1]
            x, y, progress = car.x, car.y, car.progress
            drive_delayed(car, vehicle, delay.commands[n, c], delay.steps[n, c], clock)
            moved = math.sqrt((car.x - x) * (car.x - x) + (car.y - y) * (car.y - y))
            locate_car(car, vehicle, tables, SEARCH_REACH + 1.5 * moved)
            car.steps += 1
            car.stuck_steps = car.stuck_steps + 1 if moved <= STUCK_DISTANCE else 0
            car.backward_steps = car.backward_steps + 1 if car.progress < progress else 0
        if running and objects > 0:
            step_bots(n, batch, tables, plan, clock.substeps * clock.dt)
        finish_step(n, batch, tables, clock, plan)
