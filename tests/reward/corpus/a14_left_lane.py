def reward_function(params):
    left_lane = [23,24,50,51,52,53,61,62,63,64,65,66,67,68]
    center_lane = [4,5,6,7,8,9,10,11,16,17,18,19,20,21,22,26,27,28,29,30]
    right_lane = [12,13,14,15,36,37,38,39,71,72]
    fast = [0,1,2,3,4,5,6,7,8,25,26,27,28,29,30,31,32,51,52,53,54,63,64,65,66,67,68,69,70,76,77,78,79,80]
    slow = [12,13,15,16,17,18,19,20,21,42,45,47,49]
    reward = 21
    if params["all_wheels_on_track"]:
        reward += 10
    else:
        reward -= 10
    if params["closest_waypoints"][1] in left_lane and params["is_left_of_center"]:
        reward += 10
    elif params["closest_waypoints"][1] in right_lane and not params["is_left_of_center"]:
        reward += 10
    elif params["closest_waypoints"][1] in center_lane and params["distance_from_center"] < 0.15:
        reward += 10
    else:
        reward -= 10
    if params["closest_waypoints"][1] in fast:
        if params["speed"] > 1.5:
            reward += 10
        else:
            reward -= 10
    elif params["closest_waypoints"][1] in slow:
        if params["speed"] < 1.5:
            reward += 10
        else:
            reward -= 10
    return float(reward)
