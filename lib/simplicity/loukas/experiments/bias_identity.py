"""A step of the first bias and the local Lipschitz constant: an identity, where it is one, and a bracket (L-L1, L-L2, L-T1b-d).

Loukas et al. 2021, sections 2 and 3. With g = df/db_1 a step of single-sample gradient descent has |db_1| / (alpha eps) = |g|,
and grad_x f = W_1^T g: so lambda / sigma_1(W_1) <= |g|, and |g| <= lambda / sigma_min(W_1) where W_1^T is injective, that is
n_1 <= n. With W_1 = I, as in all of the authors' experiments, both are equalities. Every kind of `KINDS` checks one of these on
real steps. In the compiled loop both sides come out of one backward pass, which the tests hold against automatic
differentiation; the little networks and the later layers take the slope from another computation.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from simplicity import nets
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    below,
    between,
    cells_where,
    check,
    control,
    exact,
    largest,
    mean,
    no_control,
    smallest,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import cosine, lipschitz, trajectory
from simplicity.loukas.single_sample import descend, passes, with_replacement
from simplicity.loukas.single_sample_autograd import as_module, descend_autograd
from simplicity.nets import FullyConnected

CLAIMS = ("L-L1", "L-L2", "L-T1b", "L-T1c", "L-T1d")

TASK = (10, 10, 32, 32, 32, 1)
FREQUENCY = 0.5
ULPS, WRONG = 8, 0.1  # an identity may be off by rounding, its control must be off by a tenth
ENOUGH_NETWORKS = 10
JUDGED_N = 100
FROZEN = 1e-8  # a step size
SLACK = 1e-6  # of a bracket, for rounding; steps with a smaller eps are left out
RATES = (0.1, 1.0, 10.0)
PARTS = ("conv", "max pool", "mean pool", "skip", "tanh", "leaky")
LAYERS = (2, 3)
INSIDE, ABOVE = (5, 10), 32  # widths n_1 of the first layer, for n = 10
WIDTHS = (*INSIDE, 11, ABOVE, 128)
_FREE = tuple(f"{when}n_1 = {width}" for width in WIDTHS for when in ("", "start "))
_OTHERS = ("eps squares", "eps cross entropy", "W_1 = I", "rates", "conv first", *(f"layer {layer}" for layer in LAYERS))
KINDS = (*_OTHERS, *PARTS, *_FREE)
SIDE, IMAGES = 8, 30  # of the little images
_MISSING = float("nan")


@config.settings
class Config:
    kinds: tuple[str, ...] = config.param(KINDS, "what is checked", choices=KINDS)
    draws: int = config.param(1000, "random outputs and labels for eps", low=10, high=10**7)
    steps: int = config.param(400, "steps of a network with a free W_1, each of them judged", unit="steps", low=10, high=10**6)
    pretrain: int = config.param(60, "epochs before the steps with W_1 = I are judged", unit="epochs", low=1, high=10**5)
    n: int = config.param(100, "training points", unit="samples", low=2, high=10**6)
    step_size: float = config.param(0.001, "learning rate alpha", low=1e-12)
    seeds: int = config.param(3, "networks of each kind", low=1, high=100_000)
    first_seed: int = config.param(0, "the first seed", low=0, high=2**31 - 1)


QUICK = Config()
_SOME = ("eps cross entropy", "W_1 = I", "rates", "tanh", "layer 2", "n_1 = 10", "start n_1 = 32")
TINY = dataclasses.replace(QUICK, kinds=_SOME, steps=40, pretrain=3, n=20, seeds=2)
FULL = dataclasses.replace(QUICK, steps=2000, seeds=10, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    seed: int
    draws: int
    steps: int
    pretrain: int
    n: int
    step_size: float


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config)
    return [Cell(kind=kind, seed=seed, **common) for seed in seeds(config) for kind in config.kinds]


def measure(cell: Cell) -> xr.Dataset:
    """`error` and what the control gives in its place, `wrong`; for brackets the violations among `points`.

    Errors of identities are in units of what rounding of the bias may cause, those of eps relative.
    """
    found = {"error": _MISSING, "wrong": _MISSING, "lower": _MISSING, "upper": _MISSING, "points": _MISSING}
    return xr.Dataset(found | _function(cell.kind)(cell))


def _function(kind: str) -> Callable[[Cell], dict[str, float]]:
    by_first_word = {"eps": _epsilon, "layer": _layer, "n_1": _free, "start": _free}
    by_name = {"W_1 = I": _identity, "rates": _rates, "conv first": _convolution_first}
    return by_name.get(kind) or by_first_word.get(kind.split()[0]) or _part


def _epsilon(cell: Cell) -> dict[str, float]:
    """L1: the formulas against torch's derivative of the loss; wrong is the released code's reciprocal."""
    rng = streams.generator(cell.seed, streams.DATA)
    if cell.kind == "eps squares":
        output, y = rng.standard_normal(cell.draws), rng.standard_normal(cell.draws)
        found, other = trajectory.epsilon_squares(output, y), np.reciprocal(trajectory.epsilon_squares(output, y))
    else:
        output, y = rng.uniform(0.01, 0.99, cell.draws), rng.integers(2, size=cell.draws).astype(np.float64)
        found = trajectory.epsilon_cross_entropy(output, y)
        other = trajectory.released_epsilon_cross_entropy(output, y)
    prediction, label = torch.tensor(output, requires_grad=True), torch.tensor(y)
    if cell.kind == "eps squares":
        loss = ((prediction - label) ** 2 / 2).sum()
    else:
        loss = nn.functional.binary_cross_entropy(prediction, label, reduction="sum")
    (derivative,) = torch.autograd.grad(loss, prediction)
    exactly = derivative.abs().numpy()
    return {"error": _worst(found / exactly - 1), "wrong": float(np.median(np.abs(other / exactly - 1)))}


def _pretrained(cell: Cell) -> tuple[FullyConnected, cosine.Cosine]:
    """The cosine task's network after a few epochs, W_1 = I."""
    data = cosine.task(FREQUENCY, cell.n, cell.seed)
    start = nets.torch_default(TASK, streams.generator(cell.seed, streams.INITIALISATION), identity=True)
    order = passes(cell.n, cell.pretrain, streams.generator(cell.seed, streams.BATCHES))
    return descend(start, data.x, data.y, order, step_size=cell.step_size, window=cell.n)[0], data


