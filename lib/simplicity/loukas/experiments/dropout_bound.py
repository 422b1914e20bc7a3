"""The terms of Theorem 3 measured under Dropout (claims L25, L41 to L43).

Loukas et al. 2021, who never trained with it. Two moons in the plane, a sigmoid, Dropout 1/2 on
every hidden layer. phi, mu, beta and p_min are measured, o(1) and gamma set to 0, so that the
inequality lambda_f <= lambda_steady <= lambda_f (c/4) log(sum n_l) gets numbers. Its right half is
phi <= lambda_f, in which neither c nor o(1) is left; its left half is tested with the product of
norms in the place of lambda_f, which is no less, and has room for any o(1).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import expit
from sklearn.datasets import make_moons

from simplicity.data import streams
from simplicity.evidence import claims, over_seeds
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import dropout, lipschitz, steady
from simplicity.loukas.criteria import too_few
from simplicity.loukas.single_sample import passes
from simplicity.nets import FullyConnected, torch_default

CLAIMS = ("L25", "L41", "L42", "L43")

KINDS = ("rescaled", "plain", "none")
DROPOUT = KINDS[:2]
REACH, SIDE = 2.5, 120  # of the grid on which the largest local constant is sampled
NOISE = 0.1
TEMPERATURES = 2.0 ** np.arange(11)  # by which logits are divided
NUMBERS = (
    "phi", "beta", "mu", "c", "margin", "largest", "largest_start", "p_min", "p_min_alive", "dead",
    "steady", "upper", "product", "accuracy", "radius",
)  # fmt: skip
ROUNDING = 1e-9  # of a radius
ENOUGH_SEEDS = 5  # for an interval
FASTER = 0.5  # than the square root of the width


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

    @property
    def dropped(self) -> float:
        """The share of hidden neurons that a mask drops."""
        return 0.0 if self.kind == "none" else 0.5


GRID = Grid(
    Run,
    groups={
        "moons": {"kind": KINDS},
        "widths": {"kind": "rescaled", "layers": 1, "neurons": (16, 64, 256)},
    },
    quick={"layers": (1, 2, 3)},
    full={"moons_epochs": 300, "seeds": 5, "first_seed": 2_000_000},
    tiny={"layers": (1,), "neurons": 4, "widths_neurons": (4, 8), "moons": 10, "moons_epochs": 2},
)


def measure(run: Run) -> xr.Dataset:
    """phi, beta, mu over the second half of training; p_min, lambda_f and bounds at its end.

    `largest_start` is the largest local constant before training. `softened` are radii of the
    network whose logits are divided by each of `TEMPERATURES`, with phi from all training points;
    `softened_held` are the same with phi kept at what it is undivided.
    """
    x, y = make_moons(run.moons, noise=NOISE, random_state=run.seed)
    sizes = (2, *[run.neurons] * run.layers, 1)
    start = torch_default(sizes, streams.generator(run.seed, streams.INITIALISATION))
    network, terms = _train(run, start, x, y)
    slopes = {"largest": _largest(network), "largest_start": _largest(start)}
    found = terms | slopes | _shares(network, x) | _fit(network, x, y)
    found["c"] = steady.dropout_constant(found["beta"], found["mu"], found["p_min_alive"])
    found |= _bounds(network, found)
    now, held = _softened(network, x, found["p_min_alive"])
    curves = {"softened": ("temperature", now), "softened_held": ("temperature", held)}
    numbers = {name: float(found[name]) for name in NUMBERS}
    return xr.Dataset(numbers | curves, {"temperature": TEMPERATURES})


def _shares(network: FullyConnected, x: np.ndarray) -> dict[str, Any]:
    """The least share of points where a neuron fires, of all and of those that do; dead ones."""
    active = np.concatenate(lipschitz.patterns(network, x), axis=1).mean(axis=0)
    alive = active[active > 0].min(initial=1)
    return {"p_min": active.min(), "p_min_alive": alive, "dead": (active == 0).mean()}


def _fit(network: FullyConnected, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    f = lipschitz.outputs(network, x)
    return {"margin": np.abs(np.tanh(f / 2)).min(), "accuracy": ((f > 0) == y).mean()}


def _bounds(network: FullyConnected, found: Mapping[str, Any]) -> dict[str, Any]:
    """lambda_steady, its upper bound, the product of norms, and the radius."""
    bound, upper = (
        steady.lambda_steady(found[one], found["c"], _neurons(network))
        for one in ("phi", "largest")
    )
    product = lipschitz.product_bound(network, sigmoid=True)
    radius = steady.radius(found["margin"], bound)
    return {"steady": bound, "upper": upper, "product": product, "radius": radius}


def _neurons(network: FullyConnected) -> int:
    return sum(len(bias) for bias in network.biases[:-1])


def _largest(network: FullyConnected) -> float:
    """The largest local constant on a grid over the moons and beyond."""
    return lipschitz.local(network, _grid(), sigmoid=True).max()


def _grid() -> np.ndarray:
    line = np.linspace(-REACH, REACH, SIDE)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def _beta(network: FullyConnected) -> float:
    """The norm of the first layer."""
    return float(np.linalg.norm(network.weights[0], 2))


def _softened(
    network: FullyConnected, x: np.ndarray, alive: float
) -> tuple[np.ndarray, np.ndarray]:
    """The radius at each temperature, with phi of that temperature and with phi undivided."""
    logit = np.abs(lipschitz.outputs(network, x)) / TEMPERATURES[:, None]
    doubt = np.maximum(expit(-logit), np.finfo(float).tiny)  # without cancellation
    c = steady.dropout_constant(_beta(network), doubt.min(axis=1), alive)
    margin = np.tanh(logit / 2).min(axis=1)
    phi, neurons = _phi(network, x, doubt), _neurons(network)
    now, held = (
        steady.radius(margin, steady.lambda_steady(one, c, neurons)) for one in (phi, phi[0])
    )
    return now, held


def _phi(network: FullyConnected, x: np.ndarray, doubt: np.ndarray) -> np.ndarray:
    """At each temperature, from the step at every point and the sigmoid's slope there."""
    steps = lipschitz.first_steps(network, x)  # of the logit
    return (doubt * (1 - doubt) * steps).max(axis=1) / TEMPERATURES


