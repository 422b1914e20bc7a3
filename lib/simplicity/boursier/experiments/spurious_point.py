"""Training ends at a stationary point without descent, above what its width can reach (claim B12).

Boursier & Flammarion 2025, theorem 4.1 and its paragraph on the absence of interpolation. From the
small start in double precision until no neuron is pulled; there the gradient, both ends of the
Hessian's spectrum, and an explicit interpolator of the same width: random features, least norm,
balanced. Controls: a random point of the same loss is not stationary; the trained network's own
hidden neurons, which have lost their diversity, give no interpolator. How large the basin is shows
in runs that continue after a perturbation; they are reported and not judged.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.boursier import landscape, linear_teacher, ols, synthetic
from simplicity.data import streams
from simplicity.evidence.claims import Check, above, below, check, largest, smallest
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import TwoLayer, forward

CLAIMS = ("B12",)

KICKS = (0.01, 0.03, 0.3)  # relative Frobenius norms of the perturbations
TOLERANCES = {"float64": 1e-9, "float32": linear_teacher.TOLERANCE}  # of the force on any neuron


@config.settings
class Run(linear_teacher.Run):
    """A run that goes on after each perturbation of its end, in single precision."""

    kicked_steps: int = config.param(
        2_000, "gradient steps after a perturbation", low=1, high=10**9
    )


GRID = Grid(
    Run,
    groups={"settled": {"n": (480,)}},
    quick={"width": 600, "precision": "float64", "seeds": 3},
    full={
        "n": (120, 480),
        "width": 1000,
        "kicked_steps": 20_000,
        "seeds": 10,
        "first_seed": 2_000_000,
    },
    tiny={"n": (20,), "width": 40, "steps": 300, "kicked_steps": 100, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """Landscape at the end of training; controls; `kicked_rho`: after each perturbation."""
    task = linear_teacher.draw(run)
    network, trajectory = _descend(run, task)
    rng = streams.generator(run.seed, streams.INITIALISATION).spawn(1)[0]
    return xr.Dataset(
        {
            **_at_end(network, task),
            **trajectory[["stopped_at", "force"]],
            **_elsewhere(run, task, network, rng),
            "kicked_rho": ("kick", _kicked(run, task, network, rng)),
        }
    )


def _at_end(network: TwoLayer, task: synthetic.Task) -> dict[str, float]:
    """The landscape where training ended."""
    point, error = (*network, task.x, task.y), _error(network, task)
    own = landscape.least_norm_output(network.w, task.x, task.y)
    return {
        "train_mse": error,
        "rho": linear_teacher.rho(error, task),
        "gradient_norm": landscape.gradient_norm(*point),
        "sharpness": landscape.sharpness(*point),
        "least_eigenvalue": landscape.least_eigenvalue(*point),
        "own_features_mse": _error(TwoLayer(own, network.w), task),
    }


def _elsewhere(
    run: Run, task: synthetic.Task, network: TwoLayer, rng: np.random.Generator
) -> dict[str, float]:
    """The interpolator of the same width, and a random point of the trained network's loss."""
    interpolator = landscape.random_feature_interpolator(run.width, task.x, task.y, rng)
    found, level = _of_interpolator(interpolator, task), _error(network, task)
    if found["interpolator_mse"] >= level:  # too few neurons: no path from below to this loss
        names = ("random_mse", "random_gradient_norm", "random_least_eigenvalue")
        return found | dict.fromkeys(names, np.nan)
    return found | _of_random_point(interpolator, task, level, rng)


def _of_interpolator(interpolator: TwoLayer, task: synthetic.Task) -> dict[str, float]:
    return {
        "interpolator_mse": _error(interpolator, task),
        "interpolator_test_mse": ols.mse(forward(interpolator, task.x_test), task.y_test),
        "interpolator_sharpness": landscape.sharpness(*interpolator, task.x, task.y),
    }


def _of_random_point(
    below: TwoLayer, task: synthetic.Task, level: float, rng: np.random.Generator
) -> dict[str, float]:
    """Of a point of the loss `level`, on a random path from a network below it."""
    other = landscape.at_loss(*below, lambda a, w: _error(TwoLayer(a, w), task), level, rng)
    return {
        "random_mse": _error(other, task),
        "random_gradient_norm": landscape.gradient_norm(*other, task.x, task.y),
        "random_least_eigenvalue": landscape.least_eigenvalue(*other, task.x, task.y),
    }


def _kicked(
    run: Run, task: synthetic.Task, network: TwoLayer, rng: np.random.Generator
) -> np.ndarray:
    """rho after a perturbation of each size and further training in single precision."""
    starts = [landscape.perturbed(*network, size, rng) for size in KICKS]
    more = dataclasses.replace(run, steps=run.kicked_steps, precision="float32")
    ends = [_descend(more, task, start)[0] for start in starts]
    return np.array([linear_teacher.rho(_error(end, task), task) for end in ends])


def _descend(
    run: Run, task: synthetic.Task, start: TwoLayer | None = None
) -> tuple[TwoLayer, xr.Dataset]:
    tolerance = TOLERANCES[run.precision]
    return linear_teacher.descend(run, task.x, task.y, start, tolerance=tolerance)


def _error(network: TwoLayer, task: synthetic.Task) -> float:
    return ols.mse(forward(network, task.x), task.y)


def checks(runs: Runs) -> list[Check]:
    """The worst seed is judged: a theorem about almost every draw allows no average."""
    settled = runs("settled", n=480)
    return [_gradient(runs, settled), _hessian(runs, settled), _interpolator(runs, settled)]


def _gradient(runs: Runs, settled: xr.Dataset) -> Check:
    return check(
        runs, "B12.gradient", "identity",
        "largest gradient norm over seeds at the end of training, n = 480",
        largest(settled.gradient_norm.values), below(1e-6),
        ("a random point of the same loss: smallest gradient norm",
         smallest(settled.random_gradient_norm.values)),
    )  # fmt: skip


def _hessian(runs: Runs, settled: xr.Dataset) -> Check:
    return check(
        runs, "B12.hessian", "identity",
        "smallest Hessian eigenvalue on active neurons, least over seeds, n = 480",
        smallest(settled.least_eigenvalue.values), above(-1e-6),
        ("a random point of the same loss: largest over seeds",
         largest(settled.random_least_eigenvalue.values)),
    )  # fmt: skip


def _interpolator(runs: Runs, settled: xr.Dataset) -> Check:
    return check(
        runs, "B12.interpolator", "theorem",
        "train MSE of an interpolator of the same width, largest over seeds, n = 480",
        largest(settled.interpolator_mse.values), below(1e-10),
        ("output weights fitted on the trained network's own hidden neurons: smallest train MSE",
         smallest(settled.own_features_mse.values)),
    )  # fmt: skip
