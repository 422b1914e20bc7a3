"""Gradient descent and SGD on least squares end at the projection of their start (claim N14).

Nakkiran et al. 2019, Lemma 1, on the theorem's data. Each run is held against the closed form; the
closed form itself against a dense solver. Controls: data that no weights interpolate, and step
sizes beyond the bound, 2n / (n + 1) for gradient descent and 1 for single samples.
"""

from typing import Any

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import least_squares, one_hot, simple_start
from simplicity.nakkiran.simple_start import Weights

CLAIMS = ("N14",)

Arrays = tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # w(1), own, x(1), y, slots

JUDGED_N, DENSE_N, DENSE_FEATURES = 500, 50, 200
CLOSE = 1e-6  # both loops contract by e^-30 or more in the time they have; the rest is rounding
KINDS = {"descent": "gradient descent", "sgd": "single-sample SGD", "dense": "a dense solver"}


@config.settings
class Run(simple_start.Run):
    """One way to the end, and for how long."""

    kind: str = config.param("descent", "how the end is found", choices=KINDS)
    rate: float = config.param(0.0, "step size, in units of its bound", low=0, high=2)
    contradicted: bool = config.param(False, "two equal inputs with opposite labels")
    n: int = config.param(JUDGED_N, "samples of a run", unit="samples", low=2, high=10**6)
    first: float = config.param(0.5, "w_0(1)", low=-1e6, high=1e6)
    descent_passes: int = config.param(40, "gradient steps / n", low=1, high=10**4)
    epochs: int = config.param(400, "epochs of SGD", unit="epochs", low=1, high=10**6)


_SLOW, _FAST = (("descent", 0.5), ("sgd", 0.1)), (("descent", 0.975), ("sgd", 0.95))

