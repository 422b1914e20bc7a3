"""Alignment of neurons with the force on them early in training (Boursier & Flammarion 2025).

    A = sum_j p_j cos(s_j w_j, D_n(w_j)),   p_j ~ |a_j| |w_j|,   s_j = sign a_j
    D_n(w) = 1/n sum_k 1{<w, x_k> > 0} y_k x_k                    the force while outputs are small

for a two-layer network sum_j a_j max(0, <w_j, x>). For any other, s_j D_n(w_j) is minus the
gradient by w_j of the loss with its derivative taken at outputs 0, which is |a_j| s_j D_n(w_j)
there; and |a_j| is the length of the weights that leave the neuron. A neuron with a bias is the
vector (w_j, b_j) on inputs (x, 1).
"""

import functools
import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from simplicity.lenses.lens import Lens, Look, Variable, named
from simplicity.lenses.mirror import BLOCK, Mirror, as_columns, described, doubles
from simplicity.lenses.task import Rows, Task
from simplicity.problems import Problem, doors, shown

Array = NDArray[np.floating]

ALIGNED = 0.99  # a cosine above counts as aligned
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_VARIABLES = {
    "alignment": Variable("mean cosine of neurons with their early force, by weight"),
    "aligned": Variable(f"weight of the neurons whose cosine is above {ALIGNED}"),
    "participation": Variable("1 / sum p_j^2, how many neurons carry the weight", "neuron"),
}


def alignment(layer: str, *, outgoing: str | None = None, rows: int = 256) -> Lens:
    """A = sum_j p_j cos(s_j w_j, D_n(w_j)) of a hidden layer (Boursier & Flammarion 2025).

    `layer` is fully connected or a convolution, by its name in `model.named_modules()`; a neuron
    of a convolution is a channel. p_j is proportional to |a_j| |w_j|, where a_j are the weights
    that leave the neuron in the layer `outgoing`, by default the next one with weights.
    `participation` is 1 / sum p_j^2, from 1 to the number of neurons. D_n is taken over at most
    `rows` training rows. A look costs three times `rows` rows forward. Raises `Problem` for
    another kind of layer, and for a last one, whose neurons are the outputs.
    """
    name = named(layer)
    doors.whole("rows", rows, 1)
    if outgoing is not None and not isinstance(outgoing, str):
        raise Problem(f"outgoing: got {shown(outgoing)}, allowed a name in model.named_modules()")
    return Lens(
        "alignment",
        "Boursier & Flammarion 2025",
        "Does not apply to large or tangent-kernel starts, where neurons hardly turn; "
        "blind at large participation.",
        lambda task: _prepared(task, name, outgoing, rows),
        name,
    )


def _prepared(task: Task, name: str, outgoing: str | None, count: int) -> Look:
    hidden = _Hidden(task, name, outgoing, task.rows(count))
    facts: dict[str, float | str] = {
        "rows": float(len(hidden.rows)), "neurons": float(hidden.count), "outgoing": hidden.after,
    }  # fmt: skip
    return Look(hidden.now, _VARIABLES, 3 * len(hidden.rows), facts)


class _Hidden:
    """The neurons of a layer, the layer `after` that takes them in, and rows that pull on them."""

    def __init__(self, task: Task, name: str, outgoing: str | None, rows: Rows) -> None:
        self.task, self.name, self.rows = task, name, rows
        self.layer = _layer(task.mirror, name)
        self.count = len(_neurons(self.layer))
        self.after, self.leaving = _leaving(task.mirror, name, outgoing, self.count)
        self._force(Rows(rows.x[:2], rows.y[:2]))  # refused before a step is taken

    def now(self, _: Any) -> dict[str, float]:
        w, a = _neurons(self.layer), _sizes(self.leaving, self.count)
        return aligned(w, a, self._force(self.rows))

    def _force(self, rows: Rows) -> Array:
        return force(self.task, self.layer, rows, self.name)


def aligned(w: Array, a: Array, pulled: Array) -> dict[str, float]:
    """What the lens says of neurons w (m, d) with weights of lengths a (m,) out of them, and of
    the force on each (m, d).
    """
    size = a * np.linalg.norm(w, axis=1)
    total = float(size.sum())
    if not (math.isfinite(total) and total > 0 and np.isfinite(pulled).all()):
        return dict.fromkeys(_VARIABLES, math.nan)
    p, cosine = size / total, cosines(w, pulled)
    return {
        "alignment": float(p @ cosine),
        "aligned": float(p @ (cosine > ALIGNED)),
        "participation": float(1 / np.sum(p**2)),
    }


