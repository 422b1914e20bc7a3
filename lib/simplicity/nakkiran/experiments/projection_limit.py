"""Gradient descent and SGD on least squares end at the projection of their start (claim N14).

Nakkiran et al. 2019, Lemma 1, on the theorem's data. Each run is held against the closed form; the closed form itself against
a dense solver. Controls: data that no weights interpolate, and step sizes on the other side of the bound, 2n / (n + 1) for
gradient descent and 1 for single samples.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    above,
    below,
    cells_where,
    check,
    control,
    every_seed,
    exact,
    no_seed,
    share,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import least_squares, one_hot, simple_start
from simplicity.nakkiran.simple_start import Weights

CLAIMS = ("N14",)

JUDGED_N, DENSE_N, DENSE_FEATURES = 500, 50, 200
CLOSE = 1e-6  # both loops contract by e^-30 or more in the time they have; what is left is rounding


@config.settings
class Config:
    n: int = config.param(JUDGED_N, "samples of a run", unit="samples", low=2, high=10**6)
    features_per_sample: int = config.param(200, "coordinates for each sample", low=2, high=10**6)
    flip: float = config.param(0.1, "p, probability that x(1) is not the label", low=0, high=0.5)
    first: float = config.param(0.5, "w_0(1)", low=-1e6, high=1e6)
    ratio: float = config.param(0.5, "|w_0(k)| in units of 1 - 2p", low=0, high=1e6)
    descent_rates: tuple[float, ...] = config.param(
        (0.5, 0.975, 1.025), "step sizes of gradient descent, in units of 2n / (n + 1)", low=1e-3, high=2
    )
    sgd_rates: tuple[float, ...] = config.param((0.1, 0.95, 1.05), "step sizes of SGD", low=1e-3, high=2)
    descent_passes: int = config.param(40, "gradient steps / n", low=1, high=10**4)
    epochs: int = config.param(400, "epochs of SGD", unit="epochs", low=1, high=10**6)
    seeds: int = config.param(10, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, n=40, seeds=2)
FULL = dataclasses.replace(QUICK, seeds=20)


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    rate: float
    contradicted: bool
    seed: int
    n: int
    features_per_sample: int
    flip: float
    first: float
    ratio: float
    descent_passes: int
    epochs: int


def cells(config: Config) -> list[Cell]:
    settings = [("descent", rate, False) for rate in config.descent_rates]
    settings += [("sgd", rate, False) for rate in config.sgd_rates]
    settings += [("descent", min(config.descent_rates), True), ("sgd", min(config.sgd_rates), True), ("dense", 0.0, False)]
    common = shared(Cell, config)
    return [
        Cell(kind=kind, rate=rate, contradicted=contradicted, seed=seed, **common)
        for seed in seeds(config)
        for kind, rate, contradicted in settings
    ]


def measure(cell: Cell) -> xr.Dataset:
    """Largest distance of a weight to the closed form (at most 1e6), the final mean square error, and w(1) of both."""
    if cell.kind == "dense":
        return _dense(cell)
    samples, start = draw(cell, cell.n, cell.features_per_sample * cell.n)
    keys, slot = np.unique(samples.key, return_inverse=True)
    begin = np.zeros(len(keys))
    begin[slot] = start.own
    arrays = (start.first, begin, samples.shared, samples.y, slot)
    if cell.kind == "descent":
        step_size = cell.rate * simple_start.largest_step(cell.n)
        first, own, *_ = least_squares.descend(*arrays, step_size, cell.descent_passes * cell.n)
    else:
        rng = streams.generator(cell.seed, streams.BATCHES)
        first, own, _ = least_squares.sgd(*arrays, step_size=cell.rate, epochs=cell.epochs, rng=rng)
    end = simple_start.limit(start, samples.shared, samples.y)
    apart = max(abs(first - end.first), float(np.abs(own[slot] - end.own).max()))
    error = float(np.mean((samples.y - first * samples.shared - own[slot]) ** 2))
    cap = least_squares.DIVERGED
    return xr.Dataset(
        {"apart": min(apart, cap), "mse": min(error, cap), "first_found": float(np.clip(first, -cap, cap)), "limit": end.first}
    )


def _dense(cell: Cell) -> xr.Dataset:
    """The closed form against a dense solver, all coordinates of w_0 random; `mse` is the distance of the minimum norm."""
    samples, _ = draw(cell, DENSE_N, DENSE_FEATURES)
    x = one_hot.matrix(samples, DENSE_FEATURES)
    w = size_of(cell) * one_hot.signs(np.arange(1 + DENSE_FEATURES), streams.generator(cell.seed, streams.NOISE))
    w[0] = cell.first
    solved = w + np.linalg.lstsq(x, samples.y - x @ w, rcond=None)[0]
    forgetful = np.linalg.lstsq(x, samples.y, rcond=None)[0]
    end = simple_start.limit(Weights(w[0], w[1 + samples.key]), samples.shared, samples.y)
    w[0], w[1 + samples.key] = end
    apart, forgotten = (float(np.abs(w - other).max()) for other in (solved, forgetful))
    return xr.Dataset({"apart": apart, "mse": forgotten, "first_found": float(solved[0]), "limit": end.first})


def draw(cell: Cell, n: int, features: int) -> tuple[one_hot.Samples, Weights]:
    """A training set and its start, |w_0(k)| = ratio (1 - 2p) with random signs."""
    samples = one_hot.training(n, features, cell.flip, streams.generator(cell.seed, streams.DATA))
    if cell.contradicted:
        samples = one_hot.contradicted(samples)
    own = size_of(cell) * one_hot.signs(samples.key, streams.generator(cell.seed, streams.INITIALISATION))
    return samples, Weights(cell.first, own)


def size_of(cell: Cell) -> float:
    """|w_0(k)|."""
    return cell.ratio * (1 - 2 * cell.flip)


def checks(dataset: xr.Dataset) -> list[Check]:
    judged, dense = cells_where(dataset, n=JUDGED_N), cells_where(dataset, kind="dense")
    found = [
        check(
            dataset, "N14", "identity", "closed form against a dense solver, n = 50: largest distance of a weight",
            exact(_extreme(dense.apart.values, max), dense.sizes["cell"]), below(1e-10),
            control(
                "least distance to the minimum-norm solution, which forgets w_0",
                exact(_extreme(dense.mse.values, min), dense.sizes["cell"]), above(0.1),
            ),
        ),
    ]  # fmt: skip
    for kind, name in (("descent", "gradient descent"), ("sgd", "single-sample SGD")):
        runs = cells_where(judged, kind=kind)
        plain, impossible = cells_where(runs, contradicted=False), cells_where(runs, contradicted=True)
        inside = plain.isel(cell=plain.rate.values < 1)
        last = inside.isel(cell=inside.rate.values == _extreme(inside.rate.values, max))
        beyond = plain.isel(cell=plain.rate.values > 1)
        beyond = beyond.isel(cell=beyond.rate.values == _extreme(beyond.rate.values, min))
        found += [
            check(
                dataset, "N14", "theorem", f"{name}, n = 500: share of runs that end at the projection, to 1e-6, without error",
                share(reached(inside)), every_seed(),
                control("two equal inputs with opposite labels: the same share", share(reached(impossible)), no_seed()),
            ),
            check(
                dataset, "N14", "theorem", f"{name}, n = 500: the same at the largest step size below its bound",
                share(reached(last)), every_seed(),
                control("the smallest step size above the bound: the same share", share(reached(beyond)), no_seed()),
            ),
        ]  # fmt: skip
    return found


def reached(cells: xr.Dataset) -> np.ndarray:
    """Per cell: did the run end at the closed form, with no error left on its samples?"""
    return ((cells.apart < CLOSE) & (cells.mse < CLOSE)).values


def _extreme(values: np.ndarray, choose: Callable) -> float:
    """NaN, which `exact` takes for nothing to judge and which equals nothing, where there are no values."""
    return float(choose(values)) if values.size else float("nan")
