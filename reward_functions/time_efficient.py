"""Rewards beating a par time: the distance driven for the steps used.

The classic `progress / steps`, made to depend less on the track: the distance driven so far is compared with that of
a car which drives at par speed. A good start is not enough, because the whole episode counts in each step; and a
finished lap pays a bonus for every second under par.
"""

PAR_SPEED = 2.0  # m/s along the centre line; a car that keeps it gets 1 in each step
STEPS_PER_SECOND = 15.0
FINISH = 2.0  # reward for each second that a lap is faster than par, and 10 for the lap itself


def reward_function(params):
    if params["is_offtrack"] or params["is_crashed"]:
        return -10.0

    # Step 1 is the placing of the car, so `steps` - 1 have been driven: never 0 here.
    seconds = (params["steps"] - 1.0) / STEPS_PER_SECOND
    metres = params["progress"] / 100.0 * params["track_length"]

    pace = metres / (PAR_SPEED * seconds)  # 1 is par, over the whole episode so far
    reward = max(0.0, pace) ** 2  # twice as fast pays four times as much

    if params["progress"] >= 100.0:
        par = params["track_length"] / PAR_SPEED
        reward += 10.0 + FINISH * max(0.0, par - seconds)

    # With a wheel off the road the same pace is worth less.
    if not params["all_wheels_on_track"]:
        reward *= 0.5
    return float(reward)