GRID = Grid(
    Run,
    groups={
        "inside": {("kind", "rate"): (*_SLOW, *_FAST)},
        "nearly": {("kind", "rate"): _FAST},
        "beyond": {("kind", "rate"): (("descent", 1.025), ("sgd", 1.05))},
        "impossible": {("kind", "rate"): _SLOW, "contradicted": True},
        "dense": {"kind": "dense", "rate": 0.0},
    },
    quick={"seeds": 10},
    full={"seeds": 20, "first_seed": 2_000_000},
    tiny={"n": 40, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """Largest distance of a weight to the closed form, the final mean square error, and both w(1).

    What diverges is cut off at 1e6.
    """
    if run.kind == "dense":
        return _dense(run)
    samples, start = draw(run, run.n, run.features_per_sample * run.n)
    first, own = _trained(run, samples, start)
    end = simple_start.limit(start, samples.shared, samples.y)
    apart = max(abs(first - end.first), float(np.abs(own - end.own).max()))
    cap = least_squares.DIVERGED
    apart, error, first = np.clip((apart, _error(first, own, samples), first), -cap, cap)
    return _outcome(apart, error, first, end.first)


def _error(first: float, own: np.ndarray, samples: one_hot.Samples) -> float:
    """The mean square error on the samples."""
    return float(np.mean((samples.y - first * samples.shared - own) ** 2))


def _trained(run: Run, samples: one_hot.Samples, start: Weights) -> tuple[float, np.ndarray]:
    """w(1) and each sample's own weight at the end; equal inputs share theirs."""
    keys, slot = np.unique(samples.key, return_inverse=True)
    begin = np.zeros(len(keys))
    begin[slot] = start.own
    first, own, *_ = _walked(run, (start.first, begin, samples.shared, samples.y, slot))
    return first, own[slot]


def _walked(run: Run, arrays: Arrays) -> tuple[Any, ...]:
    """What the loop of this kind returns, of the arrays that both take."""
    if run.kind == "descent":
        step_size = run.rate * simple_start.largest_step(run.n)
        return least_squares.descend(*arrays, step_size, run.descent_passes * run.n)
    rng = streams.generator(run.seed, streams.BATCHES)
    return least_squares.sgd(*arrays, step_size=run.rate, epochs=run.epochs, rng=rng)


def _outcome(apart: float, mse: float, first: float, limit: float) -> xr.Dataset:
    return xr.Dataset({"apart": apart, "mse": mse, "first_found": first, "limit": limit})


def _dense(run: Run) -> xr.Dataset:
    """The closed form against a dense solver, all coordinates of w_0 random.

    `mse` is then the distance to the solution of minimum norm.
    """
    samples, _ = draw(run, DENSE_N, DENSE_FEATURES)
    x = one_hot.matrix(samples, DENSE_FEATURES)
    w = _all_weights(run)
    solved, forgetful = w + _smallest(x, samples.y - x @ w), _smallest(x, samples.y)
    end = simple_start.limit(Weights(w[0], w[1 + samples.key]), samples.shared, samples.y)
    w[0], w[1 + samples.key] = end
    apart, forgotten = (float(np.abs(w - other).max()) for other in (solved, forgetful))
    return _outcome(apart, forgotten, float(solved[0]), end.first)


def _all_weights(run: Run) -> np.ndarray:
    """w_0 of every coordinate, seen or not."""
    w = run.own(np.arange(1 + DENSE_FEATURES), streams.generator(run.seed, streams.NOISE))
    w[0] = run.first
    return w


def _smallest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The solution of X w = y of minimum norm, by a dense solver."""
    return np.linalg.lstsq(x, y, rcond=None)[0]


def draw(run: Run, n: int, features: int) -> tuple[one_hot.Samples, Weights]:
    """A training set and its start, |w_0(k)| = ratio (1 - 2p) with random signs."""
    samples = one_hot.training(n, features, run.flip, streams.generator(run.seed, streams.DATA))
    if run.contradicted:
        samples = one_hot.contradicted(samples)
    signs = streams.generator(run.seed, streams.INITIALISATION)
    return samples, Weights(run.first, run.own(samples.key, signs))


def checks(runs: Runs) -> list[Check]:
    both = (one(runs, kind) for kind in ("descent", "sgd") for one in (_inside, _nearly))
    return [_closed_form(runs), *both]


def _closed_form(runs: Runs) -> Check:
    dense = runs["dense"]
    return check(
        runs, "N14.dense", "identity",
        "closed form against a dense solver, n = 50: largest distance of a weight",
        claims.largest(dense.apart.values), claims.below(1e-10),
        ("least distance to the minimum-norm solution, which forgets w_0",
         claims.smallest(dense.mse.values)),
    )  # fmt: skip


def _inside(runs: Runs, kind: str) -> Check:
    return _ends(
        runs, kind, "", "share of runs that end at the projection, to 1e-6, without error",
        "inside", ("two equal inputs with opposite labels: the same share", "impossible"),
    )  # fmt: skip


def _nearly(runs: Runs, kind: str) -> Check:
    return _ends(
        runs, kind, "_bound", "the same at the largest step size below its bound",
        "nearly", ("the smallest step size above the bound: the same share", "beyond"),
    )  # fmt: skip


def _ends(
    runs: Runs, kind: str, word: str, statistic: str, group: str, against: tuple[str, str]
) -> Check:
    """The runs of a group that end as the lemma says, against those of another group."""
    changed, other = against
    ends, control = (
        claims.share(reached(runs(one, kind=kind, n=JUDGED_N))) for one in (group, other)
    )
    return check(
        runs, f"N14.{kind}{word}", "theorem", f"{KINDS[kind]}, n = 500: {statistic}",
        ends, claims.every_seed(), (changed, control),
    )  # fmt: skip


def reached(cells: xr.Dataset) -> np.ndarray:
    """Per cell: did the run end at the closed form, with no error left on its samples?"""
    return ((cells.apart < CLOSE) & (cells.mse < CLOSE)).values
