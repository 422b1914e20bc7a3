"""The terms of Theorem 3 of Loukas et al. 2021, measured under Dropout (claim L-T3a), which the paper never trained with.

Two moons in the plane, a sigmoid, Dropout 1/2 on every hidden layer. phi, mu, beta and p_min are measured, o(1) and gamma set
to 0, so that the inequality lambda_f <= lambda_steady <= lambda_f (c/4) log(sum n_l) gets numbers. Without the constants
inside o(1) numbers are no test.
"""

import dataclasses

import numpy as np
import xarray as xr
from sklearn.datasets import make_moons

from simplicity.data import streams
from simplicity.evidence.claims import Check, not_testable
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import dropout, lipschitz, single_sample, steady
from simplicity.nets import FullyConnected, torch_default

CLAIMS = ("L-T3a",)

KINDS = ("rescaled", "plain", "none")
REACH, SIDE = 2.5, 120  # of the grid on which the largest local constant is sampled
NOISE = 0.1


@config.settings
class Config:
    hidden_layers: tuple[int, ...] = config.param((1, 2, 3), "numbers of hidden layers", low=1, high=20)
    kinds: tuple[str, ...] = config.param(KINDS, "masks divided by 1/2, masks alone, no Dropout", choices=KINDS)
    neurons: int = config.param(16, "neurons of each hidden layer", unit="neurons", low=1, high=10**4)
    moons: int = config.param(100, "training points", unit="samples", low=4, high=10**5)
    moons_rate: float = config.param(0.01, "learning rate", low=1e-9, high=10)
    moons_epochs: int = config.param(100, "epochs", unit="epochs", low=2, high=10**5)
    seeds: int = config.param(1, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(moons_epochs=50)
TINY = dataclasses.replace(QUICK, hidden_layers=(1,), neurons=4, moons=10, moons_epochs=2)
FULL = dataclasses.replace(QUICK, moons_epochs=300, seeds=5, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    layers: int
    kind: str
    seed: int
    neurons: int
    moons: int
    moons_rate: float
    moons_epochs: int


def cells(config: Config) -> list[Cell]:
    return [
        Cell(layers=layers, kind=kind, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for kind in config.kinds
        for layers in config.hidden_layers
    ]


def measure(cell: Cell) -> xr.Dataset:
    """phi, beta, mu over the second half of training, p_min and lambda_f at its end, and what Theorem 3 makes of them."""
    x, y = make_moons(cell.moons, noise=NOISE, random_state=cell.seed)
    start = torch_default((2, *[cell.neurons] * cell.layers, 1), streams.generator(cell.seed, streams.INITIALISATION))
    rng = streams.generator(cell.seed, streams.BATCHES)
    looks: list[tuple[float, float]] = []

    def look(network: FullyConnected) -> None:
        size = np.abs(lipschitz.outputs(network, x)).max()  # the whole network's, no neuron left out
        looks.append((float(np.linalg.norm(network.weights[0], 2)), float(1 / (1 + np.exp(size)))))

    network, steps = dropout.descend(
        start, x, y, single_sample.passes(cell.moons, cell.moons_epochs, rng), step_size=cell.moons_rate,
        share=0.0 if cell.kind == "none" else 0.5, rescaled=cell.kind == "rescaled", rng=rng, after_epoch=look,
    )  # fmt: skip
    half = cell.moons_epochs // 2
    phi = steady.steadiness(steps.normalised, half * cell.moons)
    beta, mu = max(one for one, _ in looks[half:]), min(one for _, one in looks[half:])
    active = np.concatenate(lipschitz.patterns(network, x), axis=1).mean(axis=0)
    alive = active[active > 0]
    f = lipschitz.outputs(network, x)
    margin = np.abs(np.tanh(f / 2)).min()
    line = np.linspace(-REACH, REACH, SIDE)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    largest = lipschitz.local(network, grid, sigmoid=True).max()
    c = steady.dropout_constant(beta, mu, alive.min(initial=1))
    bound = steady.lambda_steady(phi, c, len(active))
    product = lipschitz.product_bound(network, sigmoid=True)
    values = {
        "phi": phi, "beta": beta, "mu": mu, "p_min": active.min(), "p_min_alive": alive.min(initial=1),
        "dead": (active == 0).mean(), "c": c, "largest": largest,
        "steady": bound, "upper": steady.lambda_steady(largest, c, len(active)), "product": product,
        "accuracy": ((f > 0) == y).mean(), "margin": margin, "radius": steady.radius(margin, bound),
    }  # fmt: skip
    return xr.Dataset({name: float(value) for name, value in values.items()})


def checks(dataset: xr.Dataset) -> list[Check]:
    """Nothing to hold against a criterion: the bound contains o(1) without a constant."""
    statistic, why = "lambda_f <= lambda_steady <= lambda_f (c/4) log(sum n_l)", "the o(1) in c has no constant"
    return [not_testable(dataset, "L-T3a", "identity", statistic, why)]
