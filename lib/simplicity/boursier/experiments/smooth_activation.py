"""GeLU in place of the ReLU, by gradient descent and by Adam (claims B15, B16).

Boursier & Flammarion 2025 report a similar transition for GeLU, and for GeLU with Adam, in their
appendices. Gaussian inputs, a linear teacher with noise, a fixed number of full-batch steps; rho is
kept along the way, because a network that Adam still improves has not shown where it ends.
Controls: a start at scale 1 for the one, gradient descent for the same number of steps for the
other. In the recorded runs the m (d + 1) weights exceed the samples throughout.
"""

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, linear_teacher, optimisers
from simplicity.boursier.criteria import few_samples, refuses_noise
from simplicity.evidence.claims import (
    Check,
    below,
    check,
    control,
    every_seed,
    median,
    not_testable,
    share,
)
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import TwoLayer
from simplicity.nets.loop import log_schedule

CLAIMS = ("B15", "B16")

PROBES = 25
DECADE = 10  # the last decade of steps runs from a tenth of them to the end
STILL_FALLING = 0.05


@config.settings
class Run(linear_teacher.Run):
    """A run by one of the rules of `optimisers`."""

    rule: str = config.param("gd", "what trains", choices=optimisers.RULES)


# Runs with many samples, and those by Adam, are costly: FULL makes them for half of its seeds.
GRID = Grid(
    Run,
    groups={
        "descent": {"n": (10, 80, 320)},
        "costly": {"n": (), "seeds": 5},
        "unaligned": {"n": (80,), "scale": 1.0},
        "unaligned_costly": {"n": (), "scale": 1.0, "seeds": 5},
        "adam": {"rule": "adam", "n": (160, 640), "step_size": 1e-3, "seeds": 5},
    },
    quick={"law": "gaussian", "width": 100, "steps": 4000, "seeds": 5},
    full={
        "n": (10, 40), "costly_n": (160, 1280),
        "unaligned_n": (80,), "unaligned_costly_n": (160, 240), "adam_n": (160, 2560),
        "width": 500, "steps": 20_000, "seeds": 10,
    },
    tiny={
        "n": (20,), "unaligned_n": (40,), "adam_n": (20, 40), "width": 20, "steps": 200, "seeds": 2,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """The outcome after all steps, and rho along them."""
    task = linear_teacher.draw(run)
    limit = linear_teacher.two_fit_error(task)

    def rho(network: TwoLayer) -> float:
        error = alignment.mse(optimisers.forward(network, task.x, "gelu"), task.y)
        return alignment.rho(error, limit, task.y)

    network, trajectory = optimisers.descend(
        linear_teacher.initial(run), task.x, task.y, activation="gelu", rule=run.rule,
        step_size=run.step_size, schedule=schedule(run.steps), probes={"rho_curve": rho},
        precision=run.precision,
    )  # fmt: skip
    found = alignment.against_two_ols(lambda x: optimisers.forward(network, x, "gelu"), *task)
    curve = trajectory.rho_curve.values.astype(np.float32)
    return xr.Dataset(
        {**found, "stopped_at": trajectory.stopped_at, "rho_curve": ("probe", curve)},
        {"step": ("probe", trajectory.step.values)},  # and no time: rules differ in step size
    )


def schedule(steps: int) -> tuple[int, ...]:
    """Evenly spaced in log(1 + step), with the start of the last decade among them."""
    return tuple(sorted({*log_schedule(steps, PROBES), steps // DECADE}))


def checks(runs: Runs) -> list[Check]:
    many = runs("costly", n=1280)
    unaligned = runs.where(rule="gd", scale=runs.settings.unaligned_scale, n=(80, 160, 240))
    few = "GeLU: share of seeds with train MSE > 0.1 sigma^2, n = 10"
    return [
        few_samples(runs, "B15.few", few, runs("descent", n=10), needs=10),
        check(
            runs, "B15.many", "empirical",
            "GeLU: share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, n = 1280",
            share(refuses_noise(many)), every_seed(),
            control(
                "scale 1, n from 80 to 240: share of runs with rho < 0.5",
                share((unaligned.rho < 0.5).values), every_seed(),
            ),
        ),
        *_adam_checks(runs),
    ]  # fmt: skip


def _adam_checks(runs: Runs) -> list[Check]:
    """Judged only where the median rho at n = 2560 no longer falls: else its end is not known."""
    adam, descent = runs("adam", n=2560), runs("costly", n=1280)
    statistic = (
        "GeLU and Adam: share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, n = 2560"
    )
    fall = median(last_fall(adam))
    why = "" if fall.seeds else "no run with n = 2560"
    if fall.value > STILL_FALLING:
        falls = f"rho still falls by {fall.value:.0%} in the last decade of steps"
        why = f"{falls}, more than {STILL_FALLING:.0%}"
    few = "GeLU and Adam: share of seeds with train MSE > 0.1 sigma^2, n = 160"
    first = few_samples(runs, "B16.few", few, runs("adam", n=160), unless=why)
    if why:
        return [first, not_testable(runs, "B16.many", "empirical", statistic, why)]
    return [
        first,
        check(
            runs, "B16.many", "empirical", statistic, share(refuses_noise(adam)), every_seed(),
            control(
                "gradient descent, n = 1280, same steps: median fall in the last decade",
                median(last_fall(descent)), below(STILL_FALLING),
            ),
        ),
    ]  # fmt: skip


def last_fall(cells: xr.Dataset) -> np.ndarray:
    """Per cell: by what part rho fell over the last decade of steps; negative where it rose."""
    if cells.sizes["cell"] == 0:
        return np.zeros(0)
    steps = cells.step.values
    before = cells.rho_curve.values[:, steps == steps[-1] // DECADE][:, 0]
    return 1 - cells.rho_curve.values[:, -1] / before
