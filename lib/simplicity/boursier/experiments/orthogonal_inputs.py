"""Orthogonal inputs: with how many directions a narrow and a very wide network end (B22, B30).

A conjecture of Boursier & Flammarion in the reviews: with orthogonal inputs the effective width
should be of order n where m is polynomial in n, and only m of order 2^n should leave two groups.
Here x_k = sqrt(n) e_k in d = n dimensions, half of the labels 1, half -1, no noise. D_n(w) then is
the sum of y_k x_k / n over the inputs on which w is active, so that a neuron with a_j > 0 ends
along the positive samples that were active at its start, and one with a_j < 0 along the negative
ones. Two groups need a neuron of each sign that starts active on all n/2 samples of its sign: m of
order 2^(n/2) for these balanced labels.

The limit of a vanishing scale is a race that needs no training (`race`). Let L = ln(1/lambda). A
neuron that is active on k samples which nobody has fitted grows at a rate proportional to sqrt(k),
from -L in the logarithm. The first to arrive fits its samples, all others go on with what is left
of theirs. Every time is proportional to L, so that the outcome does not depend on it. A scale that
is not small enough lets neurons arrive together that are apart in the limit. Double precision has
room for 1e-140.
"""

from typing import Any

import numpy as np
import xarray as xr

from simplicity.boursier import effective_width, ols, two_layer
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    at_least,
    check,
    every_seed,
    interval_above,
    interval_reaches,
    mean,
    share,
)
from simplicity.evidence.over_seeds import each
from simplicity.evidence.over_seeds import slopes as exponents
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import TwoLayer, dominated, forward
from simplicity.problems import Problem

CLAIMS = ("B22", "B30")

_TOLERANCE = 1e-8


@config.settings
class Run:
    """One training on orthogonal inputs, from a tiny start."""

    n: int = config.param(
        4, "numbers of samples and dimensions, even", unit="samples", low=2, high=4096
    )
    width: int = config.param(32, "hidden neurons", unit="neurons", low=1, high=10**7)
    tiny_scale: float = config.param(1e-30, "scale lambda of the initialisation", low=1e-150)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    fit_steps: int = config.param(
        20_000, "gradient steps at most; 0: the race alone", low=0, high=10**9
    )
    seed: int = config.param(0, "seed of the start", low=0, high=2**31 - 1)

    def check(self) -> None:
        if self.n % 2:
            even = "allowed even numbers, so that half of the labels are positive"
            raise Problem(f"n: got {self.n}, {even}")


LIMIT_N = (16, 32, 64, 128, 256)

GRID = Grid(
    Run,
    groups={
        "narrow": {"n": (4, 8, 16, 32), "width": 32},
        "wide": {"n": (4, 6, 8), "width": lambda run: 8 * 2**run.n},
        "square": {"n": (8, 16), "width": lambda run: run.n**2, "tiny_scale": (1e-140, 1e-10)},
        "limit": {"n": (16, 32, 64), "width": lambda run: run.n**2, "fit_steps": 0},
    },
    quick={"seeds": 5},
    full={
        "n": (4, 6, 8, 10, 16, 32), "wide_n": (4, 6, 8, 10), "square_n": (8, 16, 32),
        "square_tiny_scale": (1e-140, 1e-30, 1e-10), "limit_n": LIMIT_N, "seeds": 15,
        "first_seed": 1_000_000,
    },
    tiny={
        "n": (4, 6), "wide_n": (4,), "square_n": (4,), "square_tiny_scale": (1e-140,),
        "limit_n": (4,), "width": 8, "fit_steps": 100, "seeds": 2,
    },
)  # fmt: skip


