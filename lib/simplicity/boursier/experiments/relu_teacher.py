"""A teacher of five ReLU neurons in place of the linear one (claim B18).

Boursier & Flammarion 2025 appear to show it beside the linear teacher; what exactly is not known.
Here: Gaussian inputs, five unit directions drawn for each seed, output signs + - + - +, label
noise. The theorem speaks of no such teacher, so errors are held against the noise level and the
risk against the teacher. With as many samples as weights a start at scale 1 refuses the noise as
well, so that the two starts are compared at fewer.
"""

import numpy as np
import xarray as xr

from simplicity.boursier import linear_teacher, ols, synthetic
from simplicity.boursier.alignment import on_sphere
from simplicity.boursier.criteria import (
    LONG,
    Answers,
    behind,
    low_risk,
    not_interpolated,
    too_short,
)
from simplicity.boursier.linear_teacher import Run
from simplicity.data import streams
from simplicity.evidence.claims import Check, below, check, every_seed, interval_above, mean, share
from simplicity.evidence.over_seeds import Values
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import forward

CLAIMS = ("B18",)

SIGNS = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
_N_TEST = 4000

GRID = Grid(
    Run,
    groups={
        "small": {"n": (10, 40, 160, 640)},
        "unaligned": {"n": (10, 40, 160), "scale": 1.0},
    },
    quick={"law": "gaussian", "width": 100, "steps": 4000, "seeds": 5},
    full={
        "n": (10, 40, 160, 640, 2560), "unaligned_n": (10, 40, 160, 640), "width": 500,
        "steps": LONG, "seeds": 10, "first_seed": 2_000_000,
    },
    tiny={"n": (20, 40), "unaligned_n": (20, 40), "width": 20, "steps": 300, "seeds": 2},
)  # fmt: skip


def draw(run: Run) -> tuple[synthetic.Task, np.ndarray]:
    """The run's samples, and what the teacher says without noise on the fresh ones.

    `teacher` holds the directions (5, d).
    """
    rng = streams.generator(run.seed, streams.DATA)
    directions = _directions(run.dim, rng)
    x = synthetic.LAWS[run.law](run.n, run.dim, rng)
    y = synthetic.relu_labels(x, directions, SIGNS, run.noise_variance, rng)
    x_test, clean, noise = _fresh(run, directions)
    return synthetic.Task(x, y, x_test, clean + noise, directions), clean


def _directions(dim: int, rng: np.random.Generator) -> np.ndarray:
    """Those of the teacher's neurons, of length 1."""
    return on_sphere(rng.standard_normal((len(SIGNS), dim)))


def _fresh(run: Run, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fresh inputs, what the teacher says there, and the noise of their labels."""
    rng = streams.generator(run.seed, streams.TEST)
    x = synthetic.LAWS[run.law](_N_TEST, run.dim, rng)
    clean = synthetic.relu_labels(x, directions, SIGNS, 0.0, rng)
    return x, clean, np.sqrt(run.noise_variance) * rng.standard_normal(_N_TEST)


def measure(run: Run) -> xr.Dataset:
    """Plain errors, the risk against the noiseless teacher, and the risk of one linear fit."""
    task, clean = draw(run)
    network, trajectory = linear_teacher.descend(run, task.x, task.y)
    outside = forward(network, task.x_test)
    return xr.Dataset(
        {
            "train_mse": ols.mse(forward(network, task.x), task.y),
            "test_mse": ols.mse(outside, task.y_test),
            "excess_risk": ols.mse(outside, clean),
            **_of_linear_fit(task, clean),
            **trajectory[["stopped_at", "force"]],
        }
    )


def _of_linear_fit(task: synthetic.Task, clean: np.ndarray) -> dict[str, float]:
    linear = ols.ols(task.x, task.y)
    return {
        "linear_train_mse": ols.mse(task.x @ linear, task.y),
        "linear_excess_risk": ols.mse(task.x_test @ linear, clean),
    }


def checks(runs: Runs) -> list[Check]:
    many = runs("small", n=2560)
    settled = many.isel(cell=many.steps.values >= LONG)
    return [_few(runs), _many(runs, settled), _risk(runs, settled), _start(runs)]


def _few(runs: Runs) -> Check:
    few = runs("small", n=10)
    return check(
        runs, "B18.few", "empirical", "share of seeds with train MSE > 0.1 sigma^2, n = 10",
        share(not_interpolated(few)), below(0.1),
        ("a linear fit to the same samples", share(not_interpolated(few, "linear_train_mse"))),
        needs=10,
    )  # fmt: skip


def _many(runs: Runs, settled: xr.Dataset) -> Check:
    return check(
        runs, "B18.many", "empirical",
        "share of seeds with train MSE > 0.8 sigma^2 and excess risk < 0.15 sigma^2, n = 2560",
        share(_refuses(settled)), every_seed(),
        ("n = 40: the same share", share(_refuses(runs("small", n=40)))),
    )  # fmt: skip


def _risk(runs: Runs, settled: xr.Dataset) -> Check:
    linear = (settled.linear_excess_risk < 0.15 * settled.noise_variance).values
    return check(
        runs, "B18.risk", "empirical",
        "share of seeds with excess risk < 0.15 sigma^2, n = 2560",
        share(low_risk(settled)), every_seed(),
        ("one linear fit: the same share", share(linear)),
    )  # fmt: skip


def _start(runs: Runs) -> Check:
    return check(
        runs, "B18.start", "empirical",
        "train MSE from the small start minus that from scale 1, in units of sigma^2, n = 640, "
        "mean over seeds",
        mean(_behind(runs, 640)), interval_above(0.1),
        ("n = 10: the same difference", mean(_behind(runs, 10))),
        needs=5, unless=too_short(runs.settings.steps),
    )  # fmt: skip


def _refuses(cells: xr.Dataset) -> Answers:
    """Does the train error stay near the noise while the risk is low? Here are no two fits."""
    return (cells.train_mse > 0.8 * cells.noise_variance).values & low_risk(cells)


def _behind(runs: Runs, n: int) -> Values:
    """By how much the small start is behind that of scale 1."""
    return behind(runs("small", n=n), runs("unaligned", n=n))
