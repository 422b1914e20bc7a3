"""Both sides of Corollaries 1, 2 and 3 of Loukas et al. 2021 along training (claims L-C1, L-C2, L-C3).

Their Task 1: a cosine of frequency f on a plane in R^10, the network 10-10-32-32-32-1 with W_1 = I, one sample a step. With
W_1 = I every singular value of W_1 is 1. Samples come in permutations, as in the authors' code, or with replacement, as in
their theorems. A third kind of cell classifies the cosine's sign with cross-entropy, where Corollary 3 does not apply.
"""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import (
    CONFIDENCE,
    Check,
    Estimate,
    above,
    below,
    cells_where,
    check,
    control,
    exact,
    interval_above,
    interval_contains,
    largest,
    mean,
    smallest,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import cosine, lipschitz, single_sample, steady
from simplicity.nets import FullyConnected, torch_default
from simplicity.problems import Problem

CLAIMS = ("L-C1", "L-C2", "L-C3")

KINDS = ("passes", "replacement", "signs")
SIZES = (cosine.DIM, cosine.DIM, 32, 32, 32, 1)
LATE = 10  # epochs at the end over which the bias varies, as in the authors' figure
DRAWN = 40  # epochs kept for pictures
JUDGED_EPOCHS, JUDGED_TAU = 3000, 1000
ENOUGH_SEEDS = 5
_RESAMPLES = 2000


@config.settings
class Config:
    frequencies: tuple[float, ...] = config.param(cosine.FREQUENCIES, "frequencies f of the cosine", low=0.01, high=10)
    kinds: tuple[str, ...] = config.param(KINDS, "order of the samples; signs: permutations, labels 0 and 1", choices=KINDS)
    n: int = config.param(100, "training points", unit="samples", low=4, high=10**5)
    rate: float = config.param(0.001, "learning rate alpha", low=1e-9, high=1)
    epochs: int = config.param(JUDGED_EPOCHS, "epochs", unit="epochs", low=LATE + 2, high=10**6)
    tau: int = config.param(JUDGED_TAU, "epoch from which on the network is called steady", unit="epochs", low=1, high=10**6)
    seeds: int = config.param(1, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(frequencies=(0.25, 1.0))
TINY = dataclasses.replace(QUICK, frequencies=(0.5,), n=20, epochs=30, tau=10)
FULL = dataclasses.replace(QUICK, frequencies=cosine.FREQUENCIES, seeds=10, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    frequency: float
    kind: str
    seed: int
    n: int
    rate: float
    epochs: int
    tau: int


def cells(config: Config) -> list[Cell]:
    if config.tau >= config.epochs - LATE:
        raise Problem(f"tau: got {config.tau}, allowed below epochs - {LATE}, which is {config.epochs - LATE}")
    return [
        Cell(frequency=frequency, kind=kind, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for kind in config.kinds
        for frequency in config.frequencies
    ]


def measure(cell: Cell) -> xr.Dataset:
    """Shares of (epoch, training point) above phi, the two sides of Corollary 2, and those of Corollary 3 over epochs."""
    found, network = _train(cell)
    bias = np.concatenate([found.traced_bias.values, network.biases[0][None]])
    normalised = steady.normalised_steps(bias, found.traced_epsilon.values, cell.rate)
    start = cell.tau * cell.n
    phi, before = steady.steadiness(normalised, start), steady.steadiness(normalised[:start])
    slope, moments = found["slopes"].values, found["epsilons"].values
    after = slope[cell.tau :]
    late = slice(-1 - LATE, -1)
    kept = np.unique(np.geomspace(1, cell.epochs, DRAWN).round().astype(int))
    sides = {
        name: steady.distance_bound(cell.rate, cell.n, moments[:-1, column], slope[:-1].mean(axis=1))
        for name, column in (("bound", 0), ("bound_smallest", 1))
    }
    distance = np.linalg.norm(bias[:: cell.n] - bias[0], axis=1)[1:]
    values: dict[str, Any] = {
        "phi": phi,
        "phi_before": before,
        "above": (after > phi).mean(),
        "above_before": (after > before).mean(),
        "excess": after.max() / phi,
        "growth": after.max() / before,
        "product": lipschitz.product_bound(network, sigmoid=cell.kind == "signs"),
        "variance": steady.variance(bias[-1 - LATE * cell.n : -1]),
        "scale": _scale(cell, slope[late], moments[late]),
        "scale_start": _scale(cell, np.broadcast_to(slope[:1], (LATE, cell.n)), moments[late]),
        "slope_late": slope[late].mean(),
        "slope_start": slope[0].mean(),
        "misfit": (moments[late, 2] ** 2 + moments[late, 3]).mean(),
        "violated": (distance > sides["bound"]).mean(),
        "violated_smallest": (distance > sides["bound_smallest"]).mean(),
        "loosest": (sides["bound"] / distance).max(),
        "tightest": (sides["bound"] / distance).min(),
        "worst_epsilon": moments[:, 0].max(),
        "epoch": ("probe", _padded(kept)),
        "largest": ("probe", _padded(slope[kept].max(axis=1))),
        "average": ("probe", _padded(slope[kept].mean(axis=1))),
        "distance": ("probe", _padded(distance[kept - 1])),
    }
    values |= {name: ("probe", _padded(side[kept - 1])) for name, side in sides.items()}
    return xr.Dataset(values)


def _train(cell: Cell) -> tuple[xr.Dataset, FullyConnected]:
    """The run, every step traced; at each epoch the local constants and four moments of eps over the training points."""
    task = cosine.task(cell.frequency, cell.n, cell.seed)
    classifies = cell.kind == "signs"
    y = (task.y > 0).astype(float) if classifies else task.y
    rng = streams.generator(cell.seed, streams.BATCHES)
    steps = (cell.n, cell.epochs)
    replaces = cell.kind == "replacement"
    order = single_sample.with_replacement(cell.n, cell.n * cell.epochs, rng) if replaces else single_sample.passes(*steps, rng)

    def epsilons(network: FullyConnected) -> np.ndarray:
        f = lipschitz.outputs(network, task.x)
        size = 1 + np.exp(np.where(y > 0.5, -f, f)) if classifies else np.abs(f - y)
        return np.array([size.max(), size.min(), size.mean(), size.var()])

    start = torch_default(SIZES, streams.generator(cell.seed, streams.INITIALISATION), identity=True)
    network, found = single_sample.descend(
        start, task.x, y, order, step_size=cell.rate, window=cell.n, loss="cross entropy" if classifies else "squares",
        schedule=range(cell.epochs + 1), trace=True, dims={"slopes": ("point",), "epsilons": ("moment",)},
        probes={"slopes": lambda one: lipschitz.local(one, task.x, sigmoid=classifies), "epsilons": epsilons},
    )  # fmt: skip
    return found, network


def _scale(cell: Cell, slope: np.ndarray, moments: np.ndarray) -> float:
    return steady.variance_scale(cell.rate, slope.mean(axis=1), moments[:, 2], moments[:, 3])


def _padded(values: np.ndarray) -> np.ndarray:
    """To DRAWN entries with NaN: early epochs that would repeat are not kept."""
    return np.concatenate([values, np.full(DRAWN - len(values), np.nan)]).astype(np.float32)


def checks(dataset: xr.Dataset) -> list[Check]:
    judged = cells_where(dataset, epochs=JUDGED_EPOCHS, tau=JUDGED_TAU)
    passes, drawn, signs = (cells_where(judged, kind=kind) for kind in KINDS)
    squares = cells_where(judged, kind=KINDS[:2])
    many = len(set(judged.seed.values.tolist())) >= ENOUGH_SEEDS
    hardest, classified = cells_where(passes, frequency=1.0), cells_where(signs, frequency=1.0)
    found = [
        check(
            dataset, "L-C1", "theorem", "with replacement: share of (epoch, training point) with lambda > phi, most",
            largest(drawn.above), below(0.01),
            control("phi from the steps before tau: mean share", mean(drawn.above_before), above(0.01)),
        ),
        check(
            dataset, "L-C3", "theorem", "share of epochs whose distance is above the bound, most of all runs",
            largest(squares.violated), below(1e-12),
            control("smallest eps in place of the largest: least share", smallest(squares.violated_smallest), above(0)),
        ),
    ]  # fmt: skip
    if many:
        found += _more(dataset, passes, hardest, classified)
    return found


def _more(dataset: xr.Dataset, passes: xr.Dataset, hardest: xr.Dataset, classified: xr.Dataset) -> list[Check]:
    """FULL only: in one run of several a point is above phi between its visits, and a slope needs many runs."""
    scale, start = (np.log(passes[name].values) for name in ("scale", "scale_start"))
    late, first = (np.log(passes[name].values) for name in ("slope_late", "slope_start"))
    variance = np.log(passes.variance.values)
    beyond = np.log((passes.variance / passes.misfit).values)
    seed = passes.seed.values
    return [
        check(
            dataset, "L-C1", "theorem", "permutations: share of (epoch, training point) with lambda > phi, most",
            largest(passes.above), below(1e-12),
            control("phi from the steps before tau: mean share", mean(passes.above_before), above(0.01)),
        ),
        check(
            dataset, "L-C2", "theorem", "log-log slope of the variance on the bound's expression over runs",
            power(scale, variance, seed), interval_above(0),
            control("lambda of the initialisation in the expression", power(start, variance, seed), interval_contains(0)),
        ),
        check(
            dataset, "L-C2", "theorem", "log-log slope of the variance over the mean of eps^2 on lambda over runs",
            power(late, beyond, seed), interval_above(0),
            control("on lambda of the initialisation", power(first, beyond, seed), interval_contains(0)),
        ),
        check(
            dataset, "L-C3", "empirical", "cross-entropy, f = 1: median over seeds of the largest eps met",
            _median(classified), above(10),
            control("squared loss, f = 1: the same", _median(hardest), below(2)),
        ),
    ]  # fmt: skip


def _median(cells: xr.Dataset) -> Estimate:
    return exact(float(cells.worst_epsilon.median()), cells.sizes["cell"]) if cells.sizes["cell"] else mean([])


def power(x: np.ndarray, y: np.ndarray, seed: np.ndarray) -> Estimate:
    """Slope of y on x by least squares over runs, with its interval from resampling seeds, whose runs share their data."""
    groups = [np.flatnonzero(seed == one) for one in np.unique(seed)]
    if len(groups) < ENOUGH_SEEDS:
        return mean([])
    rng = np.random.default_rng(0)  # of the interval alone
    drawn = rng.integers(len(groups), size=(_RESAMPLES, len(groups)))
    slopes = [_slope(x, y, np.concatenate([groups[one] for one in row])) for row in drawn]
    low, high = np.quantile(slopes, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(_slope(x, y, np.arange(len(x))), (float(low), float(high)), "bootstrap over seeds 95 %", len(groups))


def _slope(x: np.ndarray, y: np.ndarray, index: np.ndarray) -> float:
    a, b = x[index] - x[index].mean(), y[index] - y[index].mean()
    return float((a * b).sum() / (a * a).sum())
