"""A teacher of five ReLU neurons in place of the linear one (claim B18).

Boursier & Flammarion 2025 appear to show it beside the linear teacher; what exactly is not known. Here: Gaussian
inputs, five unit directions drawn for each seed, output signs + - + - +, label noise. The theorem speaks of no such teacher, so
errors are held against the noise level and the risk against the teacher. The control starts at scale 1.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, synthetic, two_layer
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    above,
    below,
    cells_where,
    check,
    control,
    every_seed,
    no_seed,
    settings_of,
    share,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import dominated, forward

CLAIMS = ("B18",)

SIGNS = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
ENOUGH_SEEDS = 10  # for a share below a tenth
LONG = 20_000  # steps from which on the end of training is judged
_N_TEST = 4000
_TOLERANCE = 1e-6  # as in the runs with the linear teacher


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((10, 40, 160, 640), "numbers of samples", unit="samples", low=1, high=10**8)
    control_up_to: int = config.param(160, "largest n of the control", unit="samples", low=0)
    width: int = config.param(100, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    control_scale: float = config.param(1.0, "scale of the control, too large to align", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(4000, "gradient steps at most", low=1, high=10**9)
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(20, 40), width=20, steps=300, seeds=2)
FULL = dataclasses.replace(QUICK, ns=(10, 40, 160, 640, 2560), width=500, steps=20_000, seeds=10)


@dataclasses.dataclass(frozen=True)
class Cell:
    n: int
    scale: float
    seed: int
    width: int
    dim: int
    noise_variance: float
    step_size: float
    steps: int


def cells(config: Config) -> list[Cell]:
    return [
        Cell(n=n, scale=scale, seed=seed, **shared(Cell, config, but=("scale",)))
        for seed in seeds(config)
        for scale in (config.scale, config.control_scale)
        for n in config.ns
        if scale == config.scale or n <= config.control_up_to
    ]


def draw(cell: Cell) -> tuple[synthetic.Task, np.ndarray]:
    """The cell's samples, and what the teacher says without noise on the fresh ones; `teacher` holds the directions (5, d)."""
    rng = streams.generator(cell.seed, streams.DATA)
    directions = rng.standard_normal((len(SIGNS), cell.dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x = synthetic.gaussian(cell.n, cell.dim, rng)
    y = synthetic.relu_labels(x, directions, SIGNS, cell.noise_variance, rng)
    fresh = streams.generator(cell.seed, streams.TEST)
    x_test = synthetic.gaussian(_N_TEST, cell.dim, fresh)
    clean = synthetic.relu_labels(x_test, directions, SIGNS, 0.0, fresh)
    noise = np.sqrt(cell.noise_variance) * fresh.standard_normal(_N_TEST)
    return synthetic.Task(x, y, x_test, clean + noise, directions), clean


def measure(cell: Cell) -> xr.Dataset:
    """Plain errors of the trained network, its risk against the noiseless teacher, and the risk of one linear fit."""
    task, clean = draw(cell)
    start = dominated(cell.width, cell.dim, cell.scale, streams.generator(cell.seed, streams.INITIALISATION))
    network, run = two_layer.descend(
        start, task.x, task.y, step_size=cell.step_size, schedule=(0, cell.steps), probes={},
        tolerance=_TOLERANCE, precision="float32",
    )  # fmt: skip
    outside = forward(network, task.x_test)
    linear = alignment.ols(task.x, task.y)
    return xr.Dataset(
        {
            "train_mse": alignment.mse(forward(network, task.x), task.y),
            "test_mse": alignment.mse(outside, task.y_test),
            "excess_risk": alignment.mse(outside, clean),
            "linear_train_mse": alignment.mse(task.x @ linear, task.y),
            "linear_excess_risk": alignment.mse(task.x_test @ linear, clean),
            "stopped_at": run.stopped_at,
            "force": run.force,
        }
    )


def checks(dataset: xr.Dataset) -> list[Check]:
    settings = settings_of(dataset)
    small = cells_where(dataset, scale=settings["scale"])
    large = cells_where(dataset, scale=settings["control_scale"], n=(40, 160))
    many, few = cells_where(small, n=2560), cells_where(small, n=10)
    many = many.isel(cell=many.steps.values >= LONG)
    low = 0.15 * many.noise_variance
    found = [
        check(
            dataset, "B18", "empirical", "share of seeds with train MSE > 0.8 sigma^2 and excess risk < 0.15 sigma^2, n = 2560",
            share(((many.train_mse > 0.8 * many.noise_variance) & (many.excess_risk < low)).values), every_seed(),
            control(
                "scale 1, n = 40 and 160: share of runs with train MSE < 0.5 sigma^2",
                share((large.train_mse < 0.5 * large.noise_variance).values), every_seed(),
            ),
        ),
        check(
            dataset, "B18", "empirical", "share of seeds with excess risk < 0.15 sigma^2, n = 2560",
            share((many.excess_risk < low).values), every_seed(),
            control("one linear fit: the same share", share((many.linear_excess_risk < low).values), no_seed()),
        ),
    ]  # fmt: skip
    if few.sizes["cell"] >= ENOUGH_SEEDS:
        found.insert(0, _interpolation_check(dataset, few))
    return found


def _interpolation_check(dataset: xr.Dataset, few: xr.Dataset) -> Check:
    bound = 0.1 * few.noise_variance
    return check(
        dataset, "B18", "empirical", "share of seeds with train MSE > 0.1 sigma^2, n = 10",
        share((few.train_mse > bound).values), below(0.1),
        control("a linear fit to the same samples", share((few.linear_train_mse > bound).values), above(0.5)),
    )  # fmt: skip
