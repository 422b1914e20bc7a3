"""The product of layer norms against the local constants themselves, over depth (claim L27).

Loukas et al. 2021, section 3. Untrained networks of width 32 as torch starts them. The largest
local constant is sampled, so it is a lower bound of lambda_f and the ratio an upper bound of the
product's slack. Two constructions: a middle layer that never fires, where the ratio is infinite,
and aligned orthogonal layers whose neurons are all on, a linear network, where it is 1.
"""

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims, over_seeds
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import lipschitz
from simplicity.loukas.criteria import elsewhere
from simplicity.nets import FullyConnected, torch_default

CLAIMS = ("L27",)

KINDS = ("random", "dead", "linear")
DIM = 10
GROWS = 1.01  # a layer: of a ratio that is always 1, rounding alone moves the factor off 1
FEW = 10  # a tenth of the samples, to see what sampling more brings


@config.settings
class Run:
    """An untrained network of some depth."""

    kind: str = config.param("random", "network", choices=KINDS)
    depth: int = config.param(3, "layers d", low=3, high=100)
    layer_width: int = config.param(
        32, "neurons of each hidden layer", unit="neurons", low=DIM, high=10**4
    )
    inputs: int = config.param(2000, "Gaussian inputs to sample", low=FEW, high=10**7)
    seed: int = config.param(0, "seed of network and inputs", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={kind: {"kind": kind} for kind in KINDS},
    quick={"depth": (3, 6, 9, 12), "seeds": 10},
    full={"depth": tuple(range(3, 13)), "inputs": 10_000, "first_seed": 2_000_000},
    tiny={"depth": (3, 4), "layer_width": 12, "inputs": 50, "seeds": 1},
)


def measure(run: Run) -> xr.Dataset:
    """The product of norms, and the largest local constant at all inputs and at a tenth of them."""
    network = make(run)
    found = _local(network, run)
    tenth = found[: run.inputs // FEW]
    product = lipschitz.product_bound(network)
    return xr.Dataset({"product": product, "largest": found.max(), "of_a_tenth": tenth.max()})


def _local(network: FullyConnected, run: Run) -> np.ndarray:
    """The local constants at all inputs, some 2000 at a time."""
    x = streams.generator(run.seed, streams.DATA).standard_normal((run.inputs, DIM))
    parts = np.array_split(x, max(1, run.inputs // 2000))
    return np.concatenate([lipschitz.local(network, part) for part in parts])


def make(run: Run) -> FullyConnected:
    """The network of a run."""
    rng = streams.generator(run.seed, streams.INITIALISATION)
    network = torch_default((DIM, *[run.layer_width] * (run.depth - 1), 1), rng)
    if run.kind == "dead":
        return _dead(network)
    return _linear(network, rng) if run.kind == "linear" else network


def _dead(network: FullyConnected) -> FullyConnected:
    """The same with a middle layer of negative weights and biases.

    Its inputs are not negative, so it never fires, anywhere.
    """
    weights, biases = list(network.weights), list(network.biases)
    middle = len(weights) // 2
    weights[middle], biases[middle] = -np.abs(weights[middle]), -np.abs(biases[middle])
    return FullyConnected(tuple(weights), tuple(biases))


def _linear(network: FullyConnected, rng: np.random.Generator) -> FullyConnected:
    """Orthogonal layers, the last one aligned.

    Each bias is placed so that activations stay near 100 and no neuron goes off.
    """
    weights = [np.linalg.qr(rng.standard_normal(w.shape))[0] for w in network.weights[:-1]]
    direction = reduce(lambda along, weight: weight @ along, weights, np.eye(DIM)[0])
    return FullyConnected((*weights, direction[None]), (*_centred(weights), np.zeros(1)))


def _centred(weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Biases with which every activation is 100 at the input 0."""
    centres = [np.zeros(DIM), *(np.full(len(weight), 100.0) for weight in weights[:-1])]
    return [100 - weight @ centre for weight, centre in zip(weights, centres, strict=True)]


def looseness(cells: xr.Dataset) -> np.ndarray:
    """Product over largest constant, (cell,)."""
    return (cells["product"] / cells.largest).values


def growth(cells: xr.Dataset) -> claims.Estimate:
    """The factor by which the looseness grows with each layer, mean over seeds."""
    return claims.mean(over_seeds.each(cells, _factor))


def _factor(cells: xr.Dataset) -> float:
    """The same of one seed, from the slope of the log; NaN for a single depth."""
    if cells.sizes["cell"] < 2:
        return math.nan
    return float(np.exp(np.polyfit(cells.depth.values, np.log(looseness(cells)), 1)[0]))


def checks(runs: Runs) -> list[claims.Check]:
    return [_growth_check(runs), _dead_check(runs)]


def _growth_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L27.growth", "empirical",
        "untrained: factor of product over largest sampled constant for each layer",
        growth(runs["random"]), claims.interval_above(GROWS),
        ("aligned orthogonal linear layers in place of random ones: the same",
         growth(runs["linear"])), unless=elsewhere(runs, layer_width=32),
    )  # fmt: skip


def _dead_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L27.dead", "identity",
        "a middle layer that never fires: share with constant 0 and product above 0",
        _lost(runs["dead"]), claims.every_seed(),
        ("the same networks as they were", _lost(runs["random"])),
        unless=elsewhere(runs, layer_width=32),
    )  # fmt: skip


def _lost(cells: xr.Dataset) -> claims.Estimate:
    """The share, of all networks, of those without any slope whose product of norms is above 0."""
    return claims.share(((cells.largest == 0) & (cells["product"] > 0)).values)
