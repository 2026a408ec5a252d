"""Metres gained in this step, less what leaving the road costs.

The shipped default. Driving fast along the track is what pays, and nothing else: no line to follow, no speed
to keep. The car finds both. It works for any track, because progress is turned into metres.
"""

METRE = 10.0  # reward for one metre along the centre line; about 1 for each step at 1.5 m/s
WHEEL_OFF = 1.0  # taken in each step with a wheel off the road; as much as ten centimetres bring
FAULT = 10.0  # taken once, where the episode ends off the road or in a crash: as much as a metre brings

progress_before = 0.0  # kept between calls, for each car alone


def reward_function(params):
    global progress_before

    # A new episode: the first call sees steps = 2, and progress counts from the start of the episode.
    if params["steps"] <= 2:
        progress_before = 0.0

    metres = (params["progress"] - progress_before) / 100.0 * params["track_length"]
    progress_before = params["progress"]

    reward = METRE * metres
    if not params["all_wheels_on_track"]:
        reward -= WHEEL_OFF
    if params["is_offtrack"] or params["is_crashed"]:
        reward -= FAULT
    return float(reward)
