"""One training run of the linear-teacher setting, which the experiments on the optimization threshold share.

Draw the data, start small, descend, compare with the theorem's limit (Boursier & Flammarion 2025, theorem 4.1). A cell
brings its own values; experiments decide which of them vary and what is kept.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import alignment, cones, synthetic, two_layer
from simplicity.data import streams
from simplicity.grid import config
from simplicity.problems import doors

# The run stops when no neuron is pulled harder than this. Residuals have float32 noise near 1e-7 in single precision, and a
# force of 1e-6 moves a weight by 0.2 percent of itself in the 2000 units of time of the usual budget.
TOLERANCE = 1e-6
ENGINES = {"sweep": two_layer.descend, "cones": cones.descend}


@config.settings
class Run:
    """One training run: the law of its inputs, its network, its start and its descent."""

    law: str = config.param("margin", "law of the inputs", choices=synthetic.LAWS)
    n: int = config.param(120, "samples", unit="samples", low=1, high=10**8)
    width: int = config.param(200, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seed: int = config.param(0, "seed of data and start", low=0, high=2**31 - 1)


class Trained(NamedTuple):
    """What a run leaves: its data, its network before and after, and the probes on the way."""

    task: synthetic.Task
    start: nets.TwoLayer
    network: nets.TwoLayer
    trajectory: xr.Dataset

    def prediction(self, x: np.ndarray) -> np.ndarray:
        """h(x) of the trained network."""
        return nets.forward(self.network, x)

    def train_error(self, network: nets.TwoLayer) -> float:
        """Plain train MSE of `network` on this run's data."""
        return alignment.mse(nets.forward(network, self.task.x), self.task.y)

    def outcome(self) -> xr.Dataset:
        """The scalars of `alignment.against_two_ols`, with `stopped_at` and `force` of the run."""
        found = alignment.against_two_ols(self.prediction, *self.task)
        return xr.Dataset({**found, "stopped_at": self.trajectory["stopped_at"], "force": self.trajectory["force"]})


def draw(cell: Run) -> synthetic.Task:
    """The cell's data: cells that differ in width, scale or anything of the training share them."""
    return synthetic.linear_task(cell.law, cell.n, cell.dim, cell.noise_variance, cell.seed)


def initial(cell: Run, *, one_sign: bool = False) -> nets.TwoLayer:
    """The cell's dominated start: cells that differ in scale share its directions and signs."""
    rng = streams.generator(cell.seed, streams.INITIALISATION)
    return nets.dominated(cell.width, cell.dim, cell.scale, rng, one_sign=one_sign)


def train(
    cell: Run,
    *,
    start: nets.TwoLayer | None = None,
    one_sign: bool = False,
    schedule: Sequence[int] | None = None,
    probes: Mapping[str, two_layer.Probe] | None = None,
) -> Trained:
    """Full-batch gradient descent from `start` (default: the cell's own) for at most `cell.steps` steps.

    Besides the given probes there is `train_curve`, the plain train MSE; the default schedule probes only both ends.
    """
    task = draw(cell)
    start = initial(cell, one_sign=one_sign) if start is None else start
    before = Trained(task, start, start, xr.Dataset())
    network, trajectory = two_layer.descend(
        start,
        task.x,
        task.y,
        step_size=cell.step_size,
        schedule=schedule or (0, cell.steps),
        probes={"train_curve": before.train_error, **(probes or {})},
        tolerance=TOLERANCE,
        precision=cell.precision,
    )
    return before._replace(network=network, trajectory=trajectory)


def end(cell: Run, engine: str) -> xr.Dataset:
    """The scalars of `Trained.outcome` for a run by one of `ENGINES`, and how many of its steps the plain sweep made.

    The end of a run at widths where the plain sweep alone would take too long; nothing is looked at on the way.
    """
    doors.choice("engine", engine, ENGINES)
    task = draw(cell)
    network, found = ENGINES[engine](
        initial(cell),
        task.x,
        task.y,
        step_size=cell.step_size,
        schedule=(0, cell.steps),
        probes={},
        tolerance=TOLERANCE,
        precision=cell.precision,
    )
    scalars = alignment.against_two_ols(partial(nets.forward, network), *task)
    plain = found.get("plain_steps", found["stopped_at"])
    return xr.Dataset({**scalars, "stopped_at": found["stopped_at"], "force": found["force"], "plain_steps": plain})
