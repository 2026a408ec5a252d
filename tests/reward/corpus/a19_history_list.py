class Memory:
    def __init__(self):
        self.steering = []
        self.speeds = [0.0, 0.0, 0.0]
        self.total = 0

memory = Memory()

def reward_function(params):
    if params['steps'] <= 2:
        memory.steering = []
        memory.total = 0
    memory.steering.append(params['steering_angle'])
    if len(memory.steering) > 5:
        memory.steering.pop(0)
    memory.speeds = memory.speeds[1:] + [params['speed']]
    memory.total += 1
    changes = 0
    for i in range(1, len(memory.steering)):
        if memory.steering[i] * memory.steering[i - 1] < 0:
            changes += 1
    mean = sum(memory.speeds) / len(memory.speeds)
    return float(mean - 0.3 * changes + 0.0001 * memory.total)
