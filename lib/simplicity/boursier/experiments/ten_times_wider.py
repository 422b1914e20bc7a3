"""The threshold with a hundred thousand neurons, ten times the width of the paper's figure (claims B1, B2).

Boursier & Flammarion 2025, Figure 1: d = 5, m = 10,000. The theorem is free of m. The settings of `paper_width`, trained by
the engine of cones in double precision, since the plain sweep would take some eight hours. Runs of the first seed at one
number of samples are made by the plain sweep as well, to see whether the engine is right at this width too.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import linear_teacher, synthetic
from simplicity.boursier.threshold_checks import past_threshold
from simplicity.evidence.claims import Check, cells_where, settings_of
from simplicity.grid import config
from simplicity.grid.config import seeds, shared

CLAIMS = ("B1", "B2")

CONTROLLED = 160  # samples of the control, between the thresholds of the small start and of none


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((20, 160), "numbers of samples", unit="samples", low=1, high=10**8)
    laws: tuple[str, ...] = config.param(("gaussian", "margin"), "laws of the inputs", choices=synthetic.LAWS)
    width: int = config.param(1000, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    control_scale: float = config.param(1.0, "scale of the control, too large to align", low=1e-12)
    control_n: int = config.param(CONTROLLED, "samples of the control", unit="samples", low=1, high=10**8)
    control_seeds: int = config.param(1, "seeds of the control", low=1, high=100_000)
    plain_n: int = config.param(160, "samples of the runs made by the plain sweep too", unit="samples", low=1, high=10**8)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float64", "floating point of the plain sweep", choices=("float32", "float64"))
    seeds: int = config.param(1, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(10,), width=20, control_n=10, plain_n=10, steps=300)
FULL = dataclasses.replace(QUICK, ns=(10, 20, 40, 80, 160, 320, 640, 1280, 2560), width=100_000, seeds=3)


@dataclasses.dataclass(frozen=True)
class Cell:
    law: str
    n: int
    scale: float
    seed: int
    engine: str
    width: int
    dim: int
    noise_variance: float
    step_size: float
    steps: int
    precision: str


def cells(config: Config) -> list[Cell]:
    """Seed by seed, so that what is done is a figure of fewer seeds."""
    groups = (
        (config.ns, config.scale, "cones", seeds(config)),
        ((config.control_n,), config.control_scale, "cones", seeds(config)[: config.control_seeds]),
        ((config.plain_n,), config.scale, "sweep", (config.first_seed,)),
    )
    return [
        Cell(law=law, n=n, scale=scale, seed=seed, engine=engine, **shared(Cell, config, but=("scale",)))
        for ns, scale, engine, chosen in groups
        for seed in chosen
        for law in config.laws
        for n in ns
    ]


def measure(cell: Cell) -> xr.Dataset:
    return linear_teacher.end(cell, cell.engine)


def checks(dataset: xr.Dataset) -> list[Check]:
    settings = settings_of(dataset)
    unaligned = cells_where(dataset, scale=settings["control_scale"], n=CONTROLLED)
    margin = cells_where(unaligned, law="margin")
    return past_threshold(dataset, small(dataset), unaligned, margin, f", m = {settings['width']:,}")


def small(dataset: xr.Dataset, engine: str = "cones", **fields: object) -> xr.Dataset:
    """The small starts trained by `engine`."""
    return cells_where(dataset, scale=settings_of(dataset)["scale"], engine=engine, **fields)


def engine_gap(dataset: xr.Dataset) -> dict[str, float]:
    """Law -> |train MSE by cones / train MSE by the plain sweep - 1|, the largest of the runs made by both."""
    found = {}
    for law in settings_of(dataset)["laws"]:
        plain = small(dataset, "sweep", law=law).sortby("seed")
        same = small(dataset, law=law, n=tuple(plain.n.values), seed=tuple(plain.seed.values)).sortby("seed")
        found[law] = float(np.abs(same.train_mse.values / plain.train_mse.values - 1).max())
    return found
