"""The simple part is learnt in O(1) steps, the sample is memorised in O(n) (claim N17).

The data and start of Nakkiran et al. 2019, Theorem 1, under full-batch gradient descent on
(1/2n) |X w - y|^2, step by step. That the two rates are (n + 1) / n and 1 / n is algebra; what is
measured is what they do to the accuracies. Controls: p = 0, where nothing is left to memorise, and
|w_0(k)| > 1 - 2p, where memorising is all that there is.
"""

from typing import Any

import numpy as np
import xarray as xr

from simplicity.evidence import claims, over_seeds
from simplicity.evidence.claims import Check, Estimate, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs, cells_where
from simplicity.nakkiran import least_squares, simple_start
from simplicity.nakkiran.leaving import for_good

CLAIMS = ("N17",)

JUDGED: dict[str, Any] = {"n": (500, 2000), "flip": 0.1, "ratio": 0.5}
PROBES = 25
SETTLED = 0.1  # w(1) is settled within this share of its end


@config.settings
class Run(simple_start.Run):
    """Gradient descent from w_0(1) = 0."""

    step_size: float = config.param(1.0, "learning rate eta", low=1e-3, high=1.5)
    passes: float = config.param(3.0, "gradient steps, in units of n / eta", low=0.1, high=1e3)
    test_samples: int = config.param(4000, "fresh samples", unit="samples", low=10, high=10**7)

    @property
    def steps(self) -> int:
        """Gradient steps."""
        return int(np.ceil(self.passes * self.n / self.step_size))


GRID = Grid(
    Run,
    groups={"noisy": {"n": (500, 2000)}, "clean": {"flip": 0.0}, "control": {"ratio": 1.5}},
    quick={"seeds": 10},
    full={"n": (125, 500, 2000), "seeds": 20, "first_seed": 2_000_000},
    tiny={"n": (40, 80), "test_samples": 500, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """The steps at which w(1) settles and the sample is memorised, each for good, and accuracies.

    `settled` and `memorised` are the number of steps taken if that is not reached.
    """
    seen, own, new = simple_start.draw(run, run.test_samples)
    start, steps = simple_start.Weights(0.0, own), run.steps
    end = simple_start.limit(start, seen.shared, seen.y).first
    arrays = (*start, seen.shared, seen.y, np.arange(run.n))
    _, _, first, train, loss = least_squares.descend(*arrays, run.step_size, steps)
    probes = schedule(steps)
    return xr.Dataset(
        {
            "first": ("probe", first[probes]),
            "train": ("probe", train[probes]),
            "loss": ("probe", loss[probes]),
            "step": ("probe", probes),
            "unseen": ("probe", [_unseen(one, new) for one in first[probes]]),
            "settled": for_good(np.abs(first - end) <= SETTLED * abs(end)),
            "memorised": for_good(train == 1),
            "unseen_samples": len(new.y),
            "limit": end,
        }
    )


def _unseen(first: float, new: simple_start.Unseen) -> float:
    """The accuracy on unseen k, which w(1) and the start decide."""
    return simple_start.accuracy(simple_start.margins(first, *new))


def schedule(steps: int) -> np.ndarray:
    """Steps 0 and 1, then log-spaced ones up to the last; `PROBES` in all, some twice if few."""
    return np.concatenate([[0], np.round(np.geomspace(1, steps, PROBES - 1)).astype(int)])


def checks(runs: Runs) -> list[Check]:
    return [_rates(runs), _phases(runs)]


def _judged(runs: Runs, group: str, **changed: float) -> xr.Dataset:
    return runs(group, **JUDGED | changed)


def _rates(runs: Runs) -> Check:
    """One phase takes n times as long as the other."""
    noisy, clean = _judged(runs, "noisy"), _judged(runs, "clean", flip=0.0)
    return check(
        runs, "N17.exponent", "theorem",
        "exponent in n of steps to memorise / steps to settle w(1), n = 500 and 2000",
        exponent(noisy), claims.interval_within(0.9, 1.1),
        ("p = 0, one phase: the same exponent", exponent(clean)),
    )  # fmt: skip


def _phases(runs: Runs) -> Check:
    """What has been learnt after each of them."""
    noisy, lost = _judged(runs, "noisy"), _judged(runs, "control", ratio=1.5)
    return check(
        runs, "N17.phases", "theorem",
        "share of runs with train accuracy 1 - p when w(1) has settled, 1 in the end, "
        "and 1 - p on unseen k all along",
        claims.share(two_phases(noisy)), claims.every_seed(),
        ("|w_0(k)| = 1.5 (1 - 2p): the same share", claims.share(two_phases(lost))),
    )  # fmt: skip


def exponent(cells: xr.Dataset) -> Estimate:
    """Mean over seeds of the slope of log(memorised / settled) in log n, smallest to largest n."""
    ns = np.unique(cells.n.values)
    if len(ns) < 2:
        return claims.mean([])
    cells = cells.assign(ratio=np.log(cells.memorised / np.maximum(cells.settled, 1)))
    few, many = (cells_where(cells, n=n) for n in (ns[0], ns[-1]))
    return claims.mean(over_seeds.paired(many, few, "ratio", np.subtract) / np.log(ns[-1] / ns[0]))


def two_phases(cells: xr.Dataset) -> np.ndarray:
    """Per run: 1 - p on the sample when w(1) has settled (to four deviations), 1 at the end.

    And 1 - p on unseen k from then on.
    """
    each = (cells.isel(cell=index) for index in range(cells.sizes["cell"]))
    return np.array(list(map(_in_two_phases, each)), dtype=bool)


def _in_two_phases(cell: xr.Dataset) -> bool:
    later = cell.isel(probe=cell.step.values >= int(cell.settled))
    expected = 1 - float(cell.flip)
    simple = simple_start.near(later.train.values[0], expected, int(cell.n))
    kept = simple_start.near(later.unseen, expected, int(cell.unseen_samples)).all()
    return bool(simple and kept and later.train.values[-1] == 1)
