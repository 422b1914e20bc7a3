"""The terms of Theorem 3 measured under Dropout, which the paper never trained with (claim L25).

Loukas et al. 2021. Two moons in the plane, a sigmoid, Dropout 1/2 on every hidden layer. phi, mu,
beta and p_min are measured, o(1) and gamma set to 0, so that the inequality lambda_f <=
lambda_steady <= lambda_f (c/4) log(sum n_l) gets numbers. Without the constants inside o(1) numbers
are no test.
"""

import numpy as np
import xarray as xr
from sklearn.datasets import make_moons

from simplicity.data import streams
from simplicity.evidence.claims import Check, not_testable
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import dropout, lipschitz, steady
from simplicity.loukas.single_sample import passes
from simplicity.nets import FullyConnected, torch_default

CLAIMS = ("L25",)

KINDS = ("rescaled", "plain", "none")
REACH, SIDE = 2.5, 120  # of the grid on which the largest local constant is sampled
NOISE = 0.1


@config.settings
class Run:
    """A network on two moons, with or without Dropout."""

    kind: str = config.param("none", "masks divided by 1/2, masks alone, no Dropout", choices=KINDS)
    layers: int = config.param(1, "hidden layers", low=1, high=20)
    neurons: int = config.param(16, "of each hidden layer", unit="neurons", low=1, high=10**4)
    moons: int = config.param(100, "training points", unit="samples", low=4, high=10**5)
    moons_rate: float = config.param(0.01, "learning rate", low=1e-9, high=10)
    moons_epochs: int = config.param(50, "epochs", unit="epochs", low=2, high=10**5)
    seed: int = config.param(0, "seed of moons, start and masks", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={"moons": {"kind": KINDS}},
    quick={"layers": (1, 2, 3)},
    full={"moons_epochs": 300, "seeds": 5, "first_seed": 100},
    tiny={"layers": (1,), "neurons": 4, "moons": 10, "moons_epochs": 2},
)


def measure(run: Run) -> xr.Dataset:
    """phi, beta, mu over the second half of training; p_min, lambda_f and bounds at its end."""
    x, y = make_moons(run.moons, noise=NOISE, random_state=run.seed)
    sizes = (2, *[run.neurons] * run.layers, 1)
    start = torch_default(sizes, streams.generator(run.seed, streams.INITIALISATION))
    network, phi, beta, mu = _train(run, start, x, y)
    active = np.concatenate(lipschitz.patterns(network, x), axis=1).mean(axis=0)
    alive = active[active > 0].min(initial=1)
    f = lipschitz.outputs(network, x)
    margin = np.abs(np.tanh(f / 2)).min()
    line = np.linspace(-REACH, REACH, SIDE)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    largest = lipschitz.local(network, grid, sigmoid=True).max()
    c = steady.dropout_constant(beta, mu, alive)
    bound = steady.lambda_steady(phi, c, len(active))
    values = {
        "phi": phi, "beta": beta, "mu": mu, "c": c, "margin": margin, "largest": largest,
        "p_min": active.min(), "p_min_alive": alive, "dead": (active == 0).mean(),
        "steady": bound, "upper": steady.lambda_steady(largest, c, len(active)),
        "product": lipschitz.product_bound(network, sigmoid=True),
        "accuracy": ((f > 0) == y).mean(), "radius": steady.radius(margin, bound),
    }  # fmt: skip
    return xr.Dataset({name: float(value) for name, value in values.items()})


def _train(
    run: Run, start: FullyConnected, x: np.ndarray, y: np.ndarray
) -> tuple[FullyConnected, float, float, float]:
    """The network, and phi, beta and mu over the second half of its epochs."""
    rng = streams.generator(run.seed, streams.BATCHES)
    looks: list[tuple[float, float]] = []

    def look(network: FullyConnected) -> None:
        size = np.abs(lipschitz.outputs(network, x)).max()  # the whole network's
        looks.append((float(np.linalg.norm(network.weights[0], 2)), float(1 / (1 + np.exp(size)))))

    network, steps = dropout.descend(
        start, x, y, passes(run.moons, run.moons_epochs, rng), step_size=run.moons_rate,
        share=0.0 if run.kind == "none" else 0.5, rescaled=run.kind == "rescaled", rng=rng,
        after_epoch=look,
    )  # fmt: skip
    half = run.moons_epochs // 2
    phi = steady.steadiness(steps.normalised, half * run.moons)
    norms, confidences = zip(*looks[half:], strict=True)
    return network, phi, max(norms), min(confidences)


def checks(runs: Runs) -> list[Check]:
    """Nothing to hold against a criterion: the bound contains o(1) without a constant."""
    statistic = "lambda_f <= lambda_steady <= lambda_f (c/4) log(sum n_l)"
    why = "the o(1) in c has no constant"
    return [not_testable(runs, "L25.between", "identity", statistic, why)]
