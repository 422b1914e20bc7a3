"""The plateau is a matter of where training starts, not of its step size (claim B14).

Boursier & Flammarion 2025, appendix A.2: large steps do not suffice to explain that noise is not fitted. Gradient descent is
unstable at a minimum whose sharpness exceeds 2 / step size, so that large steps might keep it away from interpolators. Two
starts tell the explanations apart: the small one at three step sizes, and an explicit interpolator of the same width.
Where both stay, the step size does not choose; only above 2 / sharpness is the interpolator left.
"""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, landscape, linear_teacher, synthetic, two_layer
from simplicity.data import streams
from simplicity.evidence.claims import Check, cells_where, check, control, every_seed, no_seed, share
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import TwoLayer, forward
from simplicity.nets.loop import Diverged, log_schedule

CLAIMS = ("B14",)

AT_LIMIT, INTERPOLATES = 1e-3, 1e-6
# An exact stationary point is never left, stable or not: the interpolator is moved by this share of its norm.
NUDGE = 1e-6
PROBES = 40
DIVERGED = 1e12  # a train MSE above counts as none at all


@config.settings
class Config:
    step_sizes: tuple[float, ...] = config.param((0.02, 0.1, 0.5), "learning rates from the small start", low=1e-12)
    n: int = config.param(480, "samples of the small start", unit="samples", low=1, high=10**5)
    width: int = config.param(200, "hidden neurons of the small start", unit="neurons", low=1, high=10**7)
    interpolator_step_sizes: tuple[float, ...] = config.param(
        (0.02, 0.05, 0.1), "learning rates from the interpolator", low=1e-12
    )
    interpolator_n: int = config.param(120, "samples of the interpolator", unit="samples", low=1, high=10**4)
    interpolator_width: int = config.param(1000, "hidden neurons of the interpolator", unit="neurons", low=1, high=10**5)
    law: str = config.param("margin", "law of the inputs", choices=synthetic.LAWS)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the small start", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    time: float = config.param(2000.0, "training time at most: steps x learning rate", low=1e-6, high=1e9)
    interpolator_time: float = config.param(10.0, "the same from the interpolator", low=1e-6, high=1e9)
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(
    QUICK, n=60, width=20, interpolator_n=20, interpolator_width=60, time=20.0, interpolator_time=5.0, seeds=2
)
FULL = dataclasses.replace(QUICK, width=1000, interpolator_time=1000.0, seeds=10)


@dataclasses.dataclass(frozen=True)
class Cell:
    start: str
    step_size: float
    n: int
    width: int
    time: float
    seed: int
    law: str
    dim: int
    scale: float
    noise_variance: float

    @property
    def steps(self) -> int:
        return max(1, round(self.time / self.step_size))

    @property
    def precision(self) -> str:
        return "float64"  # at small steps single precision cannot move a weight by the force that the stopping rule asks for


def cells(config: Config) -> list[Cell]:
    small: dict[str, Any] = {"start": "small", "n": config.n, "width": config.width, "time": config.time}
    other: dict[str, Any] = {
        "start": "interpolator",
        "n": config.interpolator_n,
        "width": config.interpolator_width,
        "time": config.interpolator_time,
    }
    common = shared(Cell, config, but=("n", "width", "time"))
    return [
        Cell(step_size=step_size, seed=seed, **setting, **common)
        for seed in seeds(config)
        for setting, step_sizes in ((small, config.step_sizes), (other, config.interpolator_step_sizes))
        for step_size in step_sizes
    ]


def measure(cell: Cell) -> xr.Dataset:
    """`rho` and train MSE at the end, NaN after a divergence; `sharpness` of the start (of the end for the small start)."""
    return _from_small(cell) if cell.start == "small" else _from_interpolator(cell)


def _from_small(cell: Cell) -> xr.Dataset:
    run = linear_teacher.train(cell, schedule=log_schedule(cell.steps, PROBES))
    kept = run.outcome()[["rho", "train_mse", "stopped_at"]]
    sharp = landscape.sharpness(*run.network, run.task.x, run.task.y)
    curve = run.trajectory["train_curve"]
    return kept.assign(diverged=0, sharpness=sharp, train_curve=_drawn(curve.values), time_of_probe=_drawn(curve.time.values))


def _from_interpolator(cell: Cell) -> xr.Dataset:
    task = linear_teacher.draw(cell)
    rng = streams.generator(cell.seed, streams.INITIALISATION)
    interpolator = landscape.random_feature_interpolator(cell.width, task.x, task.y, rng)
    start = TwoLayer(*landscape.perturbed(*interpolator, NUDGE, rng))
    errors: list[float] = []

    def probe(network: TwoLayer) -> float:
        with np.errstate(over="ignore", invalid="ignore"):  # on the way to a divergence
            errors.append(alignment.mse(forward(network, task.x), task.y))
        return errors[-1]

    schedule, diverged = log_schedule(cell.steps, PROBES), 0
    try:
        two_layer.descend(
            start, task.x, task.y, step_size=cell.step_size, schedule=schedule, probes={"train_curve": probe},
            precision=cell.precision,
        )  # fmt: skip
    except Diverged:
        diverged = 1
    curve = np.array(errors + [np.nan] * (len(schedule) - len(errors)))
    curve[~(curve < DIVERGED)] = np.nan
    fits = alignment.two_ols(task.x, task.y, task.teacher)
    return xr.Dataset(
        {
            "rho": alignment.rho(curve[-1], alignment.mse(fits.predict(task.x), task.y), task.y),
            "train_mse": curve[-1],
            "stopped_at": schedule[len(errors) - 1] if diverged else cell.steps,
            "diverged": diverged,
            "sharpness": landscape.sharpness(*interpolator, task.x, task.y),
            "train_curve": _drawn(curve),
            "time_of_probe": _drawn(cell.step_size * np.array(schedule)),
        }
    )


def _drawn(values: np.ndarray) -> tuple[str, np.ndarray]:
    """To be drawn, never judged; filled up to one length, since the number of probes differs with the step size."""
    return "probe", np.pad(values, (0, PROBES - len(values)), constant_values=np.nan).astype(np.float32)


def checks(dataset: xr.Dataset) -> list[Check]:
    small = cells_where(dataset, start="small", n=480, step_size=(0.02, 0.1, 0.5))
    other = cells_where(dataset, start="interpolator", n=120)
    slow, fast = cells_where(other, step_size=0.02), cells_where(other, step_size=0.1)
    return [
        check(
            dataset, "B14", "empirical",
            "share of runs from the small start with |rho - 1| < 0.001, n = 480, steps 0.02, 0.1, 0.5",
            share(_at_limit(small)), every_seed(),
            control("from an interpolator, n = 120, step 0.02: the same share", share(_at_limit(slow)), no_seed()),
        ),
        check(
            dataset, "B14", "empirical",
            "share of runs from an interpolator that stay below train MSE 1e-6, n = 120, step 0.02",
            share(stays(slow)), every_seed(),
            control("step 0.1, above 2 / sharpness: the same share", share(stays(fast)), no_seed()),
        ),
    ]  # fmt: skip


def _at_limit(cells: xr.Dataset) -> np.ndarray:
    return (np.abs(cells.rho - 1) < AT_LIMIT).values


def stays(cells: xr.Dataset) -> np.ndarray:
    """Per cell: is the train MSE at the end still that of an interpolator? False after a divergence."""
    return (cells.train_mse < INTERPOLATES).values
