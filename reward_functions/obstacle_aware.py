"""Pass what stands on the road with room to spare; with a free road, just get on.

Metres pay, as in `default`. Near an object, what counts is the gap to its side: the closer the car comes to it along
the road, the more it has to be out of its lane. With no objects the lists are empty, and the function must not look
into them: that is the mistake that ends most trainings with objects.
"""

METRE = 10.0  # reward for a metre along the centre line
CAREFUL = 1.6  # metres before an object at which it begins to matter
GAP = 0.45  # metres to the side at which an object does not matter any more: half a box, half a car, and some air
PENALTY = 2.0  # taken in a step right before an object, straight behind it
FAULT = 20.0  # taken once, where the episode ends off the road or in a crash

progress_before = 0.0


def reward_function(params):
    global progress_before

    if params["steps"] <= 2:
        progress_before = 0.0
    metres = (params["progress"] - progress_before) / 100.0 * params["track_length"]
    progress_before = params["progress"]
    reward = METRE * metres

    # Where the car is: metres to the left of the centre line, and metres along it.
    side = params["distance_from_center"]
    if not params["is_left_of_center"]:
        side = -side
    along = params["projection_distance"]
    length = params["track_length"]

    for k in range(len(params["objects_distance"])):
        # How far ahead, round the loop: an object just behind is almost a lap ahead.
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
