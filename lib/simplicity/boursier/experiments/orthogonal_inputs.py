"""Orthogonal inputs: with how many directions a narrow and a very wide network end (claim B22).

A remark of Boursier & Flammarion in the reviews: with orthogonal inputs at mild width the effective
width should grow with n, and only m of order 2^n should leave two groups. Here x_k = sqrt(n) e_k in
d = n dimensions, half of the labels 1, half -1, no noise. D_n(w) then is the sum of y_k x_k / n
over the inputs on which w is active, so that a neuron with a_j > 0 ends along the positive samples
that were active at its start, and one with a_j < 0 along the negative ones. Two groups need a
neuron of each sign that starts active on all n/2 samples of its sign: m of order 2^(n/2) for these
balanced labels.

The start has to be tiny: a neuron that misses one sample grows by the rate sqrt(1 - 2/n) of one
that misses none, and only the scale tells them apart. Double precision has room for 1e-30.
"""

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, groups, two_layer
from simplicity.data import streams
from simplicity.evidence.claims import Check, at_least, check, control, interval_above, mean, share
from simplicity.evidence.over_seeds import each
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import TwoLayer, dominated, forward
from simplicity.problems import Problem

CLAIMS = ("B22",)

_TOLERANCE = 1e-8


@config.settings
class Run:
    """One training on orthogonal inputs, from a tiny start."""

    n: int = config.param(
        4, "numbers of samples and dimensions, even", unit="samples", low=2, high=4096
    )
    width: int = config.param(32, "hidden neurons", unit="neurons", low=1, high=10**7)
    tiny_scale: float = config.param(1e-30, "scale lambda of the initialisation", low=1e-60)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    fit_steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    seed: int = config.param(0, "seed of the start", low=0, high=2**31 - 1)

    def check(self) -> None:
        if self.n % 2:
            even = "allowed even numbers, so that half of the labels are positive"
            raise Problem(f"n: got {self.n}, {even}")


GRID = Grid(
    Run,
    groups={
        "narrow": {"n": (4, 8, 16, 32), "width": 32},
        "wide": {"n": (4, 8), "width": lambda run: 8 * 2**run.n},
    },
    quick={"seeds": 5},
    full={"n": (4, 6, 8, 10, 16, 32), "wide_n": (4, 6, 8, 10), "seeds": 20},
    tiny={"n": (4, 6), "wide_n": (4,), "width": 8, "fit_steps": 100, "seeds": 2},
)


def samples(n: int) -> tuple[np.ndarray, np.ndarray]:
    """x_k = sqrt(n) e_k, as long as a Gaussian input; y is 1 on the first half, -1 on the other."""
    return np.sqrt(n) * np.eye(n), np.repeat([1.0, -1.0], n // 2)


def measure(run: Run) -> xr.Dataset:
    x, y = samples(run.n)
    rng = streams.generator(run.seed, streams.INITIALISATION)
    start = dominated(run.width, run.n, run.tiny_scale, rng)
    network, trajectory = two_layer.descend(
        start, x, y, step_size=run.step_size, schedule=(0, run.fit_steps), probes={},
        tolerance=_TOLERANCE,
    )  # fmt: skip
    return xr.Dataset(
        {
            "effective_width": float(groups.effective_width(*network)),
            "covered": float(covers(start, x, y)),
            "train_mse": alignment.mse(forward(network, x), y),
            "stopped_at": trajectory.stopped_at,
            "force": trajectory.force,
        }
    )


def covers(start: TwoLayer, x: np.ndarray, y: np.ndarray) -> bool:
    """Has each sign a neuron with that sign of a_j, active on every sample with that sign of y?"""
    active = start.w @ x.T > 0

    def covered(sign: int) -> bool:
        ours = active[np.sign(start.a) == sign][:, np.sign(y) == sign]
        return bool(ours.all(axis=1).any())

    return covered(1) and covered(-1)


def checks(runs: Runs) -> list[Check]:
    narrow, wide = runs("narrow", width=32), runs["wide"]
    # The criterion speaks of mild width 32; without it the control says nothing either.
    ends = (wide.effective_width == 2).values if narrow.sizes["cell"] else []
    return [
        check(
            runs, "B22.grows", "empirical",
            "effective width at m = 32, slope on log2 n, mean over seeds",
            mean(slopes(narrow)), interval_above(0),
            control(
                "m = 8 x 2^n: share of runs that end with exactly two groups",
                share(ends), at_least(0.95),
            ),
        )
    ]  # fmt: skip


def slopes(cells: xr.Dataset) -> np.ndarray:
    """For each seed the slope of the effective width on log2 n; none with fewer than three n."""

    def slope(part: xr.Dataset) -> float:
        n, groups_left = part.n.values, part.effective_width.values
        return float(np.polyfit(np.log2(n), groups_left, 1)[0]) if len(n) >= 3 else np.nan

    found = each(cells, slope)
    return found[np.isfinite(found)]