def with_weights(mirror: Mirror) -> list[tuple[str, nn.Module]]:
    """The layers whose neurons can be looked at, by name, in the order of the network."""
    return [(name, one) for name, one in mirror.model.named_modules() if isinstance(one, LAYERS)]


def _layer(mirror: Mirror, name: str) -> nn.Module:
    layer = mirror.layer("alignment", name)
    if not isinstance(layer, LAYERS):
        got = described(name, layer)
        raise Problem(f"alignment: got {got}, allowed a fully connected layer or a convolution")
    return layer


def _leaving(mirror: Mirror, name: str, outgoing: str | None, count: int) -> tuple[str, nn.Module]:
    """The layer that takes the neurons in, by name and itself."""
    if outgoing is not None:
        return outgoing, _asked_for(mirror, outgoing, count)
    for (before, _), after in pairwise(with_weights(mirror)):
        if before == name and _takes(after[1], count):
            return after
    what = f"the layer {name}, after which no layer takes its {count} neurons"
    raise Problem(
        f'alignment: got {what}, allowed a hidden one, or alignment("{name}", outgoing=...)'
    )


def _asked_for(mirror: Mirror, outgoing: str, count: int) -> nn.Module:
    """The layer that the user names."""
    found = mirror.layer("alignment", outgoing)
    if not _takes(found, count):
        raise Problem(
            f"outgoing: got the layer {outgoing}, "
            f"allowed one that takes {count} neurons or channels"
        )
    return found


def _takes(layer: nn.Module, count: int) -> bool:
    if isinstance(layer, nn.Linear):
        return layer.in_features % count == 0
    if not isinstance(layer, nn.modules.conv._ConvNd):
        return False
    return layer.groups == 1 and layer.in_channels == count


def _sizes(leaving: nn.Module, count: int) -> Array:
    """|a_j|, (m,): the length of the weights that leave each neuron, of a channel at all places."""
    weight = doubles(leaving.weight)  # type: ignore[arg-type]
    by_neuron = weight.reshape(len(weight), count, -1)
    return np.asarray(np.sqrt((by_neuron**2).sum(axis=(0, 2))))


def _neurons(layer: nn.Module) -> Array:
    """(w, b) of each neuron, (m, d + 1), or w where there is no bias."""
    return _columns(_parts(layer))


def _parts(layer: nn.Module) -> list[Tensor]:
    return [part for part in (layer.weight, layer.bias) if isinstance(part, Tensor)]


def _columns(parts: list[Tensor]) -> Array:
    return np.concatenate([doubles(part).reshape(len(part), -1) for part in parts], axis=1)


def force(task: Task, layer: nn.Module, rows: Rows, name: str) -> Array:
    """Minus the loss's gradient by each neuron's (w, b), (m, d + 1), with the loss's derivative
    taken at outputs 0. `name` is the layer's.
    """
    blocks = zip(rows.x.split(BLOCK), _at_zero(task, rows).split(BLOCK), strict=True)
    found = (_pulled(task.mirror, layer, x, pull, name) for x, pull in blocks)
    return _columns(functools.reduce(_added, found))


def _at_zero(task: Task, rows: Rows) -> Tensor:
    """The pull on outputs 0, (q, k)."""
    zeros = task.mirror.placed(torch.zeros(len(rows), task.outputs.width))
    return task.pull(zeros, rows.y)


def _added(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    return [a + b for a, b in zip(first, second, strict=True)]


def _pulled(mirror: Mirror, layer: nn.Module, x: Tensor, pull: Tensor, name: str) -> list[Tensor]:
    """The gradient of <pull, f(x)> by the layer's weight and bias."""
    with parametrize.cached():  # a weight that is computed is the same one in the forward pass
        output, parts = as_columns(mirror(x)), _parts(layer)
    found = torch.autograd.grad((pull * output).sum(), parts, allow_unused=True)
    if any(one is None for one in found):
        got = f"the layer {name}, which the outputs do not depend on"
        raise Problem(f"alignment: got {got}, allowed one they do")
    return list(found)


def cosines(first: Array, second: Array) -> Array:
    """Of each row with the other's row, (m,); 0 where one of them is 0."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    inner = np.sum(first * second, axis=-1)
    return np.divide(inner, lengths, out=np.zeros_like(inner), where=lengths > 0)
