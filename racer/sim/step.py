"""One control step of a range of worlds: drive, locate, detect contacts, update the status, fill the telemetry.

Order: action -> physics steps -> location on the course -> contacts -> status -> telemetry. Sensors follow in separate
kernels. The telemetry is that after the step, together with the action that led to it.
"""

import math

from racer.sim.centerline import is_on_road, project_on_centerline
from racer.sim.contact import AHEAD, NO_CONTACT, classify_contact
from racer.sim.dtypes import (
    BACKWARD_STEPS,
    STUCK_DISTANCE,
    STUCK_STEPS,
    Array,
    Batch,
    Car,
    CourseTables,
    EpisodeStatus,
    StepTiming,
    Vehicle,
)
from racer.sim.jit import device, kernel
from racer.sim.telemetry import FRONT_POINT, write_object_telemetry, write_telemetry
from racer.sim.traffic import ObjectPlan, pause_bots, step_bots
from racer.sim.vehicle import ActionDelay, delayed_rows, drive_vehicle, push_command

SEARCH_REACH = 0.5
"""Arc that is searched beyond the distance that the car moved [m]."""
WHEEL_SEARCH_REACH = 2.0
"""Arc that is searched for a wheel on both sides of the front point [m]: enough at the tightest inner border."""

# Plain integers compile faster than members of the enum.
IN_PROGRESS, LAP_COMPLETE, OFF_TRACK, CRASHED, IMMOBILIZED, REVERSED, TIME_UP = (
    int(status) for status in EpisodeStatus if status != EpisodeStatus.PREPARE
)
_DEGREES = 180.0 / math.pi
_ROUNDING = 1e-9
"""Progress by which the sum of many gains may miss a whole lap [percent], mostly at the end of an open track."""


@device
def locate_car(car: Car, vehicle: Vehicle, tables: CourseTables, reach: float) -> None:
    """Project the front point and count the wheels on the road.

    Updates `segment`, `s`, `lateral`, `travelled`, `progress` and `wheels_on`.

    Args:
        car: CAR row, changed in place.
        vehicle: VEHICLE row.
        tables: Tables of all courses.
        reach: Arc on both sides of the car's last segment that is searched [m].
    """
    course, segments = tables.courses[car.course], tables.segments
    cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
    front_x, front_y = car.x + FRONT_POINT * cos_yaw, car.y + FRONT_POINT * sin_yaw
    segment, along, lateral = project_on_centerline(course, segments, car.segment, front_x, front_y, reach)
    s = segments[course.first + segment].s + along
    gained = s - car.s
    if course.closed == 1:  # across the start line s jumps by a lap
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

    # The search for a wheel starts at the front point's segment; wheel centres are at most about 0.3 m from that point.
    wheels = 0
    for k in range(4):  # front left, front right, rear left, rear right
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
def check_contacts(world: int, index: int, batch: Batch, tables: CourseTables, plan: ObjectPlan) -> bool:
    """Return True where car `index` hits another body; a bot that runs into it from behind stops instead.

    Of two cars that touch, both hit; `find_contacts` gives rules the one at fault.
    """
    number = batch.objects.shape[1]
    hit = False
    for k in range(number + batch.cars.shape[1]):
        contact = classify_contact(world, index, k, batch, tables)
        if contact == AHEAD and k < number:
            pause_bots(world, batch.objects, plan)
        elif contact != NO_CONTACT:
            hit = True
    return hit


@device
def update_status(car: Car, crashed: bool, steps_max: int) -> None:
    """Set the status of a car after a step; a crash or an off-track has precedence over a completed lap."""
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
def finish_step(world: int, batch: Batch, tables: CourseTables, timing: StepTiming, plan: ObjectPlan) -> None:
    """Set status and telemetry of the cars of one world, after all have been moved and located."""
    cars, telemetry = batch.cars, batch.telemetry
    for c in range(cars.shape[1]):
        car = cars[world, c]
        if car.active == 1 and car.status <= IN_PROGRESS and car.steps > 1:
            update_status(car, check_contacts(world, c, batch, tables, plan), timing.steps_max)
    control_dt = timing.substeps * timing.dt
    for c in range(cars.shape[1]):
        if cars[world, c].active == 0:
            telemetry[world, c].steps = 0
        else:
            write_telemetry(cars[world, c], tables, control_dt, telemetry[world, c])
            if batch.object_telemetry.shape[2] > 0:
                write_object_telemetry(world, c, batch, tables)


@device
def drive_delayed(car: Car, vehicle: Vehicle, commands: Array, steps: int, timing: StepTiming) -> None:
    """Move a car through a control step by its command or, with a delay, by those that take effect now.

    Args:
        car: CAR row, changed in place.
        vehicle: VEHICLE row.
        commands: Steering angle [degrees] and speed [m/s] of delayed commands, shape (R, 2), newest first.
        steps: Delay of steering and speed [physics steps]; the vehicle's delay of the steering adds to it.
        timing: Times of a control step.
    """
    if commands.shape[0] == 0:
        drive_vehicle(car, vehicle, car.steer_command / _DEGREES, car.speed_command, timing.substeps, timing.dt)
        return
    push_command(commands, car.steer_command, car.speed_command)
    rows = commands.shape[0]
    steer_steps = steps + int(vehicle.steer_delay / timing.dt + 0.5)
    change, older, newer = delayed_rows(rows, steps, timing.substeps)
    steer_change, steer_older, steer_newer = delayed_rows(rows, steer_steps, timing.substeps)
    steer_before, steer = commands[steer_older, 0] / _DEGREES, commands[steer_newer, 0] / _DEGREES
    # Two parts with a constant speed command; the steering may change within either of them.
    for part in range(2):
        begin, end = (0, change) if part == 0 else (change, timing.substeps)
        speed = commands[older if part == 0 else newer, 1]
        if end > begin:
            before = max(steer_change - begin, 0)
            drive_vehicle(car, vehicle, steer, speed, end - begin, timing.dt, steer_before, before)


@kernel
def step_worlds(
    first: int, last: int, actions: Array, tables: CourseTables, timing: StepTiming, plan: ObjectPlan,
    # outputs
    delay: ActionDelay, batch: Batch,
) -> None:  # fmt: skip
    """Step worlds `first` to `last` - 1.

    A car whose episode has ended keeps its state until it is placed again; bots drive while any car does.

    Args:
        first: First world.
        last: World after the last one.
        actions: Steering angle [degrees], left positive, and speed [m/s], shape (N, C, 2), float64.
        tables: Tables of all courses.
        timing: Times of a control step.
        plan: Placement and driving of the objects.
        delay: Delayed commands.
        batch: Rows of the worlds.
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
            drive_delayed(car, vehicle, delay.commands[n, c], delay.steps[n, c], timing)
            moved = math.sqrt((car.x - x) * (car.x - x) + (car.y - y) * (car.y - y))
            locate_car(car, vehicle, tables, SEARCH_REACH + 1.5 * moved)
            car.steps += 1
            car.stuck_steps = car.stuck_steps + 1 if moved <= STUCK_DISTANCE else 0
            car.backward_steps = car.backward_steps + 1 if car.progress < progress else 0
        if running and objects > 0:
            step_bots(n, batch, tables, plan, timing.substeps * timing.dt)
        finish_step(n, batch, tables, timing, plan)
