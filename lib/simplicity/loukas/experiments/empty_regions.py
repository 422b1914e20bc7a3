"""What trained linear regions say about empty ones: Theorem 2 (claims L22, L24).

The setting of the four pictures of Loukas et al. 2021: the network 10-10-32-1 with W_1 = I, the
cosine of frequency 1/2, 200 points. The plane of the data is covered by a grid. At each grid point
in no training point's region a linear programme bounds the local constant.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, lipschitz, regions
from simplicity.loukas.criteria import elsewhere
from simplicity.loukas.single_sample import descend
from simplicity.nets import FullyConnected

CLAIMS = ("L22", "L24")

SIZES = (cosine.DIM, cosine.DIM, 32, 1)
_SLACK = 1 + 1e-9  # of float arithmetic, where a bound is an equality


@config.settings
class Run:
    """A network whose regions the grid meets."""

    frequency: float = config.param(0.5, "frequency f of the cosine", low=0.01, high=10)
    points: int = config.param(200, "training points", unit="samples", low=4, high=10**5)
    rate: float = config.param(0.001, "learning rate alpha", low=1e-9, high=1)
    region_epochs: int = config.param(1000, "epochs", unit="epochs", low=2, high=10**6)
    side: int = config.param(40, "points across of the grid over the plane", low=2, high=400)
    mapped: int = config.param(0, "seed whose maps are kept for the picture", low=0, high=2**31 - 1)
    seed: int = config.param(0, "seed of the network", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"networks": {}},
    quick={},
    full={"side": 200, "mapped": 2_000_000, "seeds": 10, "first_seed": 2_000_000},
    tiny={"points": 20, "region_epochs": 5, "side": 8},
)


class Trained(NamedTuple):
    """A network before and after training, and Theorem 2's T, the last epoch.

    `phi` are the normalised steps of that epoch by training point, `stayed` says whose pattern it
    left alone, as Assumption 1 wants, and 1 + `gamma` is by how much the local constants of those
    changed at most. `early` is phi of the first epoch.
    """

    task: cosine.Cosine
    start: FullyConnected
    network: FullyConnected
    phi: np.ndarray
    early: np.ndarray
    stayed: np.ndarray
    gamma: float


def train(run: Run) -> Trained:
    """All epochs but the last in one go; in the last each step looks at every training point."""
    task = cosine.task(run.frequency, run.points, run.seed)
    start = cosine.start(run.seed, SIZES)
    order = cosine.in_epochs(run.points, run.region_epochs, run.seed)
    first, most, last = order[: run.points], order[: -run.points], order[-run.points :]
    before, steps = descend(start, task.x, task.y, most, step_size=run.rate, window=1)
    network, found = _last_epoch(run, task, before, last)
    stayed = (found.pattern == found.pattern[0]).all(("probe", "byte")).values
    phi = _by_point(found.trajectory.values, last)
    early = _by_point(steps.trajectory.values[: run.points], first)
    return Trained(task, start, network, phi, early, stayed, _gamma(found.slope.values[:, stayed]))


def _last_epoch(
    run: Run, task: cosine.Cosine, before: FullyConnected, order: np.ndarray
) -> tuple[FullyConnected, xr.Dataset]:
    """After each step the packed pattern and the local constant of every training point."""
    return descend(
        before, task.x, task.y, order, step_size=run.rate, window=1,
        schedule=range(run.points + 1),
        probes={
            "pattern": partial(_packed, x=task.x),
            "slope": lambda network: lipschitz.local(network, task.x),
        },
        dims={"pattern": ("point", "byte"), "slope": ("point",)},
    )  # fmt: skip


def _packed(network: FullyConnected, x: np.ndarray) -> np.ndarray:
    return np.packbits(np.concatenate(lipschitz.patterns(network, x), axis=1), axis=1)


def _by_point(steps: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The steps of an epoch by training point."""
    found = np.empty(len(order))
    found[order] = steps
    return found


def _gamma(slope: np.ndarray) -> float:
    """By how much local constants (step, point) change, the most of all points."""
    grown = slope.max(axis=0) / np.maximum(slope.min(axis=0), np.finfo(float).tiny)
    return float(grown.max(initial=1) - 1)


