"""A target of three terms is learnt term by term: plateaus one after the other (claim N10).

y = 1[x_1 + x_2 x_3 + x_4 x_5 x_6 > 0], x ~ N(0, I): classifiers of growing complexity are G_1 and
G_2, its first one and two terms. Both as what they are ("exact") and as logistic regressions on all
monomials up to degree 1 and 2 of the network's own sample ("fitted"). G_3 is the label itself, of
which mu is I(F;Y) by definition. Each criterion has to hold for fitted and for exact ones.
Controls: predictions R_i that are right as often as the fitted G_i and know nothing else stand in
its place. The cubic term alone has no lower part, and a decision tree is a rival of another kind.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import complexity, explain, information, leaving, linear_phase, rivals
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
ENOUGH = 0.75  # of mu / I(F;Y), as for the linear classifier
_SEEN = 5000  # training points on which the accuracy is taken


@config.settings
class Run:
    """A target, its sample, and SGD on a network of two hidden layers."""

    target: str = config.param("staircase", "what is to be learnt", choices=TARGETS)
    n: int = config.param(20_000, "training samples", unit="samples", low=10, high=10**7)
    dim: int = config.param(20, "input dimension", low=6, high=1000)
    width: int = config.param(128, "neurons of a hidden layer", unit="neurons", low=1, high=10**5)
    step_size: float = config.param(0.05, "learning rate of SGD", low=1e-12)
    batch: int = config.param(64, "samples a step", unit="samples", low=1, high=10**6)
    steps: int = config.param(3000, "steps", low=10, high=10**9)
    test_samples: int = config.param(10_000, "fresh samples", unit="samples", low=100, high=10**7)
    seed: int = config.param(0, "seed of data and network", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"stairs": {"target": "staircase"}, "cubic": {"target": "cubic"}},
    quick={"seeds": 1},
    full={"steps": 8000, "test_samples": 20_000, "seeds": 5, "first_seed": 2_000_000},
    tiny={"n": 500, "width": 16, "steps": 40, "test_samples": 500},
)


def measure(run: Run) -> xr.Dataset:
    """Count tables (probe, simple, F, Y, G) on fresh samples, and the accuracy on training ones."""
    x, y = sample(run, streams.DATA, run.n)
    x_test, y_test = sample(run, streams.TEST, run.test_samples)
    path = _trained(run, x, y, x_test)
    return leaving.dataset(path, y_test, simple(run, x, y, x_test, y_test), SIMPLE)


def _trained(run: Run, x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> xr.Dataset:
    """The network's predictions on the way, and its accuracy on training points."""
    start, batches = explain.generators(run.seed)
    sizes = (run.dim, run.width, run.width)
    return train(
        modules.fully_connected(sizes, start, modules.torch_default), x, y,
        optimiser=partial(torch.optim.SGD, lr=run.step_size), loss=cross_entropy,
        precision="float32", schedule=log_schedule(run.steps, PROBES), batch=run.batch, rng=batches,
        probes={
            "test": lambda module: modules.predict(module, x_test),
            "train": lambda module: np.mean(modules.predict(module, x[:_SEEN]) == y[:_SEEN]),
        },
        dims={"test": ("point",)},
    )[1]  # fmt: skip


def sample(run: Run, stream: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, d) and labels (n,) of the run's target."""
    x = streams.generator(run.seed, stream).standard_normal((n, run.dim))
    return x, TARGETS[run.target](x)


