"""With symmetric initialisation the network is 0 before training, everywhere (claim H1).

Hu et al. 2020: two neurons of equal w and opposite v cancel. An identity; the control is
independent neurons. Single precision, as in training.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.random import Generator

from simplicity.data import streams
from simplicity.evidence.claims import Check, below, check, largest, smallest
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import high_dimensional, ntk
from simplicity.nets import TwoLayer, starts
from simplicity.nets.activations import ACTIVATIONS

CLAIMS = ("H1",)

Start = Callable[[int, int, Generator], TwoLayer]


@config.settings
class Run:
    """A network before training, and inputs."""

    activation: str = config.param("erf", "activation", choices=tuple(ACTIVATIONS))
    dim: int = config.param(50, "input dimension", low=1, high=10**5)
    width: int = config.param(256, "hidden neurons", unit="neurons", low=2, high=10**6)
    test_samples: int = config.param(2000, "inputs", unit="samples", low=1, high=10**7)
    seed: int = config.param(0, "seed of inputs and network", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"all": {"activation": ("erf", "relu")}},
    quick={"seeds": 20},
    full={"activation": tuple(ACTIVATIONS), "seeds": 50, "first_seed": 1_000_000},
    tiny={"dim": 10, "test_samples": 100, "seeds": 3},
)


def measure(run: Run) -> xr.Dataset:
    """max |f_0| over the inputs: `largest` with symmetric neurons, `independent` with others."""
    rng = streams.generator(run.seed, streams.TEST)
    x = high_dimensional.inputs("gaussian", run.test_samples, run.dim, rng)
    kinds = {"largest": starts.symmetric, "independent": starts.independent}
    return xr.Dataset({name: largest_output(run, x, start) for name, start in kinds.items()})


def largest_output(run: Run, x: np.ndarray, start: Start) -> np.floating:
    """max |f_0| of a network in single precision."""
    net = start(run.width, run.dim, streams.generator(run.seed, streams.INITIALISATION))
    single = TwoLayer(net.a.astype(np.float32), net.w.astype(np.float32))
    return np.abs(ntk.forward(single, x, run.activation)).max()


def checks(runs: Runs) -> list[Check]:
    """Rounding of 256 single-precision terms of order 1 / 16 stays below 1e-5."""
    found = runs["all"]
    return [
        check(
            runs, "H1.zero", "identity", "max |f_0| over all inputs, float32",
            largest(found.largest), below(1e-5),
            ("independent neurons: the smallest", smallest(found.independent)),
        )
    ]  # fmt: skip
