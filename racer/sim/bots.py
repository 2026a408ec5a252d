"""Bots: scripted cars that follow a lane line, and change lanes if they are told to.

As in DeepRacer's simulator (simapp `agent_ctrl/bot_cars_agent_ctrl.py`) a bot's constant speed is that along the centre
line, so bots keep their distances for ever, whichever lanes they are in. A lane change takes a given length of centre
line; across the road it is a smoothstep, ``3 u^2 - 2 u^3``: it begins and ends along the lane lines. All bots of a
world stand for a while after one of them ran into a car from behind.
"""

import math

from racer.sim.dtypes import BOT
from racer.sim.jit import inlined
from racer.sim.objects import next_wait, put_in_lane

_ROUNDING = 1e-9
"""s; a pause is over when this little is left of a sum of control steps."""


@inlined
def step_bots(world, batch, tables, plan, dt):  # type: ignore[no-untyped-def]
    """Move the bots of a world for `dt` seconds; one that reaches the end of an open track leaves it."""
    objects = batch.objects
    for k in range(objects.shape[1]):
        bot = objects[world, k]
        if bot.active == 0 or bot.kind != BOT or bot.speed == 0.0:
            continue
        if bot.pause > _ROUNDING:
            bot.pause -= dt
            continue
        bot.pause = 0.0
        course = tables.courses[bot.course]
        bot.s += bot.speed * dt
        if course.closed == 1:
            bot.s -= course.length * math.floor(bot.s / course.length)
        elif bot.s > course.length:
            bot.active = 0
            continue
        put_in_lane(bot, tables, change_lanes(bot, plan, dt))


@inlined
def change_lanes(bot, plan, dt):  # type: ignore[no-untyped-def]
    """Go on with a lane change for `dt` seconds, or begin one when its time has come.

    Returns:
        drift: lane per metre of arc at the end of these seconds.
    """
    if bot.lane_to == bot.lane_from:
        if bot.change_in > dt:
            bot.change_in -= dt
            return 0.0
        bot.lane_to = -bot.lane_from
        bot.changed = bot.speed * (dt - bot.change_in)
    else:
        bot.changed += bot.speed * dt
    share = bot.changed / plan.change_length
    if share >= 1.0:
        beyond = (bot.changed - plan.change_length) / bot.speed
        bot.lane = bot.lane_from = bot.lane_to
        bot.changed = 0.0
        bot.change_in = max(next_wait(bot, plan) - beyond, 0.0)
        return 0.0
    way = bot.lane_to - bot.lane_from
    bot.lane = bot.lane_from + way * share * share * (3.0 - 2.0 * share)
    return way * 6.0 * share * (1.0 - share) / plan.change_length


@inlined
def pause_bots(world, objects, plan):  # type: ignore[no-untyped-def]
    """Make the bots of a world stand, unless they do already."""
    for k in range(objects.shape[1]):
        bot = objects[world, k]
        if bot.active == 1 and bot.kind == BOT and bot.pause <= 0.0:
            bot.pause = plan.pause
