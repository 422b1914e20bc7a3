"""The normalised step of a layer's bias, and the local Lipschitz constant beside it
(Loukas et al. 2021, sec. 3).

    |b(t+1) - b(t)| / (alpha eps_t) = |df/db(x_t)|,   eps_t = |dl/df|   for SGD on one sample

The left side is what a trajectory shows, the right side what it means; the latter needs no
learning rate and no optimiser of a certain kind. Theorem 1 brackets it by the local Lipschitz
constant |df/dx| over the singular values of the layer's weights, for the first layer of a
network with one output.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simplicity.lenses.lens import Lens, Look, Variable, named
from simplicity.lenses.mirror import Mirror, as_columns, described, doubles
from simplicity.lenses.task import Rows, Task
from simplicity.problems import MOST_NAMES, Problem, doors

Array = NDArray[np.floating]
Rate = float | Callable[[], float]
Tensors = dict[str, Tensor]

MOST_OUTPUTS = 16  # of which the Lipschitz constant is exact
FIT_ROWS = 2000  # of the least-squares fit whose slope is the unit
_CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)
_VARIABLES = {
    "bias_slope": Variable(
        "mean |df/db|, a step of the bias over rate and |dloss/df|", "output/bias"
    ),
    "lipschitz": Variable("mean local Lipschitz constant |df/dx|", "output/input"),
    "lipschitz_sd": Variable("its standard deviation over rows", "output/input"),
    "bias_distance": Variable("|b(t) - b(0)|", "bias"),
}
_STEP = Variable("|b(t) - b(t-1)| / (alpha eps) of the step itself", "output/bias")
_RELATIVE = Variable("lipschitz over the slope of the least-squares fit of the targets")


def bias_trajectory(layer: str, *, rate: Rate | None = None, rows: int = 32) -> Lens:
    """The normalised step of the bias of a layer in `model.named_modules()` (Loukas et al. 2021).

    `bias_slope` is the mean of |df/db| over at most `rows` training rows: the step |b(t+1) -
    b(t)| / (alpha eps) that plain SGD takes on one of them, whatever the optimiser that is used.
    `lipschitz` is the mean of |df/dx|, the spectral norm where there are several outputs, up to
    16; with more, and in `bias_slope` with several, the derivative is that along dloss/df.
    Targets that are numbers give `lipschitz_relative` as well.

    With `rate`, the learning rate or a function that returns it, `bias_step` is the step that was
    really taken, |b(t) - b(t-1)| / (alpha eps). Its eps = sum_i |dL/df_i| is that of the batch that
    `record.step` gets, before the step and in evaluation mode.

    A look costs `rows` times 1 + k rows forward for k outputs. Memory: with `rate` the
    parameters once more. Raises `Problem` for a layer without a bias or with one that is not
    added to its output, and for inputs that are whole numbers.
    """
    if rate is not None and not callable(rate):
        doors.number("rate", rate, above=0)
    name = named(layer)
    doors.whole("rows", rows, 1)
    return Lens(
        "bias_trajectory",
        "Loukas et al. 2021",
        "Blind at large random starts; a bias shared over places (convolution) and later layers "
        "are outside Theorem 1.",
        lambda task: _prepared(task, name, rate, rows),
        name,
    )


class _Biased(NamedTuple):
    """A layer with a bias, by its name in the network."""

    name: str
    module: nn.Module
    bias: Tensor


def _prepared(task: Task, name: str, rate: Rate | None, count: int) -> Look:
    rows, layer = task.rows(count), _layer(task.mirror, name)
    _are_real(rows.x)
    _is_added(task.mirror, layer, rows.x)
    unit = 0.0 if task.outputs.classes else _fitted_slope(task)
    step = _Step(task, layer.bias, rate) if rate is not None else None
    seen = _Trajectory(task, layer, rows, layer.bias.detach().clone(), unit, step)
    facts = {"rows": float(len(rows))} | ({"fitted_slope": unit} if unit > 0 else {})
    cost = len(rows) * (1 + _passes_back(task.outputs.width))
    return Look(seen.now, seen.variables, cost, facts, step.before if step else None)


def _passes_back(width: int) -> int:
    """How many of them the slopes take."""
    return width if width <= MOST_OUTPUTS else 1


@dataclass(frozen=True)
class _Trajectory:
    """What the lens sees at fixed rows; `unit` is the slope of least squares, 0 for none."""

    task: Task
    layer: _Biased
    rows: Rows
    start: Tensor
    unit: float
    step: "_Step | None"

    @property
    def variables(self) -> dict[str, Variable]:
        relative = {"lipschitz_relative": _RELATIVE} if self.unit > 0 else {}
        return _VARIABLES | relative | ({"bias_step": _STEP} if self.step else {})

    def now(self, batch: Any) -> dict[str, float]:
        found = self._seen()
        if self.unit > 0:
            found["lipschitz_relative"] = found["lipschitz"] / self.unit
        if self.step:
            found["bias_step"] = self.step.taken(batch)
        return found

    def _seen(self) -> dict[str, float]:
        by_bias, by_input = slopes(self.task, self.layer, self.rows)
        defined = np.isfinite(by_bias).any()
        return {
            "bias_slope": float(np.nanmean(by_bias)) if defined else math.nan,
            "lipschitz": float(np.mean(by_input)),
            "lipschitz_sd": float(np.std(by_input)),
            "bias_distance": float((self.layer.bias.detach() - self.start).norm()),
        }


def _layer(mirror: Mirror, name: str) -> _Biased:
    module = mirror.layer("bias_trajectory", name)
    if isinstance(bias := getattr(module, "bias", None), Tensor):
        return _Biased(name, module, bias)
    got = described(name, module)
    raise Problem(f"bias_trajectory: got {got} without a bias, allowed {_with_a_bias(mirror)}")


def _with_a_bias(mirror: Mirror) -> str:
    """The layers that have one, in words."""
    named = mirror.model.named_modules()
    fit = [key for key, one in named if isinstance(getattr(one, "bias", None), Tensor)]
    listed = ", ".join(fit[:MOST_NAMES]) + (", ..." if len(fit) > MOST_NAMES else "")
    return f"one that has: {listed}" if fit else "none here, as no layer has one"


def _are_real(x: Tensor) -> None:
    if not x.is_floating_point():
        raise Problem(
            f"bias_trajectory: got inputs of {x.dtype}, "
            "allowed real numbers, by which f has a slope"
        )


def _is_added(mirror: Mirror, layer: _Biased, x: Tensor) -> None:
    """The layer adds its bias to its output, so that one pass back gives the slope of each row."""
    kind = described(layer.name, layer.module)
    allowed = "one whose output is something plus its bias"
    try:
        wanted, found = _two_ways(mirror, layer, x[:2])
    except (RuntimeError, TypeError, AttributeError, ValueError) as reason:
        raise Problem(
            f"bias_trajectory: got {kind} whose bias cannot be shifted, allowed {allowed}"
        ) from reason
    if wanted is None or found is None:
        raise Problem(
            f"bias_trajectory: got {kind}, which the outputs do not depend on, allowed one they do"
        )
    if not _same(found.sum(dim=0).reshape(wanted.shape), wanted):
        raise Problem(
            f"bias_trajectory: got {kind}, which uses its bias in another way, allowed {allowed}"
        )


def _two_ways(mirror: Mirror, layer: _Biased, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """The gradient of all outputs by the bias, and by what is added to it at each row."""
    offset, _, output = _shifted(mirror, layer, x)
    (wanted,) = torch.autograd.grad(output.sum(), layer.bias, retain_graph=True, allow_unused=True)
    (found,) = torch.autograd.grad(output.sum(), offset, allow_unused=True)
    return wanted, found


def _same(found: Tensor, wanted: Tensor) -> bool:
    """But for rounding, relative to the largest entry."""
    return torch.allclose(found, wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max() + 1e-30))


def slopes(task: Task, layer: _Biased, rows: Rows) -> tuple[Array, Array]:
    """|df/db| and |df/dx| at each row, both (q,)."""
    parts = [_block(task, layer, block) for block in rows.blocks()]
    first, second = zip(*parts, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _block(task: Task, layer: _Biased, rows: Rows) -> Sequence[Array]:
    offset, x, output = _shifted(task.mirror, layer, rows.x)
    unit = _directions(task.pull(output, rows.y))
    if output.shape[1] > MOST_OUTPUTS:
        return _along(unit, output, (offset, x))
    by_bias, by_input = _jacobians(output, (offset, x))
    along_pull = np.einsum("qk,qkb->qb", doubles(unit), by_bias)
    return np.linalg.norm(along_pull, axis=1), spectral(by_input)


def _along(unit: Tensor, output: Tensor, by: tuple[Tensor, Tensor]) -> list[Array]:
    """Lengths (q,) of the derivatives of <unit, f> by each of two."""
    found = torch.autograd.grad((torch.nan_to_num(unit) * output).sum(), by)
    return [np.linalg.norm(_flat(part), axis=1) for part in found]


def _jacobians(output: Tensor, by: tuple[Tensor, Tensor]) -> list[Array]:
    """Of outputs (q, k) by each of two, (q, k, ...)."""
    columns = [
        torch.autograd.grad(one.sum(), by, retain_graph=True) for one in output.unbind(dim=1)
    ]
    by_each = zip(*columns, strict=True)
    return [np.stack([_flat(part) for part in parts], axis=1) for parts in by_each]


def _directions(pull: Tensor) -> Tensor:
    """Of dloss/df (q, k) at each row, NaN where it is 0; 1 for one output."""
    if pull.shape[1] == 1:
        return torch.ones_like(pull)
    size = pull.norm(dim=1, keepdim=True)
    return torch.where(size > 0, pull / size, torch.nan)


def _flat(part: Tensor) -> Array:
    return doubles(part).reshape(len(part), -1)


def spectral(jacobians: Array) -> Array:
    """The largest singular value of each of the matrices (q, k, d), (q,)."""
    if jacobians.shape[1] == 1:
        return np.asarray(np.linalg.norm(jacobians[:, 0], axis=1))
    gram = jacobians @ jacobians.transpose(0, 2, 1)
    if not np.isfinite(gram).all():
        return np.full(len(gram), np.nan)
    return np.asarray(np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[:, -1], 0)))


def _shifted(mirror: Mirror, layer: _Biased, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Zeros (q, b) that are added to the layer's output as its bias is; inputs, outputs (q, k)."""
    offset = layer.bias.new_zeros(len(x), layer.bias.numel(), requires_grad=True)
    x = x.clone().requires_grad_()

    def add(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return output + offset.reshape(len(x), *_shape(layer, output.dim()))

    handle = layer.module.register_forward_hook(add)
    try:
        return offset, x, as_columns(mirror(x))
    finally:
        handle.remove()


def _shape(layer: _Biased, dims: int) -> tuple[int, ...]:
    """That of a bias beside one row of an output of so many axes."""
    if isinstance(layer.module, _CHANNELS_FIRST):
        return (-1, *[1] * (dims - 2))
    return (*[1] * (dims - 1 - layer.bias.dim()), *layer.bias.shape)


def _fitted_slope(task: Task) -> float:
    """Spectral norm of the targets' least-squares fit on the inputs, with an intercept; 0 where
    the fit is none.
    """
    rows = task.rows(FIT_ROWS)
    x, y = rows.flat, _flat(rows.y)
    size = float(np.linalg.norm(_fit(x, y), 2))
    return size if size * float(np.std(x)) > 1e-9 * float(np.abs(y).max() + 1e-300) else 0.0


def _fit(x: Array, y: Array) -> Array:
    return np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(axis=0), rcond=None)[0]


class _Step:
    """The step that was really taken, over rate and eps."""

    def __init__(self, task: Task, bias: Tensor, rate: Rate) -> None:
        self.task, self.bias, self.rate = task, bias, rate
        self.kept: tuple[Tensors, Tensor, float] | None = None

    def before(self) -> None:
        rate = float(self.rate() if callable(self.rate) else self.rate)
        self.kept = self.task.mirror.tensors(), self.bias.detach().clone(), rate

    def taken(self, batch: Any) -> float:
        if self.kept is None or batch is None:
            return math.nan
        tensors, old, rate = self.kept
        eps = self._error(tensors, self.task.batch(batch))
        length = float((self.bias.detach().double() - old.double()).norm())
        self.kept = None
        return length / (rate * eps) if eps > 0 else math.nan

    def _error(self, tensors: Tensors, rows: Rows) -> float:
        """sum_i |dL/df_i| of the network with these parameters."""
        with torch.no_grad():
            output = self.task.mirror.with_tensors(rows.x, tensors)
        return float(self.task.pull(output, rows.y).norm(dim=1).sum())
