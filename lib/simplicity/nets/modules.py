"""Networks as torch modules with one logit, and the initialisations that the papers' code uses.

A module's random numbers come from the generator that is given, through a torch generator of its
own: the global state of torch is neither read nor changed. Every module maps inputs (n, ...) to
logits (n,).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from simplicity.problems import Problem, doors, training_doors

Initialise = Callable[[nn.Module, torch.Generator], None]


def torch_generator(rng: Generator) -> torch.Generator:
    """A torch generator seeded by the next draw of `rng`."""
    doors.generator(rng)
    return torch.Generator().manual_seed(int(rng.integers(2**62)))


def glorot(module: nn.Module, rng: torch.Generator) -> None:
    """Glorot & Bengio's W ~ U(+-sqrt(6 / (fan in + fan out))), no bias: Keras' default."""
    _torch(rng)
    for layer in _layers(module):
        nn.init.xavier_uniform_(layer.weight, generator=rng)
        _zero_bias(layer)


def he(module: nn.Module, rng: torch.Generator) -> None:
    """He et al.'s normal law, W ~ N(0, 2 / fan in), and no bias."""
    _torch(rng)
    for layer in _layers(module):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
        _zero_bias(layer)


def lecun(module: nn.Module, rng: torch.Generator) -> None:
    """W ~ N(0, 1 / fan in), and no bias."""
    _torch(rng)
    for layer in _layers(module):
        nn.init.normal_(layer.weight, std=1 / math.sqrt(_fan_in(layer)), generator=rng)
        _zero_bias(layer)


def torch_default(module: nn.Module, rng: torch.Generator) -> None:
    """What torch does by itself: W and b ~ U(+-1 / sqrt(fan in))."""
    _torch(rng)
    for layer in _layers(module):
        bound = 1 / math.sqrt(_fan_in(layer))
        nn.init.uniform_(layer.weight, -bound, bound, generator=rng)
        if layer.bias is not None:
            nn.init.uniform_(layer.bias, -bound, bound, generator=rng)


def scaled(initialise: Initialise, factor: float) -> Initialise:
    """The same law with all parameters times `factor`."""
    doors.function("initialise", initialise)
    doors.number("factor", factor)

    def start(module: nn.Module, rng: torch.Generator) -> None:
        initialise(module, rng)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(factor)

    return start


def _apart(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """What layers draw from torch's global state when they are made is thrown away and undone."""

    @functools.wraps(build)
    def made(*arguments: Any, **more: Any) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            return build(*arguments, **more)

    return made


@_apart
def linear(inputs: int, rng: Generator, initialise: Initialise = lecun) -> nn.Module:
    """Logistic regression on flattened inputs."""
    doors.whole("inputs", inputs, 1)
    doors.generator(rng)
    return _started(
        nn.Sequential(nn.Flatten(), nn.Linear(inputs, 1), nn.Flatten(0)), rng, initialise
    )


@_apart
def fully_connected(
    sizes: Sequence[int], rng: Generator, initialise: Initialise = glorot
) -> nn.Module:
    """ReLU layers of these sizes, inputs first, then one logit."""
    doors.sizes("sizes", sizes)
    doors.generator(rng)
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return _started(nn.Sequential(*layers, nn.Linear(sizes[-1], 1), nn.Flatten(0)), rng, initialise)


@_apart
def convolutional(
    shape: tuple[int, int, int], rng: Generator, initialise: Initialise = glorot
) -> nn.Module:
    """Nakkiran et al.'s network for MNIST and for animals against objects, as in their code.

    Images are (channels, height, width).

    3 x 3 convolutions of 32 channels without padding, ReLU: one, max-pooling by 2, one, max-pooling
    by 2, two. Then two layers of 2000.
    """
    doors.sizes("shape", shape, 3)
    doors.generator(rng)
    channels, height, width = shape
    across = [((size - 2) // 2 - 2) // 2 - 4 for size in (height, width)]
    if min(across) < 1:
        raise Problem(f"image: got {height} x {width}, allowed 26 x 26 at least")
    layers = [
        nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * across[0] * across[1], 2000), nn.ReLU(), nn.Linear(2000, 2000), nn.ReLU(),
        nn.Linear(2000, 1), nn.Flatten(0),
    ]  # fmt: skip
    return _started(nn.Sequential(*layers), rng, initialise)


class _Bias(nn.Module):
    """x + b with a b for each number of an input, as a layer whose weights, not trained, are I."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


@_apart
def two_convolutions(
    shape: tuple[int, int, int], rng: Generator, channels: tuple[int, int] = (96, 384)
) -> nn.Sequential:
    """Loukas et al.'s network for images (channels, height, width), as in their code.

    Its first bias is `module[0].bias`.

    x + b_1, ReLU; 5 x 5 convolutions of 96 and 384 channels without padding, each with ReLU and
    max-pooling over 3 x 3 at stride 3; a layer of 384; one logit. Biases and weights start uniform
    on +-1 / sqrt(fan in), b_1 as if from a full matrix.

    At 32 x 32 as at 28 x 28 the second pooling has one window on a map of 5 x 5 or 4 x 4, so that
    everything comes from the first 25 rows and columns of the image. The rest is cut off here,
    which changes no output and no gradient.
    """
    doors.sizes("shape", shape, 3)
    doors.sizes("channels", channels, 2)
    doors.generator(rng)
    planes, height, width = shape
    if not (25 <= height < 34 and 25 <= width < 34):
        raise Problem(f"image: got {height} x {width}, allowed 25 to 33")
    first, second = channels
    below = _Bias(shape)
    module = nn.Sequential(
        below, nn.ReLU(), _Corner(25), nn.Conv2d(planes, first, 5), nn.ReLU(), nn.MaxPool2d(3),
        nn.Conv2d(first, second, 5), nn.ReLU(), nn.MaxPool2d(3), nn.Flatten(),
        nn.Linear(second, second), nn.ReLU(), nn.Linear(second, 1),
    )  # fmt: skip
    numbers = torch_generator(rng)
    torch_default(module, numbers)
    bound = 1 / math.sqrt(math.prod(shape))
    nn.init.uniform_(below.bias, -bound, bound, generator=numbers)
    return module


class _Corner(nn.Module):
    """The first rows and columns of an image."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        return x[..., : self.side, : self.side]


class _Block(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))).

    The shortcut is a 1 x 1 convolution where the shape changes.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU())
        self.second = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
        )  # fmt: skip
        same = stride == 1 and before == after
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = self.first(x)
        short = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(active)
        return short + self.second(active)


