"""What trained linear regions say about empty ones: Theorem 2 of Loukas et al. 2021 (claims L-T2, L-FR).

The setting of their four pictures: the network 10-10-32-1 with W_1 = I, the cosine of frequency 1/2, 200 points. The plane of
the data is covered by a grid. At each grid point in no training point's region a linear programme bounds the local constant.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    above,
    below,
    cells_where,
    check,
    control,
    interval_above,
    interval_contains,
    largest,
    mean,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import cosine, lipschitz, regions, single_sample
from simplicity.nets import FullyConnected, torch_default

CLAIMS = ("L-T2", "L-FR")

SIZES = (cosine.DIM, cosine.DIM, 32, 1)
JUDGED_EPOCHS, JUDGED_FREQUENCY = 1000, 0.5
ENOUGH_SEEDS = 5
_SLACK = 1 + 1e-9  # of float arithmetic, where a bound is an equality


@config.settings
class Config:
    frequency: float = config.param(JUDGED_FREQUENCY, "frequency f of the cosine", low=0.01, high=10)
    points: int = config.param(200, "training points", unit="samples", low=4, high=10**5)
    rate: float = config.param(0.001, "learning rate alpha", low=1e-9, high=1)
    region_epochs: int = config.param(JUDGED_EPOCHS, "epochs", unit="epochs", low=2, high=10**6)
    side: int = config.param(40, "points across of the grid over the plane of the data", low=2, high=400)
    maps: int = config.param(0, "seed whose maps are kept for the picture, counted from the first", low=0, high=10**6)
    seeds: int = config.param(1, "networks", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of their seeds", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, points=20, region_epochs=5, side=8)
FULL = dataclasses.replace(QUICK, side=200, seeds=10, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    seed: int
    frequency: float
    points: int
    rate: float
    region_epochs: int
    side: int
    drawn: bool


class Run(NamedTuple):
    """A network before and after training, and Theorem 2's T, the last epoch.

    `phi` are the normalised steps of that epoch by training point, `stayed` says whose pattern it left alone, as Assumption 1
    wants, and 1 + `gamma` is by how much the local constants of those changed at most. `early` is phi of the first epoch.
    """

    task: cosine.Cosine
    start: FullyConnected
    network: FullyConnected
    phi: np.ndarray
    early: np.ndarray
    stayed: np.ndarray
    gamma: float


def cells(config: Config) -> list[Cell]:
    first = config.first_seed + config.maps
    return [Cell(seed=seed, drawn=seed == first, **shared(Cell, config)) for seed in seeds(config)]


def train(cell: Cell) -> Run:
    """All epochs but the last in one go, the last with a look at every training point at every step."""
    task = cosine.task(cell.frequency, cell.points, cell.seed)
    start = torch_default(SIZES, streams.generator(cell.seed, streams.INITIALISATION), identity=True)
    order = single_sample.passes(cell.points, cell.region_epochs, streams.generator(cell.seed, streams.BATCHES))
    common: dict[str, Any] = {"step_size": cell.rate, "window": 1}
    split = len(order) - cell.points
    before, steps = single_sample.descend(start, task.x, task.y, order[:split], **common)
    network, last = single_sample.descend(
        before, task.x, task.y, order[split:], schedule=range(cell.points + 1),
        probes={
            "pattern": lambda one: np.packbits(np.concatenate(lipschitz.patterns(one, task.x), axis=1), axis=1),
            "slope": lambda one: lipschitz.local(one, task.x),
        },
        dims={"pattern": ("point", "byte"), "slope": ("point",)}, **common,
    )  # fmt: skip
    stayed = (last.pattern == last.pattern[0]).all(("probe", "byte")).values
    slope = last.slope.values[:, stayed]
    grown = slope.max(axis=0) / np.maximum(slope.min(axis=0), np.finfo(float).tiny)
    phi, early = np.empty(cell.points), np.empty(cell.points)
    phi[order[split:]] = last.trajectory
    early[order[: cell.points]] = steps.trajectory[: cell.points]
    return Run(task, start, network, phi, early, stayed, float(grown.max(initial=1) - 1))


def grid(side: int) -> np.ndarray:
    """Points over [-1, 1]^2, (side^2, 2), rows by v."""
    line = (np.arange(side) + 0.5) / side * 2 - 1
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def measure(cell: Cell) -> xr.Dataset:
    """Shares and ratios over the empty regions that the grid meets, and for one network the maps over the grid."""
    found = train(cell)
    plane = grid(cell.side)
    x = plane @ found.task.basis.T
    seen, new = (lipschitz.patterns(found.network, points) for points in (found.task.x, x))
    region, empty, one = _empty(seen, new)
    there = regions.chosen(new, one)
    own, slope = lipschitz.local(found.network, found.task.x), lipschitz.local(found.network, x)
    far = regions.far_from_data(seen, own, there)
    feasible, true = np.isfinite(far.bound), slope[one]
    ratio = far.bound[feasible] / np.maximum(true[feasible], np.finfo(float).tiny)
    stayed = regions.chosen(seen, found.stayed)
    measured = regions.far_from_data(stayed, (1 + found.gamma) * found.phi[found.stayed], there).bound
    starts = regions.far_from_data(seen, lipschitz.local(found.start, found.task.x), there).bound
    early = regions.far_from_data(stayed, found.early[found.stayed], there).bound
    target = target_slope(plane, cell.frequency)
    untrained = lipschitz.local(found.start, x)
    values: dict[str, Any] = {
        "training_regions": len(regions.representatives(seen)),
        "rank": regions.rank(seen),
        "grid_regions": len(np.unique(region[cell.points :])),
        "empty_regions": len(one),
        "empty_area": empty.mean(),
        "infeasible": (~feasible).mean(),
        "feasible_random": np.isfinite(regions.far_from_data(seen, own, _random(cell, there)).bound).mean(),
        "violated": _violated(true, far.bound),
        "violated_measured": _violated(true, measured),
        "violated_start": _violated(true, starts),
        "violated_early": _violated(true, early),
        "feasible_measured": np.isfinite(measured).mean(),
        "stayed": found.stayed.mean(),
        "gamma": found.gamma,
        "ratio": np.median(ratio) if len(ratio) else np.nan,
        "loosest": ratio.max() if len(ratio) else np.nan,
        "combined": np.median(far.combined[feasible]) if len(ratio) else np.nan,
        "steepest": slope.max(),
        "product": lipschitz.product_bound(found.network),
        "below_product": (far.bound[feasible] < lipschitz.product_bound(found.network)).mean() if len(ratio) else np.nan,
        "correlation": spearmanr(target, slope).statistic,
        "correlation_untrained": spearmanr(target, untrained).statistic,
        "error": np.mean((lipschitz.outputs(found.network, x) - cosine.value(plane, cell.frequency)) ** 2),
    }
    return xr.Dataset(values | _maps(cell, found, x, region, empty, one, far.bound))


def _empty(seen: regions.Patterns, new: regions.Patterns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of all regions, training points first; which grid points are in empty ones; one grid point of each of these."""
    region = regions.numbered(regions.joined(seen, new))
    trained, met = region[: len(seen[0])], region[len(seen[0]) :]
    empty = ~np.isin(met, trained)
    first = np.unique(met, return_index=True)[1]
    return region, empty, first[empty[first]]


