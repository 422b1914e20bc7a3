"""The scale of the initialisation must be small, whatever n and the width (claim B9).

Boursier & Flammarion 2025, theorem 4.1: lambda* depends neither on n nor on m. Margin inputs, the
same data and the same directions at every scale. The number of steps is part of the question: rho
is read at one budget and again at three times that budget, from the same run.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import linear_teacher
from simplicity.boursier.criteria import pairs, worst_median
from simplicity.boursier.linear_teacher import Run
from simplicity.evidence.claims import Check, above, check
from simplicity.grid.groups import Grid, Runs, cells_where

CLAIMS = ("B9",)

LONGER = 3  # the second budget, in first budgets

GRID = Grid(
    Run,
    groups={
        "sweep": {"scale": (1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0, 2.0), "n": (120,), "width": (200,)}
    },
    quick={"seeds": 3},
    full={"n": (120, 240), "width": (200, 1000), "seeds": 10},
    tiny={"scale": (1e-3, 1.0), "n": (40,), "width": (20,), "steps": 200, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    steps = xr.DataArray([run.steps, LONGER * run.steps], dims="budget", name="budget")
    return xr.concat([found.drop_vars("force") for found in _outcomes(run)], steps)


def _outcomes(run: Run) -> list[xr.Dataset]:
    """At the end of either budget."""
    first = linear_teacher.train(run)
    more = dataclasses.replace(run, steps=(LONGER - 1) * run.steps)
    second = linear_teacher.train(more, start=first.network).outcome()
    return [first.outcome(), second.assign(stopped_at=second.stopped_at + run.steps)]


def checks(runs: Runs) -> list[Check]:
    return [
        check(
            runs, "B9.small", "empirical",
            "median rho at scale 0.001, the smallest over all n and m, first budget",
            worst_median(_at_first_budget(runs, 1e-3), min), above(0.95),
            ("scale 1: the largest median over all n and m",
             worst_median(_at_first_budget(runs, 1.0), max)),
        ),
    ]  # fmt: skip


def break_scales(cells: xr.Dataset, budget: int = 0) -> dict[tuple[int, int], float]:
    """(n, m) -> the scale at which the median rho falls through 1/2; NaN if it never does."""
    return {pair: _break_scale(part.rho) for pair, part in _by_pair(cells.isel(budget=budget))}


def _break_scale(rho: xr.DataArray) -> float:
    """By interpolation in log scale."""
    medians = rho.groupby("scale").median()
    places, rhos = np.log(medians.scale.values), medians.values
    crossing = np.flatnonzero((rhos[:-1] >= 0.5) & (rhos[1:] < 0.5))
    if not len(crossing):
        return float("nan")
    ends = slice(crossing[0], crossing[0] + 2)
    return float(np.exp(np.interp(-0.5, -rhos[ends], places[ends])))


def _by_pair(cells: xr.Dataset) -> list[tuple[tuple[int, int], xr.Dataset]]:
    return [((n, width), cells_where(cells, n=n, width=width)) for n, width in pairs(cells)]


def _at_first_budget(runs: Runs, scale: float) -> list[xr.DataArray]:
    """rho of each n and m."""
    return [part.rho.isel(budget=0) for _, part in _by_pair(runs("sweep", scale=scale))]
