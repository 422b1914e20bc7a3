"""In the theorem's model the simple part is learnt in O(1) steps and the sample is memorised in O(n) (claim N17).

The data and start of Nakkiran et al. 2019, Theorem 1, under full-batch gradient descent on (1/2n) |X w - y|^2, step by step.
That the two rates are (n + 1) / n and 1 / n is algebra; what is measured is what they do to the accuracies. Controls: p = 0,
where nothing is left to memorise, and |w_0(k)| > 1 - 2p, where memorising is all that there is.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    between,
    cells_where,
    check,
    control,
    every_seed,
    interval_within,
    mean,
    no_seed,
    share,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import least_squares, one_hot, simple_start

CLAIMS = ("N17",)

JUDGED_NS = (500, 2000)
PROBES = 25
SETTLED = 0.1  # w(1) is settled within this share of its end


@config.settings
class Config:
    ns: tuple[int, ...] = config.param(JUDGED_NS, "numbers of samples", unit="samples", low=2, high=10**5)
    features_per_sample: int = config.param(200, "coordinates for each sample", low=2, high=1000)
    flip: float = config.param(0.1, "p, probability that x(1) is not the label", low=0, high=0.49)
    ratio: float = config.param(0.5, "|w_0(k)| in units of 1 - 2p", low=0, high=100)
    control_ratio: float = config.param(1.5, "the same for the control without a first phase", low=0, high=100)
    step_size: float = config.param(1.0, "learning rate eta", low=1e-3, high=1.5)
    passes: float = config.param(3.0, "gradient steps, in units of n / eta", low=0.1, high=1e3)
    test_samples: int = config.param(4000, "fresh samples of each seed", unit="samples", low=10, high=10**7)
    seeds: int = config.param(10, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(40, 80), test_samples=500, seeds=2)
FULL = dataclasses.replace(QUICK, ns=(125, 500, 2000), seeds=20)


@dataclasses.dataclass(frozen=True)
class Cell:
    n: int
    flip: float
    ratio: float
    seed: int
    features_per_sample: int
    step_size: float
    passes: float
    test_samples: int


def cells(config: Config) -> list[Cell]:
    settings = [(config.flip, config.ratio), (0.0, config.ratio), (config.flip, config.control_ratio)]
    common = shared(Cell, config, but=("flip", "ratio"))
    return [
        Cell(n=n, flip=flip, ratio=ratio, seed=seed, **common)
        for seed in seeds(config)
        for n in config.ns
        for flip, ratio in dict.fromkeys(settings)
    ]


def measure(cell: Cell) -> xr.Dataset:
    """The steps at which w(1) settles and the sample is memorised, each for good, and accuracies at log-spaced steps.

    `settled` and `memorised` are the number of steps taken where that is not reached.
    """
    size, features = cell.ratio * (1 - 2 * cell.flip), cell.n * cell.features_per_sample
    data = streams.generator(cell.seed, streams.DATA)
    seen = one_hot.training(cell.n, features, cell.flip, data)
    fresh = one_hot.fresh(cell.test_samples, features, cell.flip, data)
    own = size * one_hot.signs(np.concatenate([seen.key, fresh.key]), streams.generator(cell.seed, streams.INITIALISATION))
    steps = int(np.ceil(cell.passes * cell.n / cell.step_size))
    arrays = (0.0, own[: cell.n], seen.shared, seen.y, np.arange(cell.n))
    _, _, first, train, loss = least_squares.descend(*arrays, cell.step_size, steps)
    end = simple_start.limit(simple_start.Weights(0.0, own[: cell.n]), seen.shared, seen.y).first
    probes = schedule(steps)
    unseen = one_hot.unseen(fresh.key, seen.key)
    test = (simple_start.margins(first[p], own[cell.n :], fresh.shared, fresh.y)[unseen] for p in probes)
    found = {"first": first[probes], "train": train[probes], "loss": loss[probes], "step": probes}
    found |= {"unseen": [simple_start.accuracy(margin) for margin in test]}
    return xr.Dataset(
        {name: ("probe", np.asarray(values)) for name, values in found.items()}
        | {"settled": _for_good(np.abs(first - end) <= SETTLED * abs(end)), "memorised": _for_good(train == 1)}
        | {"unseen_samples": int(unseen.sum()), "limit": end}
    )


def schedule(steps: int) -> np.ndarray:
    """Steps 0 and 1, then log-spaced ones up to the last; always `PROBES` of them, some of them twice in a short run."""
    return np.concatenate([[0], np.round(np.geomspace(1, steps, PROBES - 1)).astype(int)])


def _for_good(holds: np.ndarray) -> int:
    """The first step from which on it holds at every step, (steps + 1,) -> int."""
    broken = np.flatnonzero(~holds)
    return int(broken[-1]) + 1 if len(broken) else 0


def checks(dataset: xr.Dataset) -> list[Check]:
    judged = cells_where(dataset, n=JUDGED_NS)
    noisy, clean = cells_where(judged, flip=0.1, ratio=0.5), cells_where(judged, flip=0.0, ratio=0.5)
    lost = cells_where(judged, flip=0.1, ratio=1.5)
    return [
        check(
            dataset, "N17", "theorem", "exponent in n of steps to memorise / steps to settle w(1), n = 500 and 2000",
            exponent(noisy), interval_within(0.9, 1.1),
            control("p = 0, one phase: the same exponent", exponent(clean), between(-0.1, 0.1)),
        ),
        check(
            dataset, "N17", "theorem",
            "share of runs with train accuracy 1 - p when w(1) has settled, 1 in the end, and 1 - p on unseen k all along",
            share(two_phases(noisy)), every_seed(),
            control("|w_0(k)| = 1.5 (1 - 2p): the same share", share(two_phases(lost)), no_seed()),
        ),
    ]  # fmt: skip


def exponent(cells: xr.Dataset) -> Estimate:
    """Mean over seeds of the slope of log(memorised / settled) in log n, between the smallest and the largest n."""
    ns = np.unique(cells.n.values)
    if len(ns) < 2:
        return mean([])
    few, many = (cells_where(cells, n=int(n)).sortby("seed") for n in (ns[0], ns[-1]))
    ratios = [np.log(part.memorised.values / np.maximum(part.settled.values, 1)) for part in (few, many)]
    return mean((ratios[1] - ratios[0]) / np.log(ns[-1] / ns[0]))


def two_phases(cells: xr.Dataset) -> np.ndarray:
    """Per run: 1 - p on the sample when w(1) has settled (to four deviations), 1 at the end, 1 - p on unseen k from then on."""
    found = []
    for cell in (cells.isel(cell=index) for index in range(cells.sizes["cell"])):
        later = np.flatnonzero(cell.step.values >= int(cell.settled))
        expected = 1 - float(cell.flip)
        simple = simple_start.near(cell.train.values[later[0]], expected, int(cell.n))
        kept = simple_start.near(cell.unseen.values[later], expected, int(cell.unseen_samples)).all()
        found.append(bool(simple and kept and cell.train.values[-1] == 1))
    return np.array(found, dtype=bool)
