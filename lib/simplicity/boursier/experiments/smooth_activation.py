"""GeLU in place of the ReLU, by gradient descent and by Adam (claims B15, B16).

Boursier & Flammarion 2025 report a similar transition for GeLU, and for GeLU with Adam, in their appendices. Gaussian inputs,
a linear teacher with noise, a fixed number of full-batch steps; rho is kept along the way, because a network that Adam
still improves has not shown where it ends. Controls: a start at scale 1 for the one, gradient descent for the same number of
steps for the other. In the recorded runs the m (d + 1) weights exceed the samples throughout.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, optimisers, synthetic
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    above,
    below,
    cells_where,
    check,
    control,
    every_seed,
    median,
    not_testable,
    settings_of,
    share,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import TwoLayer, dominated
from simplicity.nets.loop import log_schedule

CLAIMS = ("B15", "B16")

PROBES = 25
DECADE = 10  # the last decade of steps runs from a tenth of them to the end
STILL_FALLING = 0.05
ENOUGH_SEEDS = 10  # for a share below a tenth


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((10, 80, 320), "numbers of samples, gradient descent", unit="samples", low=1, high=10**8)
    control_ns: tuple[int, ...] = config.param((80,), "those of the start at the control's scale", unit="samples", low=1)
    adam_ns: tuple[int, ...] = config.param((160, 640), "numbers of samples, Adam", unit="samples", low=1, high=10**8)
    costly_seeds: int = config.param(5, "of the seeds, how many at most with Adam or with costly_n samples or more", low=1)
    costly_n: int = config.param(1000, "number of samples from which on a run is costly", unit="samples", low=1)
    width: int = config.param(100, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=1000)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    control_scale: float = config.param(1.0, "scale of the control, too large to align", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta of gradient descent", low=1e-12)
    adam_step_size: float = config.param(1e-3, "learning rate of Adam", low=1e-12)
    steps: int = config.param(4000, "steps", low=10, high=10**9)
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(20,), control_ns=(40,), adam_ns=(20, 40), width=20, steps=200, seeds=2)
FULL = dataclasses.replace(
    QUICK, ns=(10, 40, 160, 1280), control_ns=(80, 160, 240), adam_ns=(160, 2560), width=500, steps=20_000,
    seeds=10, costly_seeds=5, costly_n=100,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Cell:
    rule: str
    n: int
    scale: float
    seed: int
    step_size: float
    width: int
    dim: int
    noise_variance: float
    steps: int


def cells(config: Config) -> list[Cell]:
    """Gradient descent from both scales, and Adam; what is costly only on a part of the seeds."""
    found = []
    for index, seed in enumerate(seeds(config)):
        settings = [("gd", n, config.scale) for n in config.ns]
        settings += [("gd", n, config.control_scale) for n in config.control_ns]
        settings += [("adam", n, config.scale) for n in config.adam_ns]
        for rule, n, scale in settings:
            if index >= config.costly_seeds and (rule == "adam" or n >= config.costly_n):
                continue
            rate = config.step_size if rule == "gd" else config.adam_step_size
            more = shared(Cell, config, but=("scale", "step_size"))
            found.append(Cell(rule=rule, n=n, scale=scale, seed=seed, step_size=rate, **more))
    return found


def measure(cell: Cell) -> xr.Dataset:
    """The outcome after all steps, and rho along them."""
    task = synthetic.linear_task("gaussian", cell.n, cell.dim, cell.noise_variance, cell.seed)
    start = dominated(cell.width, cell.dim, cell.scale, streams.generator(cell.seed, streams.INITIALISATION))
    limit = alignment.mse(alignment.two_ols(task.x, task.y, task.teacher).predict(task.x), task.y)

    def rho(network: TwoLayer) -> float:
        error = alignment.mse(optimisers.forward(network, task.x, "gelu"), task.y)
        return alignment.rho(error, limit, task.y)

    network, run = optimisers.descend(
        start, task.x, task.y, activation="gelu", rule=cell.rule, step_size=cell.step_size,
        schedule=schedule(cell.steps), probes={"rho_curve": rho},
    )  # fmt: skip
    found = alignment.against_two_ols(lambda x: optimisers.forward(network, x, "gelu"), *task)
    return xr.Dataset(
        {**found, "stopped_at": run.stopped_at, "rho_curve": ("probe", run.rho_curve.values.astype(np.float32))},
        {"step": ("probe", run.step.values)},  # and no time: the rules differ in their step size
    )


def schedule(steps: int) -> tuple[int, ...]:
    """Evenly spaced in log(1 + step), with the start of the last decade among them."""
    return tuple(sorted({*log_schedule(steps, PROBES), steps // DECADE}))


def checks(dataset: xr.Dataset) -> list[Check]:
    settings = settings_of(dataset)
    small, large = settings["scale"], settings["control_scale"]
    descent = cells_where(dataset, rule="gd", scale=small)
    many, unaligned = cells_where(descent, n=1280), cells_where(dataset, rule="gd", scale=large, n=(80, 160, 240))
    found = [
        check(
            dataset, "B15", "empirical", "GeLU: share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, n = 1280",
            share(_refuses_noise(many)), every_seed(),
            control(
                "scale 1, n from 80 to 240: share of runs with rho < 0.5",
                share((unaligned.rho < 0.5).values), every_seed(),
            ),
        )
    ]  # fmt: skip
    few = cells_where(descent, n=10)
    if few.sizes["cell"] >= ENOUGH_SEEDS:
        found.insert(0, _interpolates(dataset, "B15", "GeLU", few))
    return found + _adam_checks(dataset)


def _adam_checks(dataset: xr.Dataset) -> list[Check]:
    """Judged only where the median rho at n = 2560 has stopped falling: otherwise its end is not known here."""
    adam = cells_where(dataset, rule="adam", n=2560)
    descent = cells_where(dataset, rule="gd", n=1280, scale=settings_of(dataset)["scale"])
    statistic = "GeLU and Adam: share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, n = 2560"
    fall = median(last_fall(adam))
    if fall.seeds == 0:
        return [not_testable(dataset, "B16", "empirical", statistic, "no run with n = 2560")]
    if fall.value > STILL_FALLING:
        why = f"rho still falls by {fall.value:.0%} in the last decade of steps, more than {STILL_FALLING:.0%}"
        return [not_testable(dataset, "B16", "empirical", statistic, why)]
    return [
        _interpolates(dataset, "B16", "GeLU and Adam", cells_where(dataset, rule="adam", n=160)),
        check(
            dataset, "B16", "empirical", statistic, share(_refuses_noise(adam)), every_seed(),
            control(
                "gradient descent, n = 1280, same steps: median fall in the last decade",
                median(last_fall(descent)), below(STILL_FALLING),
            ),
        ),
    ]  # fmt: skip


def _interpolates(dataset: xr.Dataset, claim: str, name: str, few: xr.Dataset) -> Check:
    n = int(few.n[0]) if few.sizes["cell"] else 0
    return check(
        dataset, claim, "empirical", f"{name}: share of seeds with train MSE > 0.1 sigma^2, n = {n}",
        share((few.train_mse > 0.1 * few.noise_variance).values), below(0.1),
        control("a linear fit to the same samples in place of the network", share(_linear_misses(few)), above(0.5)),
    )  # fmt: skip


def last_fall(cells: xr.Dataset) -> np.ndarray:
    """Per cell: by what part rho fell over the last decade of steps; negative where it rose."""
    if cells.sizes["cell"] == 0:
        return np.zeros(0)
    before = cells.rho_curve.values[:, cells.step.values == cells.step.values[-1] // DECADE][:, 0]
    return 1 - cells.rho_curve.values[:, -1] / before


def _refuses_noise(cells: xr.Dataset) -> np.ndarray:
    return ((cells.excess_risk < 0.15 * cells.noise_variance) & (cells.rho > 0.8)).values


def _linear_misses(cells: xr.Dataset) -> np.ndarray:
    """One least-squares fit to each cell's own samples, drawn again: is its train MSE above 0.1 sigma^2?"""
    found = []
    for cell in (cells.isel(cell=index) for index in range(cells.sizes["cell"])):
        variance = float(cell.noise_variance)
        task = synthetic.linear_task("gaussian", int(cell.n), int(cell.dim), variance, int(cell.seed), n_test=1)
        found.append(alignment.mse(task.x @ alignment.ols(task.x, task.y), task.y) > 0.1 * variance)
    return np.array(found, dtype=bool)