def simple(
    run: Run, x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> dict[str, np.ndarray]:
    """Predictions of `SIMPLE` on the test points; noise is as accurate as the fitted classifier."""
    rng = streams.generator(run.seed, streams.NOISE)
    found = {}
    for degree in (1, 2):
        fitted = _fitted(degree, x, y, x_test)
        found[f"fitted {degree}"] = fitted
        found[f"exact {degree}"] = complexity.partial_sum(x_test, degree)
        accuracy = float(np.mean(fitted == y_test))
        found[f"noise {degree}"] = information.flipped(y_test, accuracy, rng)
    return found | {"tree": rivals.tree(x, y, rng)(x_test)}


def _fitted(degree: int, x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """Predictions of a logistic regression on all monomials up to this degree."""
    seen, new = (complexity.monomials(points, degree) for points in (x, x_test))
    return rivals.logistic(seen, y)(new)


counts_of, times = leaving.readers(SIMPLE)


def explained(cells: xr.Dataset, names: Sequence[str]) -> np.ndarray:
    """(cell,): mean of mu(F; G) / I(F;Y) until F knows as much as G, the smaller of two G."""
    return np.min([list(map(_until_match, counts_of(cells, name))) for name in names], axis=0)


def _until_match(counts: np.ndarray) -> float:
    until = linear_phase.first_match(counts)
    return np.nan if until is None else linear_phase.explained(counts, until)


def lead(
    cells: xr.Dataset, names: Sequence[str], rng: np.random.Generator | None = None
) -> np.ndarray:
    """(cell,): at the end mu(F; G) minus that of R as accurate, over I(G;Y), the smaller of two G.

    With `rng` a second R, drawn anew, stands in the place of G.
    """
    last = [counts_of(cells, name)[:, -1] for name in names]
    if rng is not None:
        last = [linear_phase.redrawn(one, 1, rng)[0] for one in last]
    return np.min(list(map(_above_random, last)), axis=0)


def _above_random(counts: np.ndarray) -> np.ndarray:
    """(cell,): mu with G minus that with R as accurate, over I(G;Y)."""
    known = information.information(counts)
    random = information.information(linear_phase.independent(counts))
    return (known.mu - random.mu) / known.simple


def checks(runs: Runs) -> list[Check]:
    """Each G_i explains F until F knows more; G_1 is left before G_2; what they explain is kept."""
    return [one(runs, kind) for kind in ("fitted", "exact") for one in (_explained, _order, _kept)]


def _explained(runs: Runs, kind: str) -> Check:
    """Until F knows more, G_i explains what it knows."""
    of_kind, of_noise = (
        claims.mean(explained(runs["stairs"], _both(name))) for name in (kind, "noise")
    )
    return check(
        runs, f"N10.{kind}_explained", "empirical",
        f"mean of mu(F; G_i) / I(F;Y) until F knows as much as G_i, {kind}, the smaller of "
        "G1 and G2",
        of_kind, claims.at_least(ENOUGH), ("R_i as accurate in the place of G_i", of_noise),
    )  # fmt: skip


def _order(runs: Runs, kind: str) -> Check:
    """G_1 is left before G_2."""
    one, two, noise = (times(runs["stairs"], name) for name in (*_both(kind), "noise 2"))
    return check(
        runs, f"N10.{kind}_order", "empirical",
        f"share of seeds that leave {kind} G1 before {kind} G2", claims.share(one < two),
        claims.every_seed(), ("R_2 as accurate in the place of G2", claims.share(one < noise)),
    )  # fmt: skip


def _kept(runs: Runs, kind: str) -> Check:
    """What G_i explained is kept, beyond what its accuracy forces."""
    ours = lead(runs["stairs"], _both(kind))
    again = lead(runs["stairs"], _both(kind), np.random.default_rng(0))
    return check(
        runs, f"N10.{kind}_kept", "empirical",
        f"mu(F; G_i) at the end minus that of R_i as accurate, over I(G_i; Y), {kind}, the "
        "smaller of G1 and G2",
        claims.mean(ours), claims.interval_above(0),
        ("R_i drawn anew in the place of G_i", claims.mean(again)),
    )  # fmt: skip


def _both(kind: str) -> tuple[str, str]:
    """G_1 and G_2 of a kind in `SIMPLE`."""
    return f"{kind} 1", f"{kind} 2"
