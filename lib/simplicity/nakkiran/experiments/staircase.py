"""A target of three terms is learnt term by term: plateaus one after the other (claim N10).

y = 1[x_1 + x_2 x_3 + x_4 x_5 x_6 > 0], x ~ N(0, I): classifiers of growing complexity are G_1 and
G_2, its first one and two terms. Both as what they are ("exact") and as logistic regressions on all
monomials up to degree 1 and 2 of the network's own sample ("fitted"). G_3 is the label itself, of
which mu is I(F;Y) by definition. Each criterion has to hold for fitted and for exact ones.
Controls: the cubic term alone, which has no lower part, and for each fitted G_i predictions R_i
that are right as often and know nothing else. A decision tree is a rival of another kind.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, check, control
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
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
    full={"steps": 8000, "test_samples": 20_000, "seeds": 5},
    tiny={"n": 500, "width": 16, "steps": 40, "test_samples": 500},
)


def measure(run: Run) -> xr.Dataset:
    """Count tables (probe, simple, F, Y, G) on fresh samples, and the accuracy on training ones."""
    x, y = sample(run, streams.DATA, run.n)
    x_test, y_test = sample(run, streams.TEST, run.test_samples)
    start, batches = (
        streams.generator(run.seed, one) for one in (streams.INITIALISATION, streams.BATCHES)
    )
    sizes = (run.dim, run.width, run.width)
    _, found = train(
        modules.fully_connected(sizes, start, modules.torch_default), x, y,
        optimiser=partial(torch.optim.SGD, lr=run.step_size), loss=cross_entropy,
        precision="float32", schedule=log_schedule(run.steps, PROBES), batch=run.batch, rng=batches,
        probes={
            "test": lambda module: modules.predict(module, x_test),
            "train": lambda module: np.mean(modules.predict(module, x[:_SEEN]) == y[:_SEEN]),
        },
        dims={"test": ("point",)},
    )  # fmt: skip
    return leaving.dataset(found, y_test, simple(run, x, y, x_test, y_test), SIMPLE)


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
        predict = rivals.logistic(complexity.monomials(x, degree), y)
        fitted = predict(complexity.monomials(x_test, degree))
        found[f"fitted {degree}"] = fitted
        found[f"exact {degree}"] = complexity.partial_sum(x_test, degree)
        accuracy = float(np.mean(fitted == y_test))
        found[f"noise {degree}"] = information.flipped(y_test, accuracy, rng)
    return found | {"tree": rivals.tree(x, y, rng)(x_test)}


counts_of, times, plateau = leaving.readers(SIMPLE)


def checks(runs: Runs) -> list[Check]:
    stairs, alone = runs["stairs"], runs["cubic"]
    found = []
    for kind in ("fitted", "exact"):
        names = one, two = f"{kind} 1", f"{kind} 2"
        earlier = [times(stairs, f"noise {name[-1]}") <= times(stairs, name) for name in names]
        left = [information.information(counts_of(alone, name)).mu for name in names]
        found += [
            check(
                runs, f"N10.{kind}_order", "empirical",
                f"share of seeds that leave {kind} G1 before {kind} G2",
                claims.share(times(stairs, one) < times(stairs, two)), claims.every_seed(),
                control(
                    "noise as accurate as fitted G_i: share of seeds and i in which it is left "
                    f"no later than {kind} G_i",
                    claims.share(np.concatenate(earlier)), claims.every_seed(),
                ),
            ),
            check(
                runs, f"N10.{kind}_kept", "empirical",
                f"mu(F; G_i) at the end over I(G_i; Y), {kind}, the smaller of G1 and G2",
                claims.mean(np.minimum(*(plateau(stairs, name) for name in names))),
                claims.at_least(0.8),
                control(
                    f"cubic target: largest mu(F; {kind} G_i) at any step, bits",
                    claims.largest(np.ravel(left)), claims.below(0.02),
                ),
            ),
        ]  # fmt: skip
    return found
