"""The method of Levenberg and Marquardt on a two-layer ReLU network of fixed width.

A ReLU is positively homogeneous, so that a neuron is a sign and one vector, v_j = |a_j| w_j:

    h(x) = sum_j s_j max(0, <v_j, x>),     s_j = sign a_j

has m d numbers and no direction along which nothing changes. With the activation pattern
p_jk = 1{<v_j, x_k> > 0} the derivative of h(x_k) by v_j is s_j p_jk x_k, and h is linear where
patterns stay: h = J v exactly. A step solves, with r = y - h,

    (J^T J + mu D) delta = J^T r,     D the mean of the diagonal of J^T J,

and is taken where the train MSE falls; then mu is halved, else multiplied by 1.25 (Marquardt 1963).
Steps are cheap to try again and dear to take, and small changes of mu end lower, since a step ends
where patterns change. Signs never change, so that a start decides how many neurons have each. What
comes out is a local minimum or a kink: an upper bound of the least train MSE of this width.
"""

import contextlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from simplicity.boursier import ols
from simplicity.nets import TwoLayer, forward
from simplicity.problems import doors

Array = NDArray[np.floating]

STEPS = 1000
_DAMPING, _LARGEST = 1e-2, 1e12  # mu at the start, and where it gives up
_EASIER, _HARDER = 2.0, 1.25
_WINDOW, _STILL = 100, 1e-4  # a fall by less than this part over so many steps ends the run
_NOTHING = 1e-24  # an error that is rounding


class Polished(NamedTuple):
    """The network, its train MSE, and the steps that were tried."""

    network: TwoLayer
    error: float
    steps: int


def jacobian(network: TwoLayer, x: Array) -> Array:
    """The derivatives of h(x_k) by the vectors |a_j| w_j, (n, m d), neuron by neuron."""
    pattern = (x @ network.w.T > 0) * np.sign(network.a)
    return (pattern[..., None] * x[:, None]).reshape(len(x), -1)


def polish(network: TwoLayer, x: Array, y: Array, steps: int = STEPS) -> Polished:
    """Descend from `network` (m, d) on the samples x (n, d), y (n,) for at most `steps` steps."""
    x, y = (np.asarray(part, dtype=float) for part in doors.finite(x=(x, "n d"), y=(y, "n")))
    doors.whole("steps", steps, 1)
    descent = _Descent(_by_signs(network), x, y)
    while len(descent.errors) <= steps and descent.goes_on:
        descent.step()
    return Polished(descent.now, descent.errors[-1], len(descent.errors) - 1)


class _Descent:
    """Where a run is: its network, mu, and the error after each step that was tried."""

    def __init__(self, now: TwoLayer, x: Array, y: Array) -> None:
        self.now, self.x, self.y, self.damping = now, x, y, _DAMPING
        self.errors = [self._error(now)]
        self.system: tuple[Array, Array] | None = None

    @property
    def goes_on(self) -> bool:
        """Does a step still help?"""
        return self.damping < _LARGEST and not _settled(self.errors)

    def step(self) -> None:
        """Try one step, taken where the error falls."""
        self.system = self.system or _normal_equations(self.now, self.x, self.y)
        self._take(_moved(self.now, *self.system, self.damping))

    def _take(self, moved: TwoLayer | None) -> None:
        """Go there if the error falls; mu follows."""
        error = self._error(moved) if moved else np.inf
        if moved and error < self.errors[-1]:
            self.now, self.damping, self.system = moved, self.damping / _EASIER, None
        else:
            self.damping *= _HARDER
        self.errors.append(min(error, self.errors[-1]))

    def _error(self, network: TwoLayer) -> float:
        return ols.mse(forward(network, self.x), self.y)


def _by_signs(network: TwoLayer) -> TwoLayer:
    """The same function with outer weights of sign alone."""
    size = np.abs(network.a)[:, None]
    return TwoLayer(np.sign(network.a).astype(float), size * network.w.astype(float))


def _normal_equations(now: TwoLayer, x: Array, y: Array) -> tuple[Array, Array]:
    """J^T J and J^T r."""
    slopes = jacobian(now, x)
    return slopes.T @ slopes, slopes.T @ (y - forward(now, x))


def _settled(errors: list[float]) -> bool:
    """Is the error rounding, or has it hardly fallen over the window?"""
    still = len(errors) > _WINDOW and errors[-1] > (1 - _STILL) * errors[-1 - _WINDOW]
    return still or errors[-1] < _NOTHING


def _moved(now: TwoLayer, curvature: Array, pull: Array, damping: float) -> TwoLayer | None:
    """One step from `now`; None where its system has no solution."""
    damped = curvature + damping * np.mean(np.diag(curvature)) * np.eye(len(curvature))
    with contextlib.suppress(LinAlgError):
        change = cho_solve(cho_factor(damped), pull)
        return now._replace(w=now.w + change.reshape(now.w.shape))
    return None