def _random(cell: Cell, patterns: regions.Patterns) -> regions.Patterns:
    """As many patterns, each neuron on independently as often as in those."""
    rng = streams.generator(cell.seed, streams.NOISE)
    return [rng.random(layer.shape) < layer.mean(axis=0) for layer in patterns]


def _violated(true: np.ndarray, bound: np.ndarray) -> float:
    """Share of the feasible regions whose constant is above the bound; NaN where there is none."""
    feasible = np.isfinite(bound)
    return float((true[feasible] > bound[feasible] * _SLACK).mean()) if feasible.any() else np.nan


def target_slope(plane: np.ndarray, frequency: float) -> np.ndarray:
    """|dy/d(u, v)| of the cosine, up to a constant."""
    u, v = (2 * np.pi * frequency * plane).T
    return np.hypot(np.sin(u) * np.cos(v), np.cos(u) * np.sin(v))


def _maps(
    cell: Cell, found: Run, x: np.ndarray, region: np.ndarray, empty: np.ndarray, one: np.ndarray, bound: np.ndarray
) -> dict[str, Any]:
    """Over the grid (v, u), 0 unless drawn: region numbers, local constants, bounds (0 in training regions, NaN for none)."""
    met = region[cell.points :]
    table = np.zeros(region.max() + 1)
    table[met[one]] = np.where(np.isfinite(bound), bound, np.nan)
    before = regions.numbered(lipschitz.patterns(found.start, x))
    maps = {
        "region": met, "local": lipschitz.local(found.network, x), "far": np.where(empty, table[met], 0.0),
        "region_start": before, "local_start": lipschitz.local(found.start, x),
    }  # fmt: skip
    shape = (cell.side, cell.side)
    return {
        f"map_{name}": (("v", "u"), (values.reshape(shape) if cell.drawn else np.zeros(shape)).astype(np.float32))
        for name, values in maps.items()
    }


def checks(dataset: xr.Dataset) -> list[Check]:
    judged = cells_where(dataset, region_epochs=JUDGED_EPOCHS, frequency=JUDGED_FREQUENCY)
    found = [
        check(
            dataset, "L-T2", "theorem", "phi = lambda of training points: share of spanned empty regions above the bound, most",
            largest(judged.violated), below(1e-12),
            control("phi = lambda at the initialisation: mean share", mean(judged.violated_start), above(0.1)),
        ),
        check(
            dataset, "L-T2", "theorem", "phi and gamma from the steps of the last epoch: the same share, most",
            largest(judged.violated_measured), below(1e-12),
            control("phi from the steps of the first epoch: mean share", mean(judged.violated_early), above(0.1)),
        ),
        check(
            dataset, "L-T2", "theorem", "share of empty regions that the training regions span, so that there is a bound",
            mean(1 - judged.infeasible), above(0.05),
            control("random patterns as dense: the same share", mean(judged.feasible_random), below(0.02)),
        ),
    ]  # fmt: skip
    if len(set(judged.seed.values.tolist())) >= ENOUGH_SEEDS:
        found.append(
            check(
                dataset, "L-FR", "empirical", "rank correlation over the grid of lambda with the target's slope",
                mean(judged.correlation), interval_above(0),
                control("untrained network", mean(judged.correlation_untrained), interval_contains(0)),
            )
        )  # fmt: skip
    return found
