"""Train and test loss against the number of samples: the optimization threshold (claims B1, B2).

Boursier & Flammarion 2025, Figure 1 and theorem 4.1. A linear teacher with noise, a two-layer ReLU network, full-batch
gradient descent from a small start, for a fixed number of steps. The control is the same network started at scale 1,
where no alignment precedes the fit.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, linear_teacher, synthetic
from simplicity.boursier.threshold_checks import past_threshold
from simplicity.evidence.claims import Check, above, below, cells_where, check, control, settings_of, share
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets.loop import log_schedule

CLAIMS = ("B1", "B2")

BINS = np.linspace(-1, 1, 41)  # of the signed cosine, the last bin being the aligned neurons
PROBES = 25
ENOUGH_SEEDS = 20  # a share below a tenth cannot be told with fewer: one seed in about fifty gets stuck even at n = 10


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((10, 40, 160, 640), "numbers of samples", unit="samples", low=1, high=10**8)
    laws: tuple[str, ...] = config.param(("gaussian", "margin"), "laws of the inputs", choices=synthetic.LAWS)
    width: int = config.param(200, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    control_scale: float = config.param(1.0, "scale of the control, too large to align", low=1e-12)
    control_up_to: int = config.param(160, "largest n of the control", unit="samples", low=0)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seeds: int = config.param(3, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(10, 40), width=20, steps=300, seeds=2)
FULL = dataclasses.replace(
    QUICK, ns=(10, 20, 40, 80, 120, 160, 240, 320, 480, 640, 1280), width=1000, control_up_to=1280, seeds=20
)


@dataclasses.dataclass(frozen=True)
class Cell:
    law: str
    n: int
    scale: float
    seed: int
    width: int
    dim: int
    noise_variance: float
    step_size: float
    steps: int
    precision: str


def cells(config: Config) -> list[Cell]:
    return [
        Cell(law=law, n=n, scale=scale, seed=seed, **shared(Cell, config, but=("scale",)))
        for seed in seeds(config)
        for scale in (config.scale, config.control_scale)
        for law in config.laws
        for n in config.ns
        if scale == config.scale or n <= config.control_up_to
    ]


def measure(cell: Cell) -> xr.Dataset:
    run = linear_teacher.train(cell, schedule=log_schedule(cell.steps, PROBES))
    cosines, weights = alignment.signed_cosines(*run.network, alignment.two_ols(run.task.x, run.task.y, run.task.teacher))
    histogram = np.histogram(cosines, BINS, weights=weights)[0] / max(weights.sum(), np.finfo(float).tiny)
    return run.outcome().assign(
        cosine=alignment.weighted_mean(cosines, weights),
        histogram=("bin", histogram.astype(np.float32)),
        train_curve=run.trajectory["train_curve"].astype(np.float32),  # to be drawn, never judged
    )


def checks(dataset: xr.Dataset) -> list[Check]:
    small, large = scales(dataset)
    starts = cells_where(dataset, scale=small)
    few = cells_where(starts, law="gaussian", n=10)
    unaligned = cells_where(dataset, scale=large)
    unaligned = unaligned.isel(cell=(unaligned.n.values >= 80) & (unaligned.n.values <= 240))
    middle = unaligned.isel(cell=(unaligned.law.values == "margin") & (unaligned.n.values >= 120))
    found = past_threshold(dataset, starts, unaligned, middle)
    if few.sizes["cell"] >= ENOUGH_SEEDS:
        found.insert(0, _interpolation_check(dataset, few))
    return found


def _interpolation_check(dataset: xr.Dataset, few: xr.Dataset) -> Check:
    """FULL only. The control's share is P(chi2 with n - d degrees of freedom > 0.1 n), 0.96 at n = 10, d = 5."""
    return check(
        dataset, "B1", "empirical", "share of seeds with train MSE > 0.1 sigma^2, Gaussian, n = 10",
        share(_above_noise(few)), below(0.1),
        control("a linear fit to the same samples in place of the network", share(_linear_above_noise(few)), above(0.5)),
    )  # fmt: skip


def scales(dataset: xr.Dataset) -> tuple[float, float]:
    """The small scale of a run and that of its control."""
    settings = settings_of(dataset)
    return settings["scale"], settings["control_scale"]


def _above_noise(cells: xr.Dataset) -> np.ndarray:
    return (cells.train_mse > 0.1 * cells.noise_variance).values


def _linear_above_noise(cells: xr.Dataset) -> np.ndarray:
    """The same for one least-squares fit to the cell's own samples, drawn again from its seed."""
    found = []
    for cell in (cells.isel(cell=index) for index in range(cells.sizes["cell"])):
        law, n, dim, seed = str(cell.law.values), int(cell.n), int(cell.dim), int(cell.seed)
        task = synthetic.linear_task(law, n, dim, float(cell.noise_variance), seed, n_test=1)
        error = alignment.mse(task.x @ alignment.ols(task.x, task.y), task.y)
        found.append(error > 0.1 * float(cell.noise_variance))
    return np.array(found, dtype=bool)
