import math
SIGHT = 2
def reward_function(params):
    fwd = [(params['closest_waypoints'][1] + k) % len(params['waypoints']) for k in range(SIGHT, SIGHT + 3)]
    heads = []
    for k in fwd:
        px, py = params['waypoints'][k - 1]
        nx, ny = params['waypoints'][k]
        heads += [math.degrees(math.atan2(ny - py, nx - px))]
    mean = sum(heads) / len(heads)
    spread = max(heads) - min(heads)
    var = sum((h - mean) ** 2 for h in heads) / len(heads)
    reward = math.exp(-0.01 * var) if spread < 180 else 0.1
    return round(reward, 4)
if __name__ == '__main__':
    print(reward_function({}))