def samples(n: int) -> tuple[np.ndarray, np.ndarray]:
    """x_k = sqrt(n) e_k, as long as a Gaussian input; y is 1 on the first half, -1 on the other."""
    return np.sqrt(n) * np.eye(n), np.repeat([1.0, -1.0], n // 2)


def measure(run: Run) -> xr.Dataset:
    x, y = samples(run.n)
    rng = streams.generator(run.seed, streams.INITIALISATION)
    start = dominated(run.width, run.n, run.tiny_scale, rng)
    groups_left, rounds = race(start, x, y)
    width, ended = _trained(run, start)
    return xr.Dataset(
        {
            "effective_width": width,
            "limit_width": float(groups_left),
            "rounds": float(rounds),
            "covered": float(covers(start, x, y)),
            **ended,
        }
    )


def _trained(run: Run, start: TwoLayer) -> tuple[float, dict[str, Any]]:
    """The effective width after training, NaN where there is none, and how training ended."""
    x, y = samples(run.n)
    network, trajectory = two_layer.descend(
        start, x, y, step_size=run.step_size, schedule=(0, run.fit_steps), probes={},
        tolerance=_TOLERANCE,
    )  # fmt: skip
    ended = {
        "train_mse": ols.mse(forward(network, x), y),
        "stopped_at": trajectory.stopped_at,
        "force": trajectory.force if run.fit_steps else np.nan,
    }
    return float(effective_width.effective_width(*network)) if run.fit_steps else np.nan, ended


def race(start: TwoLayer, x: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """The groups that a vanishing scale ends with, and in how many rounds they arrive."""
    (width, rounds), (more, later) = (_race(_active(start, x, y, sign)) for sign in (1, -1))
    return width + more, rounds + later


def _active(start: TwoLayer, x: np.ndarray, y: np.ndarray, sign: int) -> np.ndarray:
    """Which neurons with a sign of a_j are active on which samples with that sign of y."""
    active = start.w @ x.T > 0
    return active[np.sign(start.a) == sign][:, np.sign(y) == sign]


def _race(ours: np.ndarray) -> tuple[int, int]:
    """The race of one sign, from `_active`.

    `depth` is -ln(size) / ln(1/lambda) of each neuron, 1 at the start. In each round the neurons
    with the least depth / sqrt(unfitted active samples) arrive, together where they tie.
    """
    left, depth = np.ones(ours.shape[1], dtype=bool), np.ones(len(ours))
    width = rounds = 0
    while (pull := np.sqrt((ours & left).sum(axis=1))).any():
        times = np.divide(depth, pull, out=np.full(len(ours), np.inf), where=pull > 0)
        first = times.min()
        arrived = ours[times <= first * (1 + 1e-9)]
        width += len(np.unique(arrived & left, axis=0))
        rounds += 1
        depth = depth - first * pull
        left &= ~arrived.any(axis=0)
    return width, rounds


def covers(start: TwoLayer, x: np.ndarray, y: np.ndarray) -> bool:
    """Has each sign a neuron with that sign of a_j, active on every sample with that sign of y?"""
    return all(_active(start, x, y, sign).all(axis=1).any() for sign in (1, -1))


def checks(runs: Runs) -> list[Check]:
    return [_grows(runs), _two(runs), _order(runs), _ends_as_raced(runs)]


def _grows(runs: Runs) -> Check:
    return check(
        runs, "B22.grows", "empirical",
        "effective width at m = 32, slope on log2 n, mean over seeds",
        mean(slopes(runs("narrow", width=32))), interval_above(0),
        ("m = 8 x 2^n: the same slope", mean(slopes(runs["wide"]))),
    )  # fmt: skip


def _two(runs: Runs) -> Check:
    wide = runs["wide"]
    alike = runs("narrow", width=32, n=tuple(_sizes(wide)))
    return check(
        runs, "B22.two", "empirical",
        "m = 8 x 2^n: share of seeds that end with exactly two groups at every n",
        share(_two_groups(wide)), at_least(0.95),
        ("m = 32, the same n: the same share", share(_two_groups(alike))),
    )  # fmt: skip


def _order(runs: Runs) -> Check:
    limit, wide = (mean(exponents(runs[one], "limit_width", "n")) for one in ("limit", "wide"))
    return check(
        runs, "B22.order", "empirical",
        "m = n^2, vanishing scale: exponent of the effective width in n, n = 16 to 256, mean over "
        "seeds",
        limit, interval_reaches(1),
        ("m = 8 x 2^n, n = 4 to 10: the same exponent", wide),
        needs=5,
        unless="" if {*LIMIT_N} <= {*_sizes(runs["limit"])} else "n up to 256 is needed",
    )  # fmt: skip


def _ends_as_raced(runs: Runs) -> Check:
    small, large = (runs("square", tiny_scale=scale) for scale in (1e-140, 1e-10))
    return check(
        runs, "B30.race", "theorem",
        f"share of seeds in which training from 1e-140 ends with the groups of the race, m = n^2, "
        f"n = {', '.join(map(str, _sizes(runs['square'])))}",
        share(_as_in_race(small)), every_seed(),
        ("scale 1e-10: the same share", share(_as_in_race(large))),
    )  # fmt: skip


def _sizes(cells: xr.Dataset) -> list[int]:
    """The n of the cells, the smallest first."""
    return np.unique(cells.n.values).tolist()


def _two_groups(cells: xr.Dataset) -> np.ndarray:
    """Per seed: do all runs end with two groups?"""
    return each(cells, lambda part: (part.effective_width == 2).all()) == 1


def _as_in_race(cells: xr.Dataset) -> np.ndarray:
    """Per seed: do all runs end with the groups of the race?"""
    return each(cells, lambda part: (part.effective_width == part.limit_width).all()) == 1


def slopes(cells: xr.Dataset) -> np.ndarray:
    """For each seed the slope of the effective width on log2 n; none with fewer than three n."""
    found = each(cells, _slope)
    return found[np.isfinite(found)]


def _slope(part: xr.Dataset) -> float:
    n, groups_left = part.n.values, part.effective_width.values
    if len(n) < 3:
        return np.nan
    # Constant widths have slope 0, which least squares meets only up to rounding.
    return float(np.polyfit(np.log2(n), groups_left, 1)[0]) if np.ptp(groups_left) else 0.0
