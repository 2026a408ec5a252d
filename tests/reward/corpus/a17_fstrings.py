def reward_function(params):
    speed = params['speed']
    reward = speed ** 2 / 16
    print(f"steps={params['steps']:.0f} speed={speed:5.2f} reward={reward!r}")
    print("progress {:.2f} of {}, heading {}".format(params['progress'], 100, params['heading']))
    print("x %0.3f y %0.3f" % (params['x'], params['y']))
    print("closest " + str(params['closest_waypoints']), end='')
    return reward
