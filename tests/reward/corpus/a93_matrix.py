import math
def mat_mul(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(2)) for j in range(2)] for i in range(2)]
def reward_function(params):
    t = math.radians(params['heading'])
    r = [[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]]
    m = mat_mul(r, [[1, 0], [0, params['speed']]])
    return abs(m[0][0]) + abs(m[1][1])
