SECTORS = {
    'straight': [(0, 10), (40, 60)],
    'curve': [(11, 39)],
    'hairpin': [(61, 200)],
}
TARGET = {'straight': 4.0, 'curve': 2.5, 'hairpin': 1.5}
def sector(i):
    for name, spans in SECTORS.items():
        for lo, hi in spans:
            if lo <= i <= hi:
                return name
    return 'curve'
def reward_function(params):
    s = sector(params['closest_waypoints'][1])
    return 1.0 - min(1.0, abs(params['speed'] - TARGET[s]) / 4.0)
