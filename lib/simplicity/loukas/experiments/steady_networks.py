"""Both sides of Corollaries 1, 2 and 3 along training (claims L19 to L21, L40).

Loukas et al. 2021, their Task 1: a cosine of frequency f on a plane in R^10, the network
10-10-32-32-32-1 with W_1 = I, one sample a step. With W_1 = I every singular value of W_1 is 1.
Samples come in permutations, as in the authors' code, or with replacement, as in their theorems. A
third kind of run classifies the cosine's sign with cross-entropy, where Corollary 3 does not apply.
"""

from typing import Any

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, lipschitz, steady, trajectory
from simplicity.loukas.criteria import elsewhere, too_few
from simplicity.loukas.single_sample import descend, with_replacement
from simplicity.nets import FullyConnected, loop
from simplicity.problems import Problem

CLAIMS = ("L19", "L20", "L21", "L40")

KINDS = ("passes", "replacement", "signs")
LATE = 10  # epochs at the end over which the bias varies, as in the authors' figure
DRAWN = 40  # epochs kept for pictures
ENOUGH_SEEDS = 5
_RESAMPLES = 2000
_ENDS = [(1 - claims.CONFIDENCE) / 2, (1 + claims.CONFIDENCE) / 2]  # of an interval


@config.settings
class Run:
    """A run of which every step is traced."""

    kind: str = config.param("passes", "order of samples, or passes for signs", choices=KINDS)
    frequency: float = config.param(0.5, "frequency f of the cosine", low=0.01, high=10)
    n: int = config.param(100, "training points", unit="samples", low=4, high=10**5)
    rate: float = config.param(0.001, "learning rate alpha", low=1e-9, high=1)
    epochs: int = config.param(3000, "epochs", unit="epochs", low=LATE + 2, high=10**6)
    tau: int = config.param(1000, "epoch from which on to judge", unit="epochs", low=1, high=10**6)
    seed: int = config.param(0, "seed of points, start and order", low=0, high=2**31 - 1)

    @property
    def classifies(self) -> bool:
        return self.kind == "signs"

    def check(self) -> None:
        most = self.epochs - LATE
        if self.tau >= most:
            raise Problem(f"tau: got {self.tau}, allowed below epochs - {LATE}, which is {most}")


GRID = Grid(
    Run,
    groups={kind: {"kind": kind} for kind in KINDS},
    quick={"frequency": (0.25, 1.0)},
    full={"frequency": cosine.FREQUENCIES, "seeds": 10, "first_seed": 2_000_000},
    tiny={"frequency": (0.5,), "n": 20, "epochs": 30, "tau": 10},
)


def measure(run: Run) -> xr.Dataset:
    """Shares of (epoch, training point) above phi, and both sides of Corollaries 2 and 3.

    `excess` is the largest local constant from tau on, over phi; `rise` is the most that one of
    them rises from the end of one epoch to the end of the next, over phi.
    """
    found, network = _train(run)
    bias = trajectory.traced(found, network)
    normalised = steady.normalised_steps(bias, found.traced_epsilon.values, run.rate)
    slope, moments = found["slopes"].values, found["epsilons"].values
    product = lipschitz.product_bound(network, sigmoid=run.classifies)
    return xr.Dataset(
        _steadiness(run, normalised, slope[run.tau :])
        | {"product": product}
        | _variance(run, bias, slope, moments)
        | _distances(run, bias, slope, moments)
    )


def _steadiness(run: Run, normalised: np.ndarray, slope: np.ndarray) -> dict[str, Any]:
    """Corollary 1: phi of the steps from tau on and of those before, and the slopes from tau on."""
    start = run.tau * run.n
    phi, before = steady.steadiness(normalised, start), steady.steadiness(normalised[:start])
    return {
        "phi": phi, "above": (slope > phi).mean(), "excess": slope.max() / phi,
        "rise": np.diff(slope, axis=0).max() / phi,
        "phi_before": before, "above_before": (slope > before).mean(),
        "growth": slope.max() / before,
    }  # fmt: skip


