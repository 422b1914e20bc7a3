"""The terms of Theorem 3 measured under Dropout (claims L25, L41 to L43).

Loukas et al. 2021, who never trained with it. Two moons in the plane, a sigmoid, Dropout 1/2 on
every hidden layer. phi, mu, beta and p_min are measured, o(1) and gamma set to 0, so that the
inequality lambda_f <= lambda_steady <= lambda_f (c/4) log(sum n_l) gets numbers. Its right half is
phi <= lambda_f, in which neither c nor o(1) is left; its left half is tested with the product of
norms in the place of lambda_f, which is no less, and has room for any o(1).
"""

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
    network, phi, beta, mu = _train(run, start, x, y)
    active = np.concatenate(lipschitz.patterns(network, x), axis=1).mean(axis=0)
    alive = active[active > 0].min(initial=1)
    f = lipschitz.outputs(network, x)
    margin = np.abs(np.tanh(f / 2)).min()
    largest, before = map(_largest, (network, start))
    c = steady.dropout_constant(beta, mu, alive)
    bound = steady.lambda_steady(phi, c, len(active))
    values = {
        "phi": phi, "beta": beta, "mu": mu, "c": c, "margin": margin, "largest": largest,
        "largest_start": before,
        "p_min": active.min(), "p_min_alive": alive, "dead": (active == 0).mean(),
        "steady": bound, "upper": steady.lambda_steady(largest, c, len(active)),
        "product": lipschitz.product_bound(network, sigmoid=True),
        "accuracy": ((f > 0) == y).mean(), "radius": steady.radius(margin, bound),
    }  # fmt: skip
    numbers = {name: float(value) for name, value in values.items()}
    now, held = _softened(network, x, float(alive))
    curves = {"softened": ("temperature", now), "softened_held": ("temperature", held)}
    return xr.Dataset(numbers | curves, {"temperature": TEMPERATURES})


def _largest(network: FullyConnected) -> float:
    """The largest local constant on a grid over the moons and beyond."""
    line = np.linspace(-REACH, REACH, SIDE)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    return lipschitz.local(network, grid, sigmoid=True).max()


def _softened(
    network: FullyConnected, x: np.ndarray, alive: float
) -> tuple[np.ndarray, np.ndarray]:
    """The radius at each temperature, with phi of that temperature and with phi undivided."""
    steps = lipschitz.first_steps(network, x)  # of the logit
    logit = lipschitz.outputs(network, x) / TEMPERATURES[:, None]
    doubt = np.maximum(expit(-np.abs(logit)), np.finfo(float).tiny)  # without cancellation
    phi = (doubt * (1 - doubt) * steps).max(axis=1) / TEMPERATURES
    mu, margin = doubt.min(axis=1), np.tanh(np.abs(logit) / 2).min(axis=1)
    c = steady.dropout_constant(float(np.linalg.norm(network.weights[0], 2)), mu, alive)
    neurons = sum(len(bias) for bias in network.biases[:-1])
    now, held = (
        steady.radius(margin, steady.lambda_steady(one, c, neurons)) for one in (phi, phi[0])
    )
    return now, held


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


def checks(runs: Runs) -> list[claims.Check]:
    """Both halves of the bracket, what it is to replace, its premise, and its trade-off."""
    moons, wide = runs("moons", kind=DROPOUT), runs["widths"]
    less, few, alone = claims.below(1), too_few(runs, ENOUGH_SEEDS), moons.steady / moons.c

    def most(numerator: xr.DataArray, denominator: xr.DataArray) -> claims.Estimate:
        return claims.largest((numerator / denominator).values)

    def exponent(values: xr.DataArray) -> claims.Estimate:
        return claims.mean(over_seeds.slopes(wide.assign(judged=values), "judged", "neurons"))

    return [
        claims.check(
            runs, "L25.right", "theorem",
            "phi over the largest slope that was sampled, most of all runs with Dropout",
            most(moons.phi, moons.largest), less,
            ("the network before training: the same", most(moons.phi, moons.largest_start)),
        ),
        claims.check(
            runs, "L25.left", "theorem",
            "product of norms, which is no less than lambda_f, over lambda_steady, most of all runs"
            " with Dropout",
            most(moons["product"], moons.steady), less,
            ("lambda_steady without the factor c: the same", most(moons["product"], alone)),
        ),
        claims.check(
            runs, "L41.tighter", "empirical",
            "log10 of lambda_steady over the product of norms, mean over the runs of a seed with "
            "Dropout",
            claims.mean(over_seeds.each(moons, _decades)), claims.interval_below(0),
            claims.no_control("this is where it fails, in every run"), unless=few,
        ),
        claims.check(
            runs, "L42.grows", "empirical", "exponent of phi c in the width, 16 to 256 neurons",
            exponent(wide.phi * wide.c), claims.interval_above(FASTER),
            ("phi without c: the same", exponent(wide.phi)), unless=few,
        ),
        claims.check(
            runs, "L43.softer", "identity",
            "share of runs with Dropout whose radius never falls as logits are divided by more",
            claims.share(never_falls(moons.softened.values)), claims.every_seed(),
            ("phi held at what it is undivided: the same share",
             claims.share(never_falls(moons.softened_held.values))),
        ),
    ]  # fmt: skip


def _decades(cells: xr.Dataset) -> float:
    return float(np.log10(cells.steady / cells["product"]).mean())


def never_falls(radius: np.ndarray) -> np.ndarray:
    """(cell,) of radii (cell, temperature), but for rounding."""
    rising = np.diff(radius, axis=1) >= -ROUNDING * radius[:, 1:]
    return np.asarray(rising.all(axis=1))
