"""The event on which the theorem is silent: all output weights share a sign (claim B20).

Boursier & Flammarion 2025, theorem 4.1 has an exception of probability O(2^-m): it is the event
that all a_j share a sign, of probability 2^(1-m) exactly. Four kinds of runs: `draws` tosses the
signs only; `trained` trains the few neurons that a draw gave, m = 1, 2, 3; `forced` trains a wide
network whose a_j are all positive; `both` trains the same start with the signs that were drawn.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import linear_teacher, ols
from simplicity.boursier.criteria import at_limit
from simplicity.data import streams
from simplicity.evidence.claims import Check, Estimate, below, check, every_seed, exact, share
from simplicity.evidence.over_seeds import each
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs, cells_where

CLAIMS = ("B20",)


@config.settings
class Run(linear_teacher.Run):
    """A run whose signs are drawn, or forced, or only tossed."""

    kind: str = config.param("both", "which signs", choices=("draws", "trained", "forced", "both"))
    draws: int = config.param(2000, "draws of the signs for each m and seed", low=1, high=10**8)


GRID = Grid(
    Run,
    groups={
        "forced": {"kind": "forced"},
        "both": {"kind": "both"},
        "tossed": {"kind": "draws", "width": (1, 2, 3, 4, 5, 6)},
        "narrow": {"kind": "trained", "width": (1, 2, 3)},
    },
    quick={"law": "bounded margin", "n": 480, "width": 200, "seeds": 5},
    full={"width": 1000, "seeds": 40, "first_seed": 2_000_000},
    tiny={
        "n": 40, "width": 20, "tossed_width": (1, 2), "narrow_width": (1,), "draws": 200,
        "steps": 200, "seeds": 2,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """`mixed`: of how many draws have both signs; the rest: what training ends with.

    `negative_half` = MSE over the samples with <x, beta*> < 0, divided by mean y^2 there: 1 if
    nothing fits them.
    """
    return _tossed(run) if run.kind == "draws" else _trained(run)


def _tossed(run: Run) -> xr.Dataset:
    rng = streams.generator(run.seed, streams.INITIALISATION)
    starts = (nets.dominated(run.width, 1, 1.0, rng) for _ in range(run.draws))
    mixed = sum(_has_both_signs(start) for start in starts)
    untrained = dict.fromkeys(("rho", "rms_two_ols", "negative_half"), np.nan)
    return xr.Dataset({"mixed": mixed, **untrained, "stopped_at": 0})


def _trained(run: Run) -> xr.Dataset:
    trained = linear_teacher.train(run, one_sign=run.kind == "forced")
    found = trained.outcome()[["rho", "rms_two_ols", "stopped_at"]]
    mixed = int(_has_both_signs(trained.start))
    return found.assign(mixed=mixed, negative_half=_left_on_negative(trained))


def _left_on_negative(trained: linear_teacher.Trained) -> float:
    """What is left of the labels on the negative half, as a share of their square."""
    negative = trained.task.x @ trained.task.teacher < 0
    x, y = trained.task.x[negative], trained.task.y[negative]
    return ols.mse(trained.prediction(x), y) / float(np.mean(y**2))


def _has_both_signs(network: nets.TwoLayer) -> bool:
    return bool(np.any(network.a > 0) and np.any(network.a < 0))


def checks(runs: Runs) -> list[Check]:
    return [_share(runs), _limit(runs)]


def _share(runs: Runs) -> Check:
    tossed = runs["tossed"]
    return check(
        runs, "B20.share", "identity",
        "share of draws with both signs, largest distance to 1 - 2^(1-m) in standard errors",
        _farthest(tossed, exact_share), below(4),
        ("held against 1 - 2^-m, as if only one of the two signs were an exception",
         _farthest(tossed, lambda width: exact_share(width + 1))),
    )  # fmt: skip


def _limit(runs: Runs) -> Check:
    trained = xr.concat([runs(group, n=480) for group in ("narrow", "both", "forced")], "cell")
    mixed, uniform = (cells_where(trained, mixed=value) for value in (1, 0))
    return check(
        runs, "B20.limit", "theorem",
        "share of seeds whose networks with both signs, of a few neurons and wide, all have "
        "|rho - 1| < 0.001, n = 480",
        _all_at_limit(mixed), every_seed(),
        ("networks with one sign only", _all_at_limit(uniform)),
    )  # fmt: skip


def exact_share(width: np.ndarray) -> np.ndarray:
    """P(both signs among m fair coins) = 1 - 2^(1-m)."""
    return 1 - 2.0 ** (1 - width)


def _all_at_limit(cells: xr.Dataset) -> Estimate:
    """In what share of the seeds did all networks end at the theorem's limit?"""
    return share(each(cells, lambda part: float(at_limit(part).all())) > 0)


def _farthest(tossed: xr.Dataset, law: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """The largest distance of a share to that of `law`, in standard errors, over the widths."""
    return exact(_deviations(tossed, law).max(initial=-np.inf), int(tossed.draws.sum()))


def _deviations(tossed: xr.Dataset, law: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """For each width the distance of the share to that of `law`, in standard errors."""
    widths, place = np.unique(tossed.width.values, return_inverse=True)
    draws, mixed = (np.bincount(place, tossed[name].values) for name in ("draws", "mixed"))
    expected = law(widths)
    error = np.sqrt(expected * (1 - expected) / draws)
    distance = np.abs(mixed / draws - expected)
    without_error = np.where(distance > 0, np.inf, 0.0)
    return np.divide(distance, error, out=without_error, where=error > 0)
