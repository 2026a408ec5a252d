LEFT = [1,2,3,4,5,6,7,8,9,10,20,21,22,23]
RIGHT = set(range(30, 60)) | {80, 81}
FAST = {i for i in range(100) if i not in LEFT}
def reward_function(params):
    w = params['closest_waypoints'][1]
    r = 0.1
    if w in LEFT and params['is_left_of_center']: r += 1
    if w in RIGHT and not params['is_left_of_center']: r += 1
    if w in FAST: r += params['speed']
    return r