def _train(
    run: Run, start: FullyConnected, x: np.ndarray, y: np.ndarray
) -> tuple[FullyConnected, dict[str, Any]]:
    """The network, and phi, beta and mu over the second half of its epochs."""
    rng = streams.generator(run.seed, streams.BATCHES)
    looks: list[tuple[float, float]] = []
    network, steps = dropout.descend(
        start, x, y, passes(run.moons, run.moons_epochs, rng), step_size=run.moons_rate,
        share=run.dropped, rescaled=run.kind == "rescaled", rng=rng,
        after_epoch=lambda network: looks.append((_beta(network), _confidence(network, x))),
    )  # fmt: skip
    half = run.moons_epochs // 2
    betas, confidences = zip(*looks[half:], strict=True)
    phi = steady.steadiness(steps.normalised, half * run.moons)
    return network, {"phi": phi, "beta": max(betas), "mu": min(confidences)}


def _confidence(network: FullyConnected, x: np.ndarray) -> float:
    """The least of f and 1 - f at the points, of the whole network."""
    return float(1 / (1 + np.exp(np.abs(lipschitz.outputs(network, x)).max())))


def checks(runs: Runs) -> list[claims.Check]:
    """Both halves of the bracket, what it is to replace, its premise, and its trade-off."""
    return [
        _right_check(runs), _left_check(runs), _tighter_check(runs), _grows_check(runs),
        _softer_check(runs),
    ]  # fmt: skip


def _moons(runs: Runs) -> xr.Dataset:
    return runs("moons", kind=DROPOUT)


def _right_check(runs: Runs) -> claims.Check:
    moons = _moons(runs)
    return claims.check(
        runs, "L25.right", "theorem",
        "phi over the largest slope that was sampled, most of all runs with Dropout",
        claims.largest(moons.phi / moons.largest), claims.below(1),
        ("the network before training: the same", claims.largest(moons.phi / moons.largest_start)),
    )  # fmt: skip


def _left_check(runs: Runs) -> claims.Check:
    moons = _moons(runs)
    product, alone = moons["product"], moons.steady / moons.c
    return claims.check(
        runs, "L25.left", "theorem",
        "product of norms, which is no less than lambda_f, over lambda_steady, most of all runs"
        " with Dropout",
        claims.largest(product / moons.steady), claims.below(1),
        ("lambda_steady without the factor c: the same", claims.largest(product / alone)),
    )  # fmt: skip


def _tighter_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L41.tighter", "empirical",
        "log10 of lambda_steady over the product of norms, mean over the runs of a seed with "
        "Dropout",
        claims.mean(over_seeds.each(_moons(runs), _decades)), claims.interval_below(0),
        claims.no_control("this is where it fails, in every run"),
        unless=too_few(runs, ENOUGH_SEEDS),
    )  # fmt: skip


def _grows_check(runs: Runs) -> claims.Check:
    wide = runs["widths"]
    return claims.check(
        runs, "L42.grows", "empirical", "exponent of phi c in the width, 16 to 256 neurons",
        _exponent(wide.assign(judged=wide.phi * wide.c), "judged"), claims.interval_above(FASTER),
        ("phi without c: the same", _exponent(wide, "phi")), unless=too_few(runs, ENOUGH_SEEDS),
    )  # fmt: skip


def _softer_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L43.softer", "identity",
        "share of runs with Dropout whose radius never falls as logits are divided by more",
        _rising(runs, "softened"), claims.every_seed(),
        ("phi held at what it is undivided: the same share", _rising(runs, "softened_held")),
    )  # fmt: skip


def _rising(runs: Runs, name: str) -> claims.Estimate:
    return claims.share(never_falls(_moons(runs)[name].values))


def _exponent(wide: xr.Dataset, name: str) -> claims.Estimate:
    """Of a variable in the width."""
    return claims.mean(over_seeds.slopes(wide, name, "neurons"))


def _decades(cells: xr.Dataset) -> float:
    return float(np.log10(cells.steady / cells["product"]).mean())


def never_falls(radius: np.ndarray) -> np.ndarray:
    """(cell,) of radii (cell, temperature), but for rounding."""
    rising = np.diff(radius, axis=1) >= -ROUNDING * radius[:, 1:]
    return np.asarray(rising.all(axis=1))
