def reward_function(params):
    slip = params.get("slip_angle", 0.0)
    extra = params.get("something_else", 0.5)
    none = params.get("nothing")
    reward = 1.0 - min(abs(slip), 90.0) / 90.0
    if none is None:
        reward += extra
    if "speed_measured" in params and "foo" not in params:
        reward += params["speed_measured"] / 4
    return reward
