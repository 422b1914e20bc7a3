"""What the lenses look at: samples, the outputs that fit them, and the loss between both.

Everything is looked at once, at the door, and refused in one sentence. Whole data sets are
checked for numbers that are not finite; of what is kept, a lens takes as many rows as it says.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simplicity.lenses.mirror import BLOCK, Mirror, as_columns, doubles, first_line
from simplicity.problems import Problem, shown, training_doors

Array = NDArray[np.floating]
Loss = Callable[[Tensor, Tensor], Tensor]
_TRIED = 2  # rows on which a network is tried at the door
_PAIR = "a pair (x, y) of arrays or tensors"


def half_square(output: Tensor, target: Tensor) -> Tensor:
    """1/(2n) sum_k |f(x_k) - y_k|^2."""
    return 0.5 * (output - target).square().sum() / len(output)


class Outputs(NamedTuple):
    """What a network gives for each row, and with it what targets have to be.

    `classes` is the number of classes, 0 where targets are numbers; `width` that of outputs;
    `flat` says whether they are (n,).
    """

    classes: int
    width: int
    flat: bool


class Samples(NamedTuple):
    """Inputs (n, ...) and targets (n, ...), as given but for their class: tensors on any device."""

    x: Tensor
    y: Tensor

    def some(self, count: int) -> "Samples":
        """At most `count` of them, drawn once and the same in every call of the same size."""
        chosen = torch.from_numpy(_some(len(self.x), count))
        return Samples(*(part[chosen.to(part.device)] for part in self))


@dataclass(frozen=True)
class Rows:
    """A few samples on the network's device: x (q, ...) as it takes them, y as the loss does."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def blocks(self) -> Iterator["Rows"]:
        """As many as are looked at together."""
        return map(Rows, self.x.split(BLOCK), self.y.split(BLOCK))

    @property
    def flat(self) -> Array:
        """Inputs (q, d) in double precision."""
        return doubles(self.x.reshape(len(self.x), -1))


@dataclass(frozen=True)
class Task:
    """Samples for training and testing, a network's mirror, and the loss between both."""

    mirror: Mirror
    train: Samples
    test: Samples
    loss: Loss
    outputs: Outputs
    tested: bool  # whether there are test samples

    def rows(self, count: int, *, test: bool = False) -> Rows:
        """At most `count` of the samples, the same in every call."""
        samples = self.test if test else self.train
        return self.placed(*samples.some(count))

    def placed(self, x: Tensor, y: Tensor) -> Rows:
        """Samples on the network's device and in its precision."""
        return Rows(self.mirror.placed(x), self.mirror.placed(y))

    def batch(self, given: Any) -> Rows:
        """A step's own samples, out of what the loop hands over."""
        samples = _samples("batch", given)
        return self.placed(samples.x, _targets("batch", samples.y, self.outputs))

    def pull(self, output: Tensor, y: Tensor) -> Tensor:
        """Minus the derivative of the loss by outputs (q, k), (q, k)."""
        with torch.enable_grad():
            at = output.detach().clone().requires_grad_()
            (found,) = torch.autograd.grad(self.loss_of(at, y), at)
        return -found

    def loss_of(self, output: Tensor, y: Tensor) -> Tensor:
        """The loss of outputs (q, k)."""
        return self.loss(output[:, 0] if self.outputs.flat else output, y)

    def labels(self, rows: Rows) -> NDArray[np.int64] | None:
        """Classes (q,) from 0 on, or None where the targets are numbers."""
        if self.outputs.classes:
            return _whole(rows.y)
        if self.outputs.width > 1 and _one_hot(rows.y):
            return _whole(rows.y.argmax(dim=1))
        return None


def _whole(y: Tensor) -> NDArray[np.int64]:
    return np.asarray(y.reshape(-1).long().cpu().numpy())


def _some(n: int, count: int) -> NDArray[np.int64]:
    """All of n rows, or `count` of them in their order."""
    if count >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, count, replace=False))


def task(mirror: Mirror, data: Any, test: Any, loss: Loss | None) -> Task:
    """Look at everything that `watch` is given about the samples."""
    train = _finite("data", _samples("data", data))
    tested = test is not None
    other = _fitting(_finite("test", _samples("test", test)), train) if tested else train
    outputs = _outputs(_tried(mirror, train.x), train.y, loss)
    if loss is not None and not callable(loss):
        raise Problem(
            f"loss: got {shown(loss)}, allowed a function of outputs and targets, or none"
        )
    train = train._replace(y=_targets("data", train.y, outputs))
    other = other._replace(y=_targets("test", other.y, outputs))
    found = Task(mirror, train, other, loss or _default_loss(outputs), outputs, tested)
    if loss is not None:
        _try_loss(found)
    return found


