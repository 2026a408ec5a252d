class Base:
    def __init__(self, k):
        self.k = k
    def score(self, params):
        return params['speed'] * self.k
class Child(Base):
    def __init__(self):
        super().__init__(2.0)
        self.n = 0
    def score(self, params):
        self.n += 1
        return super().score(params) + self.n * 0.01
obj = Child()
def reward_function(params):
    return obj.score(params)
