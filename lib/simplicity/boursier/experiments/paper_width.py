"""The threshold at the width of the paper's own figure, ten thousand neurons (claims B1, B2).

Boursier & Flammarion 2025, Figure 1: d = 5, m = 10,000. The settings of `optimization_threshold`, ten times as wide and up
to more samples, with five seeds. The control at scale 1 is made at one number of samples. Training is in single precision; a
few runs of the first seed are made again in double precision, to see what that changes.
"""

import dataclasses

import xarray as xr

from simplicity.boursier import linear_teacher, synthetic
from simplicity.boursier.threshold_checks import past_threshold
from simplicity.evidence.claims import Check, cells_where, settings_of
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets.loop import log_schedule

CLAIMS = ("B1", "B2")

PROBES = 25


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((20, 160), "numbers of samples", unit="samples", low=1, high=10**8)
    laws: tuple[str, ...] = config.param(("gaussian", "margin"), "laws of the inputs", choices=synthetic.LAWS)
    width: int = config.param(10_000, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    control_scale: float = config.param(1.0, "scale of the control, too large to align", low=1e-12)
    control_ns: tuple[int, ...] = config.param((20,), "numbers of samples of the control", unit="samples", low=1, high=10**8)
    double_ns: tuple[int, ...] = config.param(
        (20,), "numbers of samples done again in float64", unit="samples", low=1, high=10**8
    )
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    seeds: int = config.param(1, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(10,), width=20, steps=300)
FULL = dataclasses.replace(
    QUICK, ns=(10, 20, 40, 80, 160, 320, 640, 1280, 2560), control_ns=(160,), double_ns=(20, 80, 320), seeds=5
)


@dataclasses.dataclass(frozen=True)
class Cell:
    law: str
    n: int
    scale: float
    seed: int
    precision: str
    width: int
    dim: int
    noise_variance: float
    step_size: float
    steps: int


def cells(config: Config) -> list[Cell]:
    """The longest first, so that two at a time end together."""
    groups = (
        (config.ns, config.scale, "float32", seeds(config)),
        (config.control_ns, config.control_scale, "float32", seeds(config)),
        (config.double_ns, config.scale, "float64", (config.first_seed,)),
    )
    found = [
        Cell(law=law, n=n, scale=scale, seed=seed, precision=precision, **shared(Cell, config, but=("scale",)))
        for ns, scale, precision, chosen in groups
        for seed in chosen
        for law in config.laws
        for n in ns
    ]
    return sorted(found, key=lambda cell: -cell.n)


def measure(cell: Cell) -> xr.Dataset:
    run = linear_teacher.train(cell, schedule=log_schedule(cell.steps, PROBES))
    return run.outcome().assign(train_curve=run.trajectory["train_curve"].astype("float32"))  # to be drawn, never judged


def checks(dataset: xr.Dataset) -> list[Check]:
    settings = settings_of(dataset)
    unaligned = cells_where(dataset, scale=settings["control_scale"], n=160)
    margin = cells_where(unaligned, law="margin")
    return past_threshold(dataset, single(dataset), unaligned, margin, f", m = {settings['width']:,}")


def single(dataset: xr.Dataset, **fields: object) -> xr.Dataset:
    """The small starts trained in single precision, as the figure shows them."""
    return cells_where(dataset, scale=settings_of(dataset)["scale"], precision="float32", **fields)


def precision_gap(dataset: xr.Dataset) -> xr.DataArray:
    """|train MSE in float32 / train MSE in float64 - 1| of the runs that were made in both."""
    double = cells_where(dataset, precision="float64")
    pairs = zip(double.law.values, double.n.values, double.seed.values, strict=True)
    same = xr.concat([single(dataset, law=law, n=n, seed=seed) for law, n, seed in pairs], "cell")
    return abs(same.train_mse / double.train_mse.values - 1)
