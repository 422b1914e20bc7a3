"""Two special cases of Theorem 2 of Loukas et al. 2021 in a network small enough to have them (claim L-T2b).

Networks 2-3-3-1 as torch starts them: nine products of neurons. If the training patterns have rank nine, every region is
spanned, which takes nine training points at least. And if s(x) is a sum of k training patterns, k phi bounds the constant at x.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    above,
    at_least,
    below,
    cells_where,
    check,
    control,
    largest,
    mean,
    smallest,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import lipschitz, regions
from simplicity.nets import FullyConnected, torch_default

CLAIMS = ("L-T2b",)

SIZES = (2, 3, 3, 1)
PRODUCTS = 9
REACH = 5.0  # inputs are uniform on a square of twice that side
JUDGED_SIDE = 60
_SLACK = 1 + 1e-9


@config.settings
class Config:
    sums_ns: tuple[int, ...] = config.param((4, 9, 30, 300), "numbers of training points", unit="samples", low=1, high=10**5)
    sums_side: int = config.param(JUDGED_SIDE, "points across of the grid", low=2, high=400)
    networks: int = config.param(20, "networks of each seed", low=1, high=10**5)
    seeds: int = config.param(1, "seeds", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(networks=50)
TINY = dataclasses.replace(QUICK, sums_ns=(9,), sums_side=10, networks=2)
FULL = dataclasses.replace(QUICK, seeds=10, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    n: int
    seed: int
    networks: int
    sums_side: int


def cells(config: Config) -> list[Cell]:
    return [Cell(n=n, seed=seed, **shared(Cell, config)) for seed in seeds(config) for n in config.sums_ns]


def measure(cell: Cell) -> xr.Dataset:
    """For each network the ranks, and of its empty regions how many are spanned, sums, and above their bounds."""
    names = ("rank", "rank_grid", "empty", "spanned", "sums", "above", "above_nearest", "most")
    found = np.array([_look(cell, network) for network in range(cell.networks)], dtype=float)
    return xr.Dataset({name: ("network", found[:, column]) for column, name in enumerate(names)})


def _look(cell: Cell, number: int) -> tuple[float, ...]:
    start, data = (np.random.default_rng([cell.seed, stream, number]) for stream in (streams.INITIALISATION, streams.DATA))
    network = torch_default(SIZES, start)
    x = data.uniform(-REACH, REACH, (cell.n, 2))
    line = (np.arange(cell.sums_side) + 0.5) / cell.sums_side * 2 * REACH - REACH
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    seen, new = lipschitz.patterns(network, x), lipschitz.patterns(network, grid)
    region = regions.numbered(regions.joined(seen, new))
    trained, met = region[: cell.n], region[cell.n :]
    one = np.unique(met, return_index=True)[1]
    one = one[~np.isin(met[one], trained)]
    there = regions.chosen(new, one)
    spanned = np.isfinite(regions.far_from_data(seen, np.ones(cell.n), there).bound).sum() if len(one) else 0
    phi = _first_gradient(network, x)
    beta = np.linalg.norm(network.weights[0], 2)
    true = lipschitz.local(network, grid[one])
    rows = regions.different_rows(regions.joined(seen, there))
    sums = [regions.exact_sum(rows[:, : cell.n], column) for column in rows[:, cell.n :].T]
    known = [index for index, found in enumerate(sums) if found]  # a zero pattern, the empty sum, has no slope to bound
    bound = np.array([beta * phi[list(sums[index] or ())].sum() for index in known])
    nearest = beta * phi[_nearest(seen, regions.chosen(there, np.array(known, dtype=int)))]
    return (
        regions.rank(seen), regions.rank(new), len(one), spanned, len(known),
        (true[known] > bound * _SLACK).sum(), (true[known] > nearest * _SLACK).sum(),
        max((len(sums[index] or ()) for index in known), default=0),
    )  # fmt: skip


def _first_gradient(network: FullyConnected, x: np.ndarray) -> np.ndarray:
    """|df/db_1|, which is what a normalised step of the bias measures."""
    return np.linalg.norm(lipschitz.gradients(network, x, layer=1) * lipschitz.patterns(network, x)[0], axis=1)


def _nearest(seen: regions.Patterns, new: regions.Patterns) -> np.ndarray:
    """For each new pattern the training point whose layers differ in the fewest neurons."""
    known, wanted = (np.concatenate(layers, axis=1).astype(int) for layers in (seen, new))
    return np.abs(wanted[:, None] - known[None]).sum(axis=2).argmin(axis=1)


def checks(dataset: xr.Dataset) -> list[Check]:
    judged = cells_where(dataset, sums_side=JUDGED_SIDE)
    rank, empty, spanned = (judged[name].values.ravel() for name in ("rank", "empty", "spanned"))
    n, reachable = np.broadcast_to(judged.n.values[:, None], judged["rank"].shape).ravel(), judged.rank_grid.values.ravel()
    full, few = (rank == PRODUCTS) & (empty > 0), (n < PRODUCTS) & (reachable == PRODUCTS) & (empty > 0)
    sums = judged.sums.values.ravel()
    some = sums > 0
    over, nearest = (judged[name].values.ravel()[some] / sums[some] for name in ("above", "above_nearest"))
    return [
        check(
            dataset, "L-T2b", "theorem", "s(x) a sum of training patterns: share with lambda > beta times the sum of phi, most",
            largest(over), below(1e-12),
            control("phi of the nearest pattern in place of a sum: mean share", mean(nearest), above(0.1)),
        ),
        check(
            dataset, "L-T2b", "theorem", "training patterns of rank nine: share of empty regions that they span, least",
            smallest(spanned[full] / empty[full]), at_least(1),
            control("four points, regions of rank nine: mean share", mean(spanned[few] / empty[few]), below(0.9)),
        ),
    ]  # fmt: skip
