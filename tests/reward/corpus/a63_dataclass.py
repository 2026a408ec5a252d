from dataclasses import dataclass

@dataclass
class Config:
    lane: float = 0.7
    speed: float = 0.3

CONFIG = Config()

def reward_function(params):
    lane = max(0.0, 1 - 2 * params['distance_from_center'] / params['track_width'])
    return CONFIG.lane * lane + CONFIG.speed * params['speed'] / 4
