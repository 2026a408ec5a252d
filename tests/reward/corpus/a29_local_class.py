def reward_function(params):
    class Point:
        def __init__(self, x, y):
            self.x = x
            self.y = y

        def minus(self, other):
            return Point(self.x - other.x, self.y - other.y)

        def length(self):
            return (self.x ** 2 + self.y ** 2) ** 0.5

    car = Point(params['x'], params['y'])
    wp = params['waypoints'][params['closest_waypoints'][1]]
    target = Point(wp[0], wp[1])
    away = target.minus(car).length()
    return 1.0 / (1.0 + away)
