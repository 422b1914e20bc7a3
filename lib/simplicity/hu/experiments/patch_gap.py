"""The tangent kernel of a convolutional network with one hidden layer against d (claim H21; Hu et al. 2020, section 4).

E = ||Theta - psi psi^T|| d/n for n = 2 d^1.25 signals from {-1, 1}^d, circular patches of q neighbours, no pooling, infinitely
many channels: Theta is exact. The proposition asks for q well above sqrt d: the model's constant is off by an order of 1/q^2,
and E by d/q^2. q = 3 is the control: for ReLU E then grows like d. For odd phi that constant is 0, and E tends to the amount by
which the slope is off for covariances of 1/3 and 1. So there the control is only that E does not fall as in the theorem.
"""

import dataclasses

import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import Check, cells_where, check, control, interval_above
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.hu import deep_kernel, kernel
from simplicity.hu.kernel_checks import LABELS, fall, slope
from simplicity.nets.activations import moments

CLAIMS = ("H21",)

HALF, EIGHTH, THREE = "q = d/2", "q = d/8", "q = 3"
LARGEST_ALPHA = 0.25  # the largest exponent that the theorem speaks of


@config.settings
class Config:
    signal_dims: tuple[int, ...] = config.param((32, 48, 64, 96), "lengths d of the signals", low=4, high=1000)
    samples: float = config.param(2.0, "n over d^power", low=0.1, high=100)
    power: float = config.param(1.25, "exponent of d in the number of samples", low=1.0, high=2.0)
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, signal_dims=(8, 12), seeds=1)
FULL = dataclasses.replace(QUICK, signal_dims=(32, 48, 64, 96, 128, 192, 256), first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    activation: str
    patch: str
    dim: int
    seed: int
    samples: float
    power: float


def cells(config: Config) -> list[Cell]:
    return [
        Cell(activation=name, patch=patch, dim=dim, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for name in ("erf", "relu")
        for patch in (HALF, EIGHTH, THREE)
        for dim in config.signal_dims
    ]


def size(cell: Cell) -> int:
    """q, at least 1."""
    return {HALF: cell.dim // 2, EIGHTH: max(1, cell.dim // 8), THREE: 3}[cell.patch]


def measure(cell: Cell) -> xr.Dataset:
    """E, and the patch's size."""
    n = 2 * round(cell.samples * cell.dim**cell.power / 2)
    x = streams.generator(cell.seed, streams.DATA).choice([-1.0, 1.0], (n, cell.dim))
    found, q = moments(cell.activation), size(cell)
    psi = deep_kernel.hypercube_features(x, found.zeta, found.bend, found.vartheta_0, q)
    theta = deep_kernel.hypercube(x, cell.activation, q)
    return xr.Dataset({"gap": cell.dim / n * kernel.spectral_norm(theta - psi @ psi.T), "neighbours": q})


def checks(dataset: xr.Dataset) -> list[Check]:
    found = []
    for name, least in (("relu", 0.0), ("erf", -LARGEST_ALPHA)):
        cells = cells_where(dataset, activation=name)
        three = control(
            f"{LABELS[name]}, q = 3: slope of log E on log d",
            slope(cells_where(cells, patch=THREE), "gap"),
            interval_above(least),
        )
        for patch in (HALF, EIGHTH):
            statistic = f"one convolution, {LABELS[name]}, {patch}: exponent p of E ~ d^-p"
            estimate = fall(cells_where(cells, patch=patch), "gap")
            found.append(check(dataset, "H21", "theorem", statistic, estimate, interval_above(0), three))
    return found