def _pair(name: str, given: Any) -> Sequence[Any]:
    several = isinstance(given, (tuple, list))
    if several and len(given) == 2:
        return given
    size = f" of {len(given)}" if several else ""
    raise Problem(f"{name}: got a {type(given).__name__}{size}, allowed {_PAIR}")


def _samples(name: str, given: Any) -> Samples:
    parts = zip("xy", _pair(name, given), strict=True)
    x, y = (_tensor(f"{name} {letter}", part) for letter, part in parts)
    if len(x) != len(y):
        raise Problem(f"{name} y: got {len(y)} targets for {len(x)} inputs, allowed one for each")
    return Samples(x, y)


def _finite(name: str, samples: Samples) -> Samples:
    for letter, part in zip("xy", samples, strict=True):
        wrong = _not_finite(part)
        if wrong:
            got = f"{wrong} of {part.numel()} numbers that are not finite"
            raise Problem(f"{name} {letter}: got {got}, allowed finite numbers alone")
    return samples


def _not_finite(part: Tensor) -> int:
    if not part.is_floating_point():
        return 0
    return sum(int((~torch.isfinite(block)).sum()) for block in part.split(4096))


def _fitting(test: Samples, train: Samples) -> Samples:
    """Test samples whose inputs have the shape of those for training."""
    if test.x.shape[1:] != train.x.shape[1:]:
        got = f"inputs of shape {tuple(test.x.shape[1:])}"
        raise Problem(f"test: got {got}, allowed {tuple(train.x.shape[1:])} as in data")
    return test


def _tensor(name: str, given: Any) -> Tensor:
    """A tensor of real numbers or truth values, with rows; arrays and lists become one."""
    tensor = given if isinstance(given, Tensor) else _from_array(name, given)
    _dense(name, tensor)
    if tensor.dim() == 0 or tensor.numel() == 0:
        raise Problem(f"{name}: got shape {tuple(tensor.shape)}, allowed at least one row")
    return tensor.detach()


def _dense(name: str, given: Tensor) -> None:
    if given.layout != torch.strided or given.device.type == "meta" or given.is_quantized:
        raise Problem(f"{name}: got a sparse, quantised or empty tensor, allowed a dense one")
    if given.is_complex():
        raise Problem(f"{name}: got complex numbers, allowed real ones")


def _from_array(name: str, given: Any) -> Tensor:
    array = _array(name, given)
    if array.dtype.kind not in "fiub":
        got = "text" if array.dtype.kind in "US" else f"an array of {array.dtype}"
        raise Problem(f"{name}: got {got}, allowed real numbers")
    return torch.from_numpy(training_doors.for_torch(_of_torch(array)))


def _array(name: str, given: Any) -> NDArray[Any]:
    if isinstance(given, dict):
        raise Problem(f"{name}: got a dict, allowed an array or a tensor")
    if np.ma.is_masked(given):
        raise Problem(f"{name}: got an array with masked entries, allowed one without")
    try:
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError):
        raise Problem(
            f"{name}: got a {type(given).__name__}, allowed an array of numbers"
        ) from None


