"""How long the linear model holds: up to T at every dimension, and when it ends (claim H12).

Hu et al. 2020: closeness is proved up to c d log d / step. T, 1.5 of that unit, is a time up to
which, not one at which it ends: the first is judged, the second only reported. Two step sizes are
the same flow on the clock t step; counted in steps they are not.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, above, below, between, control, mean
from simplicity.evidence.over_seeds import paired
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Run

CLAIMS = ("H12",)

PROBES = 60
EXITS = (1.5, 2.0, 4.0)  # multiples of the plateau at which a run has left it

GRID = Grid(
    Run,
    groups={
        "main": {"dim": (25, 50), "step_size": early_linear.own_step},
        "slow": {"dim": 50, "step_size": 5.0},  # half of what the main runs take
    },
    quick={"width": 256, "horizon": 30.0, "seeds": 2},
    full={"dim": (25, 50, 100), "n": 4000, "slow_dim": 100, "slow_step_size": 2.0, "seeds": 5},
    tiny={
        "dim": (5, 8), "n": 100, "width": 32, "horizon": 10.0, "slow_dim": 8, "slow_step_size": 0.8,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """The run at `PROBES` clock times, evenly in their logarithm, T among them.

    Adds `clock` in units of d log d / step, `rel` (time) = D over mean f_lin^2 on fresh samples,
    `rel_at_T` = max_{t <= T} D over mean f_lin,T^2, `plateau`, the smallest `rel`, and `exit`
    (multiple), when it left that, NaN where it did not.
    """
    unit = early_linear.horizon(dataclasses.replace(run, horizon=1.0))
    clock = np.sort(np.append(np.geomspace(0.3, run.horizon, PROBES - 1), early_linear.HORIZON))
    steps = tuple(np.maximum(1, np.rint(clock * unit)).astype(int).tolist())
    drawn = early_linear.data(run)
    found = early_linear.summary(drawn, steps, *early_linear.follow(run, drawn, steps))
    at = int(np.argmin(np.abs(clock - early_linear.HORIZON)))
    rel = found.gap_test.values / found.power_test.values
    place = int(np.argmin(rel))
    exits = [left(clock, rel, place, factor) for factor in EXITS]
    return found.assign(
        clock=("time", np.asarray(steps) / unit),
        rel=("time", rel),
        rel_at_T=found.gap_train[: at + 1].max() / found.power[at],
        plateau=rel[place],
        exit=("multiple", np.array(exits)),
    )


def left(clock: np.ndarray, rel: np.ndarray, place: int, factor: float) -> float:
    """The first time after `place` at which `rel` exceeds `factor` times its value there."""
    later = np.flatnonzero(rel[place:] > factor * rel[place])
    return float(clock[place + later[0]]) if len(later) else float("nan")


def checks(runs: Runs) -> list[Check]:
    given, every = runs.settings, runs.dataset
    judge = early_linear.judge(runs, *given.dim)
    worst = early_linear.worst(mean(runs("main", dim=dim).rel_at_T) for dim in given.dim)
    ends = mean(every.gap_train.isel(time=-1) / every.power.isel(time=-1))
    slow, fast = half(runs["slow"]), half(runs("main", dim=given.slow_dim))
    clock, steps = (mean(paired(slow, fast, name)) for name in ("half", "half_steps"))
    return [
        judge(
            "H12.horizon", "theorem",
            f"rel up to T = 1.5 d log d / step, {given.width} neurons: the largest mean over d",
            worst, below(0.03),
            control("at the end of the runs: D over mean f_lin^2", ends, above(0.03)),
        ),
        judge(
            "H12.clock", "identity",
            "t step at which the train loss has halved: ratio of two step sizes",
            clock, between(0.9, 1.1),
            control("counted in steps: the same ratio", steps, above(1.25)),
        ),
    ]  # fmt: skip


def half(cells: xr.Dataset) -> xr.Dataset:
    """Adds `half_steps`, when the train loss falls below 1/4, half of its start, and `half`.

    `half` is that times the step size.
    """
    steps = np.array(
        [
            np.interp(0.25, train[::-1], step[::-1]) if train.min() < 0.25 else np.nan
            for train, step in zip(cells.train.values, cells.step.values, strict=True)
        ]
    )
    return cells.assign(half_steps=("cell", steps), half=("cell", steps * cells.step_size.values))
