def reward_function(params):
    values = []
    for p in params['waypoints']:
        values.append(abs(p[0] - params['x']) + abs(p[1] - params['y']))
    values.sort()
    smallest = values[:3]
    smallest.insert(0, params['speed'])
    smallest.reverse()
    top = smallest.pop()
    extra = []
    extra.extend(smallest)
    extra += [1, 2]
    return top + sum(extra) / len(extra) + values.count(0)