def _of_torch(array: NDArray[Any]) -> NDArray[Any]:
    """In a precision and an order of bytes that torch has."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size > 8:
        return array.astype(np.float64)
    if kind == "u" and size > 1:
        return array.astype(np.int64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _tried(mirror: Mirror, x: Tensor) -> Tensor:
    """Outputs of a few rows: the network takes the inputs, and gives one row for each."""
    few = mirror.placed(x[:_TRIED])
    output = _outputs_of(mirror, few)
    if output.dim() not in (1, 2) or len(output) != len(few) or not output.is_floating_point():
        shape = tuple(output.shape)
        way = "(n,) or (n, k), or watch(..., forward=lambda model, x: ...)"
        raise Problem(f"model: got outputs {shape} for {len(few)} inputs, allowed {way}")
    return output


def _outputs_of(mirror: Mirror, few: Tensor) -> Tensor:
    try:
        with torch.no_grad():
            return mirror(few)
    except Problem:
        raise
    except Exception as reason:
        got = f"{_said(reason)} on inputs {tuple(few.shape)} of {few.dtype}"
        raise Problem(f"model: got {got}, allowed inputs that it takes") from reason


def _said(reason: Exception) -> str:
    return f"{type(reason).__name__} ({first_line(reason)[:120]})"


def _outputs(output: Tensor, y: Tensor, loss: Loss | None) -> Outputs:
    """What a network is that gives this `output` for a few rows, and has targets y (n, ...)."""
    width = as_columns(output).shape[1]
    flat = output.dim() == 1 or (width == 1 and loss is None)
    return Outputs(_classes(y, width, loss), width, flat)


def _classes(y: Tensor, width: int, loss: Loss | None) -> int:
    """How many classes the targets name; 0 where they are numbers."""
    if not _single(y):
        return width if width > 1 and _one_hot(y) and loss is None else 0
    if width > 1:
        whole = not y.is_floating_point() or bool((y == y.round()).all())
        return width if whole else 0
    return 2 if loss is None and _binary(y) else 0


def _binary(y: Tensor) -> bool:
    """Whether labels are 0 and 1, as whole numbers or truth values."""
    return not y.is_floating_point() and int(y.min()) >= 0 and int(y.max()) <= 1


def _single(y: Tensor) -> bool:
    return y.dim() == 1 or (y.dim() == 2 and y.shape[1] == 1)


def _one_hot(y: Tensor) -> bool:
    return bool(((y == 0) | (y == 1)).all() and (y.sum(dim=1) == 1).all())


def _targets(name: str, y: Tensor, outputs: Outputs) -> Tensor:
    """Targets as the loss takes them: classes (n,), or numbers of the outputs' shape."""
    if not outputs.classes:
        return _numbers(name, y, outputs)
    return _named_classes(name, y, outputs) if _single(y) else _marked(name, y, outputs.classes)


def _numbers(name: str, y: Tensor, outputs: Outputs) -> Tensor:
    if outputs.width == 1 and _single(y):
        y = y.reshape(-1) if outputs.flat else y.reshape(-1, 1)
    elif y.dim() != 2 or y.shape[1] != outputs.width:
        raise Problem(f"{name} y: got shape {tuple(y.shape)}, allowed {_shapes(outputs.width)}")
    return y if y.is_floating_point() else y.double()


def _shapes(width: int) -> str:
    """Those of targets for outputs of this width, in words."""
    if width == 1:
        return "(n,) or (n, 1) for the model's one output"
    return f"(n, {width}) as the model's outputs, or labels (n,) of whole numbers"


def _marked(name: str, y: Tensor, classes: int) -> Tensor:
    """Classes (n,) out of one-hot rows."""
    if y.dim() != 2 or y.shape[1] != classes or not _one_hot(y):
        allowed = f"(n,) or one-hot rows (n, {classes})"
        raise Problem(f"{name} y: got shape {tuple(y.shape)}, allowed {allowed}")
    return y.argmax(dim=1)


def _named_classes(name: str, y: Tensor, outputs: Outputs) -> Tensor:
    """Classes (n,) out of labels (n,) or (n, 1)."""
    low, high, last = float(y.min()), float(y.max()), outputs.classes - 1
    if low < 0 or high > last:
        allowed = f"whole numbers from 0 to {last} for {outputs.width} outputs"
        raise Problem(f"{name} y: got labels from {low:g} to {high:g}, allowed {allowed}")
    return y.reshape(-1).long()


def _default_loss(outputs: Outputs) -> Loss:
    if not outputs.classes:
        return half_square
    return nn.functional.cross_entropy if outputs.width > 1 else _of_logits


def _of_logits(output: Tensor, y: Tensor) -> Tensor:
    """The cross-entropy of classes 0 and 1."""
    return nn.functional.binary_cross_entropy_with_logits(output, y.to(output.dtype))


def _try_loss(task: Task) -> None:
    """The user's own loss takes outputs and targets, and gives one number."""
    rows = task.rows(_TRIED)
    output = task.mirror.rows(rows.x)
    try:
        value = task.loss_of(output, rows.y)
        fine = isinstance(value, Tensor) and value.numel() == 1
    except Exception as reason:
        raise Problem(f"loss: got {_said(reason)}, allowed one that takes y") from reason
    if not fine:
        raise Problem("loss: got more than one number, allowed a loss that is one number")
