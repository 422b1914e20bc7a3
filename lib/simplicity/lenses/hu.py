"""How far a network is from linear: in its inputs, and in its parameters (Hu et al. 2020).

    nonlinear   = Var(f - best linear map of x) / Var f          over fresh rows, with an intercept
    tangent_gap = mean |f_t - f_lin|^2 / mean |f_t - f_0|^2,   f_lin = f_0 + J_0 (theta_t - theta_0)

J_0 is the Jacobian by the parameters at the start, of which only its product with one vector is
ever computed, by `torch.func.jvp`: no kernel and no array of size n x n is made.
"""

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import jvp

from simplicity.lenses.lens import Lens, Look, Variable
from simplicity.lenses.mirror import BLOCK, Mirror, doubles
from simplicity.lenses.task import Rows, Task
from simplicity.problems import Problem, doors

Array = NDArray[np.floating]
Tensors = dict[str, Tensor]

_FEWEST = 8
TANGENT_ROWS = 128  # on which the linearised start is looked at, at most
_SHARE = 4  # rows for each direction of the inputs that the linear map uses
_SMALL = 1e-10  # singular values below this part of the largest count as none
_VARIABLES = {
    "nonlinear": Variable(
        "share of the outputs' variance that no linear map of the inputs explains"
    ),
    "output_power": Variable("mean square of the outputs", "output^2"),
    "tangent_gap": Variable("squared distance to the linearised start over that to the start"),
}


def linear_gap(*, rows: int = 256) -> Lens:
    """The gap to the best linear map of the inputs, and to the linearised start (Hu et al. 2020).

    `nonlinear` is Var(f_t - best linear map) / Var f_t on at most `rows` test rows, 0 for a
    linear network and 1 where no linear map explains anything. Residuals are divided by their
    degrees of freedom. Where the inputs have more than a quarter as many dimensions as there are
    rows, the map sees their first principal components alone. `tangent_gap` is
    mean |f_t - f_lin|^2 / mean |f_t - f_0|^2 on at most 128 of these rows, 0 in the lazy regime
    and NaN before anything has moved. A look costs `rows` and three times these rows forward.
    Memory: the parameters twice. Raises `Problem` for fewer than 8 rows.
    """
    doors.whole("rows", rows, _FEWEST)
    return Lens(
        "linear_gap",
        "Hu et al. 2020",
        "Blind to learning where the network memorises, which looks the same; "
        "tangent_gap says little at small starts.",
        lambda task: _prepared(task, rows),
    )


def _prepared(task: Task, count: int) -> Look:
    rows = task.rows(count, test=True)
    n = len(rows)
    if n < _FEWEST:
        raise Problem(f"linear_gap: got {n} test rows, allowed {_FEWEST} or more")
    gaps = _Gaps(task.mirror, rows)
    facts = {"rows": float(n), "directions": float(gaps.basis.shape[1])}
    return Look(gaps.now, _VARIABLES, n + 3 * len(gaps.along.x), facts)


class _Gaps:
    """What the lens sees at fixed rows, some of which are for the linearised start."""

    def __init__(self, mirror: Mirror, rows: Rows) -> None:
        self.mirror, self.x = mirror, rows.x
        self.basis = directions(rows.flat)
        self.few = slice(None, None, -(-len(rows) // TANGENT_ROWS))
        _forward_mode()
        self.along = _Along(mirror, mirror.tensors(), rows.x[self.few])

    def now(self, _: Any) -> dict[str, float]:
        f = doubles(self.mirror.rows(self.x))
        first, moved = self.along.outputs(self.mirror.tensors())
        return {
            "nonlinear": nonlinear(f, self.basis),
            "output_power": _power(f),
            "tangent_gap": tangent_gap(f[self.few], first, moved),
        }


def _forward_mode() -> None:
    """The first derivative forwards in a process has torch compile, with a warning of its own."""
    one = torch.ones(1, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jvp(torch.sin, (one,), (one,))


def directions(x: Array) -> Array:
    """An orthonormal basis (q, r) of the centred columns of x (q, d), or of its first principal
    components.
    """
    left, singular, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    kept = int(np.count_nonzero(singular > _SMALL * singular[0]))
    return np.asarray(left[:, : min(kept, max(1, len(x) // _SHARE))])


def nonlinear(f: Array, basis: Array) -> float:
    """Share of the variance of f (q, k) outside of the basis (q, r), by degrees of freedom.

    NaN for constant f.
    """
    centred = f - f.mean(axis=0)
    whole = _variance(centred, len(f) - 1)
    if whole <= 1e-12 * _power(f):
        return math.nan
    rest = centred - basis @ (basis.T @ centred)
    return _variance(rest, len(f) - basis.shape[1] - 1) / whole


def _variance(residuals: Array, freedom: int) -> float:
    return float(np.sum(residuals**2)) / freedom


def tangent_gap(f: Array, first: Array, moved: Array) -> float:
    """mean |f - f_lin|^2 / mean |f - f_0|^2 for outputs f, f_0 = `first` and f_lin - f_0 = `moved`.

    All are (q, k). NaN before anything has moved.
    """
    change = _power(f - first)
    return _power(f - first - moved) / change if change > 0 else math.nan


def _power(f: Array) -> float:
    return float(np.mean(f**2))


@dataclass
class _Along:
    """f_0 and J_0 (theta - theta_0) at fixed rows, with the buffers as they are now."""

    mirror: Mirror
    start: Tensors
    x: Tensor
    forward_mode: bool = True

    def outputs(self, now: Tensors) -> tuple[Array, Array]:
        """Both (q, k)."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        tangent = {name: one - self.start[name] for name, one in now.items()}
        # the one attention that can be derived forwards, and twice
        with sdpa_kernel(SDPBackend.MATH):
            pairs = [self._block(block, tangent) for block in self.x.split(BLOCK)]
        first, moved = (doubles(torch.cat(parts)) for parts in zip(*pairs, strict=True))
        return first, moved

    def _block(self, x: Tensor, tangent: Tensors) -> tuple[Tensor, Tensor]:
        """Both at some rows, forwards until a layer is met that has no such derivative."""
        network = functools.partial(self.mirror.with_tensors, x)
        if self.forward_mode:
            try:
                first, moved = jvp(network, (self.start,), (tangent,))[:2]
                return first, moved
            except (RuntimeError, NotImplementedError):
                self.forward_mode = False
        return _twice_backwards(network, self.start, tangent)


def _twice_backwards(
    network: Callable[[Tensors], Tensor], start: Tensors, tangent: Tensors
) -> tuple[Tensor, Tensor]:
    """The same product as the derivative of u -> <J^T u, tangent>."""
    tensors = {name: one.clone() for name, one in start.items()}
    free = {name: one.requires_grad_() for name, one in tensors.items() if one.is_floating_point()}
    output = network(tensors)
    u = torch.zeros_like(output, requires_grad=True)
    back = torch.autograd.grad(output, list(free.values()), u, create_graph=True, allow_unused=True)
    (moved,) = torch.autograd.grad(_inner(back, [tangent[name] for name in free]), u)
    return output.detach(), moved


def _inner(parts: Sequence[Tensor | None], tangents: Sequence[Tensor]) -> Tensor:
    """<parts, tangents>, where None is a part that nothing depends on."""
    pairs = zip(parts, tangents, strict=True)
    return torch.stack([(part * along).sum() for part, along in pairs if part is not None]).sum()
