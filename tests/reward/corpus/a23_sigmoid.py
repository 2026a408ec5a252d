from math import exp, pi, cos, radians as rad

def sigmoid(x, k=1.0, x0=0.0):
    return 1.0 / (1.0 + exp(-k * (x - x0)))

def reward_function(p):
    lane = 1 - sigmoid(p['distance_from_center'] / p['track_width'], k=20, x0=0.35)
    go = sigmoid(p['speed'], 2.0, 1.5)
    turn = cos(rad(p['steering_angle']) * pi / 2)
    return lane * 0.5 + go * 0.3 + turn * 0.2
