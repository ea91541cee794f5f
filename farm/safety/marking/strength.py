"""How loud each sign must be, when the picture itself already speaks for or against it.

Whoever marks a picture can hear it as a reader will. So a sign that the picture happens to support gets
little, one that it contradicts gets more, and the few that would cost most are left to the correction.
"""

import numpy as np
from numpy.typing import NDArray

GIVEN_UP = 6  # of the 25 wrong signs that the correction mends; the rest is for what a picture goes through
SYNC_SHARE = 0.2  # of the energy, for finding scale and place

Gains = NDArray[np.float64]


def gains(without: Gains, response: float, energy: float) -> Gains:
    """The [n] gains with sum of squares `energy` that lift the weakest sign highest.

    `without` [n] is what is heard for each sign without a gain (negative: against it), `response` what
    a gain of 1 adds.
    """
    chosen = np.zeros(len(without))
    kept = np.argsort(without)[GIVEN_UP:]
    chosen[kept] = _lifted(without[kept], response, energy)
    return chosen


def _lifted(without: Gains, response: float, energy: float) -> Gains:
    """Water filling: everything below one level is lifted to it; the level is found by halving."""
    low = float(without.min())
    high = float(without.max()) + response * np.sqrt(energy / len(without))
    for _ in range(30):
        level = (low + high) / 2
        gain = (level - without).clip(0) / response
        low, high = (low, level) if gain @ gain > energy else (level, high)
    return (low - without).clip(0) / response
