"""Training ends at a stationary point without descent directions, above what the same width can reach (claim B12).

Boursier & Flammarion 2025, theorem 4.1 and its paragraph on the absence of interpolation. From the small start in double
precision until no neuron is pulled; there the gradient, both ends of the Hessian's spectrum, and an explicit interpolator
of the same width: random features, least norm, balanced. Controls: a random point of the same loss is not stationary; the
trained network's own hidden neurons, which have lost their diversity, give no interpolator. How large the basin is shows
in runs that continue after a perturbation; they are reported and not judged.
"""

import dataclasses

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.boursier import alignment, landscape, linear_teacher, synthetic, two_layer
from simplicity.data import streams
from simplicity.evidence.claims import Check, above, below, cells_where, check, control, largest, smallest
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import TwoLayer, forward

Array = NDArray[np.floating]

CLAIMS = ("B12",)

KICKS = (0.01, 0.03, 0.3)  # relative Frobenius norms of the perturbations
TOLERANCE = 1e-9  # of the force on any neuron, in double precision


@config.settings
class Config:
    ns: tuple[int, ...] = config.param((480,), "numbers of samples", unit="samples", low=1, high=10**5)
    width: int = config.param(600, "hidden neurons", unit="neurons", low=1, high=10**5)
    law: str = config.param("margin", "law of the inputs", choices=synthetic.LAWS)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    kicked_steps: int = config.param(2_000, "gradient steps after a perturbation", low=1, high=10**9)
    seeds: int = config.param(3, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(20,), width=40, steps=300, kicked_steps=100, seeds=2)
FULL = dataclasses.replace(QUICK, ns=(120, 480), width=1000, kicked_steps=20_000, seeds=10)


@dataclasses.dataclass(frozen=True)
class Cell:
    n: int
    seed: int
    width: int
    law: str
    dim: int
    scale: float
    noise_variance: float
    step_size: float
    steps: int
    kicked_steps: int


def cells(config: Config) -> list[Cell]:
    return [Cell(n=n, seed=seed, **shared(Cell, config)) for seed in seeds(config) for n in config.ns]


def measure(cell: Cell) -> xr.Dataset:
    """Landscape at the end of training; `own_features_mse`, `random_*`: controls; `kicked_rho`: after each perturbation."""
    task = synthetic.linear_task(cell.law, cell.n, cell.dim, cell.noise_variance, cell.seed)
    start = linear_teacher.initial(cell)  # type: ignore[arg-type]  # in double precision throughout
    network, run = _descend(cell, start, task, cell.steps, "float64")
    rng = streams.generator(cell.seed, streams.INITIALISATION).spawn(1)[0]
    point = (*network, task.x, task.y)
    own = landscape.least_norm_output(network.w, task.x, task.y)
    found = {
        "train_mse": _error(network, task),
        "rho": _rho(network, task),
        "gradient_norm": landscape.gradient_norm(*point),
        "sharpness": landscape.sharpness(*point),
        "least_eigenvalue": landscape.least_eigenvalue(*point),
        "own_features_mse": _error(TwoLayer(own, network.w), task),
        "stopped_at": run["stopped_at"],
        "force": run["force"],
    }
    return xr.Dataset(found | _elsewhere(cell, task, network, rng) | _kicked(cell, task, network, rng))


def _elsewhere(cell: Cell, task: synthetic.Task, network: TwoLayer, rng: np.random.Generator) -> dict[str, float]:
    """The interpolator of the same width, and a random point whose loss is that of the trained network."""
    interpolator = TwoLayer(*landscape.random_feature_interpolator(cell.width, task.x, task.y, rng))
    found = {
        "interpolator_mse": _error(interpolator, task),
        "interpolator_test_mse": alignment.mse(forward(interpolator, task.x_test), task.y_test),
        "interpolator_sharpness": landscape.sharpness(*interpolator, task.x, task.y),
    }
    if found["interpolator_mse"] >= _error(network, task):  # too few neurons: no path from below to this loss
        return found | {"random_mse": np.nan, "random_gradient_norm": np.nan, "random_least_eigenvalue": np.nan}
    other = landscape.at_loss(*interpolator, lambda a, w: _error(TwoLayer(a, w), task), _error(network, task), rng)
    return found | {
        "random_mse": _error(TwoLayer(*other), task),
        "random_gradient_norm": landscape.gradient_norm(*other, task.x, task.y),
        "random_least_eigenvalue": landscape.least_eigenvalue(*other, task.x, task.y),
    }


def _kicked(cell: Cell, task: synthetic.Task, network: TwoLayer, rng: np.random.Generator) -> dict[str, tuple]:
    """rho after a perturbation of each size and further training in single precision."""
    starts = [TwoLayer(*landscape.perturbed(*network, size, rng)) for size in KICKS]
    ends = [_descend(cell, start, task, cell.kicked_steps, "float32")[0] for start in starts]
    return {"kicked_rho": ("kick", np.array([_rho(end, task) for end in ends]))}


def _descend(cell: Cell, start: TwoLayer, task: synthetic.Task, steps: int, precision: str) -> tuple[TwoLayer, xr.Dataset]:
    tolerance = TOLERANCE if precision == "float64" else linear_teacher.TOLERANCE
    return two_layer.descend(
        start, task.x, task.y, step_size=cell.step_size, schedule=(0, steps), probes={}, tolerance=tolerance,
        precision=precision,
    )  # fmt: skip


def _error(network: TwoLayer, task: synthetic.Task) -> float:
    return alignment.mse(forward(network, task.x), task.y)


def _rho(network: TwoLayer, task: synthetic.Task) -> float:
    fits = alignment.two_ols(task.x, task.y, task.teacher)
    return alignment.rho(_error(network, task), alignment.mse(fits.predict(task.x), task.y), task.y)


def checks(dataset: xr.Dataset) -> list[Check]:
    """The worst seed is what is judged: a theorem about almost every draw allows no average."""
    settled = cells_where(dataset, n=480)
    noise = settled.noise_variance.values
    return [
        check(
            dataset, "B12", "theorem", "largest gradient norm over seeds at the end of training, n = 480",
            largest(settled.gradient_norm.values), below(1e-6),
            control(
                "a random point of the same loss: smallest gradient norm",
                smallest(settled.random_gradient_norm.values), above(1e-2),
            ),
        ),
        check(
            dataset, "B12", "theorem", "smallest Hessian eigenvalue on active neurons, least over seeds, n = 480",
            smallest(settled.least_eigenvalue.values), above(-1e-6),
            control(
                "a random point of the same loss: largest over seeds",
                largest(settled.random_least_eigenvalue.values), below(-1e-3),
            ),
        ),
        check(
            dataset, "B12", "theorem", "train MSE of an interpolator of the same width, largest over seeds, n = 480",
            largest(settled.interpolator_mse.values), below(1e-10),
            control(
                "output weights fitted on the trained network's own hidden neurons: smallest train MSE / sigma^2",
                smallest(settled.own_features_mse.values / noise), above(0.1),
            ),
        ),
    ]  # fmt: skip
