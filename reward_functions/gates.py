"""Rewards gates: there is one at every metre of the road, and each pays more the faster it is reached.

A sparse reward: most steps pay nothing, and nothing prescribes how to drive. Only the result counts, so the car cannot
collect reward in any other way, but learning takes longer. Classes and their objects are kept for each car
separately.
"""

GATE = 1.0  # metres from one gate to the next
STEPS_PER_SECOND = 15.0
FAULT = 5.0  # penalty where the episode ends off the road or in a crash


class Gates:
    """The gates that the car has passed in this episode, and the step of the last one."""

    def __init__(self):
        self.passed = 0
        self.step = 2.0

    def reach(self, metres, step):
        """Return the reward for the gates between the last one and a distance in metres."""
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
