VERBOSE = True
count = 0
def log(*args):
    if VERBOSE:
        print(*args)

def reward_function(params):
    global count
    count += 1
    log('step', params['steps'], 'count', count)
    log("x:", params['x'], "y:", params['y'], params['waypoints'][0])
    if count % 10 == 0:
        print('ten\nmore', sep='', end='\n\n')
    return count % 10 / 10
