"""Radius, covering number and sample size of Theorem 3 by arithmetic (claims L26, L28).

Loukas et al. 2021: r = margin / (c log(sum n_l) phi) at phi, mu and p_min that are given, with o(1)
= gamma = 0 and beta = 1. Balls of that radius are counted, by boxes, on a random closed curve in
the plane and on a random surface in space. No network is trained. At which mu the radius is largest
does not depend on o(1), as long as that has no mu in it.
"""

from typing import Any

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import steady

CLAIMS = ("L26", "L28")

SHAPES = ("curve", "surface")
WIDTHS = np.array([100, 1000, 10_000, 100_000])
WAVES = 3  # harmonics of the random curve and surface
_WAVE = np.arange(1, WAVES + 1)
DELTA = 0.05
BEST = (3 - np.sqrt(3)) / 6  # where (1 - 2 mu) mu (1 - mu) is largest
MUS = np.arange(1, 10_000) / 20_000  # between 0 and 1/2


@config.settings
class Run:
    """One random domain, and the numbers that Theorem 3 is given."""

    shape: str = config.param("curve", "domain", choices=SHAPES)
    phi: float = config.param(0.5, "steadiness phi", low=1e-9)
    mu: float = config.param(0.2, "least of f and 1 - f over visited points", low=1e-9, high=0.49)
    p_min: float = config.param(0.3, "least share of points where a neuron fires", low=1e-9, high=1)
    finest: float = config.param(0.01, "radii below are not counted", low=1e-5, high=1)
    seed: int = config.param(0, "seed of the random domain", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"domains": {"shape": SHAPES}},
    quick={},
    full={"finest": 0.004, "seeds": 5, "first_seed": 2_000_000},
    tiny={"finest": 0.05},
)


def measure(run: Run) -> xr.Dataset:
    """Covering numbers at radii from 0.1 down, and what they say for each number of neurons.

    That is r, how many balls of that radius, and the N for which the bound is below 1. `best` is
    the mu at which r is largest, `best_alone` the same where only the margin depends on mu.
    """
    points = domain(run.shape, run.finest, streams.generator(run.seed, streams.DATA))
    radii = np.geomspace(0.1, run.finest, 8)
    counted = np.array([steady.covering_number(points, radius) for radius in radii])
    curves = {
        "radii": ("radius_index", radii), "counted": ("radius_index", counted.astype(float)),
    }  # fmt: skip
    dimension, constant = law = power_law(radii, counted)
    c = steady.dropout_constant(1.0, run.mu, run.p_min)
    numbers = {"dimension": dimension, "constant": constant, "c": float(c)}
    return xr.Dataset(curves | _by_width(run, points, law, c) | numbers | _bests(run, c))


Law = tuple[float, float]  # k and C of N = C r^-k


def _by_width(run: Run, points: np.ndarray, law: Law, c: np.ndarray) -> dict[str, Any]:
    """For each number of neurons the radius, its balls, and the samples that make the bound 1."""
    radius = steady.radius(1 - 2 * run.mu, steady.lambda_steady(run.phi, c, WIDTHS))
    balls = np.array([_number(run, points, law, one) for one in radius])
    found = {
        "neurons": WIDTHS.astype(float), "radius": radius, "balls": balls,
        "needed": steady.samples_needed(balls, DELTA),
    }  # fmt: skip
    return {name: ("width", values) for name, values in found.items()}


def _number(run: Run, points: np.ndarray, law: Law, radius: float) -> float:
    """Of balls of a radius: counted, or by the law where the radius is too fine to count."""
    if radius < run.finest:
        dimension, constant = law
        return constant * radius**-dimension
    return steady.covering_number(points, radius)


def _bests(run: Run, c: np.ndarray) -> dict[str, float]:
    """The mu at which the radius is largest, with a c of each mu and with one c."""
    free = steady.dropout_constant(1.0, MUS, run.p_min)
    return {"best": _best(run.phi, free), "best_alone": _best(run.phi, c)}


def _best(phi: float, c: np.ndarray) -> float:
    """The mu at which the radius is largest."""
    return MUS[np.argmax(steady.radius(1 - 2 * MUS, steady.lambda_steady(phi, c, WIDTHS[0])))]


def domain(shape: str, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Points, denser than boxes of that radius, of a closed curve or of a surface over a square.

    The curve lies in the plane and the surface in space; both are about 2 across.
    """
    a, b = rng.normal(size=(2, WAVES)) / (4 * _WAVE**2)
    return _curve(radius, a, b) if shape == "curve" else _surface(radius, a, b)


def _curve(radius: float, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Around the origin, at a distance with waves."""
    around = np.linspace(0, 2 * np.pi, int(16 / radius), endpoint=False)
    angle = around[:, None] * _WAVE
    distance = 1 + np.cos(angle) @ a + np.sin(angle) @ b
    return np.stack([distance * np.cos(around), distance * np.sin(around)], axis=1)


def _surface(radius: float, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Over the square, at a height with waves along either side."""
    u = np.linspace(-1, 1, int(4 / radius))
    v = u[:, None]
    waves = zip(a, b, np.pi * _WAVE, strict=True)
    height = sum(up * np.sin(k * u) + down * np.sin(k * v) for up, down, k in waves)
    space = (np.broadcast_to(u, height.shape), np.broadcast_to(v, height.shape), height)
    return np.stack(space, axis=-1).reshape(-1, 3)


def power_law(radii: np.ndarray, counted: np.ndarray) -> Law:
    """k and C of N = C r^-k by least squares on logarithms."""
    slope, offset = np.polyfit(np.log(radii), np.log(counted), 1)
    return float(-slope), float(np.exp(offset))


def checks(runs: Runs) -> list[claims.Check]:
    """The bound is above 1 wherever a network was trained; where r is largest is arithmetic."""
    best, alone = (
        claims.largest(np.abs(runs["domains"][name].values - BEST))
        for name in ("best", "best_alone")
    )
    return [
        claims.not_testable(
            runs, "L26.bound", "theorem",
            "the generalisation bound and its radius, poly-logarithmic in the neurons",
            "the bound is above 1 in every run under Dropout, so that no error exceeds it",
        ),
        claims.check(
            runs, "L28.radius", "identity",
            "distance of the mu at which the radius is largest to (3 - sqrt 3) / 6", best,
            claims.below(1e-4), ("a c that does not grow with confidence: the same", alone),
        ),
    ]  # fmt: skip
