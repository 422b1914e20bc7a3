"""A target of three terms is learnt term by term: plateaus one after the other (claim N10).

y = 1[x_1 + x_2 x_3 + x_4 x_5 x_6 > 0], x ~ N(0, I): classifiers of growing complexity are G_1 and G_2, its first one and two
terms. Both as what they are ("exact") and as logistic regressions on all monomials up to degree 1 and 2 of the network's own
sample ("fitted"). G_3 is the label itself, of which mu is I(F;Y) by definition. Each criterion has to hold for fitted and for
exact ones. Controls: the cubic term alone, which has no lower part, and for each fitted G_i predictions R_i that are right
as often and know nothing else. A decision tree stands beside them as a rival of another kind.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    at_least,
    below,
    cells_where,
    check,
    control,
    every_seed,
    largest,
    mean,
    share,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import complexity, information, leaving, rivals
from simplicity.nets import modules
from simplicity.nets.loop import log_schedule
from simplicity.nets.train import cross_entropy, train

CLAIMS = ("N10",)

PROBES = 60
TARGETS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "staircase": partial(complexity.partial_sum, degree=3),
    "cubic": complexity.cubic,
}
SIMPLE = ("fitted 1", "fitted 2", "exact 1", "exact 2", "noise 1", "noise 2", "tree")
_SEEN = 5000  # training points on which the accuracy is taken


@config.settings
class Config:
    targets: tuple[str, ...] = config.param(tuple(TARGETS), "what is to be learnt", choices=TARGETS)
    n: int = config.param(20_000, "training samples", unit="samples", low=10, high=10**7)
    dim: int = config.param(20, "input dimension", low=6, high=1000)
    width: int = config.param(128, "neurons of each of two hidden layers", unit="neurons", low=1, high=10**5)
    step_size: float = config.param(0.05, "learning rate of SGD", low=1e-12)
    batch: int = config.param(64, "samples a step", unit="samples", low=1, high=10**6)
    steps: int = config.param(3000, "steps", low=10, high=10**9)
    test_samples: int = config.param(20_000, "fresh samples", unit="samples", low=100, high=10**7)
    seeds: int = config.param(1, "seeds of each target", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(test_samples=10_000)
TINY = dataclasses.replace(QUICK, n=500, width=16, steps=40, test_samples=500)
FULL = dataclasses.replace(QUICK, steps=8000, test_samples=20_000, seeds=5)


@dataclasses.dataclass(frozen=True)
class Cell:
    target: str
    seed: int
    n: int
    dim: int
    width: int
    step_size: float
    batch: int
    steps: int
    test_samples: int


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config)
    return [Cell(target=target, seed=seed, **common) for seed in seeds(config) for target in config.targets]


def measure(cell: Cell) -> xr.Dataset:
    """Count tables (probe, simple, F, Y, G) on fresh samples, and the accuracy on training ones, at log-spaced steps."""
    (x, y), (x_test, y_test) = (sample(cell, *source) for source in ((streams.DATA, cell.n), (streams.TEST, cell.test_samples)))
    network = modules.fully_connected(
        (cell.dim, cell.width, cell.width), streams.generator(cell.seed, streams.INITIALISATION), modules.torch_default
    )
    _, found = train(
        network, x, y, optimiser=partial(torch.optim.SGD, lr=cell.step_size), loss=cross_entropy, precision="float32",
        schedule=log_schedule(cell.steps, PROBES), batch=cell.batch, rng=streams.generator(cell.seed, streams.BATCHES),
        probes={
            "test": lambda module: modules.predict(module, x_test),
            "train": lambda module: np.mean(modules.predict(module, x[:_SEEN]) == y[:_SEEN]),
        },
        dims={"test": ("point",)},
    )  # fmt: skip
    others = simple(cell, x, y, x_test, y_test)
    counts = np.stack([information.table(found.test.values, y_test, others[name]) for name in SIMPLE], axis=1)
    return xr.Dataset(
        {
            "counts": (("probe", "simple", "f", "y", "g"), counts.astype(np.int32)),
            "train": ("probe", found.train.values.astype(np.float32)),
            "step": ("probe", found.step.values),
        }
    )


def sample(cell: Cell, stream: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, d) and labels (n,) of the cell's target."""
    x = streams.generator(cell.seed, stream).standard_normal((n, cell.dim))
    return x, TARGETS[cell.target](x)


def simple(cell: Cell, x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions of `SIMPLE` on the test points; the noise has each fitted classifier's own accuracy."""
    rng = streams.generator(cell.seed, streams.NOISE)
    found = {}
    for degree in (1, 2):
        predict = rivals.logistic(complexity.monomials(x, degree), y)
        found[f"fitted {degree}"] = predict(complexity.monomials(x_test, degree))
        found[f"exact {degree}"] = complexity.partial_sum(x_test, degree)
        found[f"noise {degree}"] = information.flipped(y_test, float(np.mean(found[f"fitted {degree}"] == y_test)), rng)
    return found | {"tree": rivals.tree(x, y, rng)(x_test)}


def counts_of(cells: xr.Dataset, name: str) -> np.ndarray:
    """The count tables (cell, probe, F, Y, G) with one of `SIMPLE`."""
    return cells.counts.isel(simple=SIMPLE.index(name)).values


def times(cells: xr.Dataset, name: str, part: float = leaving.JUDGED) -> np.ndarray:
    """For each cell the step at which the network leaves this classifier behind; infinite where it never does."""
    return leaving.steps(counts_of(cells, name), cells.step.values, part)


def plateau(cells: xr.Dataset, name: str) -> np.ndarray:
    """For each cell mu(F;G) at the last step over I(G;Y)."""
    return leaving.plateau(counts_of(cells, name))


def checks(dataset: xr.Dataset) -> list[Check]:
    stairs, alone = cells_where(dataset, target="staircase"), cells_where(dataset, target="cubic")
    if not stairs.sizes["cell"]:
        return []
    found = []
    for kind in ("fitted", "exact"):
        one, two = (f"{kind} {degree}" for degree in (1, 2))
        earlier = [times(stairs, f"noise {k}") <= times(stairs, f"{kind} {k}") for k in (1, 2)]
        tables = [table for name in (one, two) for table in counts_of(alone, name)]
        left = np.array([information.information(table).mu for table in tables])
        found += [
            check(
                dataset, "N10", "empirical", f"share of seeds that leave {kind} G1 before {kind} G2",
                share(times(stairs, one) < times(stairs, two)), every_seed(),
                control(
                    f"noise as accurate as fitted G_i: share of seeds and i in which it is left no later than {kind} G_i",
                    share(np.concatenate(earlier)), every_seed(),
                ),
            ),
            check(
                dataset, "N10", "empirical", f"mu(F; G_i) at the end over I(G_i; Y), {kind}, the smaller of G1 and G2",
                mean(np.minimum(plateau(stairs, one), plateau(stairs, two))), at_least(0.8),
                control(f"cubic target: largest mu(F; {kind} G_i) at any step, bits", largest(left.ravel()), below(0.02)),
            ),
        ]  # fmt: skip
    return found
