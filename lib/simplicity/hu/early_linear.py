"""One run of a two-layer network beside its linear model, which the experiments on early linear dynamics share.

Draw the data, start, descend up to a multiple of the horizon d log d / step, and hold the outputs of both against each
other on the training samples and on fresh ones (Hu et al. 2020, section 3). A cell brings its own values.

    D(t) = mean_k (f_t(x_k) - f_lin,t(x_k))^2        on fresh samples mean_k min{(f_t - f_lin,t)^2, 1}
    rel  = max_{t <= T} D(t) / mean_k f_lin,T(x_k)^2
"""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from simplicity.data import streams
from simplicity.evidence.claims import Estimate, mean
from simplicity.hu import high_dimensional, kernel, ntk
from simplicity.hu.linear_descent import LinearDescent
from simplicity.nets import TwoLayer, starts
from simplicity.nets.activations import moments
from simplicity.problems import doors

Array = NDArray[np.floating]
TIMES = 20  # logged times up to T: a maximum depends on its grid
TEST_SAMPLES = 1000
HORIZON = 1.5  # T in units of d log d / step
LOWEST = 25  # the smallest dimension of which a criterion speaks
_STARTS = {"symmetric": starts.symmetric, "independent": starts.independent}


@dataclass(frozen=True)
class Cell:
    """A run: data, network, step size, and how long in units of d log d / step. `factor` multiplies the model's zeta."""

    seed: int
    dim: int
    n: int
    width: int
    step_size: float
    law: str = "gaussian"
    labels: str = "teacher"
    activation: str = "erf"
    layers: kernel.Layers = "both"
    start: str = "symmetric"
    factor: float = 1.0
    horizon: float = HORIZON


class Data(NamedTuple):
    """Inputs (n, d) and labels (n,), to train on and fresh."""

    x: Array
    y: Array
    fresh: Array
    fresh_y: Array


def data(cell: Cell, test_samples: int = TEST_SAMPLES) -> Data:
    """The cell's samples. Runs that differ in anything but law, labels, dim, n and seed share them."""
    doors.choice("law", cell.law, high_dimensional.LAWS)
    doors.choice("labels", cell.labels, high_dimensional.LABELS)
    doors.whole("test_samples", test_samples, 1)
    teacher = high_dimensional.Teacher(cell.dim, streams.generator(cell.seed, streams.OTHER))
    coins = streams.generator(cell.seed, streams.NOISE)
    x = high_dimensional.inputs(cell.law, cell.n, cell.dim, streams.generator(cell.seed, streams.DATA))
    fresh = high_dimensional.inputs(cell.law, test_samples, cell.dim, streams.generator(cell.seed, streams.TEST))
    y, fresh_y = (high_dimensional.labels(cell.labels, part, cell.law, teacher, coins) for part in (x, fresh))
    return Data(x, y, fresh, fresh_y)


def network(cell: Cell) -> TwoLayer:
    """The cell's network before training."""
    doors.choice("start", cell.start, _STARTS)
    return _STARTS[cell.start](cell.width, cell.dim, streams.generator(cell.seed, streams.INITIALISATION))


def step_size(activation: str, dim: int) -> float:
    """d / 5, and where phi has a mean at most 0.8 / vartheta_0^2: the kernel's eigenvalue of order n is vartheta_0^2 n."""
    mean_value = moments(activation).vartheta_0
    return min(dim / 5, 0.8 / mean_value**2) if abs(mean_value) > 1e-9 else dim / 5


def horizon(cell: Cell) -> int:
    """The last step, T = horizon d log d / step."""
    return max(1, round(cell.horizon * cell.dim * math.log(cell.dim) / cell.step_size))


def schedule(last: int, times: int = TIMES) -> tuple[int, ...]:
    """`times` steps evenly from the first to the last; some twice where there are fewer."""
    doors.whole("last", last, 1)
    doors.whole("times", times, 1)
    return tuple(np.rint(np.linspace(1, last, times)).astype(int).tolist())


def rates(cell: Cell) -> tuple[float, float]:
    """Step sizes of the first and of the second layer: 0 for the one that is not trained."""
    doors.choice("layers", cell.layers, kernel.LAYERS)
    return (cell.step_size * (cell.layers != "second"), cell.step_size * (cell.layers != "first"))


def linear_model(cell: Cell, found: Data, *, naive: bool = False) -> tuple[LinearDescent, Array]:
    """The model's descent on the training samples, and its features of the fresh ones."""
    psi, fresh = (features(cell, x, naive=naive) for x in (found.x, found.fresh))
    return LinearDescent(psi, found.y, cell.step_size), fresh