def measure(run: Run) -> xr.Dataset:
    """Shares and ratios over the empty regions that the grid meets; maps for one network."""
    found = train(run)
    x = cosine.square(run.side) @ found.task.basis.T
    seen, new = (lipschitz.patterns(found.network, points) for points in (found.task.x, x))
    met = regions.met(seen, new)
    there = regions.chosen(new, met.one)
    far, random = _far_and_random(run, found, seen, there)
    slope, untrained = (lipschitz.local(network, x) for network in (found.network, found.start))
    shares = {
        "feasible_random": _feasible(random), "stayed": found.stayed.mean(),
        "gamma": found.gamma, "steepest": slope.max(),
    }  # fmt: skip
    values = _counts(seen, met) | shares | _target(run, slope, untrained)
    values |= {"error": _error(run, found.network, x)}
    values |= _bounds(found, far, slope[met.one], seen, there)
    maps = {
        "region": met.region[run.points :], "local": slope,
        "far": _far_map(met, run.points, far.bound),
        "region_start": regions.numbered(lipschitz.patterns(found.start, x)),
        "local_start": untrained,
    }  # fmt: skip
    return xr.Dataset(values | _maps(run, maps))


def _far_and_random(
    run: Run, found: Trained, seen: regions.Patterns, there: regions.Patterns
) -> tuple[regions.Far, regions.Far]:
    """The bounds at the patterns `there` by phi = lambda, and at random ones."""
    own = lipschitz.local(found.network, found.task.x)
    far, random = (
        regions.far_from_data(seen, own, patterns) for patterns in (there, _random(run, there))
    )
    return far, random


def _feasible(far: regions.Far) -> float:
    """The share of regions that have a bound."""
    return float(np.isfinite(far.bound).mean())


def _error(run: Run, network: FullyConnected, x: np.ndarray) -> float:
    """Mean squared error over the grid."""
    target = cosine.value(cosine.square(run.side), run.frequency)
    return float(np.mean((lipschitz.outputs(network, x) - target) ** 2))


def _counts(seen: regions.Patterns, met: regions.Met) -> dict[str, Any]:
    """Regions of the training points and on the grid."""
    return {
        "training_regions": len(regions.representatives(seen)), "rank": regions.rank(seen),
        "grid_regions": len(np.unique(met.region[len(seen[0]) :])),
        "empty_regions": len(met.one), "empty_area": met.empty.mean(),
    }  # fmt: skip


def _target(run: Run, slope: np.ndarray, untrained: np.ndarray) -> dict[str, float]:
    """Rank correlations of local constants over the grid with the target's slope."""
    target = cosine.slope(cosine.square(run.side), run.frequency)
    return {
        "correlation": spearmanr(target, slope).statistic,
        "correlation_untrained": spearmanr(target, untrained).statistic,
    }


def _random(run: Run, patterns: regions.Patterns) -> regions.Patterns:
    """As many patterns, each neuron on independently as often as in those."""
    rng = streams.generator(run.seed, streams.NOISE)
    return [rng.random(layer.shape) < layer.mean(axis=0) for layer in patterns]


def _bounds(
    found: Trained, far: regions.Far, true: np.ndarray, seen: regions.Patterns,
    there: regions.Patterns,
) -> dict[str, Any]:  # fmt: skip
    """How often the bounds hold at the empty regions `there`, and how tight the first is.

    `true` are their local constants. The bounds differ in the phi of the training points: their
    local constants (`far`), steps of the last and of the first epoch, local constants at the start.
    """
    bounds = _other_bounds(found, seen, there)
    values = {f"violated_{name}": _violated(true, one) for name, one in bounds.items()}
    return values | {
        "violated": _violated(true, far.bound),
        "infeasible": (~np.isfinite(far.bound)).mean(),
        "feasible_measured": np.isfinite(bounds["measured"]).mean(),
    } | _tightness(far, true, lipschitz.product_bound(found.network))  # fmt: skip


