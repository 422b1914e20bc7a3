"""At a fixed width training ends at a global minimum, then at a spurious point, then at a global minimum again (claim B13).

Boursier & Flammarion 2025, as settled in the discussion of the paper: few samples are interpolated; more are not although
they could be; and for n far beyond the number of weights nothing can fit noise any more, so that the spurious point
approaches the best. The global minimum is not known here. What is known is an upper bound: the least train MSE found by
training from ten large starts, by an explicit fit on random features, and by the small start itself. The third stage is thus
a count of weights, not of dynamics. The control lets the width grow with n: there an interpolator exists at every n.
"""

import dataclasses

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity import nets
from simplicity.boursier import alignment, landscape, linear_teacher, synthetic
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    below,
    cells_where,
    check,
    control,
    every_seed,
    exact,
    largest,
    median,
    share,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared

Array = NDArray[np.floating]

CLAIMS = ("B13",)

RISING = (120, 480, 1920, 7680)  # numbers of samples over which the best found has to rise
FIRST, MIDDLE, LAST = 10, 120, 7680
GROWING_LAST = 1920  # where the control is judged


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((10, 120, 480), "numbers of samples", unit="samples", low=1, high=10**8)
    widths: tuple[int, ...] = config.param((20,), "fixed numbers of hidden neurons", unit="neurons", low=1, high=10**5)
    growing_ns: tuple[int, ...] = config.param(
        (120, 480), "numbers of samples of the control, where m = n", unit="samples", low=1, high=4000
    )
    large_starts: int = config.param(3, "starts at the large scale", low=1, high=1000)
    large_scale: float = config.param(1.0, "scale of these starts", low=1e-12)
    law: str = config.param("margin", "law of the inputs", choices=synthetic.LAWS)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the small start", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(15, 40), growing_ns=(15,), large_starts=2, steps=200, seeds=2)
FULL = dataclasses.replace(
    QUICK, ns=(10, 40, 120, 480, 1920, 7680), widths=(20, 50), growing_ns=(120, 480, 1920), large_starts=10
)


@dataclasses.dataclass(frozen=True)
class Cell:
    growing: bool
    n: int
    width: int
    seed: int
    large_starts: int
    large_scale: float
    law: str
    dim: int
    scale: float
    noise_variance: float
    step_size: float
    steps: int
    precision: str


def cells(config: Config) -> list[Cell]:
    settings = [(False, n, width) for width in config.widths for n in config.ns]
    settings += [(True, n, n) for n in config.growing_ns]
    return [
        Cell(growing=growing, n=n, width=width, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for growing, n, width in settings
    ]


def measure(cell: Cell) -> xr.Dataset:
    """Train MSE from the small start, from each large one (none in the control), and of the explicit fit; that of two fits."""
    run = linear_teacher.train(cell)
    rng = streams.generator(cell.seed, streams.INITIALISATION).spawn(1)[0]
    large = np.full(cell.large_starts, np.nan)
    if not cell.growing:  # in the control the explicit fit is an interpolator, and nothing is below that
        starts = [nets.dominated(cell.width, cell.dim, cell.large_scale, rng) for _ in large]
        large = np.array([_trained(cell, start) for start in starts])
    explicit = nets.TwoLayer(*landscape.random_feature_interpolator(cell.width, run.task.x, run.task.y, rng))
    fits = alignment.two_ols(run.task.x, run.task.y, run.task.teacher)
    return xr.Dataset(
        {
            "small": run.train_error(run.network),
            "large": ("start", large),
            "explicit": run.train_error(explicit),
            "two_fits": alignment.mse(fits.predict(run.task.x), run.task.y),
            "stopped_at": run.trajectory["stopped_at"],
        }
    )


def _trained(cell: Cell, start: nets.TwoLayer) -> float:
    run = linear_teacher.train(cell, start=start)
    return run.train_error(run.network)


def checks(dataset: xr.Dataset) -> list[Check]:
    fixed, growing = cells_where(dataset, growing=False), cells_where(dataset, growing=True)
    return [
        check(
            dataset, "B13", "empirical",
            "share of seeds and widths whose best rho of the large starts rises at each n from 120 to 7680",
            _rising(fixed), every_seed(),
            control(
                "width growing with n: largest rho of the explicit fit over n",
                largest(rho(growing, growing.explicit).values), below(0.01),
            ),
        ),
        check(
            dataset, "B13", "empirical", "(small start - best found) / sigma^2 at n = 10, largest median over widths",
            _gap_at(fixed, FIRST, max), below(0.1),
            control("n = 120: the same, smallest median over widths", _gap_at(fixed, MIDDLE, min), above(0.2)),
        ),
        check(
            dataset, "B13", "empirical", "(small start - best found) / sigma^2 at n = 7680, largest median over widths",
            _gap_at(fixed, LAST, max), below(0.05),
            control("width growing with n, n = 1920: the same", _gap_at(growing, GROWING_LAST, max), above(0.5)),
        ),
    ]  # fmt: skip


def rho(cells: xr.Dataset, error: xr.DataArray) -> xr.DataArray:
    """A train MSE over that of the two fits; NaN where these interpolate themselves, since 0/0 says nothing."""
    return error / cells.two_fits.where(cells.two_fits > 1e-12)


def best_large(cells: xr.Dataset) -> xr.DataArray:
    """rho of the best of the large starts: an upper bound of the global minimum's."""
    return rho(cells, cells.large.min("start"))


def gap(cells: xr.Dataset) -> xr.DataArray:
    """(train MSE of the small start - least train MSE found) / sigma^2, at least 0."""
    found = np.fmin(np.fmin(cells.large.min("start"), cells.explicit), cells.small)
    return (cells.small - found) / cells.noise_variance


def _rising(cells: xr.Dataset) -> Estimate:
    """Does the best rho rise at each n of `RISING` (Spearman's correlation is 1), for each width and seed that has them all?"""
    found = []
    for width in np.unique(cells.width.values):
        for seed in np.unique(cells.seed.values):
            part = cells_where(cells, width=width, seed=seed, n=RISING).sortby("n")
            if part.sizes["cell"] == len(RISING):
                found.append(bool(np.all(np.diff(best_large(part)) > 0)))
    return share(found)


def _gap_at(cells: xr.Dataset, n: int, worst) -> Estimate:  # type: ignore[no-untyped-def]
    parts = [cells_where(cells, n=n, width=width) for width in np.unique(cells.width.values)]
    found = [median(gap(part).values) for part in parts if part.sizes["cell"]]
    return worst(found, key=lambda estimate: estimate.value) if found else exact(float("nan"))
