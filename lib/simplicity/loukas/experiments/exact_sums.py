"""Two special cases of Theorem 2 in a network small enough to have them (claim L23).

Loukas et al. 2021. Networks 2-3-3-1 as torch starts them: nine products of neurons. If the training
patterns have rank nine, every region is spanned, which takes nine training points at least. And if
s(x) is a sum of k training patterns, k phi bounds the constant at x.
"""

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
    network = torch_default(SIZES, _generator(run, streams.INITIALISATION, number))
    x = _generator(run, streams.DATA, number).uniform(-REACH, REACH, (run.n, 2))
    grid = _grid(run.side)
    seen, new = lipschitz.patterns(network, x), lipschitz.patterns(network, grid)
    one = regions.met(seen, new).one
    there = regions.chosen(new, one)
    found = {"rank": regions.rank(seen), "rank_grid": regions.rank(new), "empty": len(one)}
    found["spanned"] = _spanned(seen, there)
    return found | _sums(network, (x, seen), (grid[one], there))


def _generator(run: Run, stream: int, number: int) -> np.random.Generator:
    return np.random.default_rng([run.seed, stream, number])


def _grid(side: int) -> np.ndarray:
    """Points (side^2, 2) over the square of the inputs."""
    line = (np.arange(side) + 0.5) / side * 2 * REACH - REACH
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def _spanned(seen: regions.Patterns, there: regions.Patterns) -> int:
    """How many of the patterns `there`, if any, those of the training points span."""
    if not len(there[0]):
        return 0
    return np.isfinite(regions.far_from_data(seen, np.ones(len(seen[0])), there).bound).sum()


def _sums(network: FullyConnected, training: Seen, empty: Seen) -> dict[str, float]:
    """How many of the empty regions, a point in each, are sums of training patterns.

    How many of their slopes are above the bound, and above that of the nearest pattern; the longest
    sum.
    """
    (x, seen), (points, there) = training, empty
    sums = _exact_sums(seen, there)
    # A zero pattern, the empty sum, has no slope to bound.
    known = np.array([index for index, found in enumerate(sums) if found], dtype=int)
    phi, beta = lipschitz.first_steps(network, x), np.linalg.norm(network.weights[0], 2)
    by_sum = np.array([beta * phi[list(sums[index])].sum() for index in known])
    nearest = beta * phi[_nearest(seen, regions.chosen(there, known))]
    slope = lipschitz.local(network, points)[known]
    above, above_nearest = ((slope > one * _SLACK).sum() for one in (by_sum, nearest))
    most = max(map(len, sums), default=0)
    return {"sums": len(known), "above": above, "above_nearest": above_nearest, "most": most}


def _exact_sums(seen: regions.Patterns, there: regions.Patterns) -> list[tuple[int, ...]]:
    """For each pattern `there` the training points whose patterns it is the sum of, or none."""
    rows, count = regions.different_rows(regions.joined(seen, there)), len(seen[0])
    return [regions.exact_sum(rows[:, :count], column) or () for column in rows[:, count:].T]


def _nearest(seen: regions.Patterns, new: regions.Patterns) -> np.ndarray:
    """For each new pattern the training point whose layers differ in the fewest neurons."""
    known, wanted = (np.concatenate(layers, axis=1).astype(int) for layers in (seen, new))
    return np.abs(wanted[:, None] - known[None]).sum(axis=2).argmin(axis=1)


def checks(runs: Runs) -> list[claims.Check]:
    return [_sums_check(runs), _rank_check(runs)]


def _sums_check(runs: Runs) -> claims.Check:
    found = runs["networks"]
    return claims.check(
        runs, "L23.sums", "theorem",
        "s(x) a sum of training patterns: share with lambda > beta times the sum of phi, most",
        claims.largest(_per_sum(found, "above")), claims.below(1e-12),
        ("phi of the nearest pattern in place of a sum: mean share",
         claims.mean(_per_sum(found, "above_nearest"))),
        unless=elsewhere(runs, side=60),
    )  # fmt: skip


def _per_sum(found: xr.Dataset, name: str) -> np.ndarray:
    """A count over that of the sums, of the networks that have some."""
    sums = found.sums.values
    return found[name].values[sums > 0] / sums[sums > 0]


def _rank_check(runs: Runs) -> claims.Check:
    full, few = _spanned_shares(runs["networks"])
    return claims.check(
        runs, "L23.rank", "theorem",
        "training patterns of rank nine: share of empty regions that they span, least",
        claims.smallest(full), claims.at_least(1),
        ("four points, regions of rank nine: mean share", claims.mean(few)),
        unless=elsewhere(runs, side=60),
    )  # fmt: skip


def _spanned_shares(found: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Of networks with full rank, and of those with fewer points than products whose regions have
    it.
    """
    left = found.empty.values > 0
    full = (found["rank"].values == PRODUCTS) & left
    few = (found.n.values[:, None] < PRODUCTS) & (found.rank_grid.values == PRODUCTS) & left
    share = [found.spanned.values[one] / found.empty.values[one] for one in (full, few)]
    return share[0], share[1]
