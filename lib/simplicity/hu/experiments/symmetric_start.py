"""With symmetric initialisation the network is 0 before training, everywhere (claim H1).

Hu et al. 2020: two neurons of equal w and opposite v cancel. An identity; the control is
independent neurons, whose output has mean square E phi(g)^2.
"""

import functools

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import Check, below, between, check, control, largest, mean
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear, high_dimensional, ntk
from simplicity.nets import TwoLayer, starts
from simplicity.nets.activations import ACTIVATIONS, moments

CLAIMS = ("H1",)


@config.settings
class Run:
    activation: str = config.param("erf", "activation", choices=tuple(ACTIVATIONS))
    dim: int = config.param(50, "input dimension", low=1, high=10**5)
    width: int = config.param(256, "hidden neurons", unit="neurons", low=2, high=10**6)
    test_samples: int = config.param(2000, "inputs", unit="samples", low=1, high=10**7)
    seed: int = config.param(0, "seed of inputs and network", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"all": {"activation": ("erf", "relu")}},
    quick={"seeds": 20},
    full={"activation": tuple(ACTIVATIONS), "seeds": 50},
    tiny={"dim": 10, "test_samples": 100, "seeds": 3},
)


def measure(run: Run) -> xr.Dataset:
    """Single precision: max |f_0| with symmetric neurons, mean of f_0^2 with independent ones."""
    rng = functools.partial(streams.generator, run.seed)
    x = high_dimensional.inputs("gaussian", run.test_samples, run.dim, rng(streams.TEST))
    outputs = []
    for start in (starts.symmetric, starts.independent):
        net = start(run.width, run.dim, rng(streams.INITIALISATION))
        single = TwoLayer(*(part.astype(np.float32) for part in net))
        outputs.append(ntk.forward(single, x, run.activation))
    square = early_linear.square(outputs[1])
    return xr.Dataset({"largest": np.abs(outputs[0]).max(), "mean_square": square})


def checks(runs: Runs) -> list[Check]:
    """f_0^2 varies from network to network by a factor; its mean is held to 30 percent."""
    found = runs["all"]
    expected = np.array([moments(str(name)).second for name in found.activation.values])
    relative = mean(found.mean_square.values / expected)
    what = "independent neurons: mean f_0^2 over E phi(g)^2"
    return [
        check(
            runs, "H1.zero", "identity", "max |f_0| over all inputs, float32",
            largest(found.largest), below(1e-6), control(what, relative, between(0.7, 1.3)),
        )
    ]  # fmt: skip
