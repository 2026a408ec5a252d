from collections import deque
hist = deque(maxlen=5)
def reward_function(params):
    hist.append(params['steering_angle'])
    return sum(hist) / len(hist)
