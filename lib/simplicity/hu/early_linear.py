"""One run of a two-layer network beside its linear model, shared by several experiments.

Draw the data, start, descend up to a multiple of the horizon d log d / step, and hold the outputs
of both against each other on the training samples and on fresh ones (Hu et al. 2020, section 3).

    D(t) = mean_k (f_t(x_k) - f_lin,t(x_k))^2,  on fresh samples mean_k min{(f_t - f_lin,t)^2, 1}
    rel  = max_{t <= T} D(t) / mean_k f_lin,T(x_k)^2
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.data import streams
from simplicity.grid import config
from simplicity.hu import high_dimensional, kernel, ntk
from simplicity.hu.linear_descent import LinearDescent
from simplicity.nets import TwoLayer, starts
from simplicity.nets.activations import ACTIVATIONS, moments
from simplicity.problems import doors

Array = NDArray[np.floating]
Spacing = Callable[[int, int, int], Array]
TIMES = 20  # logged times up to T: a maximum depends on its grid
TEST_SAMPLES = 1000
HORIZON = 1.5  # T in units of d log d / step
PLATEAU = (1.25, 5.0)  # in these units: the model has converged, and the network has not left it
LINE, REACH = 61, 3.0  # points of a line through input space, and how far it goes
_STARTS = {"symmetric": starts.symmetric, "independent": starts.independent}


@config.settings
class Start:
    """What a run starts from: its data and its network."""

    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    n: int = config.param(2000, "training samples", unit="samples", low=2, high=10**6)
    width: int = config.param(512, "hidden neurons", unit="neurons", low=2, high=10**5)
    law: str = config.param("gaussian", "law of the inputs", choices=high_dimensional.LAWS)
    labels: str = config.param("teacher", "labels", choices=high_dimensional.LABELS)
    activation: str = config.param("erf", "activation", choices=tuple(ACTIVATIONS))
    start: str = config.param("symmetric", "neurons at the start", choices=tuple(_STARTS))
    seed: int = config.param(0, "seed of teacher, data and network", low=0, high=2**31 - 1)


@config.settings
class Run(Start):
    """A run: where it starts, its step size, and how long in units of d log d / step."""

    step_size: float = config.param(10.0, "step size", low=1e-12)
    layers: str = config.param("both", "layers that are trained", choices=kernel.LAYERS)
    factor: float = config.param(1.0, "the model's zeta, in units of the right one")
    horizon: float = config.param(HORIZON, "length in units of d log d / step", low=1e-3)


class Data(NamedTuple):
    """Inputs (n, d) and labels (n,), to train on and fresh."""

    x: Array
    y: Array
    fresh: Array
    fresh_y: Array


def data(run: Start, test_samples: int = TEST_SAMPLES) -> Data:
    """The run's samples; runs of equal law, labels, dim, n and seed share them."""
    doors.whole("test_samples", test_samples, 1)
    x, fresh = (
        high_dimensional.inputs(run.law, n, run.dim, streams.generator(run.seed, stream))
        for n, stream in ((run.n, streams.DATA), (test_samples, streams.TEST))
    )
    return labelled(run, x, fresh, streams.generator(run.seed, streams.NOISE))


def labelled(run: Start, x: Array, fresh: Array, coins: Generator) -> Data:
    """These inputs with labels of the run's kind."""
    labels = functools.partial(
        high_dimensional.labels, run.labels, law=run.law, teacher=teacher_of(run), rng=coins
    )
    return Data(x, labels(x), fresh, labels(fresh))


def least_squares(found: Data) -> Array:
    """The best linear map of the training samples, (d,)."""
    return np.linalg.lstsq(found.x, found.y, rcond=None)[0]


def teacher_of(run: Start) -> high_dimensional.Teacher:
    return high_dimensional.Teacher(run.dim, streams.generator(run.seed, streams.OTHER))


def network(run: Start) -> TwoLayer:
    """The network before training."""
    rng = streams.generator(run.seed, streams.INITIALISATION)
    return _STARTS[run.start](run.width, run.dim, rng)


def step_size(activation: str, dim: int) -> float:
    """d / 5, and where phi has a mean at most 0.8 / vartheta_0^2.

    There the kernel has an eigenvalue of order n, which is vartheta_0^2 n.
    """
    mean_value = moments(activation).vartheta_0
    return min(dim / 5, 0.8 / mean_value**2) if abs(mean_value) > 1e-9 else dim / 5


def own_step(run: Start) -> float:
    """`step_size` for a run's activation and dimension: what the grids derive it by."""
    return step_size(run.activation, run.dim)


def horizon(run: Run) -> int:
    """The last step, T = horizon d log d / step."""
    return max(1, round(run.horizon * run.dim * math.log(run.dim) / run.step_size))


def schedule(
    last: int, times: int = TIMES, first: int = 1, *, spaced: Spacing = np.linspace
) -> tuple[int, ...]:
    """`times` steps from `first` to `last`, evenly or as `spaced` (`np.geomspace`) has them.

    Some come twice where there are fewer.
    """
    doors.whole("last", last, 1)
    doors.whole("times", times, 1)
    return tuple(np.rint(spaced(first, last, times)).astype(int).tolist())


