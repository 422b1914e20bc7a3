"""From a simple start least squares memorises its sample and still predicts as well as anyone can (claims N15, N16).

Nakkiran et al. 2019, Theorem 1, exactly: the limit of training is the closed form of Lemma 1, so a draw costs milliseconds
at 200,000 coordinates. The start has |w_0(k)| = size with random signs, the worst case that the theorem allows, and some
w_0(1). Controls are starts that break one condition each. A part of the draws is trained by single-sample SGD.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    at_least,
    cells_where,
    check,
    control,
    every_seed,
    interval_within,
    mean,
    no_control,
    no_seed,
    share,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import least_squares, one_hot, simple_start
from simplicity.nakkiran.simple_start import Weights

CLAIMS = ("N15", "N16")

JUDGED_N, JUDGED_FLIP = 1000, 0.1
SWEPT_NS = (250, 1000, 4000)
NEARLY_ALL = 0.999  # of a thousand draws and more: one in 16,000 is further than four deviations off by chance
ENOUGH_DRAWS = 500  # below, the interval of a variance is wider than what it is held against


@config.settings
class Config:
    ns: tuple[int, ...] = config.param(
        (1000,), "numbers of samples of the sweep of |w_0(k)|", unit="samples", low=2, high=10**6
    )
    n: int = config.param(JUDGED_N, "samples of the other runs", unit="samples", low=2, high=10**6)
    features_per_sample: int = config.param(200, "coordinates for each sample", low=2, high=1000)
    flip: float = config.param(JUDGED_FLIP, "p, probability that x(1) is not the label", low=0, high=0.49)
    other_flips: tuple[float, ...] = config.param((0.3,), "further p of the sweep of |w_0(k)|", low=0, high=0.49)
    ratio: float = config.param(0.5, "|w_0(k)| in units of 1 - 2p", low=0, high=100)
    control_ratio: float = config.param(1.5, "the same for the control, above its threshold", low=0, high=100)
    ratios: tuple[float, ...] = config.param(
        (0.0, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25), "|w_0(k)| in units of 1 - 2p, swept", low=0, high=100
    )
    firsts: tuple[float, ...] = config.param(
        (-933.0, -600.0, -500.0, -450.0, -400.0, -350.0, -300.0, -100.0, 300.0), "w_0(1), swept", low=-1e6, high=1e6
    )
    rate: float = config.param(0.1, "step size of SGD", low=1e-3, high=0.99)
    epochs: int = config.param(100, "epochs of SGD", unit="epochs", low=1, high=10**5)
    test_samples: int = config.param(4000, "fresh samples of each draw", unit="samples", low=10, high=10**7)
    draws: int = config.param(4, "draws for each setting and seed", low=1, high=10**5)
    seeds: int = config.param(10, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(
    QUICK, ns=(50,), n=50, ratios=(0.0, 1.0), firsts=(-60.0, -30.0), test_samples=500, draws=3, epochs=20, seeds=2
)
FULL = dataclasses.replace(
    QUICK,
    ns=SWEPT_NS,
    other_flips=(0.05, 0.2, 0.4),
    ratios=(0.0, 0.5, 0.8, 0.85, 0.9, 0.95, 0.975, 1.0, 1.025, 1.05, 1.1, 1.15, 1.25, 1.5),
    firsts=(-933.0, -600.0, -500.0, -450.0, -425.0, -400.0, -375.0, -350.0, -300.0, -100.0, 0.0, 300.0),
    draws=20,
)


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    n: int
    flip: float
    ratio: float
    first: float
    seed: int
    draws: int
    features_per_sample: int
    rate: float
    epochs: int
    test_samples: int


def cells(config: Config) -> list[Cell]:
    settings = [("closed form", n, config.flip, ratio, 0.0) for n in config.ns for ratio in config.ratios]
    settings += [("closed form", config.n, flip, ratio, 0.0) for flip in config.other_flips for ratio in config.ratios]
    pair = (config.ratio, config.control_ratio)
    settings += [(kind, config.n, config.flip, ratio, 0.0) for kind in ("closed form", "sgd") for ratio in pair]
    settings += [("closed form", config.n, config.flip, config.ratio, first) for first in config.firsts]
    common = shared(Cell, config, but=("n", "flip", "ratio"))
    return [
        Cell(kind=kind, n=n, flip=flip, ratio=ratio, first=first, seed=seed, **common)
        for seed in seeds(config)
        for kind, n, flip, ratio, first in dict.fromkeys(settings)
    ]


def measure(cell: Cell) -> xr.Dataset:
    """For each draw w(1) of the end, train accuracy, accuracy on fresh samples with an unseen k, and how many those are."""
    rngs = [streams.generator(cell.seed, stream) for stream in (streams.DATA, streams.INITIALISATION, streams.BATCHES)]
    found = np.array([_draw(cell, *rngs) for _ in range(cell.draws)])
    return xr.Dataset({name: ("draw", found[:, i]) for i, name in enumerate(("end", "train", "unseen", "unseen_samples"))})


def _draw(
    cell: Cell, data: np.random.Generator, start: np.random.Generator, order: np.random.Generator
) -> tuple[float, float, float, int]:
    features, size = cell.n * cell.features_per_sample, size_of(cell.flip, cell.ratio)
    seen = one_hot.training(cell.n, features, cell.flip, data)
    fresh = one_hot.fresh(cell.test_samples, features, cell.flip, data)
    own = size * one_hot.signs(np.concatenate([seen.key, fresh.key]), start)
    begin = Weights(cell.first, own[: cell.n])
    if cell.kind == "sgd":
        arrays = (begin.first, begin.own, seen.shared, seen.y, np.arange(cell.n))
        end = Weights(*least_squares.sgd(*arrays, step_size=cell.rate, epochs=cell.epochs, rng=order)[:2])
    else:
        end = simple_start.limit(begin, seen.shared, seen.y)
    unseen = one_hot.unseen(fresh.key, seen.key)
    train = simple_start.margins(*end, seen.shared, seen.y)
    test = simple_start.margins(end.first, own[cell.n :], fresh.shared, fresh.y)[unseen]
    return end.first, simple_start.accuracy(train), simple_start.accuracy(test), int(unseen.sum())


def size_of(flip: float, ratio: float) -> float:
    """|w_0(k)| from its ratio to the threshold 1 - 2p."""
    return ratio * (1 - 2 * flip)


def checks(dataset: xr.Dataset) -> list[Check]:
    judged = cells_where(dataset, n=JUDGED_N, flip=JUDGED_FLIP, first=0.0)
    exact, trained = cells_where(judged, kind="closed form"), cells_where(judged, kind="sgd")
    starts = cells_where(dataset, n=JUDGED_N, flip=JUDGED_FLIP, ratio=0.5, kind="closed form")
    swept = cells_where(dataset, n=SWEPT_NS, kind="closed form")
    distance = _distance(swept)
    found = [
        _theorem(dataset, "closed form, w_0(1) = 0", exact),
        _theorem(dataset, "trained by SGD, w_0(1) = 0", trained),
        check(
            dataset, "N15", "theorem",
            "w_0(1) = -300: share of draws with train accuracy 1 and unseen accuracy 1 - p, n = 1000, p = 0.1, |w_0(k)| = 0.4",
            share(succeeded(cells_where(starts, first=-300.0))), every_seed(),
            control("w_0(1) = -600: the same share", share(succeeded(cells_where(starts, first=-600.0))), no_seed()),
        ),
        check(
            dataset, "N16", "theorem", "share of draws whose unseen accuracy is 1 - p if w(1) > |w_0(k)|, and 1/2 if not",
            share(predicted(swept)), at_least(NEARLY_ALL),
            no_control("a threshold is its own control: draws on both of its sides are judged"),
        ),
        check(
            dataset, "N16", "theorem", "share of draws with unseen accuracy 1 - p, four deviations inside the threshold",
            share(generalised(swept)[distance >= simple_start.DEVIATIONS].ravel()), at_least(NEARLY_ALL),
            control(
                "four deviations outside: the same share",
                share(generalised(swept)[distance <= -simple_start.DEVIATIONS].ravel()), no_seed(),
            ),
        ),
    ]  # fmt: skip
    at_threshold = cells_where(swept, flip=JUDGED_FLIP, ratio=1.0, first=0.0)
    if at_threshold.end.size >= ENOUGH_DRAWS:
        found.append(_width_check(dataset, at_threshold))
    return found


def _theorem(dataset: xr.Dataset, how: str, cells: xr.Dataset) -> Check:
    allowed, broken = (succeeded(cells_where(cells, ratio=ratio)) for ratio in (0.5, 1.5))
    return check(
        dataset, "N15", "theorem",
        f"{how}: share of draws with train accuracy 1 and unseen accuracy 1 - p, n = 1000, p = 0.1, |w_0(k)| = 0.4",
        share(allowed), every_seed(),
        control("|w_0(k)| = 1.2 > 1 - 2p: the same share", share(broken), no_seed()),
    )  # fmt: skip


def _width_check(dataset: xr.Dataset, cells: xr.Dataset) -> Check:
    """FULL only: the sigmoid of the threshold is as wide as the formula says, over all n at once."""
    return check(
        dataset, "N16", "theorem",
        "variance of w(1) at |w_0(k)| = 1 - 2p / ((4p(1-p) + |w_0(k)|^2) / n), n = 250, 1000, 4000, p = 0.1",
        relative_variance(cells, with_size=True), interval_within(0.8, 1.25),
        control("over 4p(1-p) / n, the label noise alone", relative_variance(cells, with_size=False), above(2)),
    )  # fmt: skip


def relative_variance(cells: xr.Dataset, with_size: bool) -> Estimate:
    """Mean of ((w(1) - its mean) / its deviation)^2 over draws, by the formulas for both."""
    found = []
    for cell in (cells.isel(cell=index) for index in range(cells.sizes["cell"])):
        n, flip, first = int(cell.n), float(cell.flip), float(cell["first"])
        size = size_of(flip, float(cell.ratio)) if with_size else 0.0
        off = cell.end.values - simple_start.expected_first(n, flip, first)
        found.append((off / simple_start.spread(n, flip, size)) ** 2)
    return mean(np.concatenate(found) if found else [])


def generalised(cells: xr.Dataset) -> np.ndarray:
    """(cell, draw): is the accuracy on unseen k within four binomial deviations of 1 - p?"""
    return simple_start.near(cells.unseen, 1 - cells.flip.values[:, None], cells.unseen_samples)


def succeeded(cells: xr.Dataset) -> np.ndarray:
    """One truth value a draw: the theorem's outcome, everything memorised and 1 - p on what is new."""
    return (generalised(cells) & (cells.train.values == 1)).ravel()


def predicted(cells: xr.Dataset) -> np.ndarray:
    """One truth value a draw: the accuracy is the one that comparing w(1) with |w_0(k)| gives, to four deviations."""
    flip = cells.flip.values[:, None]
    size = cells.ratio.values[:, None] * (1 - 2 * flip)
    expected = np.where(cells.end > size, 1 - flip, np.where(cells.end < -size, flip, 0.5))
    return simple_start.near(cells.unseen, expected, cells.unseen_samples).ravel()


def _distance(cells: xr.Dataset) -> np.ndarray:
    """Per cell the distance of the mean of w(1) above |w_0(k)|, in deviations of w(1)."""
    found = []
    columns = (cells[name].values.tolist() for name in ("n", "flip", "ratio", "first"))
    for n, flip, ratio, first in zip(*columns, strict=True):
        size = size_of(flip, ratio)
        expected = simple_start.expected_first(n, flip, first)
        found.append((expected - size) / simple_start.spread(n, flip, size))
    return np.array(found)
