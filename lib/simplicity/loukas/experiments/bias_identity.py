"""A step of the first bias and the local Lipschitz constant (L1, L2, L4 to L6).

Loukas et al. 2021, sections 2 and 3. With g = df/db_1 a step of single-sample gradient descent has
|db_1| / (alpha eps) = |g|, and grad_x f = W_1^T g: so lambda / sigma_1(W_1) <= |g|, and |g| <=
lambda / sigma_min(W_1) where W_1^T is injective, that is n_1 <= n. With W_1 = I, as in all of the
authors' experiments, both are equalities. Every kind of `KINDS` checks one of these on real steps.
In the compiled loop both sides come out of one backward pass, which the tests hold against
automatic differentiation; the little networks and the later layers take the slope from another
computation.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import nn

from simplicity import nets
from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, lipschitz, little_network, trajectory
from simplicity.loukas.criteria import elsewhere
from simplicity.loukas.single_sample import descend, passes, with_replacement
from simplicity.loukas.single_sample_autograd import as_module, descend_autograd
from simplicity.nets import FullyConnected

CLAIMS = ("L1", "L2", "L4", "L5", "L6")

ULPS = 8  # by which an identity may be off, in units of rounding
FROZEN = 1e-8  # a step size
SLACK = 1e-6  # of a bracket, for rounding; steps with a smaller eps are left out
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
RATES = (0.1, 1.0, 10.0)
INSIDE, ABOVE = (5, 10), 32  # widths n_1 of the first layer, for n = 10
WIDTHS = (*INSIDE, 11, ABOVE, 128)
TRAINED, AT_START = "", "start "

EPS = ("eps squares", "eps cross entropy")
LAYERS = ("layer 2", "layer 3")
_FREE = tuple(f"{when}n_1 = {width}" for width in WIDTHS for when in (TRAINED, AT_START))
KINDS = (
    *EPS, "W_1 = I", "rates", little_network.FIRST, *LAYERS, *little_network.PARTS, *_FREE,
)  # fmt: skip


@config.settings
class Run(cosine.Run):
    """One kind of check, on a network of its own."""

    kind: str = config.param("W_1 = I", "what is checked", choices=KINDS)
    draws: int = config.param(1000, "random outputs and labels for eps", low=10, high=10**7)
    steps: int = config.param(400, "steps with a free W_1", unit="steps", low=10, high=10**6)
    epochs: int = config.param(60, "epochs before judged steps", unit="epochs", low=1, high=10**5)


_SOME = ("eps cross entropy", "W_1 = I", "rates", "tanh", "layer 2", "n_1 = 10", "start n_1 = 32")
GRID = Grid(
    Run,
    groups={"networks": {"kind": KINDS}},
    quick={"seeds": 3},
    full={"steps": 2000, "seeds": 10, "first_seed": 2_000_000},
    tiny={"kind": _SOME, "steps": 40, "epochs": 3, "n": 20, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """`error` and what the control gives in its place, `wrong`; for brackets the violations.

    Errors of identities are in units of what rounding of the bias may cause, those of eps relative.
    `swapped` counts violations of the lower half with sigma_min in the place of sigma_1.
    """
    names = ("error", "wrong", "lower", "upper", "swapped", "points")
    found = dict.fromkeys(names, float("nan"))
    return xr.Dataset(found | _function(run.kind)(run))


def _function(kind: str) -> Callable[[Run], dict[str, float]]:
    squares, cross_entropy = EPS
    by_name = {
        squares: _epsilon_squares, cross_entropy: _epsilon_cross_entropy, "W_1 = I": _identity,
        "rates": _rates, little_network.FIRST: _convolution_first,
    }  # fmt: skip
    by_first_word = {"layer": _layer, "n_1": _free, "start": _free}
    return by_name.get(kind) or by_first_word.get(kind.split()[0]) or _part


def _epsilon_squares(run: Run) -> dict[str, float]:
    """L1: the formula against torch's derivative; wrong is its reciprocal."""
    rng = streams.generator(run.seed, streams.DATA)
    output, y = rng.standard_normal(run.draws), rng.standard_normal(run.draws)
    derivative = _derivative(_half_squares, output, y)
    found = trajectory.epsilon_squares(output, y)
    return _relative(derivative, found, np.reciprocal(found))


def _epsilon_cross_entropy(run: Run) -> dict[str, float]:
    """L1: the formula against torch's derivative; wrong is the released code's reciprocal."""
    rng = streams.generator(run.seed, streams.DATA)
    output = rng.uniform(0.01, 0.99, run.draws)
    y = rng.integers(2, size=run.draws).astype(np.float64)
    derivative = _derivative(_cross_entropy, output, y)
    released = trajectory.released_epsilon_cross_entropy(output, y)
    return _relative(derivative, trajectory.epsilon_cross_entropy(output, y), released)


