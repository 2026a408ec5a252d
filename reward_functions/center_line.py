"""Rewards staying near the centre line: the classic first reward function.

Three bands around the centre line, each worth less than the one inside it. It keeps no state and ignores the
speed, so the car learns to drive safely, and slowly.
"""


def reward_function(params):
    # Half the road is on each side: half the width is the distance from the centre line to the border.
    half_width = 0.5 * params["track_width"]
    distance = params["distance_from_center"]

    if not params["all_wheels_on_track"]:
        return 0.001
    if distance <= 0.2 * half_width:
        return 1.0
    if distance <= 0.5 * half_width:
        return 0.5
    return 0.1
