class Geo:
    EPS = 1e-6
    @staticmethod
    def dist(a, b):
        return ((a[0]-b[0])**2 + (a[1]-b[1])**2)**0.5
    @classmethod
    def safe(cls, v):
        return max(v, cls.EPS)
    @property
    def width(self):
        return self._w
    def __init__(self, w):
        self._w = w
def reward_function(params):
    g = Geo(params['track_width'])
    w = params['waypoints'][params['closest_waypoints'][0]]
    return 1.0 / Geo.safe(Geo.dist(w, (params['x'], params['y']))) * g.width
