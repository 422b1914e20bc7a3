"""One training run of the linear-teacher setting, which most experiments of the wing share.

Draw the data, start small, descend, compare with the theorem's limit (Boursier & Flammarion 2025,
theorem 4.1). Experiments decide which fields of a run vary and what is kept of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import cones, driver, ols, synthetic, two_layer
from simplicity.data import streams
from simplicity.grid import config
from simplicity.problems import doors

# The run stops when no neuron is pulled harder than this. Residuals have float32 noise near 1e-7 in
# single precision, and a force of 1e-6 moves a weight by 0.2 percent of itself in the 2000 units of
# time of the usual budget.
TOLERANCE = 1e-6
Engine = Callable[..., tuple[nets.TwoLayer, xr.Dataset]]
ENGINES: dict[str, Engine] = {"sweep": two_layer.descend, "cones": cones.descend}


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
    precision: str = config.param(
        "float32", "floating point of the training", choices=("float32", "float64")
    )
    seed: int = config.param(0, "seed of data and start", low=0, high=2**31 - 1)


@config.settings
class TimedRun(Run):
    """A run for a given time of the flow: runs with different learning rates end together."""

    time: float = config.param(2000.0, "training time: steps x learning rate", low=1e-6, high=1e9)


def steps_in_time(run: TimedRun) -> int:
    """The steps of a `TimedRun`."""
    return max(1, round(run.time / run.step_size))


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
        return ols.mse(nets.forward(network, self.task.x), self.task.y)

    def cosines_to_fits(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of `ols.cosines_to_fits` with the two fits, and the weights."""
        fits = ols.two_ols(self.task.x, self.task.y, self.task.teacher)
        return ols.cosines_to_fits(*self.network, fits)

    def outcome(self) -> xr.Dataset:
        """The scalars of `ols.against_two_ols`, with `stopped_at` and `force` of the run."""
        found = ols.against_two_ols(self.prediction, *self.task)
        ended = {name: self.trajectory[name] for name in ("stopped_at", "force")}
        return xr.Dataset({**found, **ended})


def draw(run: Run) -> synthetic.Task:
    """The run's data: runs that differ in width, scale or anything of the training share them."""
    return synthetic.linear_task(run.law, run.n, run.dim, run.noise_variance, run.seed)


def two_fit_error(task: synthetic.Task) -> float:
    """Train MSE of the theorem's limit, which rho = 1 stands for."""
    return ols.mse(ols.two_ols(task.x, task.y, task.teacher).predict(task.x), task.y)


def rho(error: float, task: synthetic.Task) -> float:
    """A train MSE over that of the theorem's limit."""
    return ols.rho(error, two_fit_error(task), task.y)


def initial(run: Run, *, one_sign: bool = False) -> nets.TwoLayer:
    """The run's dominated start: runs that differ in scale share its directions and signs."""
    rng = streams.generator(run.seed, streams.INITIALISATION)
    return nets.dominated(run.width, run.dim, run.scale, rng, one_sign=one_sign)


def descend(
    run: Run,
    x: np.ndarray,
    y: np.ndarray,
    start: nets.TwoLayer | None = None,
    *,
    engine: Engine = two_layer.descend,
    schedule: Sequence[int] = (),
    probes: Mapping[str, driver.Probe] | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[nets.TwoLayer, xr.Dataset]:
    """The run's descent on samples (n, d), by default by the plain sweep.

    By default from its own start, looked at when it begins and when it ends.
    """
    return engine(
        initial(run) if start is None else start, x, y, step_size=run.step_size,
        schedule=schedule or (0, run.steps), probes=probes or {}, tolerance=tolerance,
        precision=run.precision,
    )  # fmt: skip


def train(
    run: Run,
    *,
    start: nets.TwoLayer | None = None,
    one_sign: bool = False,
    schedule: Sequence[int] = (),
    probes: Mapping[str, driver.Probe] | None = None,
) -> Trained:
    """Full-batch descent from `start` (default: the run's own) for at most `run.steps` steps.

    Besides the given probes there is `train_curve`, the plain train MSE; the default schedule is
    both ends.
    """
    task = draw(run)
    start = initial(run, one_sign=one_sign) if start is None else start
    before = Trained(task, start, start, xr.Dataset())
    probes = {"train_curve": before.train_error, **(probes or {})}
    network, trajectory = descend(run, task.x, task.y, start, schedule=schedule, probes=probes)
    return before._replace(network=network, trajectory=trajectory)


def end(run: Run, engine: str) -> xr.Dataset:
    """The scalars of `Trained.outcome` for a run by one of `ENGINES`.

    With them how many steps the plain sweep made. For widths at which it alone would take too long;
    nothing is looked at on the way.
    """
    doors.choice("engine", engine, ENGINES)
    task = draw(run)
    start = initial(run)
    network, found = descend(run, task.x, task.y, start, engine=ENGINES[engine])
    plain = found.get("plain_steps", found["stopped_at"])
    return Trained(task, start, network, found).outcome().assign(plain_steps=plain)
