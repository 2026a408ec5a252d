import math

class RewardFunction:
    MAX_SPEED = 4.0
    MIN_REWARD = 1e-3

    def __init__(self):
        self.params = None
        self.reward = 0.0

    def __call__(self, params):
        self.reward = 0.0
        self._heading(params)
        self._speed(params)
        self._lane(params)
        return float(max(self.reward, self.MIN_REWARD))

    def _heading(self, params):
        wp = params['waypoints']
        a, b = params['closest_waypoints']
        if a == b:
            b = (b + 1) % len(wp)
        track = math.atan2(wp[b][1] - wp[a][1], wp[b][0] - wp[a][0])
        diff = math.degrees(track) - params['heading']
        diff = (diff + 180) % 360 - 180
        self.reward += math.cos(math.radians(diff))

    def _speed(self, params):
        self.reward += (params['speed'] / RewardFunction.MAX_SPEED) ** 2

    def _lane(self, params):
        self.reward -= params['distance_from_center'] / params['track_width']

reward_function = RewardFunction()
