"""How long the linear model holds: up to T at every dimension, and when it ends (claims H12, H31).

Hu et al. 2020: closeness is proved up to c d log d / step once n and m grow with d. T, 1.5 of that
unit, is a time up to which, not one at which it ends. So n = m = 2 d^1.5 and rel_T must fall; the
control keeps the width. When network and model part is a question of ours. Two step sizes are the
same flow on the clock t step; counted in steps they are not.
"""

import dataclasses
import math

import numpy as np
import xarray as xr

from simplicity.evidence.claims import (
    Check,
    Estimate,
    Other,
    between,
    interval_above,
    interval_below,
    mean,
)
from simplicity.evidence.over_seeds import paired, slopes
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear, early_linear_checks
from simplicity.hu.early_linear import Run
from simplicity.hu.early_linear_checks import Judge

CLAIMS = ("H12", "H31")

PROBES, EARLY = 60, 30  # so many of them up to T
EXITS = (1.5, 2.0, 4.0)  # multiples of the plateau at which a run has left it
PARTED = 0.05  # of the model's power at T: a gap at which network and model have parted
GROWTH = 1.5  # n = m = 2 d^1.5
LENGTH = 10.0


def size(run: Run) -> int:
    return 2 * round(run.dim**GROWTH)


GRID = Grid(
    Run,
    groups={
        "main": {"dim": (25, 50), "step_size": early_linear.own_step},
        # Half of the step that the main runs take, until the loss has halved and beyond.
        "slow": {"dim": 50, "step_size": 5.0, "horizon": LENGTH},
        "grown": {"dim": (25, 50), "n": size, "width": size, "horizon": LENGTH},
        "fixed": {"dim": (25, 50), "n": size, "width": 256, "horizon": LENGTH},
    },
    quick={
        "width": 256, "horizon": 30.0, "seeds": 2, "step_size": early_linear.own_step,
    },
    full={
        "dim": (25, 50, 100), "grown_dim": (25, 50, 100), "fixed_dim": (25, 50, 100), "n": 4000,
        "seeds": 8, "first_seed": 1_000_000,
    },
    tiny={
        "dim": (5, 8), "n": 100, "width": 32, "horizon": 10.0, "slow_dim": 8, "slow_step_size": 0.8,
        "grown_dim": (5, 8), "fixed_dim": (5, 8), "fixed_width": 16,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """The run at `PROBES` steps: evenly from the first to T, then evenly in their logarithm.

    Adds `clock` in units of d log d / step; `rel` (time) = D over mean f_lin^2 on fresh samples;
    `rel_at_T` = max_{t <= T} D over mean f_lin,T^2 on the training samples, and `parted`, when D
    first exceeds `PARTED` of that power, NaN if never; `plateau`, the smallest `rel`; and `exit`
    (multiple), when it left that, NaN where it did not.
    """
    unit = early_linear.horizon(dataclasses.replace(run, horizon=1.0))
    steps = schedule(round(early_linear.HORIZON * unit), early_linear.horizon(run))
    found = early_linear.compared(run, early_linear.data(run), steps)
    clock = np.asarray(steps) / unit
    rel = found.gap_test.values / found.power_test.values
    place = int(np.argmin(rel))
    of_power = found.gap_train.values / found.power.values[EARLY - 1]
    return found.assign(
        clock=("time", clock),
        rel=("time", rel),
        rel_at_T=of_power[:EARLY].max(),
        parted=crossing(clock, of_power, PARTED),
        plateau=rel[place],
        exit=("multiple", [left(clock, rel, place, factor) for factor in EXITS]),
    )


def schedule(until: int, last: int) -> tuple[int, ...]:
    """`EARLY` steps up to T, and the others from there to the last."""
    late = early_linear.schedule(last, PROBES - EARLY + 1, until, spaced=np.geomspace)
    return early_linear.schedule(until, EARLY) + late[1:]


def halved(train: np.ndarray, step: np.ndarray) -> float:
    """The step at which the loss passes 1/4; NaN where it does not."""
    return np.interp(0.25, train[::-1], step[::-1]) if train.min() < 0.25 else np.nan


def left(clock: np.ndarray, rel: np.ndarray, place: int, factor: float) -> float:
    """The first time after `place` at which `rel` exceeds `factor` times its value there."""
    later = np.flatnonzero(rel[place:] > factor * rel[place])
    return float(clock[place + later[0]]) if len(later) else math.nan


def crossing(clock: np.ndarray, values: np.ndarray, bound: float) -> float:
    """The first time at which `values` exceeds `bound`, between two probes on a straight line."""
    over = np.flatnonzero(values > bound)
    if not len(over):
        return math.nan
    here = slice(max(0, over[0] - 1), over[0] + 1)
    return float(np.interp(bound, values[here], clock[here]))


def checks(runs: Runs) -> list[Check]:
    judge = early_linear_checks.judge(runs, *runs.settings.dim, *runs.settings.grown_dim)
    return [up_to_horizon(runs, judge), one_clock(runs, judge), parts_later(runs, judge)]


def up_to_horizon(runs: Runs, judge: Judge) -> Check:
    """H12: once samples and width grow with d, rel_T falls."""
    falls, flat = slopes_on_dim(runs, "rel_at_T")
    return judge(
        "H12.horizon", "theorem",
        "slope of log rel_T on log d, T = 1.5 d log d / step, n = m = 2 d^1.5",
        falls, interval_below(0), flat,
    )  # fmt: skip


def one_clock(runs: Runs, judge: Judge) -> Check:
    """H12: two step sizes are the same flow on the clock t step."""
    slow, fast = half(runs["slow"]), half(runs("main", dim=runs.settings.slow_dim))
    clock, steps = (mean(paired(slow, fast, name)) for name in ("half", "half_steps"))
    return judge(
        "H12.clock", "identity",
        "t step at which the train loss has halved: ratio of two step sizes",
        clock, between(0.9, 1.1), ("counted in steps: the same ratio", steps),
    )  # fmt: skip


def parts_later(runs: Runs, judge: Judge) -> Check:
    """H31: in units of d log d / step, network and model part later where d is larger."""
    later, alike = slopes_on_dim(runs, "parted")
    passes = f"D passes {PARTED:g} of the power, on log d"
    return judge(
        "H31.parted", "empirical", f"slope of log (t step / (d log d)) at which {passes}",
        later, interval_above(0), alike, needs=5,
    )  # fmt: skip


def slopes_on_dim(runs: Runs, name: str) -> tuple[Estimate, Other]:
    """Slope of log `name` on log d where the width grows; the control is where it does not."""
    grown, fixed = (mean(slopes(runs[group], name, "dim")) for group in ("grown", "fixed"))
    return grown, (f"{runs.settings.fixed_width} neurons at every d: the same slope", fixed)


def half(cells: xr.Dataset) -> xr.Dataset:
    """Adds `half_steps`, when the train loss falls below 1/4, half of its start, and `half`.

    `half` is that times the step size.
    """
    curves = zip(cells.train.values, cells.step.values, strict=True)
    steps = np.array([halved(train, step) for train, step in curves])
    return cells.assign(half_steps=("cell", steps), half=("cell", steps * cells.step_size.values))