def _half_squares(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((output - y) ** 2 / 2).sum()


_cross_entropy: Loss = partial(nn.functional.binary_cross_entropy, reduction="sum")


def _derivative(loss: Loss, output: np.ndarray, y: np.ndarray) -> np.ndarray:
    """|dl/df| of each output, by torch."""
    prediction = torch.tensor(output, requires_grad=True)
    (derivative,) = torch.autograd.grad(loss(prediction, torch.tensor(y)), prediction)
    return derivative.abs().numpy()


def _relative(derivative: np.ndarray, found: np.ndarray, other: np.ndarray) -> dict[str, float]:
    error, wrong = (np.abs(eps / derivative - 1) for eps in (found, other))
    return {"error": float(error.max()), "wrong": float(wrong.max())}


def _pretrained(run: Run) -> tuple[FullyConnected, cosine.Cosine]:
    """The cosine task's network after a few epochs, W_1 = I."""
    data = cosine.task(run.frequency, run.n, run.seed)
    network, _ = descend(
        cosine.start(run.seed), data.x, data.y, cosine.in_epochs(run.n, run.epochs, run.seed),
        step_size=run.step_size, window=run.n,
    )  # fmt: skip
    return network, data


def _identity(run: Run) -> dict[str, float]:
    """L2 with W_1 = I, every step of some epochs; wrong is eps of the step before."""
    network, data = _pretrained(run)
    order = passes(run.n, run.epochs, streams.generator(run.seed, streams.TEST))
    end, found = descend(
        network, data.x, data.y, order, step_size=run.step_size, window=run.n, trace=True
    )
    bias, epsilon = trajectory.traced(found, end), found.traced_epsilon.values
    wrong = trajectory.late_error(bias, epsilon, run.step_size)
    return {"error": float(found.rounding.max()), "wrong": wrong, "points": float(len(order))}


def _rates(run: Run) -> dict[str, float]:
    """L4: for every sample one step at three rates; wrong is without division by the rate."""
    network, data = _pretrained(run)
    found = [_change_with_rate(run, network, data, sample) for sample in range(run.n)]
    error, wrong = np.max(found, axis=0)
    return {"error": error, "wrong": wrong, "points": float(run.n)}


def _change_with_rate(
    run: Run, network: FullyConnected, data: cosine.Cosine, sample: int
) -> tuple[float, float]:
    """Of the normalised step at a sample, and of the undivided one, in units of rounding."""
    steps = _steps_at_rates(run, network, data, sample)
    size, eps = (steps[0][name].item() for name in ("length", "epsilon"))
    if not eps or not size:
        return 0.0, 0.0  # fitted exactly, or no neuron on: nothing moves at any rate
    floor = trajectory.rounding_floor(network.biases[0], size, RATES[0] * run.step_size, eps)
    values = np.array([one.trajectory.item() for one in steps])
    return float(np.ptp(values) / floor), float(np.ptp(values * RATES) / floor)


def _steps_at_rates(
    run: Run, network: FullyConnected, data: cosine.Cosine, sample: int
) -> list[xr.Dataset]:
    step = partial(descend, network, data.x, data.y, np.array([sample]), window=1)
    return [step(step_size=factor * run.step_size)[1] for factor in RATES]


def _layer(run: Run) -> dict[str, float]:
    """L6: a step of b_l gives the gradient of f_d o ... o f_l, W_l^T db_l.

    Wrong is the gradient of f_d o ... o f_{l+1}. As printed the claim pairs b_{l-1} with f_d o ...
    o f_l: `upper` counts the points where |db_{l-1}| / (alpha eps) is larger than that function's
    slope, `lower` those where it is smaller, since neurons of layer l - 1 are off.
    """
    network, data = _pretrained(run)
    number = int(run.kind.split()[1])
    layer = _Layer(network, as_module(network), number, run.step_size)
    found = [layer.sides(x, y) for x, y in zip(data.x, data.y, strict=True)]
    return _worst_and_counts(*np.array(found).T)


class _Layer(NamedTuple):
    """Layer l of a network, also as a module of torch, and the step size alpha of b_l."""

    network: FullyConnected
    module: nn.Module
    number: int
    rate: float

    def sides(self, x: np.ndarray, y: float) -> tuple[float, float, float, float]:
        """Error, error with f_d o ... o f_{l+1}, |db_{l-1}| / (alpha eps), slope: at a sample."""
        below, own = self.pulls(x, y)
        eps = abs(float(lipschitz.outputs(self.network, x[None])[0]) - y)
        ours, allowed = self.slope_by_step(own, eps)
        slope, after = self.slope(x, self.number - 1), self.slope(x, self.number)
        printed = float(np.linalg.norm(below)) / eps
        return abs(ours - slope) / allowed, abs(ours - after) / allowed, printed, slope

    def pulls(self, x: np.ndarray, y: float) -> list[np.ndarray]:
        """dl/db_{l-1} and dl/db_l at a sample, by torch."""
        named = self.module.named_parameters()
        biases = [one for name, one in named if name.endswith("bias")][: self.number][-2:]
        loss = ((self.module(torch.tensor(x)[None])[0, 0] - float(y)) ** 2) / 2
        return [one.numpy() for one in torch.autograd.grad(loss, biases)]

    def slope_by_step(self, pull: np.ndarray, eps: float) -> tuple[float, float]:
        """|W_l^T db_l| / (alpha eps) of a step of b_l, and what rounding may change in it."""
        weight, bias = (part[self.number - 1] for part in self.network)
        step = (bias - self.rate * pull) - bias
        length = np.linalg.norm(step) / self.rate
        floor = trajectory.rounding_floor(bias, length, self.rate, eps)
        ours = float(np.linalg.norm(weight.T @ step)) / (self.rate * eps)
        return ours, float(floor * np.linalg.norm(weight, 2))

    def slope(self, x: np.ndarray, layer: int) -> float:
        """At a point that of what follows after so many layers."""
        return float(np.linalg.norm(lipschitz.gradients(self.network, x[None], layer=layer)))


def _worst_and_counts(
    error: np.ndarray, wrong: np.ndarray, printed: np.ndarray, slopes: np.ndarray
) -> dict[str, float]:
    """Of all points, of which the printed side may be above or below the slope."""
    upper, lower = printed > slopes * (1 + SLACK), printed < slopes * (1 - SLACK)
    counts = {"upper": upper.sum(), "lower": lower.sum(), "points": len(slopes)}
    return {"error": error.max(), "wrong": wrong.max()} | counts


def _free(run: Run) -> dict[str, float]:
    """L2 with a trained W_1, every step judged with that step's own singular values.

    Inputs are Gaussian, in ten dimensions. At the "start" the steps are so small that nothing
    moves, and so what is judged is a network as torch initialises it.
    """
    width = int(run.kind.split()[-1])
    start = streams.generator(run.seed, streams.INITIALISATION)
    order = with_replacement(run.n, run.steps, streams.generator(run.seed, streams.BATCHES))
    _, found = descend(
        nets.torch_default((10, width, 32, 32, 1), start), *_gaussian_task(run), order,
        window=1, train_first=True,
        step_size=FROZEN if run.kind.startswith(AT_START) else 0.01, schedule=range(run.steps),
        probes={"sigma": lambda network: np.linalg.svd(network.weights[0], compute_uv=False)},
         dims={"sigma": ("value",)},
    )  # fmt: skip
    return _bracket(found, found.sigma.values[:, [0, -1]])


def _gaussian_task(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and the cosine of their part in a random direction."""
    rng = streams.generator(run.seed, streams.DATA)
    x = rng.standard_normal((run.n, 10))
    return x, np.cos(x @ rng.standard_normal(10) / 2)


def _bracket(found: xr.Dataset, sigma: np.ndarray) -> dict[str, float]:
    """Counts of steps below lambda / sigma_1, below lambda / sigma_min, and above that.

    `sigma` (steps, 2) or (2,) are these two.
    """
    path, slope = found.trajectory.values, found.slope.values
    judged = (found.epsilon.values > SLACK) & (path > 0)
    at_least, at_most = (slope / sigma[..., one] for one in (0, 1))
    steps = {
        "lower": path < at_least * (1 - SLACK),
        "upper": path > at_most * (1 + SLACK),
        "swapped": path < at_most * (1 - SLACK),
        "points": judged,
    }
    return {name: float(one[judged].sum()) for name, one in steps.items()}


def _on_images(run: Run, shared_bias: bool) -> tuple[little_network.Network, xr.Dataset]:
    """A little network, and its run with an unshared b_1 or with one bias for all places."""
    x, y = little_network.images(run.seed)
    order = passes(len(x), 2, streams.generator(run.seed, streams.BATCHES))
    network = little_network.Network(run.kind, shared_bias, run.seed)
    return network, descend_autograd(network, network.bias, x, y, order, step_size=0.01, window=1)


def _part(run: Run) -> dict[str, float]:
    """L5: W_1 = I, an unshared b_1 and the part after it; wrong is one bias for all pixels."""
    (_, own), (_, shared) = (_on_images(run, one) for one in (False, True))
    error, wrong = (float(one.rounding.max()) for one in (own, shared))
    return {"error": error, "wrong": wrong, "points": float(own.sizes["window"])}


def _convolution_first(run: Run) -> dict[str, float]:
    """L5 where layer 1 itself shares weights, a frozen convolution from 64 pixels to 64.

    `error` is the number of violations of the bracket with an unshared b_1, `wrong` that with one
    bias for all places.
    """
    found = (_on_images(run, one) for one in (False, True))
    own, shared = (_bracket(steps, network.singular_values()) for network, steps in found)
    error, wrong = (one["lower"] + one["upper"] for one in (own, shared))
    return own | {"error": error, "wrong": wrong}


_NONE = claims.below(1e-12)
_EQUAL = "largest error of |db| / (alpha eps) against the slope, in units of rounding"


def checks(runs: Runs) -> list[claims.Check]:
    identity = partial(_identity_check, runs)
    return [
        identity(
            "L1.eps", EPS, "eps by formula and by torch: largest relative error",
            "the released code's reciprocal, cross-entropy: the same",
            allowed=1e-14, wrong=EPS[1:],
        ),
        identity(
            "L2.equal", ("W_1 = I",), f"W_1 = I: {_EQUAL}",
            "eps of the step before: the same",
        ),
        _below_check(runs), _above_check(runs),
        identity(
            "L4.rates", ("rates",),
            "rates times 0.1, 1, 10: largest change of the normalised step, in units of rounding",
            "without division by the rate: the same",
        ),
        identity(
            "L5.parts", little_network.PARTS,
            f"convolution, pooling, skip, tanh, leaky ReLU, W_1 = I, b_1 unshared: {_EQUAL}",
            "one bias for all pixels: the same",
        ),
        _convolution_check(runs),
        identity(
            "L6.layers", LAYERS, f"layers 2 and 3, b_l and f_d o ... o f_l: {_EQUAL}",
            "f_d o ... o f_{l+1} in the place of f_d o ... o f_l: the same",
        ),
    ]  # fmt: skip


def _identity_check(
    runs: Runs, id: str, kinds: tuple[str, ...], statistic: str, what: str,
    allowed: float = ULPS, wrong: tuple[str, ...] = (),
) -> claims.Check:  # fmt: skip
    chosen, other = (runs("networks", kind=one) for one in (kinds, wrong or kinds))
    return claims.check(
        runs, id, "identity", statistic, claims.largest(chosen.error.values),
        claims.below(allowed),
        (f"{what}, least of all networks", claims.smallest(other.wrong.values)),
    )  # fmt: skip


def _below_check(runs: Runs) -> claims.Check:
    """L2 with a free W_1; how often the control is above differs from network to network."""
    return claims.check(
        runs, "L2.below", "theorem",
        "W_1 trained, n_1 = 5 to 128, n = 10: share of steps below lambda / sigma_1",
        violations(runs, "lower", WIDTHS, TRAINED), _NONE,
        ("the smallest singular value in the place of sigma_1: the same share",
         violations(runs, "swapped", WIDTHS, TRAINED)), unless=elsewhere(runs, n=100),
    )  # fmt: skip


def _above_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L2.above", "theorem",
        "W_1 trained, n_1 = 5 and 10, n = 10: share of steps above lambda / sigma_n",
        violations(runs, "upper", INSIDE, TRAINED), _NONE,
        ("n_1 = 32 > n, as initialised: the same share",
         violations(runs, "upper", (ABOVE,), AT_START)), needs=10, unless=elsewhere(runs, n=100),
    )  # fmt: skip


def _convolution_check(runs: Runs) -> claims.Check:
    first = runs("networks", kind=little_network.FIRST)
    return claims.check(
        runs, "L5.first", "theorem",
        "a convolution as layer 1, b_1 unshared: steps outside of the bracket",
        _total(first.error), claims.below(1),
        ("one bias for all places: the same", _total(first.wrong)),
        unless=elsewhere(runs, kind=(little_network.FIRST,)),
    )  # fmt: skip


def _total(steps: xr.DataArray) -> claims.Estimate:
    return claims.exact(float(steps.sum()), steps.size)


def violations(runs: Runs, half: str, widths: tuple[int, ...], when: str) -> claims.Estimate:
    """The share of all judged steps that lie outside of one half of the bracket."""
    chosen = runs("networks", kind=tuple(f"{when}n_1 = {width}" for width in widths))
    if not chosen.sizes["cell"]:
        return claims.mean([])
    share = float(chosen[half].sum() / chosen.points.sum())
    return claims.exact(share, len(np.unique(chosen.seed.values)))
