prev = None
def reward_function(params):
    global prev
    here = (params['x'], params['y'])
    if prev is None or params['steps'] <= 2:
        moved = 0.0
    else:
        moved = ((here[0] - prev[0]) ** 2 + (here[1] - prev[1]) ** 2) ** 0.5
    prev = here
    return moved * 10
