import numpy as np

def reward_function(params):
    d = params['distance_from_center']
    w = params['track_width']
    sigma = w / 6.0
    reward = np.exp(-0.5 * (d / sigma) ** 2)
    speed_term = np.clip(params['speed'] / 4.0, 0, 1)
    heading = np.deg2rad(params['heading'])
    wp = params['waypoints']
    nxt = np.array(wp[params['closest_waypoints'][1]])
    prv = np.array(wp[params['closest_waypoints'][0]])
    vec = nxt - prv
    ang = np.arctan2(vec[1], vec[0])
    diff = np.abs(np.arctan2(np.sin(ang - heading), np.cos(ang - heading)))
    return float(reward * (0.5 + speed_term) * np.cos(diff / 2.0))
