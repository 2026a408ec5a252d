class Base:
    weight = 2.0

    def lane(self, params):
        return 1 - params['distance_from_center'] / (params['track_width'] * 0.5)

    def score(self, params):
        raise NotImplementedError

class Fast(Base):
    def __init__(self, top):
        self.top = top

    def score(self, params):
        return self.weight * params['speed'] / self.top + self.lane(params)

    @staticmethod
    def clip(x, low=0.001, high=10.0):
        return max(low, min(high, x))

    @property
    def half(self):
        return self.top / 2

scorer = Fast(4.0)

def reward_function(params):
    bonus = 0.5 if params['speed'] > scorer.half else 0.0
    return Fast.clip(scorer.score(params) + bonus)
