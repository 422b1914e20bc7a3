"""A start that is not simple: the same train accuracy, a worse end (claim N18).

100 points of the plane under a linear rule, a tenth of the labels flipped. The good start has
learnt for 100 steps from a random network. The bad one has first fitted, with Adam, the same points
with 12 percent of their given labels flipped again, and 500 more points with coin-flip labels; on
the given labels it is right about as often as the good one. Then both train on the given labels
alone. Control: a bad start that has fitted its 600 points only in part.
"""

from collections import deque
from collections.abc import Iterable

import numpy as np
import xarray as xr

from simplicity.data import images, streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import complexity, dense, plane

CLAIMS = ("N18",)

STARTS = ("good", "bad", "under-fitted")
ENOUGH_SEEDS = 8  # a sign test over fewer holds only if all agree, or not at all
_LOOK = 10  # steps between two looks at how much is fitted


@config.settings
class Run(plane.Run):
    """Three starts from one random network, and what the bad ones have fitted before."""

    extra: int = config.param(500, "points with coin-flip labels", low=0, high=10**6)
    again: float = config.param(0.12, "share of labels that it learns flipped", low=0, high=0.5)
    good_steps: int = config.param(100, "steps of the good start", low=0, high=10**7)
    adam_steps: int = config.param(2000, "steps of Adam for the bad start", low=1, high=10**7)
    adam_rate: float = config.param(0.003, "its rate, which falls to 0 as a cosine", low=1e-12)
    enough: float = config.param(0.83, "share at which the under-fitted one stops", low=0.5, high=1)


GRID = Grid(
    Run,
    groups={"starts": {}},
    quick={"seeds": 1},
    full={"hidden": 100, "adam_steps": 6000, "steps": 5000, "seeds": 20},
    tiny={"hidden": 20, "extra": 50, "adam_steps": 50, "steps": 50, "test_samples": 500},
)


def measure(run: Run) -> xr.Dataset:
    """For each start the share fitted of its own sample, and accuracies before and after training.

    `train` is the accuracy on the given labels, `test` that on fresh points with clean labels.
    """
    x, y = sample(run)
    fresh = streams.generator(run.seed, streams.TEST).standard_normal((run.test_samples, 2))
    clean = complexity.right_half(fresh)
    networks, fitted = starts(run, x, y)
    ends = [last(dense.training(start, x, y, [run.rate] * run.steps)) for start in networks]
    found = {"fitted": fitted}
    for when, group in (("start", networks), ("end", ends)):
        found[f"{when}_train"] = [share_of(one, x, y) for one in group]
        found[f"{when}_test"] = [share_of(one, fresh, clean) for one in group]
    return xr.Dataset(
        {name: ("start", np.array(values, dtype=np.float64)) for name, values in found.items()}
    )


def sample(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Points N(0, I) (n, 2) and their given labels, some of them flipped."""
    x = streams.generator(run.seed, streams.DATA).standard_normal((run.n, 2))
    return x, plane.given(run, complexity.right_half(x))


def starts(run: Run, x: np.ndarray, y: np.ndarray) -> tuple[list[dense.Dense], list[float]]:
    """The networks of `STARTS`, and the share that each fits of what it has been given."""
    random = plane.start(run)
    good = last(dense.training(random, x, y, [run.rate] * run.good_steps))
    rng = np.random.default_rng([run.seed, streams.NOISE, 1])
    more = np.concatenate([x, rng.standard_normal((run.extra, 2))])
    again = images.corrupt(y, run.again, 2, rng).y
    labels = np.concatenate([again, rng.integers(2, size=run.extra)])
    phase = np.pi * np.arange(run.adam_steps) / run.adam_steps
    rates = 0.5 * run.adam_rate * (1 + np.cos(phase))
    partial = None
    for step, network in enumerate(dense.training(random, more, labels, rates.tolist(), "adam")):
        looked_at = partial is None and step % _LOOK == 0
        if looked_at and share_of(network, more, labels) >= run.enough:
            partial = dense.kept(network)
    bad = [network, network if partial is None else partial]
    return [good, *bad], [share_of(good, x, y), *(share_of(one, more, labels) for one in bad)]


def share_of(network: dense.Dense, x: np.ndarray, y: np.ndarray) -> float:
    """The share of points that the network labels as given."""
    return float(np.mean(dense.predict(network, x) == y))


def last(path: Iterable[dense.Dense]) -> dense.Dense:
    """The network after the last step."""
    return deque(path, maxlen=1).pop()


def difference(cells: xr.Dataset, start: str = "bad") -> np.ndarray:
    """For each seed the final test accuracy from the good start minus that from another."""
    good, other = (cells.end_test.isel(start=STARTS.index(name)) for name in ("good", start))
    return good.values - other.values


def checks(runs: Runs) -> list[Check]:
    cells = runs["starts"]
    against = claims.control(
        "under-fitted bad start: the same mean difference",
        claims.mean(difference(cells, "under-fitted")), claims.interval_contains(0),
    )  # fmt: skip
    return [
        check(
            runs, "N18.share", "empirical",
            "share of seeds that end with better test accuracy from the good start",
            claims.share(difference(cells) > 0), claims.sign_test(), against, needs=ENOUGH_SEEDS,
        ),
        check(
            runs, "N18.lead", "empirical",
            "final test accuracy, good start minus bad start, paired",
            claims.mean(difference(cells)), claims.interval_above(0), against, needs=ENOUGH_SEEDS,
        ),
    ]  # fmt: skip
