"""When a record looks: evenly in the logarithm of the step, as often as the training can bear.

What a look costs is counted in rows that go forward, never in seconds: the same run is looked at
at the same steps on every machine.
"""

from collections.abc import Sequence

from simplicity.problems import doors, training_doors

# a step of training counts as so many passes of its batch: one forward, and twice that back
PASSES = 3
GUESSED = 32  # rows of a batch that `record.step` is not told


def ladder(step: int) -> bool:
    """Whether the step is one of 0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, ...

    Each is the one before times 6/5, rounded up: 13 a decade.
    """
    at = 1
    while at < step:
        at = (6 * at + 4) // 5
    return step == 0 or at == step


def power(step: int) -> bool:
    """Whether the step is one of 0, 1, 2, 4, 8, ..."""
    return step & (step - 1) == 0


class Times:
    """The steps that are given, or powers of two and as many of the ladder as the share allows.

    A look costs `cost` rows forward. At a step of the ladder is looked if all looks with it cost
    at most `share` of the passes of the training so far.
    """

    def __init__(self, schedule: Sequence[int] | None, share: float, cost: int) -> None:
        doors.number("share", share, above=0)
        self.steps: frozenset[int] | None = None
        if schedule is not None:
            self.steps = frozenset(training_doors.schedule(schedule, strict=True))
        self.share, self.cost = share, cost
        self.spent = 0

    def due(self, step: int, rows: int) -> bool:
        """Whether to look at this step, after `rows` rows of training."""
        if self.steps is not None:
            return step in self.steps
        return power(step) or (self._borne(rows) and ladder(step))

    def _borne(self, rows: int) -> bool:
        """Whether another look is within the share."""
        return self.spent + self.cost <= self.share * PASSES * rows

    def looked(self) -> None:
        self.spent += self.cost
