class PARAMS:
    prev_speed = None
    prev_steering_angle = None
    prev_steps = None
    prev_direction_diff = None
    prev_normalized = None
    unpardonable_action = False
    intermediate_progress = [0] * 11

def reward_function(params):
    import math
    heading = params['heading']
    distance_from_center = params['distance_from_center']
    steps = params['steps']
    steering_angle = params['steering_angle']
    speed = params['speed']
    waypoints = params['waypoints']
    closest = params['closest_waypoints']
    progress = params['progress']
    if PARAMS.prev_steps is None or steps < PARAMS.prev_steps:
        PARAMS.prev_speed = None
        PARAMS.prev_steering_angle = None
        PARAMS.prev_direction_diff = None
        PARAMS.prev_normalized = None
        PARAMS.unpardonable_action = False
        PARAMS.intermediate_progress = [0] * 11
    next_point = waypoints[closest[1]]
    prev_point = waypoints[closest[0]]
    direction = math.degrees(math.atan2(next_point[1] - prev_point[1], next_point[0] - prev_point[0]))
    direction_diff = abs(direction - heading)
    if direction_diff > 180:
        direction_diff = 360 - direction_diff
    has_speed_dropped = False
    if PARAMS.prev_speed is not None:
        if PARAMS.prev_speed > speed:
            has_speed_dropped = True
    speed_maintain_bonus = 1
    if has_speed_dropped and not abs(steering_angle) > 10:
        speed_maintain_bonus = min(speed / PARAMS.prev_speed, 1)
    heading_decrease_bonus = 0
    if PARAMS.prev_direction_diff is not None:
        if abs(PARAMS.prev_direction_diff / max(direction_diff, 1e-6)) > 1:
            heading_decrease_bonus = min(10, abs(PARAMS.prev_direction_diff / max(direction_diff, 1e-6)))
    steering_reward = 1
    if PARAMS.prev_steering_angle is not None:
        if not (math.isclose(PARAMS.prev_steering_angle, steering_angle)):
            steering_reward = 0.5
    pi = int(progress // 10)
    intermediate_progress_bonus = 0
    if pi != 0 and PARAMS.intermediate_progress[pi] == 0:
        if pi == 10:
            intermediate_progress_bonus = progress ** 14 / 1e20
        else:
            intermediate_progress_bonus = progress ** 5 / 1e8
        PARAMS.intermediate_progress[pi] = intermediate_progress_bonus
    PARAMS.prev_speed = speed
    PARAMS.prev_steering_angle = steering_angle
    PARAMS.prev_direction_diff = direction_diff
    PARAMS.prev_steps = steps
    PARAMS.prev_normalized = distance_from_center
    heading_reward = math.cos(abs(direction_diff) * (math.pi / 180)) ** 10
    if abs(direction_diff) <= 20:
        heading_reward = math.cos(abs(direction_diff) * (math.pi / 180)) ** 4
    if distance_from_center > 0.5 * params['track_width'] or not params['all_wheels_on_track']:
        PARAMS.unpardonable_action = True
    reward = heading_reward * speed_maintain_bonus + heading_decrease_bonus + steering_reward + intermediate_progress_bonus
    if PARAMS.unpardonable_action:
        reward = 1e-3
    return float(max(reward, 1e-3))
