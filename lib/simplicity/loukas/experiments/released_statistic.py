"""The trajectory as the released code computes it, on the cosine task (claims L9, L18).

Loukas et al. 2021 divide the step that sample k causes by eps of sample k. Their released code
divides it by eps of sample k - 1, and it takes the mean of b_1 and of eps over ten repeats before
it takes any norm. Both change the curve of Figure 1b. The repeats of a frequency are one run here,
since the mean needs all of them step by step.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, criteria, trajectory
from simplicity.loukas.single_sample import descend
from simplicity.nets import loop

CLAIMS = ("L9", "L18")

PROBES = 60  # epochs, evenly
END = 10  # epochs
WAYS = ("defined", "late", "averaged", "released")


@config.settings
class Run(cosine.Run):
    """A block of repeats at one frequency."""

    repeats: int = config.param(3, "repeats of which the mean is taken", low=1, high=1000)


GRID = Grid(
    Run,
    groups={"blocks": {"frequency": cosine.FREQUENCIES}},
    quick={},
    full={"repeats": 10, "seeds": 10, "first_seed": 2_000_000},
    tiny={"frequency": (0.25, 1.0), "repeats": 2, "n": 20, "epochs": 60, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """Per epoch and `way` the trajectory, a mean over steps.

    `defined` is the paper's statistic and `late` has eps of the step before, both as means over the
    repeats; `averaged` takes the repeats' mean first, and `released` does both. `error` holds the
    statistic against the slopes of the visited points, and `wrong` does so with eps of the step
    before.
    """
    bias, epsilon, (defined, late, errors, wrong) = _repeats(run)
    ways = defined.mean(axis=0), late.mean(axis=0), *_averaged(run, bias, epsilon)
    curves = np.stack(ways)
    wanted = np.array(loop.evenly(run.epochs, PROBES + 1)[1:])
    variables = _along(curves, wanted) | {
        "late_median": ("probe", np.median(late, axis=0)[wanted - 1].astype(np.float32)),
        "level_end": ("way", curves[:, -END:].mean(axis=1)),
        "total_end": ("way", curves.sum(axis=1)),
        "error": errors.max(),
        "wrong": wrong.min(),
    }
    return xr.Dataset(variables, {"epoch": ("probe", wanted)})


def _averaged(run: Run, bias: np.ndarray, epsilon: np.ndarray) -> list[np.ndarray]:
    """The trajectory of the repeats' mean, by eps of the step and of the step before."""
    return [
        _epochs(run, trajectory.normalised(bias, epsilon, run.step_size, late=late))
        for late in (False, True)
    ]


def _along(curves: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
    """After each of these epochs its trajectory, and the mean since the last of them."""
    since = np.diff(np.cumsum(curves, axis=1)[:, wanted - 1], prepend=0, axis=1)
    found = {"raw": curves[:, wanted - 1], "level": since / np.diff(wanted, prepend=0)}
    return {name: (("way", "probe"), one.astype(np.float32)) for name, one in found.items()}


def _repeats(run: Run) -> tuple[np.ndarray, np.ndarray, Iterator[np.ndarray]]:
    """b_1 and eps of all steps as means over the repeats, and four arrays with a row for each.

    The trajectory as defined and as late, and how far off either is.
    """
    bias = np.zeros((run.n * run.epochs + 1, cosine.SIZES[1]))
    epsilon = np.zeros(run.n * run.epochs)
    rows = []
    for repeat in range(run.repeats):
        found, trace, eps = _one(run, 1000 * run.seed + repeat)
        bias += trace / run.repeats
        epsilon += eps / run.repeats
        rows.append(_row(run, found, trace, eps))
    return bias, epsilon, map(np.array, zip(*rows, strict=True))


def _row(
    run: Run, found: xr.Dataset, bias: np.ndarray, epsilon: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Of one repeat the trajectory as defined and as late, and how far off either is."""
    defined = _epochs(run, trajectory.normalised(bias, epsilon, run.step_size))
    floor = _epochs(run, _floor(run, bias, epsilon))
    late, slope = found.late.values, found.slope.values
    return defined, late, _off(defined, slope, floor), _off(late, slope, floor)


def _one(run: Run, seed: int) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """One repeat: its statistics, b_1 before, between and after all steps, and eps of the steps."""
    data = cosine.task(run.frequency, run.n, seed)
    order = cosine.in_epochs(run.n, run.epochs, seed)
    network, found = descend(
        cosine.start(seed), data.x, data.y, order,
        step_size=run.step_size, window=run.n, trace=True,
    )  # fmt: skip
    return found, trajectory.traced(found, network), found.traced_epsilon.values


def _floor(run: Run, bias: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
    """What rounding of b_1 may change in each normalised step."""
    length = np.linalg.norm(np.diff(bias, axis=0), axis=1) / run.step_size
    positive = np.maximum(epsilon, np.finfo(float).tiny)
    return trajectory.rounding_floor(bias[:-1], length, run.step_size, positive)


def _off(path: np.ndarray, slope: np.ndarray, floor: np.ndarray) -> float:
    """The largest | level - mean slope | of an epoch, in units of rounding of b_1."""
    return float((np.abs(path - slope) / floor).max())


def _epochs(run: Run, steps: np.ndarray) -> np.ndarray:
    return steps.reshape(run.epochs, run.n).mean(axis=1)


def checks(runs: Runs) -> list[claims.Check]:
    return [_trace_check(runs), _released_check(runs)]


def _trace_check(runs: Runs) -> claims.Check:
    found = runs["blocks"]
    return claims.check(
        runs, "L9.trace", "identity",
        "trajectory of an epoch from the trace of b_1 against the mean slope at visited points,"
        " in units of rounding",
        claims.largest(found.error.values), claims.below(8),
        ("eps of the step before, as released: the same, least of all runs",
         claims.smallest(found.wrong.values)),
    )  # fmt: skip


def _released_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L18.released", "empirical",
        "as released, mean over ten repeats first: rank correlation of f with the total",
        order(runs["blocks"], "total_end", "released"), claims.interval_above(0),
        claims.no_control("the same total by the paper's definition has one"),
        needs=5,
    )  # fmt: skip


def by_block(cells: xr.Dataset, name: str, way: str) -> np.ndarray:
    """A variable of one way of computing, (blocks, frequencies, ...)."""
    return criteria.by_seed(cells, name)[:, :, WAYS.index(way)]


def order(cells: xr.Dataset, name: str, way: str) -> claims.Estimate:
    """Rank correlation with f over blocks, whole blocks drawn."""
    frequencies = np.unique(cells.frequency.values)
    return criteria.order(frequencies, by_block(cells, name, way), "blocks")
