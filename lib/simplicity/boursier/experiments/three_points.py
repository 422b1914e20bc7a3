"""Three points on which a small start ends at the regression line, and a large one interpolates (claim B19).

The predecessor's example (Boursier & Flammarion, "Early alignment ... is a two-edged sword"): one-dimensional inputs with a
hidden bias, so d = 2 with a constant second coordinate. Dominated and balanced starts are judged. An independent Gaussian
start is drawn at one width but not judged: it is stuck or not depending on its scale and width, so it is no clean control.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import alignment
from simplicity.boursier.two_layer import descend
from simplicity.data import streams
from simplicity.evidence.claims import Check, cells_where, check, control, every_seed, share
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import starts
from simplicity.nets.loop import log_schedule

CLAIMS = ("B19",)

X = np.array([[-0.75, 1.0], [-0.5, 1.0], [0.125, 1.0]])
Y = np.array([1.1, 0.1, 0.8])
LEAST_SQUARES = alignment.mse(X @ alignment.ols(X, Y), Y)  # 0.175043, by hand in the tests
GRID = np.linspace(-1, 0.5, 31)  # inputs at which the learned function is kept
JUDGED = (100, 1000, 10_000)
JUDGED_KINDS = ("dominated", "balanced")
# No neuron is pulled harder than this: far below what the criterion of 1e-4 in the error can see.
_TOLERANCE, _PROBES = 1e-7, 25


@config.settings
class Config:
    widths: tuple[int, ...] = config.param((100, 1000), "numbers of hidden neurons", unit="neurons", low=1)
    scales: tuple[float, ...] = config.param((1e-4, 1e-2), "scales lambda of the initialisation", low=0)
    control_scales: tuple[float, ...] = config.param((1.0,), "scales of the control, too large to align", low=0)
    kinds: tuple[str, ...] = config.param(("dominated", "balanced"), "laws of the initialisation", choices=starts.STARTS)
    fit_step: float = config.param(0.02, "learning rate eta of the three points", low=0)
    fit_steps: int = config.param(60_000, "gradient steps at most", low=1)
    seeds: int = config.param(5, "seeds of each setting", low=1)
    first_seed: int = config.param(0, "the first of them", low=0)


QUICK = Config()
TINY = dataclasses.replace(QUICK, widths=(20,), scales=(1e-2,), fit_steps=300, seeds=2)
FULL = dataclasses.replace(
    QUICK, widths=JUDGED, scales=(1e-5, 1e-4, 1e-3, 1e-2), control_scales=(1.0, 2.0), kinds=tuple(starts.STARTS), seeds=10
)


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    width: int
    scale: float
    seed: int
    fit_step: float
    fit_steps: int


def cells(config: Config) -> list[Cell]:
    return [
        Cell(kind=kind, width=width, scale=scale, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for kind in config.kinds
        for width in (config.widths if kind in JUDGED_KINDS else config.widths[:1])
        for scale in config.scales + config.control_scales
    ]


def measure(cell: Cell) -> xr.Dataset:
    rng = streams.generator(cell.seed, streams.INITIALISATION)
    start = starts.STARTS[cell.kind](cell.width, 2, cell.scale, rng)
    network, trajectory = descend(
        start, X, Y, step_size=cell.fit_step, schedule=log_schedule(cell.fit_steps, _PROBES),
        probes={"train_curve": _error}, tolerance=_TOLERANCE,
    )  # fmt: skip
    grid = np.stack([GRID, np.ones_like(GRID)], axis=1)
    return xr.Dataset(
        {
            "train_mse": _error(network),
            "stopped_at": trajectory.stopped_at,
            "function": ("place", nets.forward(network, grid).astype(np.float32)),
            "train_curve": trajectory.train_curve.astype(np.float32),
        },
        {"step": trajectory.step, "time": trajectory.time, "x": ("place", GRID)},
    )


def _error(network: nets.TwoLayer) -> float:
    """Plain MSE on the three points."""
    return alignment.mse(nets.forward(network, X), Y)


def checks(dataset: xr.Dataset) -> list[Check]:
    runs = cells_where(dataset, width=JUDGED)
    small = runs.isel(cell=runs.scale.values < 1)
    large = runs.isel(cell=runs.scale.values >= 1)
    return [
        check(
            dataset, "B19", "theorem", f"{kind} start: share of runs that end within 1e-4 of the least-squares error",
            share(stuck(cells_where(small, kind=kind))), every_seed(),
            control(
                "scale 1 or more: share of runs with an error below 1e-6",
                share((cells_where(large, kind=kind).train_mse < 1e-6).values), every_seed(),
            ),
        )
        for kind in JUDGED_KINDS
    ]  # fmt: skip


def stuck(cells: xr.Dataset) -> np.ndarray:
    """Per cell: has training ended at the error of the regression line?"""
    return (np.abs(cells.train_mse - LEAST_SQUARES) < 1e-4).values
