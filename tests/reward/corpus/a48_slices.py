def reward_function(params):
    wps = params['waypoints']
    i = params['closest_waypoints'][1]
    ahead = wps[i:i + 5]
    if len(ahead) < 5:
        ahead = ahead + wps[:5 - len(ahead)]
    sx = sum([p[0] for p in ahead]) / len(ahead)
    sy = sum([p[1] for p in ahead]) / len(ahead)
    last = wps[-1]
    tail = wps[-3:]
    d = ((sx - params['x']) ** 2 + (sy - params['y']) ** 2) ** 0.5
    return 1 / (1 + d) + 0.001 * (last[0] + tail[0][1] + wps[::10][0][0])