def _identity(cell: Cell) -> dict[str, float]:
    """L2 with W_1 = I, every step of some epochs; wrong is eps of the step before."""
    network, data = _pretrained(cell)
    order = passes(cell.n, cell.pretrain, streams.generator(cell.seed, streams.TEST))
    _, run = descend(network, data.x, data.y, order, step_size=cell.step_size, window=cell.n)
    wrong = float(np.abs(run.late / run.slope - 1).median())
    return {"error": float(run.rounding.max()), "wrong": wrong, "points": float(len(order))}


def _rates(cell: Cell) -> dict[str, float]:
    """T1b: one step from the same weights at three rates, for every sample; wrong is the step itself, not normalised."""
    network, data = _pretrained(cell)
    error, wrong = 0.0, float("inf")
    for sample in range(cell.n):
        steps = [
            descend(network, data.x, data.y, np.array([sample]), step_size=factor * cell.step_size, window=1)[1]
            for factor in RATES
        ]
        if not steps[0].epsilon.item() or not steps[0].length.item():
            continue  # fitted exactly, or no neuron on: nothing moves at any rate
        size, eps = (steps[0][name].item() for name in ("length", "epsilon"))
        floor = trajectory.rounding_floor(network.biases[0], size, RATES[0] * cell.step_size, eps)
        values = [one.trajectory.item() for one in steps]
        error = max(error, (max(values) - min(values)) / float(floor))
        moved = [one.length.item() * factor for one, factor in zip(steps, RATES, strict=True)]
        wrong = min(wrong, moved[-1] / moved[0] - 1)
    return {"error": error, "wrong": wrong, "points": float(cell.n)}


