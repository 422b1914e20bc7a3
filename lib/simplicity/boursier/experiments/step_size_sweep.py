"""The plateau is a matter of where training starts, not of its step size (claim B14).

Boursier & Flammarion 2025, appendix A.2: large steps do not suffice to explain that noise is not
fitted. Gradient descent is unstable at a minimum whose sharpness exceeds 2 / step size, so that
large steps might keep it away from interpolators. At 480 samples the sharpness of an interpolator
is above 200, so that one stays at steps of 0.005 and is left at 0.02. Two starts at the same number
of samples and the same step tell the explanations apart: the small one and an explicit
interpolator.
"""

import contextlib
from functools import partial

import numpy as np
import xarray as xr

from simplicity.boursier import landscape, linear_teacher, ols, synthetic
from simplicity.boursier.criteria import at_limit
from simplicity.data import streams
from simplicity.evidence.claims import Check, check, every_seed, share
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import TwoLayer, forward
from simplicity.nets.loop import Diverged, log_schedule

CLAIMS = ("B14",)

AT = 480  # samples
KEPT, LEFT = 0.005, 0.02  # steps: 2 / step is 400 and 100, the sharpness at 480 samples above 200
INTERPOLATES = 1e-6
# An exact stationary point is never left, stable or not: the interpolator is moved by this share of
# its norm.
NUDGE = 1e-6
PROBES = 40
DIVERGED = 1e12  # a train MSE above counts as none at all


@config.settings
class Run(linear_teacher.TimedRun):
    """A run from one of the two starts."""

    start: str = config.param("small", "where training starts", choices=("small", "interpolator"))


GRID = Grid(
    Run,
    groups={
        "small": {"start": "small", "step_size": (0.02, 0.1, 0.5)},
        "interpolator": {
            "start": "interpolator", "step_size": (KEPT, LEFT), "width": 1000, "time": 5.0,
        },
    },
    quick={
        "n": 480,
        "width": 200,
        "steps": linear_teacher.steps_in_time,
        # At small steps float32 cannot move a weight by the force that the stopping rule asks for.
        "precision": "float64",
        "seeds": 5,
    },
    full={
        "step_size": (KEPT, 0.02, 0.1, 0.5), "interpolator_time": 100.0, "seeds": 10,
        "first_seed": 1_000_000,
    },
    tiny={
        "n": 60, "width": 20, "time": 20.0,
        "interpolator_width": 80, "interpolator_time": 1.0, "seeds": 2,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """`rho` and train MSE at the end; NaN where descent from the interpolator diverges.

    `sharpness` is that of the interpolator, or of the end from the small start.
    """
    return _from_small(run) if run.start == "small" else _from_interpolator(run)


def _from_small(run: Run) -> xr.Dataset:
    trained = linear_teacher.train(run, schedule=log_schedule(run.steps, PROBES))
    kept = trained.outcome()[["rho", "train_mse", "stopped_at"]]
    curve = trained.trajectory["train_curve"]
    return kept.assign(
        diverged=0,
        sharpness=landscape.sharpness(*trained.network, trained.task.x, trained.task.y),
        train_curve=_drawn(curve.values),
        time_of_probe=_drawn(curve.time.values),
    )


def _from_interpolator(run: Run) -> xr.Dataset:
    task = linear_teacher.draw(run)
    interpolator, start = _interpolator(run, task)
    schedule = log_schedule(run.steps, PROBES)
    errors = _errors(run, task, start, schedule)
    curve = _curve(errors, len(schedule))
    return xr.Dataset(
        {
            "rho": linear_teacher.rho(curve[-1], task),
            "train_mse": curve[-1],
            "stopped_at": schedule[len(errors) - 1],
            "diverged": int(not np.isfinite(curve[-1])),
            "sharpness": landscape.sharpness(*interpolator, task.x, task.y),
            "train_curve": _drawn(curve),
            "time_of_probe": _drawn(run.step_size * np.array(schedule)),
        }
    )


def _interpolator(run: Run, task: synthetic.Task) -> tuple[TwoLayer, TwoLayer]:
    """An interpolator of the run's width, and the same moved by `NUDGE`."""
    rng = streams.generator(run.seed, streams.INITIALISATION)
    found = landscape.random_feature_interpolator(run.width, task.x, task.y, rng)
    return found, landscape.perturbed(*found, NUDGE, rng)


def _errors(
    run: Run, task: synthetic.Task, start: TwoLayer, schedule: tuple[int, ...]
) -> list[float]:
    """The train MSE at the steps of the schedule, as far as the run comes before it diverges."""
    found: list[float] = []
    probes = {"train_curve": partial(_kept_error, found, task)}
    with contextlib.suppress(Diverged):
        linear_teacher.descend(
            run, task.x, task.y, start, schedule=schedule, probes=probes, tolerance=0.0
        )
    return found


def _kept_error(found: list[float], task: synthetic.Task, network: TwoLayer) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # on the way to a divergence
        found.append(ols.mse(forward(network, task.x), task.y))
    return found[-1]


def _curve(errors: list[float], probes: int) -> np.ndarray:
    """The errors filled up to all probes; NaN after a divergence."""
    curve = np.pad(errors, (0, probes - len(errors)), constant_values=np.nan)
    curve[~(curve < DIVERGED)] = np.nan
    return curve


def _drawn(values: np.ndarray) -> tuple[str, np.ndarray]:
    """To be drawn, never judged; filled up to one length: how many probes differs with the step."""
    filled = np.pad(values, (0, PROBES - len(values)), constant_values=np.nan)
    return "probe", filled.astype(np.float32)


def checks(runs: Runs) -> list[Check]:
    """At one number of samples and one step for both starts."""
    kept = runs("interpolator", n=AT, step_size=KEPT)
    return [_small(runs, kept), _stays(runs, kept)]


def _small(runs: Runs, kept: xr.Dataset) -> Check:
    small = runs("small", n=AT, step_size=KEPT)
    return check(
        runs, "B14.small", "empirical",
        f"share of seeds from the small start with |rho - 1| < 0.001, n = {AT}, step {KEPT:g}",
        share(at_limit(small)), every_seed(),
        ("from an interpolator", share(at_limit(kept))),
    )  # fmt: skip


def _stays(runs: Runs, kept: xr.Dataset) -> Check:
    left = runs("interpolator", n=AT, step_size=LEFT)
    return check(
        runs, "B14.stays", "empirical",
        f"share of seeds from an interpolator that stay below train MSE 1e-6, n = {AT}, "
        f"step {KEPT:g}",
        share(stays(kept)), every_seed(),
        (f"step {LEFT:g}, above 2 / sharpness", share(stays(left))),
    )  # fmt: skip


def stays(cells: xr.Dataset) -> np.ndarray:
    """Per cell: is the train MSE at the end an interpolator's? False after a divergence."""
    return (cells.train_mse < INTERPOLATES).values
