"""The trajectory as the authors' released code computes it, on runs of the cosine task (claims L-F1b', L-FI).

Loukas et al. 2021 divide the step that sample k causes by eps of sample k. Their released code divides it by eps of sample
k - 1, and it takes the mean of b_1 and of eps over ten repeats before it takes any norm. Both change the curve of Figure 1b.
The repeats of a frequency are one cell here, since the mean needs all of them step by step.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    below,
    check,
    control,
    interval_above,
    largest,
    mean,
    no_control,
    smallest,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import cosine, trajectory
from simplicity.loukas.cosine import FREQUENCIES
from simplicity.loukas.single_sample import descend, passes

CLAIMS = ("L-F1bp", "L-FI")

SIZES = (10, 10, 32, 32, 32, 1)
PROBES = 60  # epochs, evenly
END = 10  # epochs
ENOUGH_BLOCKS = 3
WAYS = ("defined", "late", "averaged", "released")


@config.settings
class Config:
    frequencies: tuple[float, ...] = config.param(FREQUENCIES, "frequencies f of the target", low=0, high=100)
    repeats: int = config.param(3, "repeats of which the released code takes the mean", low=1, high=1000)
    n: int = config.param(100, "training points N", unit="samples", low=2, high=10**6)
    step_size: float = config.param(0.001, "learning rate alpha", low=1e-12)
    epochs: int = config.param(3000, "epochs of N single steps", unit="epochs", low=20, high=10**5)
    seeds: int = config.param(1, "blocks of repeats", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=10**6)


QUICK = Config()
TINY = dataclasses.replace(QUICK, frequencies=(0.25, 1.0), repeats=2, n=20, epochs=60, seeds=2)
FULL = dataclasses.replace(QUICK, repeats=10, seeds=5, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    frequency: float
    seed: int
    repeats: int
    n: int
    step_size: float
    epochs: int


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config)
    return [Cell(frequency=f, seed=seed, **common) for seed in seeds(config) for f in config.frequencies]


def measure(cell: Cell) -> xr.Dataset:
    """Per epoch and `way`, the mean over repeats of a mean over steps; `averaged` and `released` take the repeats' mean first.

    `defined` is the paper's statistic, `late` has eps of the step before, `averaged` the mean first, `released` both.
    `error` holds the statistic against the slopes of the visited points, and `wrong` the released one.
    """
    bias = np.zeros((cell.n * cell.epochs + 1, SIZES[1]))
    epsilon = np.zeros(cell.n * cell.epochs)
    defined, late, slope, error = [], [], [], 0.0
    for repeat in range(cell.repeats):
        run, trace, eps = _one(cell, 1000 * cell.seed + repeat)
        bias += trace / cell.repeats
        epsilon += eps / cell.repeats
        defined.append(_epochs(cell, trajectory.normalised(trace, eps, cell.step_size)))
        late.append(run.late.values)
        slope.append(run.slope.values)
        error = max(error, _off(cell, defined[-1], run, trace, eps))
    averaged, released = (_epochs(cell, trajectory.normalised(bias, epsilon, cell.step_size, late=x)) for x in (False, True))
    curves = np.stack([np.mean(defined, axis=0), np.mean(late, axis=0), averaged, released])
    wanted = np.rint(np.linspace(0, cell.epochs, PROBES + 1)[1:]).astype(int)
    return xr.Dataset(
        {
            "raw": (("way", "probe"), curves[:, wanted - 1].astype(np.float32)),
            "level": (("way", "probe"), _between(curves, wanted).astype(np.float32)),
            "late_median": ("probe", np.median(late, axis=0)[wanted - 1].astype(np.float32)),
            "level_end": ("way", curves[:, -END:].mean(axis=1)),
            "total_end": ("way", curves.sum(axis=1)),
            "error": error,
            "wrong": float(np.median(np.abs(released / np.mean(slope, axis=0) - 1))),
        },
        {"epoch": ("probe", wanted)},
    )


def _off(cell: Cell, path: np.ndarray, run: xr.Dataset, bias: np.ndarray, epsilon: np.ndarray) -> float:
    """The largest | mean of normalised steps - mean slope | of an epoch, in units of what rounding of b_1 may cause in it."""
    length = np.linalg.norm(np.diff(bias, axis=0), axis=1) / cell.step_size
    floor = trajectory.rounding_floor(bias[:-1], length, cell.step_size, np.maximum(epsilon, np.finfo(float).tiny))
    return float((np.abs(path - run.slope.values) / _epochs(cell, floor)).max())


def _one(cell: Cell, seed: int) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """A run with its statistics, b_1 before, between and after all steps, and eps of the steps."""
    data = cosine.task(cell.frequency, cell.n, seed)
    start = nets.torch_default(SIZES, streams.generator(seed, streams.INITIALISATION), identity=True)
    order = passes(cell.n, cell.epochs, streams.generator(seed, streams.BATCHES))
    network, run = descend(start, data.x, data.y, order, step_size=cell.step_size, window=cell.n, trace=True)
    return run, np.concatenate([run.traced_bias.values, network.biases[0][None]]), run.traced_epsilon.values


def _epochs(cell: Cell, steps: np.ndarray) -> np.ndarray:
    return steps.reshape(cell.epochs, cell.n).mean(axis=1)


def _between(curves: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Means since the last wanted epoch."""
    return np.diff(np.cumsum(curves, axis=1)[:, wanted - 1], prepend=0, axis=1) / np.diff(wanted, prepend=0)


def checks(dataset: xr.Dataset) -> list[Check]:
    found = [
        check(
            dataset, "L-F1bp", "identity",
            "trajectory of an epoch from the trace of b_1 against the mean slope at visited points, in units of rounding",
            largest(dataset.error.values), below(8),
            control("as released: median over epochs of the relative error, the smallest of all f",
                    smallest(dataset.wrong.values), above(0.1)),
        )
    ]  # fmt: skip
    if len(np.unique(dataset.seed.values)) >= ENOUGH_BLOCKS:
        found.append(
            check(
                dataset, "L-FI", "empirical", "as released, mean over ten repeats first: rank correlation of f with the total",
                order(dataset, "total_end", "released"), interval_above(0.5),
                no_control("the same total by the paper's definition has one"),
            )
        )  # fmt: skip
    return found


def by_block(dataset: xr.Dataset, name: str, way: str) -> np.ndarray:
    """A variable of one way of computing, (blocks, frequencies, ...)."""
    sorted_cells = dataset.isel(cell=np.lexsort((dataset.frequency.values, dataset.seed.values)))
    values = sorted_cells[name].values[:, WAYS.index(way)]
    return values.reshape(-1, len(np.unique(dataset.frequency.values)), *values.shape[1:])


def order(dataset: xr.Dataset, name: str, way: str) -> Estimate:
    """Rank correlation with f over blocks, whole blocks drawn."""
    values = by_block(dataset, name, way)
    found = trajectory.spearman_over_seeds(np.unique(dataset.frequency.values), values)
    if not np.isfinite(found.low):
        return mean([])
    return Estimate(found.value, (found.low, found.high), "bootstrap over blocks 95 %", len(values))
