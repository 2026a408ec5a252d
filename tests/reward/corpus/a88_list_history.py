speeds = []
steers = []
def reward_function(params):
    if params['steps'] <= 2:
        speeds.clear()
        del steers[:]
    speeds.append(params['speed'])
    steers.append(params['steering_angle'])
    if len(steers) > 10:
        steers.pop(0)
    if len(speeds) > 20:
        speeds.pop(0)
    changes = sum(1 for a, b in zip(steers, steers[1:]) if a * b < 0)
    recent = speeds[-5:]
    return sum(recent) / len(recent) - 0.1 * changes + (speeds[-1] - speeds[0])
