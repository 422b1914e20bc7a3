"""What every training loop shares: when it is looked at, and how it ends where it diverges."""

import numpy as np

from simplicity import doors


class Diverged(ArithmeticError):
    """The loss stopped being finite; the message names the step and the settings."""


def log_schedule(steps: int, points: int) -> tuple[int, ...]:
    """0, `steps`, and about `points` steps between them, evenly spaced in log(1 + step); strictly increasing."""
    doors.whole("steps", steps, 0)
    doors.whole("points", points, 1)
    return tuple(np.unique(np.rint(np.expm1(np.linspace(0, np.log1p(steps), points))).astype(int)).tolist())
