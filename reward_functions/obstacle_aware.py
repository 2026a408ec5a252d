"""Rewards metres, and passing the objects on the road with room to spare.

Metres pay, as in `default`. Near an object, the gap to its side counts: the closer the car comes to it along the
road, the more it has to be out of its lane. Without objects the lists are empty, and the function must not index
them: that is the mistake that ends most trainings with objects.
"""

METRE = 10.0  # reward for a metre along the centre line
CAREFUL = 1.6  # metres: an object matters from this distance ahead on
GAP = 0.45  # metres: with this gap to its side an object does not matter: half a box, half a car and a margin
PENALTY = 2.0  # penalty in a step right before an object, straight behind it
FAULT = 20.0  # penalty where the episode ends off the road or in a crash

progress_before = 0.0


def reward_function(params):
    global progress_before

    if params["steps"] <= 2:
        progress_before = 0.0
    metres = (params["progress"] - progress_before) / 100.0 * params["track_length"]
    progress_before = params["progress"]
    reward = METRE * metres

    # Position of the car: metres to the left of the centre line, and metres along it.
    side = params["distance_from_center"]
    if not params["is_left_of_center"]:
        side = -side
    along = params["projection_distance"]
    length = params["track_length"]

    for k in range(len(params["objects_distance"])):
        # Distance ahead, round the loop: an object just behind is almost a lap ahead.
        ahead = (params["objects_distance"][k] - along) % length
        if ahead > CAREFUL:
            continue
        object_side = params["objects_distance_from_center"][k]
        if not params["objects_left_of_center"][k]:
            object_side = -object_side
        blocked = max(0.0, 1.0 - abs(side - object_side) / GAP)  # 1 straight behind it, 0 with room
        reward -= PENALTY * blocked * (1.0 - ahead / CAREFUL)

    if params["is_offtrack"] or params["is_crashed"]:
        reward -= FAULT
    elif not params["all_wheels_on_track"]:
        reward -= 0.3
    return float(reward)