def _variance(run: Run, bias: np.ndarray, slope: np.ndarray, moments: np.ndarray) -> dict[str, Any]:
    """Corollary 2, over the last epochs: the variance of the bias, slopes and moments of eps."""
    late = slice(-1 - LATE, -1)
    mean, spread = moments[late, 2], moments[late, 3]
    slopes = {"slope_late": slope[late].mean(), "slope_start": slope[0].mean()}
    eps = {"misfit": (mean**2 + spread).mean(), "worst_epsilon": moments[:, 0].max()}
    return {
        "variance": steady.variance(bias[-1 - LATE * run.n : -1]),
        "scale": steady.variance_scale(run.rate, slope[late].mean(axis=1), mean, spread),
    } | slopes | eps  # fmt: skip


def _distances(
    run: Run, bias: np.ndarray, slope: np.ndarray, moments: np.ndarray
) -> dict[str, Any]:
    """Corollary 3: the distance from the start, its bound, and the same with the smallest eps."""
    distance = np.linalg.norm(bias[:: run.n] - bias[0], axis=1)[1:]
    average = slope[:-1].mean(axis=1)
    bound, smallest = (
        steady.distance_bound(run.rate, run.n, moments[:-1, column], average) for column in (0, 1)
    )
    sides = {"distance": distance, "bound": bound, "bound_smallest": smallest}
    return _curves(run, slope, sides) | {
        "violated": (distance > bound).mean(),
        "violated_smallest": (distance > smallest).mean(),
        "loosest": (bound / distance).max(),
        "tightest": (bound / distance).min(),
    }


def _curves(run: Run, slope: np.ndarray, sides: dict[str, np.ndarray]) -> dict[str, Any]:
    """After some epochs the slopes, and both sides of the corollary, for pictures."""
    kept = np.array(loop.geometrically(run.epochs, DRAWN))
    curves = {
        "epoch": kept, "largest": slope[kept].max(axis=1), "average": slope[kept].mean(axis=1),
    } | {name: values[kept - 1] for name, values in sides.items()}  # fmt: skip
    return {name: ("probe", _padded(values)) for name, values in curves.items()}


def _padded(values: np.ndarray) -> np.ndarray:
    """With NaN in the place of early epochs that would repeat and so are not kept."""
    missing = np.full(DRAWN - len(values), np.nan)
    return np.concatenate([values, missing]).astype(np.float32)


def _train(run: Run) -> tuple[xr.Dataset, FullyConnected]:
    """The run, every step traced; at each epoch local constants and four moments of eps."""
    task = cosine.task(run.frequency, run.n, run.seed)
    y = (task.y > 0).astype(float) if run.classifies else task.y
    network, found = descend(
        cosine.start(run.seed), task.x, y, _order(run), step_size=run.rate, window=run.n,
        loss="cross entropy" if run.classifies else "squares",
        schedule=range(run.epochs + 1), trace=True,
        probes={
            "slopes": lambda one: lipschitz.local(one, task.x, sigmoid=run.classifies),
            "epsilons": lambda one: _moments(run, lipschitz.outputs(one, task.x), y),
        },
        dims={"slopes": ("point",), "epsilons": ("moment",)},
    )  # fmt: skip
    return found, network


def _order(run: Run) -> np.ndarray:
    """The samples of all steps."""
    if run.kind != "replacement":
        return cosine.in_epochs(run.n, run.epochs, run.seed)
    rng = streams.generator(run.seed, streams.BATCHES)
    return with_replacement(run.n, run.n * run.epochs, rng)