def _layer(cell: Cell) -> dict[str, float]:
    """T1d: a step of b_l gives the gradient of f_d o ... o f_l, W_l^T db_l; wrong is the gradient of f_d o ... o f_{l+1}.

    As printed the claim pairs b_{l-1} with f_d o ... o f_l: `upper` counts the points where |db_{l-1}| / (alpha eps) is larger
    than that function's slope, `lower` those where it is smaller, since neurons of layer l - 1 are off.
    """
    layer = int(cell.kind.split()[1])
    network, data = _pretrained(cell)
    module = as_module(network)
    biases = [parameter for name, parameter in module.named_parameters() if name.endswith("bias")]
    error, wrong, upper, lower = 0.0, [], 0, 0
    for x, y in zip(data.x, data.y, strict=True):
        loss = ((module(torch.tensor(x)[None])[0, 0] - float(y)) ** 2) / 2
        below, own = torch.autograd.grad(loss, biases[layer - 2 : layer])
        eps = abs(float(lipschitz.outputs(network, x[None])[0]) - y)
        bias = network.biases[layer - 1]
        step = (bias - cell.step_size * own.numpy()) - bias
        slope = np.linalg.norm(lipschitz.gradients(network, x[None], layer=layer - 1))
        ours = np.linalg.norm(network.weights[layer - 1].T @ step) / (cell.step_size * eps)
        floor = trajectory.rounding_floor(bias, np.linalg.norm(step) / cell.step_size, cell.step_size, eps)
        error = max(error, abs(ours - slope) / float(floor * np.linalg.norm(network.weights[layer - 1], 2)))
        wrong.append(abs(np.linalg.norm(lipschitz.gradients(network, x[None], layer=layer)) / slope - 1))
        printed = np.linalg.norm(below.numpy()) / eps
        upper, lower = upper + (printed > slope * (1 + SLACK)), lower + (printed < slope * (1 - SLACK))
    return {"error": error, "wrong": float(np.median(wrong)), "upper": upper, "lower": lower, "points": cell.n}


def _free(cell: Cell) -> dict[str, float]:
    """L2 with a trained W_1, every step judged with that step's own singular values; Gaussian inputs in ten dimensions.

    At the "start" the steps are so small that nothing moves, and so what is judged is a network as torch initialises it.
    """
    rate = FROZEN if cell.kind.startswith("start") else 0.01
    rng, width = streams.generator(cell.seed, streams.DATA), int(cell.kind.split()[-1])
    x = rng.standard_normal((cell.n, 10))
    y = np.cos(x @ rng.standard_normal(10) / 2)
    start = nets.torch_default((10, width, 32, 32, 1), streams.generator(cell.seed, streams.INITIALISATION))
    order = with_replacement(cell.n, cell.steps, streams.generator(cell.seed, streams.BATCHES))
    _, run = descend(
        start, x, y, order, step_size=rate, window=1, train_first=True, schedule=range(cell.steps),
        probes={"sigma": lambda network: np.linalg.svd(network.weights[0], compute_uv=False)}, dims={"sigma": ("value",)},
    )  # fmt: skip
    return _bracket(run.trajectory.values, run.slope.values, run.epsilon.values, run.sigma.values[:, [0, -1]])


def _bracket(path: np.ndarray, slope: np.ndarray, epsilon: np.ndarray, sigma: np.ndarray) -> dict[str, float]:
    """Counts of steps below lambda / sigma_1 and above lambda / sigma_min, where sigma (steps, 2) are these two."""
    judged = (epsilon > SLACK) & (path > 0)
    lower, upper = path < slope / sigma[..., 0] * (1 - SLACK), path > slope / sigma[..., 1] * (1 + SLACK)
    return {"lower": float(lower[judged].sum()), "upper": float(upper[judged].sum()), "points": float(judged.sum())}


