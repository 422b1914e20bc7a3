"""Network and linear model over a whole run: together at first, then only the network goes on (claims H8, H9).

Hu et al. 2020, Figure 1a and 1b: Gaussian inputs, labels by a random erf network of width 5, an erf network of which both
layers are trained. The plateau is the time on which the model has converged and the network has not left it, 1.25 to 5 times
d log d / step. In four dimensions the input is not high-dimensional; with independent neurons the network does not start at 0.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    above,
    at_least,
    below,
    cells_where,
    check,
    control,
    every_seed,
    mean,
    settings_of,
    share,
    smallest,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear

CLAIMS = ("H8", "H9")

PROBES = 40
PLATEAU = (1.25, 5.0)  # in units of d log d / step
SHORT = 5.0
SHOWN = 5  # fresh inputs whose outputs are kept
LINE = 61  # points of the line through input space
COMPONENTS = 50  # principal directions of the inputs of which the learned part is kept
ENOUGH_SEEDS = 5  # with two, the control in four dimensions and the gap at single inputs differ in one or two of ten blocks
ENOUGH_SAMPLES = 20_000  # with fewer the network may overfit before it generalises, so that the test loss says nothing


@config.settings
class Config:
    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    low_dim: int = config.param(4, "input dimension of the control", low=2, high=10**4)
    n: int = config.param(4000, "training samples", unit="samples", low=2, high=10**6)
    test_samples: int = config.param(2000, "fresh samples", unit="samples", low=10, high=10**6)
    width: int = config.param(256, "hidden neurons", unit="neurons", low=2, high=10**5)
    horizon: float = config.param(51.0, "length of a run in units of d log d / step", low=6)
    seeds: int = config.param(2, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dim=10, low_dim=2, n=100, test_samples=50, width=32, horizon=6.0)
FULL = dataclasses.replace(QUICK, n=20_000, seeds=5)


@dataclasses.dataclass(frozen=True)
class Cell:
    seed: int
    dim: int
    law: str
    start: str
    horizon: float
    frames: bool
    n: int
    test_samples: int
    width: int


def cells(config: Config) -> list[Cell]:
    """Pictures are kept of the first seed alone."""
    common = {"n": config.n, "test_samples": config.test_samples, "width": config.width}
    found = []
    for index, seed in enumerate(seeds(config)):
        first = index == 0
        found.append(Cell(seed, config.dim, "gaussian", "symmetric", config.horizon, first, **common))
        found.append(Cell(seed, config.low_dim, "gaussian", "symmetric", SHORT, False, **common))
        found.append(Cell(seed, config.dim, "gaussian", "independent", SHORT, False, **common))
        if first:
            found.append(Cell(seed, config.dim, "linear spectrum", "symmetric", config.horizon, True, **common))
    return found


def measure(cell: Cell) -> xr.Dataset:
    """`early_linear.summary` at `PROBES` steps, even in their logarithm, with `clock` in units of d log d / step.

    Pictures, 0 where none are kept, of network and model: `shown_*` (time, input) outputs at fresh inputs, `line_*` (time,
    place) along a line through input space, `learned_*` (time, component) the part along the samples' principal directions,
    u_i^T f / sqrt n with U the left singular vectors of X, and `wanted` (component) the labels' own.
    """
    step_size = early_linear.step_size("erf", cell.dim)
    setting = early_linear.Cell(
        cell.seed, cell.dim, cell.n, cell.width, step_size, law=cell.law, start=cell.start, horizon=cell.horizon
    )
    last = early_linear.horizon(setting)
    unit = last / cell.horizon
    steps = tuple(np.rint(np.geomspace(1, last, PROBES)).astype(int).tolist())
    drawn = early_linear.data(setting, cell.test_samples)
    places = line(drawn.x, drawn.y, drawn.fresh[0])
    train, fresh, along = early_linear.follow(setting, drawn, steps, places)
    found = early_linear.summary(drawn, steps, train, fresh)
    pictures: dict[str, tuple[str, np.ndarray]] = {
        f"shown_{name}": ("input", outputs[:, :SHOWN]) for name, outputs in fresh._asdict().items()
    }
    pictures |= {f"line_{name}": ("place", outputs) for name, outputs in along._asdict().items()}
    wanted = np.zeros(COMPONENTS)
    if cell.frames:
        left = np.linalg.svd(drawn.x, full_matrices=False)[0]
        wanted = padded(left.T @ drawn.y / np.sqrt(cell.n))
        for name, outputs in train._asdict().items():
            pictures[f"learned_{name}"] = ("component", padded(outputs @ left / np.sqrt(cell.n)))
    else:
        pictures |= {f"learned_{name}": ("component", np.zeros((PROBES, COMPONENTS))) for name in ("network", "model")}
    kept = 1.0 if cell.frames else 0.0
    for name, (axis, values) in pictures.items():
        found[name] = (("time", axis), (kept * values).astype(np.float32))
    return found.assign(
        clock=("time", np.asarray(steps) / unit),
        wanted=("component", wanted.astype(np.float32)),
        line_label=("place", (kept * truth(setting, places)).astype(np.float32)),
    )


def line(x: np.ndarray, y: np.ndarray, through: np.ndarray) -> np.ndarray:
    """`LINE` inputs (k, d) through the point `through`, in the direction u of least squares, <x, u> from -3 to 3."""
    direction = np.linalg.lstsq(x, y, rcond=None)[0]
    direction /= np.linalg.norm(direction)
    rest = through - (through @ direction) * direction
    return rest + np.linspace(-3, 3, LINE)[:, None] * direction


def truth(setting: early_linear.Cell, x: np.ndarray) -> np.ndarray:
    """The teacher's labels at inputs (k, d)."""
    return np.sign(early_linear.high_dimensional.Teacher(setting.dim, streams.generator(setting.seed, streams.OTHER))(x))


