"""How long the linear model holds: up to T = 1.5 d log d / step at every dimension, and when it ends (claim H12).

Hu et al. 2020: closeness is proved up to c d log d / step. T is a time up to which, not one at which it ends: the first is
judged, the second only reported. Two step sizes are the same flow on the clock t step; counted in steps they are not.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, above, below, between, cells_where, check, control, mean, settings_of
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Cell

CLAIMS = ("H12",)

PROBES = 60
EXITS = (1.5, 2.0, 4.0)  # multiples of the plateau at which a run has left it


@config.settings
class Config:
    dims: tuple[int, ...] = config.param((25, 50), "input dimensions", low=2, high=10**4)
    n: int = config.param(2000, "training samples", unit="samples", low=2, high=10**6)
    width: int = config.param(256, "hidden neurons", unit="neurons", low=2, high=10**5)
    horizon: float = config.param(30.0, "length of a run in units of d log d / step", low=1)
    slower: float = config.param(0.5, "a second step size, as a multiple of d/5", low=1e-3, high=1)
    seeds: int = config.param(2, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dims=(5, 8), n=100, width=32, horizon=10.0)
FULL = dataclasses.replace(QUICK, dims=(25, 50, 100), n=4000, slower=0.1, seeds=5)


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        for dim in config.dims:
            rate = early_linear.step_size("erf", dim)
            found.append(Cell(seed, dim, config.n, config.width, rate, horizon=config.horizon))
        found.append(dataclasses.replace(found[-1], step_size=rate * config.slower))
    return found


def measure(cell: Cell) -> xr.Dataset:
    """The run at `PROBES` clock times, evenly in their logarithm, T among them; and when `rel` left its plateau.

    Adds `clock` in units of d log d / step, `rel` (time) = D over mean f_lin^2 at that time, on fresh samples, `rel_at_T` =
    max_{t <= T} D over mean f_lin,T^2, `plateau`, and `exit` (multiple) on the clock, NaN where the run did not leave.
    """
    unit = early_linear.horizon(dataclasses.replace(cell, horizon=1.0))
    clock = np.sort(np.append(np.geomspace(0.3, cell.horizon, PROBES - 1), early_linear.HORIZON))
    steps = tuple(np.maximum(1, np.rint(clock * unit)).astype(int).tolist())
    drawn = early_linear.data(cell)
    found = early_linear.summary(drawn, steps, *early_linear.follow(cell, drawn, steps))
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


def checks(dataset: xr.Dataset) -> list[Check]:
    given = settings_of(dataset)
    if not early_linear.high(*given["dims"]):
        return []
    main = dataset.isel(cell=np.isclose(dataset.step_size.values, dataset.dim.values / 5))
    slow = dataset.isel(cell=~np.isclose(dataset.step_size.values, dataset.dim.values / 5))
    fast = cells_where(main, dim=max(given["dims"]))
    means = [mean(cells_where(main, dim=dim).rel_at_T) for dim in given["dims"]]
    ends = mean(dataset.gap_train.isel(time=-1) / dataset.power.isel(time=-1))
    return [
        check(
            dataset, "H12", "theorem", f"rel up to T = 1.5 d log d / step, {given['width']} neurons: the largest mean over d",
            early_linear.worst(means), below(0.03), control("at the end of the runs: D over mean f_lin^2", ends, above(0.03)),
        ),
        check(
            dataset, "H12", "identity", "t step at which the train loss has halved: ratio of two step sizes",
            mean(early_linear.paired(half(slow), half(fast), "half")), between(0.9, 1.1),
            control(
                "counted in steps: the same ratio", mean(early_linear.paired(half(slow), half(fast), "half_steps")), above(1.25)
            ),
        ),
    ]  # fmt: skip


def half(cells: xr.Dataset) -> xr.Dataset:
    """Adds `half_steps`, steps until the train loss is first below half of its start 1/2, and `half` = that times the step."""
    below_half = cells.train.values < 0.25
    steps = np.array(
        [
            np.interp(0.25, curve[::-1], step[::-1]) if found.any() else np.nan
            for curve, step, found in zip(cells.train.values, cells.step.values, below_half, strict=True)
        ]
    )
    return cells.assign(half_steps=("cell", steps), half=("cell", steps * cells.step_size.values))