def _moments(run: Run, f: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Largest, smallest, mean and variance of eps over the training points."""
    size = 1 + np.exp(np.where(y > 0.5, -f, f)) if run.classifies else np.abs(f - y)
    return np.array([size.max(), size.min(), size.mean(), size.var()])


def checks(runs: Runs) -> list[claims.Check]:
    """Corollary 1 for both orders of samples, 2 along the runs, and 3 with what it rests on."""
    return [
        _excess_check(runs, "replacement", "with replacement", runs["replacement"]),
        _excess_check(runs, "permutations", "permutations", runs["passes"]),
        _never_check(runs), _partial_check(runs), _bound_check(runs), _entropy_check(runs),
    ]  # fmt: skip


_NONE = claims.below(1e-12)


def _unless(runs: Runs) -> str:
    return elsewhere(runs, epochs=3000, tau=1000)


def _few(runs: Runs) -> str:
    """The same of checks over runs of which a seed has several."""
    return _unless(runs) or too_few(runs, ENOUGH_SEEDS)


def _squares(runs: Runs) -> xr.Dataset:
    """The runs with the squared loss."""
    return runs.where(kind=KINDS[:2])


def _excess_check(runs: Runs, id: str, how: str, cells: xr.Dataset) -> claims.Check:
    most = "most by which a slope exceeds phi, less the most it rises in an epoch, over phi"
    return claims.check(
        runs, f"L19.{id}", "theorem", f"{how}: {most}",
        claims.largest(cells.excess - 1 - cells.rise), claims.below(0),
        ("phi from the steps before tau: the same", claims.largest(_beyond_former(cells))),
        unless=_unless(runs),
    )  # fmt: skip


def _never_check(runs: Runs) -> claims.Check:
    """In one run of several a point is above phi between its visits."""
    above = [value for kind in KINDS[:2] for value in runs[kind].above.values]
    return claims.check(
        runs, "L40.never", "empirical",
        "share of (epoch, training point) with lambda > phi, most of all runs",
        claims.largest(above), _NONE,
        ("phi from the steps before tau: mean share", claims.mean(_squares(runs).above_before)),
        unless=_few(runs),
    )  # fmt: skip


def _partial_check(runs: Runs) -> claims.Check:
    passes = runs["passes"]
    return claims.check(
        runs, "L20.partial", "theorem",
        "exponent of lambda in the variance over runs, at equal mean of eps^2",
        power(passes, "slope_late"), claims.interval_above(0),
        ("lambda of the initialisation in its place", power(passes, "slope_start")),
        unless=_few(runs),
    )  # fmt: skip


def _bound_check(runs: Runs) -> claims.Check:
    squares = _squares(runs)
    return claims.check(
        runs, "L21.bound", "theorem",
        "share of epochs whose distance is above the bound, most of all runs",
        claims.largest(squares.violated), _NONE,
        ("smallest eps in place of the largest: least share",
         claims.smallest(squares.violated_smallest)), unless=_unless(runs),
    )  # fmt: skip


def _entropy_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L21.entropy", "empirical",
        "cross-entropy, f = 1: median over seeds of the largest eps met",
        _median(runs("signs", frequency=1.0)), claims.above(10),
        ("squared loss, f = 1: the same", _median(runs("passes", frequency=1.0))),
        unless=_few(runs),
    )  # fmt: skip


def _beyond_former(cells: xr.Dataset) -> np.ndarray:
    """(cell,): the same excess less rise, in units of phi of the steps before tau."""
    former = cells.phi_before / cells.phi
    return (cells.growth - 1 - cells.rise / former).values


def _median(cells: xr.Dataset) -> claims.Estimate:
    if not cells.sizes["cell"]:
        return claims.mean([])
    return claims.exact(float(cells.worst_epsilon.median()), cells.sizes["cell"])


def power(cells: xr.Dataset, name: str, other: str = "misfit") -> claims.Estimate:
    """Exponent of a variable in the variance over runs, next to that of another one.

    Least squares on logarithms, variance = C name^a other^b, of which a is returned. The interval
    comes from resampling seeds, whose runs share their data.
    """
    x = np.log(np.stack([cells[name].values, cells[other].values], axis=1))
    y, seed = np.log(cells.variance.values), cells.seed.values
    groups = [np.flatnonzero(seed == one) for one in np.unique(seed)]
    if len(groups) < ENOUGH_SEEDS:
        return claims.mean([])
    slopes = [_slope(x, y, index) for index in _resampled(groups)]
    low, high = np.quantile(slopes, _ENDS).tolist()
    middle = _slope(x, y, np.arange(len(x)))
    return claims.Estimate(middle, (low, high), "bootstrap over seeds 95 %", len(groups))


def _resampled(groups: list[np.ndarray]) -> list[np.ndarray]:
    """Runs of as many seeds, drawn with replacement."""
    rng = np.random.default_rng(0)  # of the interval alone
    drawn = rng.integers(len(groups), size=(_RESAMPLES, len(groups)))
    return [np.concatenate([groups[one] for one in row]) for row in drawn]


def _slope(x: np.ndarray, y: np.ndarray, index: np.ndarray) -> float:
    """The coefficient of the first column of x (runs, 2), of the runs `index`."""
    a, b = x[index] - x[index].mean(axis=0), y[index] - y[index].mean()
    return float(np.linalg.lstsq(a, b, rcond=None)[0][0])
