"""Two special cases of Theorem 2 in a network small enough to have them (claim L23).

Loukas et al. 2021. Networks 2-3-3-1 as torch starts them: nine products of neurons. If the training
patterns have rank nine, every region is spanned, which takes nine training points at least. And if
s(x) is a sum of k training patterns, k phi bounds the constant at x.
"""

from functools import partial

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import lipschitz, regions
from simplicity.loukas.criteria import elsewhere
from simplicity.nets import FullyConnected, torch_default

CLAIMS = ("L23",)

SIZES = (2, 3, 3, 1)
PRODUCTS = 9
REACH = 5.0  # inputs are uniform on a square of twice that side
_SLACK = 1 + 1e-9  # of float arithmetic, where a bound is an equality


@config.settings
class Run:
    """Many little networks with the same number of training points."""

    n: int = config.param(9, "training points", unit="samples", low=1, high=10**5)
    side: int = config.param(60, "points across of the grid", low=2, high=400)
    networks: int = config.param(50, "networks of each seed", low=1, high=10**5)
    seed: int = config.param(0, "seed of networks and points", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"networks": {"n": (4, 9, 30, 300)}},
    quick={},
    full={"seeds": 10, "first_seed": 2_000_000},
    tiny={"n": (9,), "side": 10, "networks": 2},
)


Seen = tuple[np.ndarray, regions.Patterns]  # points (n, 2) and their patterns


def measure(run: Run) -> xr.Dataset:
    """For each network the ranks; of its empty regions how many are spanned, sums, above bounds."""
    found = [_look(run, network) for network in range(run.networks)]
    columns = {name: np.array([one[name] for one in found], dtype=float) for name in found[0]}
    return xr.Dataset({name: ("network", column) for name, column in columns.items()})


def _look(run: Run, number: int) -> dict[str, float]:
    """The numbers of one network."""
    start, data = (
        np.random.default_rng([run.seed, stream, number])
        for stream in (streams.INITIALISATION, streams.DATA)
    )
    network = torch_default(SIZES, start)
    x = data.uniform(-REACH, REACH, (run.n, 2))
    line = (np.arange(run.side) + 0.5) / run.side * 2 * REACH - REACH
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    seen, new = lipschitz.patterns(network, x), lipschitz.patterns(network, grid)
    one = regions.met(seen, new).one
    there = regions.chosen(new, one)
    far = regions.far_from_data(seen, np.ones(run.n), there) if len(one) else None
    found = {"rank": regions.rank(seen), "rank_grid": regions.rank(new), "empty": len(one)}
    found["spanned"] = np.isfinite(far.bound).sum() if far else 0
    return found | _sums(network, (x, seen), (grid[one], there))


def _sums(network: FullyConnected, training: Seen, empty: Seen) -> dict[str, float]:
    """How many of the empty regions, a point in each, are sums of training patterns.

    How many of their slopes are above the bound, and above that of the nearest pattern; the longest
    sum.
    """
    (x, seen), (points, there) = training, empty
    rows = regions.different_rows(regions.joined(seen, there))
    sums = [regions.exact_sum(rows[:, : len(x)], column) or () for column in rows[:, len(x) :].T]
    # A zero pattern, the empty sum, has no slope to bound.
    known = np.array([index for index, found in enumerate(sums) if found], dtype=int)
    phi, beta = lipschitz.first_steps(network, x), np.linalg.norm(network.weights[0], 2)
    by_sum = np.array([beta * phi[list(sums[index])].sum() for index in known])
    nearest = beta * phi[_nearest(seen, regions.chosen(there, known))]
    true = lipschitz.local(network, points)[known]
    return {
        "sums": len(known),
        "above": (true > by_sum * _SLACK).sum(),
        "above_nearest": (true > nearest * _SLACK).sum(),
        "most": max(map(len, sums), default=0),
    }


def _nearest(seen: regions.Patterns, new: regions.Patterns) -> np.ndarray:
    """For each new pattern the training point whose layers differ in the fewest neurons."""
    known, wanted = (np.concatenate(layers, axis=1).astype(int) for layers in (seen, new))
    return np.abs(wanted[:, None] - known[None]).sum(axis=2).argmin(axis=1)


def checks(runs: Runs) -> list[claims.Check]:
    found = runs["networks"]
    judge = partial(claims.check, runs, unless=elsewhere(runs, side=60))
    names = ("rank", "empty", "spanned", "sums")
    rank, empty, spanned, sums = (found[name].values for name in names)
    some, left = sums > 0, empty > 0
    few = (found.n.values[:, None] < PRODUCTS) & (found.rank_grid.values == PRODUCTS) & left
    full = (rank == PRODUCTS) & left
    over, nearest = (found[name].values[some] / sums[some] for name in ("above", "above_nearest"))
    return [
        judge(
            "L23.sums", "theorem",
            "s(x) a sum of training patterns: share with lambda > beta times the sum of phi, most",
            claims.largest(over), claims.below(1e-12),
            ("phi of the nearest pattern in place of a sum: mean share", claims.mean(nearest)),
        ),
        judge(
            "L23.rank", "theorem",
            "training patterns of rank nine: share of empty regions that they span, least",
            claims.smallest(spanned[full] / empty[full]), claims.at_least(1),
            ("four points, regions of rank nine: mean share",
             claims.mean(spanned[few] / empty[few])),
        ),
    ]  # fmt: skip
