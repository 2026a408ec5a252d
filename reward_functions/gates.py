"""Only gates pay: the road is cut into gates a metre apart, and each is worth more the faster it was reached.

A sparse reward: in most steps there is nothing, and nothing says how to drive. Only the result counts, so there is
nothing to cheat with, but learning takes longer. Classes and what they hold are kept for each car alone.
"""

GATE = 1.0  # metres from one to the next
STEPS_PER_SECOND = 15.0
FAULT = 5.0


class Gates:
    """How many gates this episode has passed, and when the last one was."""

    def __init__(self):
        self.passed = 0
        self.step = 2.0

    def reach(self, metres, step):
        """The reward for having come this far."""
        gates = int(metres / GATE)
        if gates <= self.passed:
            return 0.0
        seconds = max(step - self.step, 1.0) / STEPS_PER_SECOND
        speed = (gates - self.passed) * GATE / seconds
        self.passed = gates
        self.step = step
        return 1.0 + speed


gates = Gates()


def reward_function(params):
    if params["steps"] <= 2:
        gates.passed = 0
        gates.step = params["steps"]

    if params["is_offtrack"] or params["is_crashed"]:
        return -FAULT

    metres = params["progress"] / 100.0 * params["track_length"]
    return float(gates.reach(metres, params["steps"]))
