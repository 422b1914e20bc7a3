"""With symmetric initialisation the network is 0 before training, everywhere (claim H1).

Hu et al. 2020: two neurons of equal w and opposite v cancel. An identity; the control is independent neurons, whose output has
mean square E phi(g)^2.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import Check, below, between, check, control, largest, mean
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.hu import early_linear, high_dimensional, ntk
from simplicity.nets import TwoLayer, starts
from simplicity.nets.activations import ACTIVATIONS, moments

CLAIMS = ("H1",)


@config.settings
class Config:
    activations: tuple[str, ...] = config.param(("erf", "relu"), "activations", choices=tuple(ACTIVATIONS))
    dim: int = config.param(50, "input dimension", low=1, high=10**5)
    width: int = config.param(256, "hidden neurons", unit="neurons", low=2, high=10**6)
    test_samples: int = config.param(2000, "inputs", unit="samples", low=1, high=10**7)
    seeds: int = config.param(20, "networks", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dim=10, test_samples=100, seeds=3)
FULL = dataclasses.replace(QUICK, activations=tuple(ACTIVATIONS), seeds=50)


@dataclasses.dataclass(frozen=True)
class Cell:
    activation: str
    seed: int
    dim: int
    width: int
    test_samples: int


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config)
    return [Cell(activation=name, seed=seed, **common) for seed in seeds(config) for name in config.activations]


def measure(cell: Cell) -> xr.Dataset:
    """In single precision: max |f_0| with symmetric neurons, and the mean of f_0^2 with independent ones."""
    x = high_dimensional.inputs("gaussian", cell.test_samples, cell.dim, streams.generator(cell.seed, streams.TEST))
    symmetric, independent = (
        ntk.forward(TwoLayer(*(part.astype(np.float32) for part in net)), x, cell.activation)
        for net in (
            start(cell.width, cell.dim, streams.generator(cell.seed, streams.INITIALISATION))
            for start in (starts.symmetric, starts.independent)
        )
    )
    return xr.Dataset({"largest": np.abs(symmetric).max(), "mean_square": early_linear.square(independent)})


def checks(dataset: xr.Dataset) -> list[Check]:
    """f_0^2 varies from network to network by a factor; its mean over activations and seeds is held to 30 percent."""
    expected = np.array([moments(str(name)).second for name in dataset.activation.values])
    relative = mean(dataset.mean_square.values / expected)
    return [
        check(
            dataset, "H1", "identity", "max |f_0| over all inputs, float32", largest(dataset.largest), below(1e-6),
            control("independent neurons: mean f_0^2 over E phi(g)^2", relative, between(0.7, 1.3)),
        )
    ]  # fmt: skip
