def reward_function(params):
    left = "left" if params["is_left_of_center"] else "right"
    weights = {"left": 1.2, "right": 0.8}
    mode = {True: "rev", False: "fwd"}[params["is_reversed"]]
    r = weights[left]
    if mode == "rev":
        r *= 0.5
    for name, w in weights.items():
        if name == left:
            r += w
    return r
