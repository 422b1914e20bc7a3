"""The product of layer norms against the local constants themselves, over depth (claim L-T3c; Loukas et al. 2021, section 3).

Untrained networks of width 32 as torch starts them. The largest local constant is sampled, so it is a lower bound of lambda_f
and the ratio an upper bound of the product's slack. Two constructions: a middle layer that never fires, where the ratio is
infinite, and aligned orthogonal layers whose neurons are all on, a linear network, where it is 1.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    below,
    cells_where,
    check,
    control,
    every_seed,
    interval_above,
    largest,
    mean,
    no_seed,
    share,
    smallest,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import lipschitz
from simplicity.nets import FullyConnected, torch_default

CLAIMS = ("L-T3c",)

KINDS = ("random", "dead", "linear")
DIM = 10
FEW = 10  # a tenth of the samples, to see what sampling more brings
JUDGED_WIDTH = 32


@config.settings
class Config:
    depths: tuple[int, ...] = config.param((3, 6, 9, 12), "layers d", low=3, high=100)
    layer_width: int = config.param(JUDGED_WIDTH, "neurons of each hidden layer", unit="neurons", low=DIM, high=10**4)
    inputs: int = config.param(2000, "Gaussian inputs at which the local constant is looked at", low=FEW, high=10**7)
    kinds: tuple[str, ...] = config.param(KINDS, "networks", choices=KINDS)
    seeds: int = config.param(10, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, depths=(3, 4), layer_width=12, inputs=50, seeds=1)
FULL = dataclasses.replace(QUICK, depths=tuple(range(3, 13)), inputs=10_000, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    depth: int
    kind: str
    seed: int
    layer_width: int
    inputs: int


def cells(config: Config) -> list[Cell]:
    return [
        Cell(depth=depth, kind=kind, seed=seed, **shared(Cell, config))
        for seed in seeds(config)
        for kind in config.kinds
        for depth in config.depths
    ]


def measure(cell: Cell) -> xr.Dataset:
    """The product of the layers' norms, and the largest local constant at all the inputs and at the first tenth of them."""
    network = make(cell)
    x = streams.generator(cell.seed, streams.DATA).standard_normal((cell.inputs, DIM))
    found = np.concatenate([lipschitz.local(network, part) for part in np.array_split(x, max(1, cell.inputs // 2000))])
    return xr.Dataset(
        {"product": lipschitz.product_bound(network), "largest": found.max(), "of_a_tenth": found[: cell.inputs // FEW].max()}
    )


def make(cell: Cell) -> FullyConnected:
    """The network of a cell."""
    rng = streams.generator(cell.seed, streams.INITIALISATION)
    network = torch_default((DIM, *[cell.layer_width] * (cell.depth - 1), 1), rng)
    if cell.kind == "dead":
        return _dead(network)
    return _linear(network, rng) if cell.kind == "linear" else network


def _dead(network: FullyConnected) -> FullyConnected:
    """The same with a middle layer of negative weights and biases: its inputs are not negative, so it never fires, anywhere."""
    weights, biases = list(network.weights), list(network.biases)
    middle = len(weights) // 2
    weights[middle], biases[middle] = -np.abs(weights[middle]), -np.abs(biases[middle])
    return FullyConnected(tuple(weights), tuple(biases))


def _linear(network: FullyConnected, rng: np.random.Generator) -> FullyConnected:
    """Orthogonal layers, each bias placed so that activations stay near 100 and no neuron goes off; the last one aligned."""
    weights = [np.linalg.qr(rng.standard_normal(w.shape))[0] for w in network.weights[:-1]]
    direction = np.eye(DIM)[0]
    centre, biases = np.zeros(DIM), []
    for weight in weights:
        direction = weight @ direction
        biases.append(100 - weight @ centre)
        centre = np.full(len(weight), 100.0)
    return FullyConnected((*weights, direction[None]), (*biases, np.zeros(1)))


def growth(cells: xr.Dataset) -> Estimate:
    """Factor by which product over largest constant grows with each layer: exp of the slope of its logarithm, seed by seed."""
    found = []
    for seed in np.unique(cells.seed.values):
        one = cells_where(cells, seed=seed)
        if one.sizes["cell"] > 1:
            found.append(np.exp(np.polyfit(one.depth.values, np.log((one["product"] / one.largest).values), 1)[0]))
    return mean(found)


def checks(dataset: xr.Dataset) -> list[Check]:
    judged = cells_where(dataset, layer_width=JUDGED_WIDTH)
    random, dead, linear = (cells_where(judged, kind=kind) for kind in KINDS)
    ratio = (linear["product"] / linear.largest).values
    return [
        check(
            dataset, "L-T3c", "empirical", "untrained: factor of product over largest sampled constant for each layer",
            growth(random), interval_above(1),
            control("aligned orthogonal linear layers: largest ratio, less 1", largest(abs(ratio - 1)), below(1e-6)),
        ),
        check(
            dataset, "L-T3c", "identity", "a middle layer that never fires: share with constant 0 and product above 0",
            share(((dead.largest == 0) & (dead["product"] > 0)).values), every_seed(),
            control("the same networks as they were", share((random.largest == 0).values), no_seed()),
        ),
        check(
            dataset, "L-T3c", "empirical", "untrained: least product over largest sampled constant at depth 12",
            smallest(_ratio(random, 12)), above(1000), control("at depth 3: largest", largest(_ratio(random, 3)), below(100)),
        ),
    ]  # fmt: skip


def _ratio(random: xr.Dataset, depth: int) -> np.ndarray:
    found = cells_where(random, depth=depth)
    return (found["product"] / found.largest).values