def _images(cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = streams.generator(cell.seed, streams.DATA)
    x = rng.standard_normal((IMAGES, 1, SIDE, SIDE))
    return x, x[:, 0, :4].sum(axis=(1, 2)) / 4, passes(IMAGES, 2, streams.generator(cell.seed, streams.BATCHES))


def _part(cell: Cell) -> dict[str, float]:
    """T1c: W_1 = I, an unshared b_1 and the part after it; wrong is one bias shared by all pixels."""
    x, y, order = _images(cell)
    found = {}
    for shared_bias in (False, True):
        module = Network(cell.kind, shared_bias, cell.seed)
        found[shared_bias] = descend_autograd(module, module.bias, x, y, order, step_size=0.01, window=1)
    # Step by step: in a mean over steps errors of both signs cancel.
    wrong = float(np.median(np.abs(found[True].trajectory / found[True].slope - 1)))
    return {"error": float(found[False].rounding.max()), "wrong": wrong, "points": float(len(order))}


def _convolution_first(cell: Cell) -> dict[str, float]:
    """T1c where layer 1 itself shares weights, a frozen convolution from 64 pixels to 64: the bracket with its singular values.

    `error` is the number of its violations with an unshared b_1, `wrong` their share with one bias for all places.
    """
    x, y, order = _images(cell)
    found = {}
    for shared_bias in (False, True):
        module = Network("conv first", shared_bias, cell.seed)
        basis = torch.eye(SIDE * SIDE, dtype=torch.float64).reshape(-1, 1, SIDE, SIDE)
        with torch.no_grad():
            matrix = module.first(basis).reshape(SIDE * SIDE, -1).numpy()
        run = descend_autograd(module, module.bias, x, y, order, step_size=0.01, window=1)
        sigma = np.linalg.svd(matrix, compute_uv=False)[[0, -1]]
        found[shared_bias] = _bracket(run.trajectory.values, run.slope.values, run.epsilon.values, sigma)
    wrong = found[True]["lower"] + found[True]["upper"]
    return {"error": found[False]["lower"] + found[False]["upper"], "wrong": wrong / found[True]["points"]} | found[False]


class Network(nn.Module):
    """A little convolutional network on 8 x 8 images: `first`, then `bias`, an activation, the part in question, a head."""

    def __init__(self, kind: str, shared_bias: bool, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape: int, scale: float) -> nn.Parameter:
            return nn.Parameter(scale * torch.randn(*shape, generator=generator, dtype=torch.float64))

        self.kind = kind
        self.kernel = drawn(4, 1, 3, 3, scale=0.3)
        if kind == "skip":
            self.mixed = drawn(4, 4, 3, 3, scale=0.2)
        self.head = drawn(64 if "pool" in kind else 256, scale=0.1)
        self.bias = drawn(1, *((1, 1) if shared_bias else (SIDE, SIDE)), scale=0.1)
        self.first_kernel = drawn(1, 1, 3, 3, scale=0.4).requires_grad_(False)

    def first(self, x: Tensor) -> Tensor:
        """W_1 x: the identity, or a convolution."""
        return nn.functional.conv2d(x, self.first_kernel, padding=1) if self.kind == "conv first" else x

    def forward(self, x: Tensor) -> Tensor:
        h = nn.functional.conv2d(self._active(self.first(x) + self.bias), self.kernel, padding=1)
        h = self._active(h)
        if self.kind == "skip":
            h = h + self._active(nn.functional.conv2d(h, self.mixed, padding=1))
        if self.kind == "max pool":
            h = nn.functional.max_pool2d(h, 2)
        if self.kind == "mean pool":
            h = nn.functional.avg_pool2d(h, 2)
        return h.flatten(start_dim=1) @ self.head

    def _active(self, z: Tensor) -> Tensor:
        if self.kind == "tanh":
            return torch.tanh(z)
        return nn.functional.leaky_relu(z, 0.1 if self.kind == "leaky" else 0.0)


def _worst(relative: np.ndarray) -> float:
    return float(np.abs(relative).max())


def checks(dataset: xr.Dataset) -> list[Check]:
    found = [
        _identity_check(
            dataset, "L-L1", ("eps squares", "eps cross entropy"), "eps by formula and by torch: largest relative error",
            1e-14, "the released code's reciprocal, cross-entropy: median relative error", ("eps cross entropy",),
        ),
        _identity_check(dataset, "L-L2", ("W_1 = I",), f"W_1 = I: {_EQUAL}", ULPS, "eps of the step before: relative error"),
        _lower_check(dataset),
        _identity_check(
            dataset, "L-T1b", ("rates",), "rates times 0.1, 1, 10: largest change of the normalised step, in units of rounding",
            ULPS, "the step itself: its smallest relative change",
        ),
        _identity_check(
            dataset, "L-T1c", PARTS, f"convolution, pooling, skip, tanh, leaky ReLU, W_1 = I, b_1 unshared: {_EQUAL}",
            ULPS, "one bias for all pixels: smallest median relative error",
        ),
        _identity_check(
            dataset, "L-T1d", tuple(f"layer {layer}" for layer in LAYERS), f"layers 2 and 3, b_l and f_d o ... o f_l: {_EQUAL}",
            ULPS, "f_d o ... o f_{l+1} in its place: smallest median relative error",
        ),
    ]  # fmt: skip
    if len(np.unique(dataset.seed.values)) >= ENOUGH_NETWORKS:
        found.append(_upper_check(dataset))
    first = cells_where(dataset, kind="conv first")
    if first.sizes["cell"]:
        found.append(
            check(
                dataset, "L-T1c", "theorem", "a convolution as layer 1, b_1 unshared: steps outside of the bracket",
                exact(float(first.error.sum()), first.sizes["cell"]), below(1),
                control("one bias for all places: share of steps outside", smallest(first.wrong.values), above(WRONG)),
            )
        )  # fmt: skip
    return found


_EQUAL = "largest error of |db| / (alpha eps) against the slope, in units of rounding"


def _identity_check(
    dataset: xr.Dataset,
    claim: str,
    kinds: tuple[str, ...],
    statistic: str,
    allowed: float,
    what: str,
    wrong: tuple[str, ...] = (),
) -> Check:
    chosen, other = cells_where(dataset, kind=kinds), cells_where(dataset, kind=wrong or kinds)
    return check(
        dataset, claim, "identity", statistic, largest(chosen.error.values), below(allowed),
        control(what, smallest(other.wrong.values), above(WRONG)),
    )  # fmt: skip


def _lower_check(dataset: xr.Dataset) -> Check:
    return check(
        dataset, "L-L2", "theorem", "W_1 trained, n_1 = 5 to 128, n = 10: share of steps below lambda / sigma_1",
        violations(dataset, "lower", WIDTHS, TRAINED), below(1e-12),
        no_control("an inequality of norms; the upper half has one"),
    )  # fmt: skip


def _upper_check(dataset: xr.Dataset) -> Check:
    """FULL only: the control's share differs from network to network."""
    beyond = violations(dataset, "upper", (ABOVE,), AT_START)
    return check(
        dataset, "L-L2", "theorem", "W_1 trained, n_1 = 5 and 10, n = 10: share of steps above lambda / sigma_n",
        violations(dataset, "upper", INSIDE, TRAINED), below(1e-12),
        control("n_1 = 32 > n, as initialised: the same share", beyond, between(0.1, 0.5)),
    )  # fmt: skip


TRAINED, AT_START = "", "start "


def violations(dataset: xr.Dataset, half: str, widths: tuple[int, ...], when: str) -> Estimate:
    """The share of all judged steps that lie outside of one half of the bracket."""
    chosen = cells_where(dataset, kind=tuple(f"{when}n_1 = {width}" for width in widths), n=JUDGED_N)
    if not chosen.sizes["cell"]:
        return mean([])
    return exact(float(chosen[half].sum() / chosen.points.sum()), len(np.unique(chosen.seed.values)))