def features(cell: Cell, x: Array, *, naive: bool = False) -> Array:
    """psi(x) of the cell's linear model."""
    moment = high_dimensional.moment(cell.law, cell.dim)
    return kernel.features(x, cell.activation, cell.layers, moment=moment, naive=naive, factor=cell.factor)


class Outputs(NamedTuple):
    """What network and model say at some inputs over time, each (times, inputs)."""

    network: Array
    model: Array

    @property
    def gaps(self) -> Array:
        """(f - f_lin)^2, (times, inputs)."""
        return (self.network - self.model) ** 2


def follow(cell: Cell, found: Data, steps: tuple[int, ...], at: Array | None = None) -> tuple[Outputs, ...]:
    """Both runs on the training samples, on the fresh ones, and on further inputs `at` (k, d) where given."""
    model, psi = linear_model(cell, found)
    places = {"train": (found.x, model.psi), "fresh": (found.fresh, psi)}
    if at is not None:
        places["at"] = (at, features(cell, at))
    probes = {name: functools.partial(ntk.forward, x=x, activation=cell.activation) for name, (x, _) in places.items()}
    _, run = ntk.descend(
        network(cell), found.x, found.y, activation=cell.activation, step_size=rates(cell), schedule=steps, probes=probes,
        dims={name: (f"k_{name}",) for name in places},
    )  # fmt: skip
    return tuple(
        Outputs(run[name].values.astype(np.float64), model.outputs(inputs, steps)) for name, (_, inputs) in places.items()
    )


def compare(cell: Cell) -> xr.Dataset:
    """Both runs at `TIMES` times up to T, as `summary` has it."""
    found = data(cell)
    steps = schedule(horizon(cell))
    return summary(found, steps, *follow(cell, found, steps))


def summary(found: Data, steps: tuple[int, ...], train: Outputs, fresh: Outputs) -> xr.Dataset:
    """Along `time`: `step`, `gap_train`, `gap_test` (the D of the module's docstring), half mean square errors `train`, `test`
    of the network and `train_linear`, `test_linear` of the model, `power`, `power_test` = mean of f_lin^2 on either. Scalars:
    `rel_train`, `rel_test`.
    """
    curves = {
        "gap_train": train.gaps.mean(axis=1), "gap_test": np.minimum(fresh.gaps, 1).mean(axis=1),
        "power": square(train.model), "power_test": square(fresh.model),
        "train": square(train.network - found.y) / 2, "test": square(fresh.network - found.fresh_y) / 2,
        "train_linear": square(train.model - found.y) / 2, "test_linear": square(fresh.model - found.fresh_y) / 2,
        "step": np.asarray(steps, dtype=float),
    }  # fmt: skip
    largest = {
        f"rel_{on}": curves[f"gap_{on}"].max() / power[-1]
        for on, power in (("train", curves["power"]), ("test", curves["power_test"]))
    }
    return xr.Dataset({name: ("time", values) for name, values in curves.items()} | largest)


def square(values: Array) -> Array:
    """Mean over the last axis of the squares."""
    return np.asarray(np.mean(np.asarray(values, dtype=np.float64) ** 2, axis=-1))


def slopes(cells: xr.Dataset, name: str, along: str) -> list[float]:
    """For each seed the least-squares slope of log `name` on log `along`."""
    found = []
    for seed in np.unique(cells.seed.values):
        part = cells.isel(cell=cells.seed.values == seed)
        logs = np.log(part[along].values.astype(float)), np.log(part[name].values)
        found.append(float(np.polyfit(*logs, 1)[0]) if part.sizes["cell"] > 1 else math.nan)
    return found


def paired(over: xr.Dataset, under: xr.Dataset, name: str = "rel_train") -> list[float]:
    """For each seed that both have, `name` of one over `name` of the other."""
    first, second = (
        {int(seed): float(value) for seed, value in zip(part.seed, part[name], strict=True)} for part in (over, under)
    )
    return [first[seed] / second[seed] for seed in sorted(first.keys() & second.keys())]


def mean_slope(cells: xr.Dataset, name: str, along: str) -> Estimate:
    """The mean over seeds of `slopes`."""
    return mean(slopes(cells, name, along))


def high(*dims: int) -> bool:
    """Whether a run's dimensions are ones of which the criteria speak: the theory is about high dimension."""
    return min(dims) >= LOWEST


def count(dataset: xr.Dataset) -> int:
    """How many seeds a run has."""
    return len(np.unique(dataset.seed.values))


def worst(values: Iterable[Estimate]) -> Estimate:
    """The largest of several estimates, for a criterion that holds each of them from above."""
    return max(values, key=lambda one: one.value)
