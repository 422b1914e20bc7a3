"""A start that is not simple: as well fitted, a worse end (claims N18, N22).

100 points of the plane under a linear rule, a tenth of the labels flipped. The good start has
learnt for 100 steps from a random network. The bad one has first fitted, with Adam, the same points
with 12 percent of their given labels flipped again, and 500 more points with coin-flip labels; on
the given labels it is right about as often as the good one. Then both train on the given labels
alone, in the authors' code with a step of 0.1 from the good start, for 5,000 steps, and of 0.001
from the bad one, for 1,000. Controls: each start with the other's continuation.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np
import xarray as xr

from simplicity.data import corruption, streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Criterion, Estimate, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import complexity, dense, plane
from simplicity.nakkiran.plane import share_of

CLAIMS = ("N18", "N22")

GOOD, BAD, BAD_LARGE, GOOD_SMALL = "good", "bad", "bad, large steps", "good, small steps"
STARTS = (GOOD, BAD, BAD_LARGE, GOOD_SMALL)
ENOUGH_SEEDS = 8  # a sign test over fewer holds only if all agree, or not at all
SAME = 0.02  # of test accuracy: two ends are the same


@config.settings
class Run(plane.Run):
    """Two starts from one random network, what the bad one has fitted, and two continuations."""

    extra: int = config.param(500, "points with coin-flip labels", low=0, high=10**6)
    again: float = config.param(0.12, "share of labels that it learns flipped", low=0, high=0.5)
    good_steps: int = config.param(100, "steps of the good start", low=0, high=10**7)
    adam_steps: int = config.param(2000, "steps of Adam for the bad start", low=1, high=10**7)
    adam_rate: float = config.param(0.003, "its rate, which falls to 0 as a cosine", low=1e-12)
    small_rate: float = config.param(0.001, "step size after the bad start", low=1e-12)
    small_steps: int = config.param(1000, "steps after the bad start", low=1, high=10**7)


GRID = Grid(
    Run,
    groups={"starts": {}},
    quick={"seeds": 1},
    full={
        "hidden": 100, "adam_steps": 6000, "steps": 5000, "seeds": 20, "first_seed": 2_000_000,
    },
    tiny={
        "hidden": 20, "extra": 50, "adam_steps": 50, "steps": 50, "small_steps": 20,
        "test_samples": 500,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """For each of `STARTS` accuracies before and after its continuation, and what was fitted.

    `train` is the accuracy on the given labels, `test` that on fresh points with clean labels,
    `fitted` the share that a start fits of the sample that it has been given.
    """
    x, y = sample(run)
    fresh = streams.generator(run.seed, streams.TEST).standard_normal((run.test_samples, 2))
    clean = complexity.right_half(fresh)
    (good, bad), fitted = starts(run, x, y)
    begun = good, bad, bad, good  # in the order of STARTS
    ended = _continued(run, begun, x, y)
    found = {
        "fitted": [fitted[start is bad] for start in begun],
        "start_train": _shares(begun, x, y),
        "start_test": _shares(begun, fresh, clean),
        "end_train": _shares(ended, x, y),
        "end_test": _shares(ended, fresh, clean),
    }
    return xr.Dataset({name: ("start", values) for name, values in found.items()})


def _continued(
    run: Run, begun: Iterable[dense.Dense], x: np.ndarray, y: np.ndarray
) -> list[dense.Dense]:
    """The ends of training from `STARTS`, by large and by small steps in turn."""
    rates = [run.rate] * run.steps, [run.small_rate] * run.small_steps
    both = zip(begun, 2 * rates, strict=True)
    return [last(dense.training(start, x, y, rate)) for start, rate in both]


def _shares(networks: Iterable[dense.Dense], x: np.ndarray, y: np.ndarray) -> list[float]:
    return [share_of(one, x, y) for one in networks]


def sample(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Points N(0, I) (n, 2) and their given labels, some of them flipped."""
    x = streams.generator(run.seed, streams.DATA).standard_normal((run.n, 2))
    return x, plane.given(run, complexity.right_half(x))


def starts(
    run: Run, x: np.ndarray, y: np.ndarray
) -> tuple[tuple[dense.Dense, dense.Dense], tuple[float, float]]:
    """The good and the bad start, and the share that each fits of what it has been given."""
    random = plane.start(run)
    good = last(dense.training(random, x, y, [run.rate] * run.good_steps))
    wrong = _misleading(run, x, y)
    bad = last(dense.training(random, *wrong, _falling(run.adam_rate, run.adam_steps), "adam"))
    return (good, bad), (share_of(good, x, y), share_of(bad, *wrong))


def _misleading(run: Run, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points with more of their labels flipped, and others with coin-flip labels."""
    rng = np.random.default_rng([run.seed, streams.NOISE, 1])
    more = np.concatenate([x, rng.standard_normal((run.extra, 2))])
    again = corruption.corrupt(y, run.again, 2, rng).y
    return more, np.concatenate([again, rng.integers(2, size=run.extra)])


def _falling(rate: float, steps: int) -> list[float]:
    """From `rate` to 0 as a cosine."""
    phase = np.pi * np.arange(steps) / steps
    return (0.5 * rate * (1 + np.cos(phase))).tolist()


def last(path: Iterable[dense.Dense]) -> dense.Dense:
    """The network after the last step."""
    return deque(path, maxlen=1).pop()


def difference(cells: xr.Dataset, start: str = BAD, good: str = GOOD) -> np.ndarray:
    """For each seed the final test accuracy from a good start minus that from another."""
    ours, other = (cells.end_test.isel(start=STARTS.index(name)) for name in (good, start))
    return ours.values - other.values


def checks(runs: Runs) -> list[Check]:
    return [_authors(runs), _start_alone(runs), _erased(runs)]


def _authors(runs: Runs) -> Check:
    """N18: start and continuation are others together."""
    what = "the good start with the bad one's continuation, in place of the bad start"
    return _judge(
        runs, "N18.lead", "with the authors' continuations", _lead(runs),
        claims.interval_above(0), (what, _lead(runs, GOOD_SMALL)),
    )  # fmt: skip


def _start_alone(runs: Runs) -> Check:
    """N18: the start alone is another."""
    return _judge(
        runs, "N18.alone", "both with the small steps", _lead(runs, BAD, GOOD_SMALL),
        claims.interval_above(SAME), ("both with the large steps", _lead(runs, BAD_LARGE)),
    )  # fmt: skip


def _erased(runs: Runs) -> Check:
    """N22: large steps forget the start."""
    return _judge(
        runs, "N22.erased", "both with the large steps", _lead(runs, BAD_LARGE),
        claims.interval_within(-SAME, SAME), ("small steps after the bad start", _lead(runs)),
    )  # fmt: skip


def _lead(runs: Runs, start: str = BAD, good: str = GOOD) -> Estimate:
    return claims.mean(difference(runs["starts"], start, good))


def _judge(
    runs: Runs, id: str, how: str, found: Estimate, rule: Criterion, against: claims.Other
) -> Check:
    statistic = f"final test accuracy, good start minus bad start, {how}"
    return check(runs, id, "empirical", statistic, found, rule, against, needs=ENOUGH_SEEDS)