@_apart
def residual(
    shape: tuple[int, int, int],
    rng: Generator,
    *,
    width: int = 64,
    stages: Sequence[int] = (2, 2, 2, 2),
    initialise: Initialise = he,
) -> nn.Module:
    """A pre-activation residual network.

    A 3 x 3 convolution, stages of blocks, average over the image, one logit.

    Stage k has `stages[k]` blocks of width 2^k `width` channels, and from the second on halves the
    image. (2, 2, 2, 2) at width 64 is ResNet-18. Nakkiran et al.'s small convolutional networks are
    its beginnings: (), (1,) and (2,) are their CNN2, CNN4 and CNN6, up to the pooling, which in
    their code is over 4 x 4 places.
    """
    doors.sizes("shape", shape, 3)
    doors.whole("width", width, 1)
    doors.sizes("stages", stages, 0)
    doors.sides("shape", shape, 3 * 2 ** max(len(stages) - 1, 0) + 1)
    doors.generator(rng)
    channels, before = shape[0], width
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 1, 1, bias=not stages)]
    for stage, blocks in enumerate(stages):
        for block in range(blocks):
            after = width * 2**stage
            layers.append(_Block(before, after, 2 if stage and block == 0 else 1))
            before = after
    layers += [nn.ReLU()] if not stages else [nn.BatchNorm2d(before), nn.ReLU()]
    head = [nn.AvgPool2d(4), nn.Flatten(), nn.LazyLinear(1), nn.Flatten(0)]
    module = nn.Sequential(*layers, *head)
    with torch.no_grad():
        module.eval()(torch.zeros(1, *shape))  # the size of the last layer
    return _started(module.train(), rng, initialise)


def predict(module: nn.Module, x: NDArray | Tensor, block: int = 1000) -> NDArray[np.bool_]:
    """Hard predictions (n,), logit above 0, for inputs (n, ...) in blocks.

    Batch normalisation uses what it has gathered.
    """
    training_doors.module(module, trained=False)
    doors.whole("block", block, 1)
    training_doors.for_module("x", x)
    parameter = next(module.parameters())
    inputs = torch.as_tensor(x)
    training = module.training
    module.eval()
    found = []
    with torch.no_grad():
        for first in range(0, len(inputs), block):
            part = inputs[first : first + block].to(device=parameter.device, dtype=parameter.dtype)
            output = module(part)
            if output.shape != (len(part),):
                module.train(training)
                raise Problem(
                    f"module: got outputs {tuple(output.shape)} for {len(part)} inputs, allowed "
                    "one for each"
                )
            found.append((output > 0).cpu().numpy())
    module.train(training)
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def _torch(rng: torch.Generator) -> None:
    """An initialisation takes torch's generator, where a network takes NumPy's."""
    if not isinstance(rng, torch.Generator):
        raise Problem(
            f"rng: got a {type(rng).__name__}, allowed a torch.Generator, as `torch_generator` "
            "makes"
        )


def _layers(module: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]


def _fan_in(layer: nn.Linear | nn.Conv2d) -> int:
    return layer.weight[0].numel()


def _zero_bias(layer: nn.Linear | nn.Conv2d) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _started(module: nn.Module, rng: Generator, initialise: Initialise) -> nn.Module:
    initialise(module, torch_generator(rng))
    return module