def padded(values: np.ndarray) -> np.ndarray:
    """The first `COMPONENTS` along the last axis, 0 where there are fewer."""
    shape = (*values.shape[:-1], COMPONENTS)
    found = np.zeros(shape)
    found[..., : min(COMPONENTS, values.shape[-1])] = values[..., :COMPONENTS]
    return found


def checks(dataset: xr.Dataset) -> list[Check]:
    given = settings_of(dataset)
    if not early_linear.high(given["dim"]):
        return []
    gaussian = cells_where(dataset, law="gaussian")
    symmetric = cells_where(gaussian, start="symmetric")
    high, low = (cells_where(symmetric, dim=given[name]) for name in ("dim", "low_dim"))
    apart = cells_where(gaussian, start="independent")
    together = share((np.array(on_plateau(high, train_ratio)) < 0.5).tolist())
    found = [
        check(
            dataset, "H8", "empirical", "fresh samples, plateau: |test loss of the network over the model's - 1|",
            mean(on_plateau(high, test_apart)), below(0.05),
            control(f"d = {given['low_dim']}: the same", mean(on_plateau(low, test_apart)), above(0.05)),
        ),
        check(
            dataset, "H8", "empirical", "train loss of the network over the model's at the end: share of teachers below 0.5",
            share((late(high, "train") < 0.5).tolist()), every_seed(),
            control("on the plateau: the same share", together, below(0.5)),
        ),
    ]  # fmt: skip
    if given["n"] < ENOUGH_SAMPLES or early_linear.count(dataset) < ENOUGH_SEEDS:
        return found
    early = control("on the plateau: smallest ratio", smallest(on_plateau(high, test_ratio)), above(0.95))
    low_rel = control(f"d = {given['low_dim']}: the same", mean(on_plateau(low, rel)), above(0.04))
    return [
        *found,
        check(
            dataset, "H8", "empirical", "test loss of the network over the model's at the end: share of teachers below 1",
            share((late(high, "test") < 1).tolist()), at_least(0.8), early,
        ),
        check(
            dataset, "H8", "empirical", "fresh samples, plateau: median of D over mean f_lin^2", mean(on_plateau(high, rel)),
            below(0.02), low_rel,
        ),
        check(
            dataset, "H9", "empirical", "rms gap over fresh inputs up to T over rms of the model at T", mean(point_gap(high)),
            below(0.15), control("independent neurons: the same", mean(point_gap(apart)), above(0.5)),
        ),
    ]  # fmt: skip


def on_plateau(cells: xr.Dataset, of) -> list[float]:  # type: ignore[no-untyped-def]
    """For each cell the median over the plateau of a function of the run."""
    inside = [(clock >= PLATEAU[0]) & (clock <= PLATEAU[1]) for clock in cells.clock.values]
    return [float(np.median(values[there])) for values, there in zip(of(cells), inside, strict=True)]


def point_gap(cells: xr.Dataset) -> np.ndarray:
    """max_{t <= T} sqrt(D(t)) over sqrt(mean f_lin,T^2) on fresh samples, T = 1.5 d log d / step, (cell,)."""
    before = cells.clock.values <= early_linear.HORIZON
    gaps = np.where(before, cells.gap_test.values, 0).max(axis=1)
    power = [powers[there][-1] for powers, there in zip(cells.power_test.values, before, strict=True)]
    return np.asarray(np.sqrt(gaps / np.array(power)))


def rel(cells: xr.Dataset) -> np.ndarray:
    """D / mean f_lin^2 on fresh samples, (cell, time)."""
    return (cells.gap_test / cells.power_test).values


def train_ratio(cells: xr.Dataset) -> np.ndarray:
    """Train loss of the network over the model's, (cell, time)."""
    return (cells.train / cells.train_linear).values


def test_ratio(cells: xr.Dataset) -> np.ndarray:
    """Test loss of the network over the model's, (cell, time)."""
    return (cells.test / cells.test_linear).values


def test_apart(cells: xr.Dataset) -> np.ndarray:
    """How far the ratio of test losses is from 1, (cell, time)."""
    return np.abs(test_ratio(cells) - 1)


def late(cells: xr.Dataset, name: str) -> np.ndarray:
    """Loss of the network over the model's at the end, (cell,)."""
    return (cells[name] / cells[f"{name}_linear"]).values[:, -1]