def rates(run: Run) -> tuple[float, float]:
    """Step sizes of the first and of the second layer: 0 for the one that is not trained."""
    return run.step_size * (run.layers != "second"), run.step_size * (run.layers != "first")


def linear_model(run: Run, found: Data, *, naive: bool = False) -> tuple[LinearDescent, Array]:
    """The model's descent on the training samples, and its features of the fresh ones."""
    psi, fresh = (features(run, x, naive=naive) for x in (found.x, found.fresh))
    return LinearDescent(psi, found.y, run.step_size), fresh


def features(run: Run, x: Array, *, naive: bool = False) -> Array:
    """psi(x) of the run's linear model."""
    moment = high_dimensional.moment(run.law, run.dim)
    return kernel.features(
        x, run.activation, run.layers, moment=moment, naive=naive, factor=run.factor
    )


def line(unit: Array, through: Array) -> Array:
    """Inputs (k, d) through a point, in the direction u of length 1, <x, u> from -3 to 3."""
    rest = through - (through @ unit) * unit
    return rest + np.linspace(-REACH, REACH, LINE)[:, None] * unit


class Outputs(NamedTuple):
    """What network and model say at some inputs over time, each (times, inputs)."""

    network: Array
    model: Array

    @property
    def gaps(self) -> Array:
        """(f - f_lin)^2, (times, inputs)."""
        return (self.network - self.model) ** 2


def outputs(
    run: Run, found: Data, steps: tuple[int, ...], places: Mapping[str, Array]
) -> dict[str, Array]:
    """What the network that is trained on the samples says at inputs, by name (times, inputs)."""
    _, seen = ntk.descend(
        network(run), found.x, found.y, activation=run.activation, step_size=rates(run),
        schedule=steps, probes=_forward(run, places),
        dims={name: (f"k_{name}",) for name in places},
    )  # fmt: skip
    return {name: seen[name].values.astype(np.float64) for name in places}


def _forward(run: Run, places: Mapping[str, Array]) -> ntk.Probes:
    """A probe for each of these inputs."""
    forward = functools.partial(ntk.forward, activation=run.activation)
    return {name: functools.partial(forward, x=x) for name, x in places.items()}


def on_fresh(run: Run, found: Data, steps: tuple[int, ...]) -> Array:
    """What the network says at the fresh inputs, (times, inputs)."""
    return outputs(run, found, steps, {"fresh": found.fresh})["fresh"]


def follow(
    run: Run, found: Data, steps: tuple[int, ...], at: Array | None = None
) -> tuple[Outputs, ...]:
    """Both on the training samples, the fresh ones, and on further inputs `at` (k, d) if given."""
    model, fresh = linear_model(run, found)
    places, psi = {"train": found.x, "fresh": found.fresh}, {"train": model.psi, "fresh": fresh}
    if at is not None:
        places["at"], psi["at"] = at, features(run, at)
    seen = outputs(run, found, steps, places)
    return tuple(Outputs(seen[name], model.outputs(psi[name], steps)) for name in places)


def compare(run: Run) -> xr.Dataset:
    """Both at `TIMES` times up to T, as `summary` has it."""
    return compared(run, data(run), schedule(horizon(run)))


def compared(run: Run, found: Data, steps: tuple[int, ...]) -> xr.Dataset:
    """The same on these samples at these steps."""
    return summary(found, steps, *follow(run, found, steps))


def summary(found: Data, steps: tuple[int, ...], train: Outputs, fresh: Outputs) -> xr.Dataset:
    """Along `time`: `step`; `gap_train`, `gap_test`, the D of the module's docstring; half mean
    square errors `train`, `test` of the network and `train_linear`, `test_linear` of the model;
    `power`, `power_test`, the mean of f_lin^2 on either. Scalars: `rel_train`, `rel_test`.
    """
    curves = {
        "gap_train": train.gaps.mean(axis=1),
        "gap_test": np.minimum(fresh.gaps, 1).mean(axis=1),
        "power": square(train.model),
        "power_test": square(fresh.model),
        "train": loss(train.network, found.y),
        "test": loss(fresh.network, found.fresh_y),
        "train_linear": loss(train.model, found.y),
        "test_linear": loss(fresh.model, found.fresh_y),
        "step": np.asarray(steps, dtype=float),
    }
    return over_time(curves).assign(
        rel_train=curves["gap_train"].max() / curves["power"][-1],
        rel_test=curves["gap_test"].max() / curves["power_test"][-1],
    )


def over_time(curves: Mapping[str, Array]) -> xr.Dataset:
    """Curves by name, each (times,), along `time`."""
    return xr.Dataset({name: ("time", values) for name, values in curves.items()})


def square(values: Array) -> Array:
    """Mean over the last axis of the squares."""
    return np.asarray(np.mean(np.asarray(values, dtype=np.float64) ** 2, axis=-1))


def loss(outputs: Array, y: Array) -> Array:
    """Half the mean square error."""
    return square(outputs - y) / 2
