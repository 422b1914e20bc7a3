"""A teacher of five ReLU neurons in place of the linear one (claim B18).

Boursier & Flammarion 2025 appear to show it beside the linear teacher; what exactly is not known.
Here: Gaussian inputs, five unit directions drawn for each seed, output signs + - + - +, label
noise. The theorem speaks of no such teacher, so errors are held against the noise level and the
risk against the teacher. The control starts at scale 1.
"""

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, linear_teacher, synthetic, two_layer
from simplicity.boursier.criteria import above_noise, low_risk
from simplicity.boursier.linear_teacher import TOLERANCE, Run
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    above,
    below,
    check,
    control,
    every_seed,
    no_seed,
    share,
)
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import forward

CLAIMS = ("B18",)

SIGNS = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
LONG = 20_000  # steps from which on the end of training is judged
_N_TEST = 4000

GRID = Grid(
    Run,
    groups={
        "small": {"n": (10, 40, 160, 640)},
        "unaligned": {"n": (10, 40, 160), "scale": 1.0},
    },
    quick={"law": "gaussian", "width": 100, "steps": 4000, "seeds": 5},
    full={"n": (10, 40, 160, 640, 2560), "width": 500, "steps": LONG, "seeds": 10},
    tiny={"n": (20, 40), "unaligned_n": (20, 40), "width": 20, "steps": 300, "seeds": 2},
)


def draw(run: Run) -> tuple[synthetic.Task, np.ndarray]:
    """The run's samples, and what the teacher says without noise on the fresh ones.

    `teacher` holds the directions (5, d).
    """
    rng = streams.generator(run.seed, streams.DATA)
    directions = rng.standard_normal((len(SIGNS), run.dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x = synthetic.LAWS[run.law](run.n, run.dim, rng)
    y = synthetic.relu_labels(x, directions, SIGNS, run.noise_variance, rng)
    fresh = streams.generator(run.seed, streams.TEST)
    x_test = synthetic.LAWS[run.law](_N_TEST, run.dim, fresh)
    clean = synthetic.relu_labels(x_test, directions, SIGNS, 0.0, fresh)
    noise = np.sqrt(run.noise_variance) * fresh.standard_normal(_N_TEST)
    return synthetic.Task(x, y, x_test, clean + noise, directions), clean


def measure(run: Run) -> xr.Dataset:
    """Plain errors, the risk against the noiseless teacher, and the risk of one linear fit."""
    task, clean = draw(run)
    network, trajectory = two_layer.descend(
        linear_teacher.initial(run), task.x, task.y, step_size=run.step_size,
        schedule=(0, run.steps), probes={}, tolerance=TOLERANCE, precision=run.precision,
    )  # fmt: skip
    outside = forward(network, task.x_test)
    linear = alignment.ols(task.x, task.y)
    return xr.Dataset(
        {
            "train_mse": alignment.mse(forward(network, task.x), task.y),
            "test_mse": alignment.mse(outside, task.y_test),
            "excess_risk": alignment.mse(outside, clean),
            "linear_train_mse": alignment.mse(task.x @ linear, task.y),
            "linear_excess_risk": alignment.mse(task.x_test @ linear, clean),
            "stopped_at": trajectory.stopped_at,
            "force": trajectory.force,
        }
    )


def checks(runs: Runs) -> list[Check]:
    few, many, large = runs("small", n=10), runs("small", n=2560), runs("unaligned", n=(40, 160))
    settled = many.isel(cell=many.steps.values >= LONG)
    noise = settled.noise_variance
    return [
        check(
            runs, "B18.few", "empirical", "share of seeds with train MSE > 0.1 sigma^2, n = 10",
            share(above_noise(few)), below(0.1),
            control(
                "a linear fit to the same samples",
                share(above_noise(few, "linear_train_mse")), above(0.5),
            ),
            needs=10,
        ),
        check(
            runs, "B18.many", "empirical",
            "share of seeds with train MSE > 0.8 sigma^2 and excess risk < 0.15 sigma^2, n = 2560",
            share((settled.train_mse > 0.8 * noise).values & low_risk(settled)), every_seed(),
            control(
                "scale 1, n = 40 and 160: share of runs with train MSE < 0.5 sigma^2",
                share((large.train_mse < 0.5 * large.noise_variance).values), every_seed(),
            ),
        ),
        check(
            runs, "B18.risk", "empirical",
            "share of seeds with excess risk < 0.15 sigma^2, n = 2560",
            share(low_risk(settled)), every_seed(),
            control(
                "one linear fit: the same share",
                share((settled.linear_excess_risk < 0.15 * noise).values), no_seed(),
            ),
        ),
    ]  # fmt: skip
