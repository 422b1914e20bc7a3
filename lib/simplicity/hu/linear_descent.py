"""Gradient descent of a linear model from 0, at any step at once.

    f(x) = <beta, psi(x)>,   L = 1/(2n) sum_k (f(x_k) - y_k)^2,   beta_{t+1} = beta_t - (step/n) Psi^T (Psi beta_t - y)

With Psi = U S V^T, so that beta_t = V [1 - (1 - step S^2/n)^t] / S U^T y, exactly: no steps are
taken.
"""

import numpy as np
from numpy.typing import NDArray

from simplicity.problems import doors

Array = NDArray[np.floating]


class LinearDescent:
    """The trajectory on samples psi (n, k), y (n,) with learning rate `step_size`."""

    def __init__(self, psi: Array, y: Array, step_size: float) -> None:
        psi, y = doors.finite(psi=(psi, "n k"), y=(y, "n"))
        doors.number("step_size", step_size, low=0)
        self.psi = psi
        left, self.singular, self.basis = np.linalg.svd(psi, full_matrices=False)
        self.target = left.T @ y
        self.shrink = 1 - step_size * self.singular**2 / len(y)

    @property
    def stable(self) -> bool:
        """Whether every component converges: step < 2n / S_1^2."""
        return bool(np.all(np.abs(self.shrink) < 1 + 1e-12))

    def beta(self, step: int) -> Array:
        """Coefficients (k,) after `step` steps; directions in which the samples do not vary stay 0."""
        doors.whole("step", step, 0)
        kept = self.singular > self.singular[0] * 1e-12
        learned = np.where(kept, (1 - self.shrink**step) / np.where(kept, self.singular, 1), 0)
        return np.asarray(self.basis.T @ (learned * self.target))

    def outputs(self, psi: Array, steps: tuple[int, ...]) -> Array:
        """f on other samples psi (q, k), one row for each step: (steps, q)."""
        (psi,) = doors.arrays(psi=(psi, f"n {self.basis.shape[1]}"))
        return np.stack([psi @ self.beta(step) for step in steps])


class FrozenKernel:
    """The linearised network: f_{t+1} - y = (I - (step/n) Theta_0)(f_t - y) from f_0 = 0, for a kernel Theta_0 (n, n)."""

    def __init__(self, theta: Array, y: Array, step_size: float) -> None:
        y, theta = doors.finite(y=(y, "n"), theta=(theta, "n n"))
        doors.number("step_size", step_size, low=0)
        values, self.basis = np.linalg.eigh(theta)
        self.start = -(self.basis.T @ y)
        self.shrink = 1 - step_size * values / len(y)

    def residual(self, step: int) -> Array:
        """f_t - y on the samples, (n,)."""
        doors.whole("step", step, 0)
        return np.asarray(self.basis @ (self.shrink**step * self.start))
