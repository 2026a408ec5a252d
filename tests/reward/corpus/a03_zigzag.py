ABS_STEERING_THRESHOLD = 15
def reward_function(params):
    distance_from_center = params['distance_from_center']
    track_width = params['track_width']
    steering = abs(params['steering_angle'])
    reward = 1 - (distance_from_center / (track_width / 2)) ** 0.4 if distance_from_center > 0 else 1.0
    if isinstance(reward, complex):
        return 1e-3
    if steering > ABS_STEERING_THRESHOLD:
        reward *= 0.8
    print("steering", steering, "reward", reward)
    return float(reward)
