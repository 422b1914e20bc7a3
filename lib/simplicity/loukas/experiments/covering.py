"""Radius, covering number and sample size of Theorem 3 of Loukas et al. 2021 by arithmetic (claims L-T3b, L-T3d).

r = margin / (c log(sum n_l) phi) at phi, mu and p_min that are given, o(1) = gamma = 0 and beta = 1; balls of that radius are
counted on a random closed curve in the plane and on a random surface in space, by boxes. No network is trained.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import Check, not_testable
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import steady

CLAIMS = ("L-T3b", "L-T3d")

SHAPES = ("curve", "surface")
WIDTHS = np.array([100, 1000, 10_000, 100_000])
WAVES = 3  # harmonics of the random curve and surface
DELTA = 0.05


@config.settings
class Config:
    phi: float = config.param(0.5, "steadiness phi", low=1e-9)
    mu: float = config.param(0.2, "least of f and 1 - f over visited points", low=1e-9, high=0.49)
    p_min: float = config.param(0.3, "least share of training points at which a neuron is active", low=1e-9, high=1)
    shapes: tuple[str, ...] = config.param(SHAPES, "domains", choices=SHAPES)
    finest: float = config.param(0.005, "radii below are not counted", low=1e-5, high=1)
    seeds: int = config.param(1, "random domains of each shape", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(finest=0.01)
TINY = dataclasses.replace(QUICK, finest=0.05)
FULL = dataclasses.replace(QUICK, finest=0.004, seeds=5, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    shape: str
    seed: int
    phi: float
    mu: float
    p_min: float
    finest: float


def cells(config: Config) -> list[Cell]:
    return [Cell(shape=shape, seed=seed, **shared(Cell, config)) for seed in seeds(config) for shape in config.shapes]


def measure(cell: Cell) -> xr.Dataset:
    """Covering numbers at radii from 0.1 down; and for each number of neurons r, the balls and N for a bound below 1."""
    radii = np.geomspace(0.1, cell.finest, 8)
    points = domain(cell.shape, cell.finest, streams.generator(cell.seed, streams.DATA))
    counted = np.array([steady.covering_number(points, radius) for radius in radii])
    dimension, constant = power_law(radii, counted)
    c = steady.dropout_constant(1.0, cell.mu, cell.p_min)
    radius = steady.radius(1 - 2 * cell.mu, steady.lambda_steady(cell.phi, c, WIDTHS))
    balls = np.array(
        [steady.covering_number(points, one) if one >= cell.finest else constant * one**-dimension for one in radius]
    )
    return xr.Dataset(
        {
            "radii": ("radius_index", radii),
            "counted": ("radius_index", counted.astype(float)),
            "dimension": dimension,
            "constant": constant,
            "c": float(c),
            "neurons": ("width", WIDTHS.astype(float)),
            "radius": ("width", radius),
            "balls": ("width", balls),
            "needed": ("width", steady.samples_needed(balls, DELTA)),
        }
    )


def domain(shape: str, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Points of a closed curve in the plane, or of a surface over a square in space, both about 2 across, denser than boxes."""
    wave = np.arange(1, WAVES + 1)
    a, b = rng.normal(size=(2, WAVES)) / (4 * wave**2)
    around = np.linspace(0, 2 * np.pi, int(16 / radius), endpoint=False)
    if shape == "curve":
        distance = 1 + np.cos(around[:, None] * wave) @ a + np.sin(around[:, None] * wave) @ b
        return np.stack([distance * np.cos(around), distance * np.sin(around)], axis=1)
    u = np.linspace(-1, 1, int(4 / radius))
    v = u[:, None]
    height = sum(a[k] * np.sin(wave[k] * np.pi * u) + b[k] * np.sin(wave[k] * np.pi * v) for k in range(WAVES))
    return np.stack([np.broadcast_to(u, height.shape), np.broadcast_to(v, height.shape), height], axis=-1).reshape(-1, 3)


def power_law(radii: np.ndarray, counted: np.ndarray) -> tuple[float, float]:
    """k and C of N = C r^-k by least squares on logarithms."""
    slope, offset = np.polyfit(np.log(radii), np.log(counted), 1)
    return float(-slope), float(np.exp(offset))


def checks(dataset: xr.Dataset) -> list[Check]:
    """Arithmetic with unknown constants: illustrated, not tested."""
    why = "the o(1) in c has no constant"
    return [
        not_testable(
            dataset, "L-T3b", "identity", "the generalisation bound and its radius, poly-logarithmic in the neurons", why
        ),
        not_testable(dataset, "L-T3d", "identity", "the radius is largest for a somewhat, not over-, confident network", why),
    ]
