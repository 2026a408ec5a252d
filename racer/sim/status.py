"""How an episode of a car stands; words as in DeepRacer's logs (simapp `markov/metrics/constants.py`)."""

from enum import IntEnum


class Status(IntEnum):
    """Status of a car. `LAP_COMPLETE`..`REVERSED` end an episode, `TIME_UP` cuts it off."""

    PREPARE = 0
    IN_PROGRESS = 1
    LAP_COMPLETE = 2
    OFF_TRACK = 3
    CRASHED = 4
    IMMOBILIZED = 5
    REVERSED = 6
    TIME_UP = 7

    @property
    def word(self) -> str:
        """The word in results and logs."""
        return self.name.lower()


STUCK_DISTANCE = 0.0003
"""m per control step; a car that moves no more than this is stuck (simapp `markov/reset/rules`)."""
STUCK_STEPS = 15
"""Control steps in a row; likewise."""
BACKWARD_STEPS = 15
"""Control steps in a row with less progress (NUMBER_OF_REVERSE_COUNTS); likewise."""
STEPS_MAX = 100_000
"""Control steps of one episode (simapp)."""