def _other_bounds(
    found: Trained, seen: regions.Patterns, there: regions.Patterns
) -> dict[str, np.ndarray]:
    """Bounds from steps of the last and of the first epoch, and from the start."""
    stayed = regions.chosen(seen, found.stayed)
    others = {
        "measured": (stayed, (1 + found.gamma) * found.phi[found.stayed]),
        "start": (seen, lipschitz.local(found.start, found.task.x)),
        "early": (stayed, found.early[found.stayed]),
    }
    return {name: regions.far_from_data(*one, there).bound for name, one in others.items()}


def _tightness(far: regions.Far, true: np.ndarray, product: float) -> dict[str, float]:
    """Bounds over the constants `true`, where there are any, and beside the product of norms."""
    feasible = np.isfinite(far.bound)
    bound = far.bound[feasible]
    ratio = bound / np.maximum(true[feasible], np.finfo(float).tiny)
    some = len(ratio) > 0
    return {
        "ratio": np.median(ratio) if some else np.nan,
        "loosest": ratio.max() if some else np.nan,
        "combined": np.median(far.combined[feasible]) if some else np.nan,
        "product": product,
        "below_product": (bound < product).mean() if some else np.nan,
    }


def _violated(true: np.ndarray, bound: np.ndarray) -> float:
    """Share of the feasible regions whose constant is above the bound; NaN where there is none."""
    feasible = np.isfinite(bound)
    if not feasible.any():
        return np.nan
    return float((true[feasible] > bound[feasible] * _SLACK).mean())


def _far_map(met: regions.Met, points: int, bound: np.ndarray) -> np.ndarray:
    """The bound at each grid point: 0 in training regions, NaN where there is none."""
    here = met.region[points:]
    table = np.zeros(met.region.max() + 1)
    table[here[met.one]] = np.where(np.isfinite(bound), bound, np.nan)
    return np.where(met.empty, table[here], 0.0)


def _maps(run: Run, maps: dict[str, np.ndarray]) -> dict[str, Any]:
    """Maps over the grid (v, u) of the network of the picture; zeros for the others."""
    shape, drawn = (run.side, run.side), run.seed == run.mapped
    found = {}
    for name, values in maps.items():
        shown = values.reshape(shape) if drawn else np.zeros(shape)
        found[f"map_{name}"] = (("v", "u"), shown.astype(np.float32))
    return found


def checks(runs: Runs) -> list[claims.Check]:
    return [_slopes_check(runs), _steps_check(runs), _spanned_check(runs), _map_check(runs)]


_NONE = claims.below(1e-12)


def _unless(runs: Runs) -> str:
    return elsewhere(runs, region_epochs=1000, frequency=0.5)


def _slopes_check(runs: Runs) -> claims.Check:
    found = runs["networks"]
    return claims.check(
        runs, "L22.slopes", "theorem",
        "phi = lambda of training points: share of spanned empty regions above the bound, most",
        claims.largest(found.violated), _NONE,
        ("phi = lambda at the initialisation: mean share", claims.mean(found.violated_start)),
        unless=_unless(runs),
    )  # fmt: skip


def _steps_check(runs: Runs) -> claims.Check:
    found = runs["networks"]
    return claims.check(
        runs, "L22.steps", "theorem",
        "phi and gamma from the steps of the last epoch: the same share, most",
        claims.largest(found.violated_measured), _NONE,
        ("phi from the steps of the first epoch: mean share", claims.mean(found.violated_early)),
        unless=_unless(runs),
    )  # fmt: skip


def _spanned_check(runs: Runs) -> claims.Check:
    found = runs["networks"]
    return claims.check(
        runs, "L22.spanned", "theorem",
        "share of empty regions that the training regions span, so that there is a bound",
        claims.mean(1 - found.infeasible), claims.above(0.05),
        ("random patterns as dense: the same share", claims.mean(found.feasible_random)),
        unless=_unless(runs),
    )  # fmt: skip


def _map_check(runs: Runs) -> claims.Check:
    found = runs["networks"]
    return claims.check(
        runs, "L24.map", "empirical",
        "rank correlation over the grid of lambda with the target's slope",
        claims.mean(found.correlation), claims.interval_above(0),
        ("untrained network", claims.mean(found.correlation_untrained)),
        needs=5, unless=_unless(runs),
    )  # fmt: skip
