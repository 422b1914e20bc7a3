"""Orthogonal inputs: how many directions a narrow and a very wide network end with (claim B22).

A remark of Boursier & Flammarion in the reviews: with orthogonal inputs at mild width the effective width should grow with n,
and only m of order 2^n should leave two groups. Here x_k = sqrt(n) e_k in d = n dimensions, half of the labels 1, half -1, no
noise. D_n(w) then is the sum of y_k x_k / n over the inputs on which w is active, so that a neuron with a_j > 0 ends along the
positive samples that were active at its start, and one with a_j < 0 along the negative ones. Two groups need a neuron of each
sign that starts active on all n/2 samples of its sign: m of order 2^(n/2) for these balanced labels.

The start has to be tiny: a neuron that misses one sample grows by the rate sqrt(1 - 2/n) of one that misses none, and only
the scale tells them apart. Double precision has room for 1e-30.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, groups, two_layer
from simplicity.data import streams
from simplicity.evidence.claims import Check, at_least, cells_where, check, control, interval_above, mean, share
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import TwoLayer, dominated, forward
from simplicity.problems import Problem

CLAIMS = ("B22",)

WIDE = 8  # the control has this many neurons times 2^n
_TOLERANCE = 1e-8


@config.settings
class Config:
    ns: tuple[int, ...] = config.param(
        (4, 8, 16, 32), "numbers of samples and dimensions, even", unit="samples", low=2, high=4096
    )
    narrow: int = config.param(32, "hidden neurons of the mild width", unit="neurons", low=1, high=10**7)
    wide_up_to: int = config.param(8, "largest n with 8 x 2^n neurons", unit="samples", low=0, high=14)
    tiny_scale: float = config.param(1e-30, "scale lambda of the initialisation", low=1e-60)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    fit_steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)

    def check(self) -> None:
        odd = [n for n in self.ns if n % 2]
        if odd:
            raise Problem(f"ns: got {odd[0]}, allowed even numbers, so that half of the labels are positive")


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(4, 6), narrow=8, wide_up_to=4, fit_steps=100, seeds=2)
FULL = dataclasses.replace(QUICK, ns=(4, 6, 8, 10, 16, 32), wide_up_to=10, seeds=20)


@dataclasses.dataclass(frozen=True)
class Cell:
    n: int
    width: int
    seed: int
    tiny_scale: float
    step_size: float
    fit_steps: int


def cells(config: Config) -> list[Cell]:
    return [
        Cell(n=n, width=width, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for n in config.ns
        for width in ((config.narrow, WIDE * 2**n) if n <= config.wide_up_to else (config.narrow,))
    ]


def samples(n: int) -> tuple[np.ndarray, np.ndarray]:
    """x_k = sqrt(n) e_k, as long as a Gaussian input in as many dimensions; y is 1 on the first half, -1 on the other."""
    return np.sqrt(n) * np.eye(n), np.repeat([1.0, -1.0], n // 2)


def measure(cell: Cell) -> xr.Dataset:
    x, y = samples(cell.n)
    start = dominated(cell.width, cell.n, cell.tiny_scale, streams.generator(cell.seed, streams.INITIALISATION))
    network, run = two_layer.descend(
        start, x, y, step_size=cell.step_size, schedule=(0, cell.fit_steps), probes={}, tolerance=_TOLERANCE
    )
    return xr.Dataset(
        {
            "effective_width": float(groups.effective_width(*network)),
            "covered": float(covers(start, x, y)),
            "train_mse": alignment.mse(forward(network, x), y),
            "stopped_at": run.stopped_at,
            "force": run.force,
        }
    )


def covers(start: TwoLayer, x: np.ndarray, y: np.ndarray) -> bool:
    """Is there, for each sign, a neuron with that sign of a_j that is active on every sample with that sign of y?"""
    active = start.w @ x.T > 0
    return all(bool((active[np.sign(start.a) == sign][:, np.sign(y) == sign]).all(axis=1).any()) for sign in (1, -1))


def checks(dataset: xr.Dataset) -> list[Check]:
    wide = is_wide(dataset)
    narrow, control_cells = dataset.isel(cell=~wide), dataset.isel(cell=wide)
    return [
        check(
            dataset, "B22", "empirical", "effective width at m = 32, slope on log2 n, mean over seeds",
            mean(slopes(cells_where(narrow, width=32))), interval_above(0),
            control(
                "m = 8 x 2^n: share of runs that end with exactly two groups",
                share((control_cells.effective_width == 2).values) if _judged(dataset) else share([]), at_least(0.95),
            ),
        )
    ]  # fmt: skip


def is_wide(dataset: xr.Dataset) -> np.ndarray:
    """Per cell: is its width that of the control?"""
    return dataset.width.values == WIDE * 2.0 ** np.minimum(dataset.n.values, 60)


def slopes(cells: xr.Dataset) -> np.ndarray:
    """For each seed the slope of the effective width on log2 n; none where there are fewer than three n."""
    found = []
    for seed in np.unique(cells.seed.values):
        part = cells_where(cells, seed=seed)
        if len(np.unique(part.n.values)) >= 3:
            found.append(np.polyfit(np.log2(part.n.values), part.effective_width.values, 1)[0])
    return np.array(found)


def _judged(dataset: xr.Dataset) -> bool:
    """The criterion speaks of mild width 32; without it the control says nothing either."""
    return bool((dataset.width.values == 32).any())
