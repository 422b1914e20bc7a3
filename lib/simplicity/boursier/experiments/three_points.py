"""Three points: a small start ends at the regression line, a large one interpolates (claim B19).

The predecessor's example (Boursier & Flammarion, "Early alignment ... is a two-edged sword"):
one-dimensional inputs with a hidden bias, so d = 2 with a constant second coordinate. Dominated and
balanced starts are judged. An independent Gaussian start is drawn at one width but not judged: it
is stuck or not depending on its scale and width, so it is no clean control.
"""

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import ols
from simplicity.boursier.two_layer import descend
from simplicity.data import streams
from simplicity.evidence.claims import Check, check, every_seed, share
from simplicity.evidence.over_seeds import each
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import starts
from simplicity.nets.loop import log_schedule

CLAIMS = ("B19",)

X = np.array([[-0.75, 1.0], [-0.5, 1.0], [0.125, 1.0]])
Y = np.array([1.1, 0.1, 0.8])
LEAST_SQUARES = ols.mse(X @ ols.ols(X, Y), Y)  # 0.175043, by hand in the tests
PLACES = np.linspace(-1, 0.5, 31)  # inputs at which the learned function is kept
JUDGED = (100, 1000, 10_000)
# No neuron is pulled harder than this: far below what the criterion of 1e-4 in the error can see.
_TOLERANCE, _PROBES = 1e-7, 25


@config.settings
class Run:
    """One training on the three points."""

    kind: str = config.param("dominated", "law of the initialisation", choices=starts.STARTS)
    width: int = config.param(100, "hidden neurons", unit="neurons", low=1)
    scale: float = config.param(1e-2, "scale lambda of the initialisation", low=0)
    fit_step: float = config.param(0.02, "learning rate eta of the three points", low=0)
    fit_steps: int = config.param(60_000, "gradient steps at most", low=1)
    seed: int = config.param(0, "seed of the start", low=0)


GRID = Grid(
    Run,
    groups={
        "small": {"kind": ("dominated", "balanced"), "width": (100, 1000), "scale": (1e-4, 1e-2)},
        "large": {"scale": (1.0,)},
        "gaussian": {"kind": "gaussian", "width": 100, "scale": ()},
    },
    quick={"seeds": 5},
    full={
        "width": JUDGED,
        "large_scale": (1.0, 2.0),
        "gaussian_scale": (1e-5, 1e-4, 1e-3, 1e-2, 1.0, 2.0),
        "seeds": 10,
        "first_seed": 1_000_000,
    },
    tiny={"width": (20,), "scale": (1e-2,), "fit_steps": 300, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    rng = streams.generator(run.seed, streams.INITIALISATION)
    start = starts.STARTS[run.kind](run.width, 2, run.scale, rng)
    network, trajectory = descend(
        start, X, Y, step_size=run.fit_step, schedule=log_schedule(run.fit_steps, _PROBES),
        probes={"train_curve": _error}, tolerance=_TOLERANCE,
    )  # fmt: skip
    inputs = np.stack([PLACES, np.ones_like(PLACES)], axis=1)
    return xr.Dataset(
        {
            "train_mse": _error(network),
            "stopped_at": trajectory.stopped_at,
            "function": ("place", nets.forward(network, inputs).astype(np.float32)),
            "train_curve": trajectory.train_curve.astype(np.float32),
        },
        {"step": trajectory.step, "time": trajectory.time, "x": ("place", PLACES)},
    )


def _error(network: nets.TwoLayer) -> float:
    """Plain MSE on the three points."""
    return ols.mse(nets.forward(network, X), Y)


def checks(runs: Runs) -> list[Check]:
    all_stuck = every_seed()
    return [
        check(
            runs, f"B19.{kind}", "theorem",
            f"{kind} start: share of seeds that end within 1e-4 of the least-squares error at "
            "every width and scale",
            share(each(runs("small", kind=kind, width=JUDGED), _all_stuck) == 1), all_stuck,
            ("scale 1 or more: the same share",
             share(each(runs("large", kind=kind, width=JUDGED), _all_stuck) == 1)),
        )
        for kind in ("dominated", "balanced")
    ]  # fmt: skip


def _all_stuck(runs: xr.Dataset) -> float:
    return float(stuck(runs).all())


def stuck(cells: xr.Dataset) -> np.ndarray:
    """Per cell: has training ended at the error of the regression line?"""
    return (np.abs(cells.train_mse - LEAST_SQUARES) < 1e-4).values
