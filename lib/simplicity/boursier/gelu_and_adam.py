"""Full-batch gradient descent, Adam or AdamW on a two-layer network with ReLU or GeLU, compiled.

    h(x) = sum_j a_j s(<w_j, x>)                 s(z) = max(0, z), or z Phi(z), Phi the normal law
    L    = 1/(2n) sum_k (h(x_k) - y_k)^2         the loss WITH 1/2, as in `two_layer`
    dL/da_j = -1/n sum_k r_k s(z_jk)             r = y - h, z_jk = <w_j, x_k>
    dL/dw_j = -a_j/n sum_k r_k s'(z_jk) x_k

The rules are those of `rules`. The stopping rule is in `two_layer`; minibatches, a leaky slope and
momentum are in `adam_by_neurons`; any other network trains by `nets.train`.

Phi is a rational approximation times the density (Abramowitz & Stegun 26.2.17, error below 1e-7),
the density's exponential a polynomial squared four times: nothing but sums, products and one
quotient, which the compiler vectorises. That is the accuracy of single precision, in which these
runs are made.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import ndtr

from simplicity.boursier import driver, rules
from simplicity.boursier.driver import Array, Probe
from simplicity.nets import TwoLayer
from simplicity.nets.loop import Diverged
from simplicity.problems import doors, training_doors
from simplicity.process import lanes

ACTIVATIONS = ("relu", "gelu")
RULES = ("gd", "adam", "adamw")
# coordinates of one pass over the samples; rows of zeros fill the last chunk and change nothing
_CHUNK = 3
_BLOCK = 1 << 22  # numbers in one block of hidden activations

# Arguments of the inner loops, so that single precision stays single there: a literal would be
# double.
_TAIL = (0.2316419, 0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
_OTHERS = (0.0, 0.5, 1.0, 20.0, 1 / 16, 1 / 3, 1 / 4, 1 / 5, 1 / 6, 1 / np.sqrt(2 * np.pi))


def forward(network: TwoLayer, x: Array, activation: str = "relu") -> Array:
    """h(x) for inputs (n, d) in double precision, with the exact Phi.

    Blocks of samples keep memory flat in n.
    """
    doors.choice("activation", activation, ACTIVATIONS)
    a, w, x = (
        np.asarray(part, dtype=np.float64) for part in training_doors.network(network, x, "n d")
    )
    blocks = _blocks(x, max(1, _BLOCK // max(1, len(a))))
    return np.concatenate([_activated(inputs @ w.T, activation) @ a for inputs in blocks])


def _blocks(x: Array, size: int) -> Iterator[Array]:
    """The samples, so many at a time."""
    for first in range(0, len(x), size):
        yield x[first : first + size]


def _activated(z: Array, activation: str) -> Array:
    return z * ndtr(z) if activation == "gelu" else np.maximum(z, 0)


def descend(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    activation: str,
    rule: str,
    step_size: float,
    schedule: Sequence[int],
    probes: Mapping[str, Probe],
    precision: str = "float32",
) -> tuple[TwoLayer, xr.Dataset]:
    """Train `start` on x (n, d), y (n,) for `schedule[-1]` steps of `rule`, one of `RULES`.

    Returns the final network and a dataset along `probe` with the coordinates `step` and `time` =
    step x step_size, one variable for each probe, and the scalar `stopped_at`.
    """
    doors.choice("activation", activation, ACTIVATIONS)
    doors.choice("rule", rule, RULES)
    asked = driver.looked_at(
        start, x, y, step_size=step_size, schedule=schedule, probes=probes, precision=precision
    )
    network, found = driver.drive(_Advance(activation, rule), asked)
    return network, found.drop_vars("force")


class _Advance:
    """Steps of a rule, whose moments outlive a call; it measures no force."""

    def __init__(self, activation: str, rule: str) -> None:
        self.activation, self.rule, self.taken = activation, rule, 0
        self.moments = np.zeros(0)

    def __call__(self, a: Array, w: Array, *task: Any) -> tuple[int, float]:
        """(steps done, no force), as a compiled loop of `two_layer`, whose arguments it takes."""
        columns, y, step_size, steps, _ = task
        last = self.taken + steps
        self._advance(a, w, columns, y, step_size, last)
        if self.taken < last or not np.isfinite(a).all():
            about = f"{self.activation}, {self.rule} {step_size:g}"
            raise Diverged(f"loss not finite at step {self.taken}: {about}, {_sizes(w, y)}")
        return steps, driver.NO_FORCE

    def _advance(
        self, a: Array, w: Array, columns: Array, y: Array, step_size: float, last: int
    ) -> None:
        """As far as step `last`, on coordinates filled up to whole chunks by zeros."""
        fill = (0, -len(columns) % _CHUNK)
        inputs, inner = np.pad(columns, (fill, (0, 0))), np.pad(w, ((0, 0), fill))
        if not self.taken:
            self.moments = np.zeros((2, len(a), inner.shape[1] + 1), a.dtype)
        self.taken = _advance(
            a, inner, inputs, y, self.moments, self._settings(step_size),
            tuple(a.dtype.type(value) for value in _TAIL + _OTHERS), self.taken, last,
            self.activation == "gelu", self.rule != "gd",
        )  # fmt: skip
        w[:] = inner[:, : len(columns)]

    def _settings(self, step_size: float) -> tuple[float, ...]:
        """The rate, what a weight keeps, and the constants of the rule."""
        kept = 1 - step_size * rules.DECAY[self.rule]
        return step_size, kept, rules.BETA1, rules.BETA2, rules.EPSILON


def _sizes(w: Array, y: Array) -> str:
    m, dim = w.shape
    return f"n {len(y)}, m {m}, d {dim}"


@lanes.compiled
def _normal(z, k):  # type: ignore[no-untyped-def]
    """Density and distribution function of N(0, 1): exp(-u) = exp(-u/16)^16, the tail 26.2.17."""
    p, b1, b2, b3, b4, b5, zero, half, one, most, sixteenth, third, quarter, fifth, sixth, peak = k
    u = min(half * z * z, most) * sixteenth
    e = one - u * (
        one
        - half * u * (one - third * u * (one - quarter * u * (one - fifth * u * (one - sixth * u))))
    )
    e = e * e
    e = e * e
    e = e * e
    density = peak * e * e
    t = one / (one + p * abs(z))
    tail = density * t * (b1 + t * (b2 + t * (b3 + t * (b4 + t * b5))))
    return density, (one - tail if z > zero else tail)


@lanes.compiled
def _project(row, x, z):  # type: ignore[no-untyped-def]
    """z_k = <row, x_k>, three coordinates at a time."""
    z[:] = 0
    for i in range(0, len(row), _CHUNK):
        w0, w1, w2 = row[i], row[i + 1], row[i + 2]
        for k in range(len(z)):
            z[k] += w0 * x[i, k] + w1 * x[i + 1, k] + w2 * x[i + 2, k]


@lanes.compiled
def _gather(z, x, force):  # type: ignore[no-untyped-def]
    """force = sum_k z_k x_k, three coordinates at a time."""
    zero = force.dtype.type(0)
    for i in range(0, len(force), _CHUNK):
        s0, s1, s2 = zero, zero, zero
        for k in range(len(z)):
            s0 += z[k] * x[i, k]
            s1 += z[k] * x[i + 1, k]
            s2 += z[k] * x[i + 2, k]
        force[i], force[i + 1], force[i + 2] = s0, s1, s2


@lanes.compiled
def _add_neuron(outer, z, h, gelu, constants):  # type: ignore[no-untyped-def]
    """h += outer s(z)."""
    zero = constants[6]
    if gelu:
        for k in range(len(h)):
            h[k] += outer * z[k] * _normal(z[k], constants)[1]
    else:
        for k in range(len(h)):
            h[k] += outer * (z[k] if z[k] > zero else zero)


@lanes.compiled
def _activate(z, r, gelu, constants):  # type: ignore[no-untyped-def]
    """sum_k r_k s(z_k); z becomes r s'(z).

    s'(0) = 0 for the ReLU, and s'(z) = Phi + z phi for the GeLU.
    """
    zero = constants[6]
    total = zero
    if gelu:
        for k in range(len(z)):
            density, below = _normal(z[k], constants)
            total += r[k] * z[k] * below
            z[k] = r[k] * (below + z[k] * density)
    else:
        for k in range(len(z)):
            active = r[k] if z[k] > zero else zero
            total += active * z[k]
            z[k] = active
    return total


@lanes.compiled
def _change(gradient, moments, settings, corrections, adam):  # type: ignore[no-untyped-def]
    """What a step adds to one weight, in double precision; renews Adam's two moments in place."""
    rate, _, beta1, beta2, epsilon = settings
    if not adam:
        return -rate * gradient
    moments[0] = beta1 * moments[0] + (1 - beta1) * gradient
    moments[1] = beta2 * moments[1] + (1 - beta2) * gradient * gradient
    return -rate * (moments[0] / corrections[0]) / (np.sqrt(moments[1] / corrections[1]) + epsilon)


@lanes.compiled
def _advance(a, w, x, y, moments, settings, constants, done, last, gelu, adam):  # type: ignore[no-untyped-def]
    """Steps `done` + 1 to `last` in place; returns the last step whose loss was finite."""
    dim, n = x.shape
    zero = constants[6]
    h, r, z, force = np.zeros_like(y), np.empty_like(y), np.empty_like(y), np.empty_like(w[0])
    for j in range(len(a)):
        _project(w[j], x, z)
        _add_neuron(a[j], z, h, gelu, constants)
    for step in range(done, last):
        total = zero
        for k in range(n):
            r[k] = (y[k] - h[k]) / n
            total += r[k] * r[k]
            h[k] = 0
        if not np.isfinite(total):
            return step
        corrections = (1 - settings[2] ** (step + 1), 1 - settings[3] ** (step + 1))
        for j in range(len(a)):
            _project(w[j], x, z)
            outer, pull = a[j], _activate(z, r, gelu, constants)
            a[j] = settings[1] * outer + _change(
                -pull, moments[:, j, dim], settings, corrections, adam
            )
            _gather(z, x, force)
            for i in range(dim):
                change = _change(-outer * force[i], moments[:, j, i], settings, corrections, adam)
                w[j, i] = settings[1] * w[j, i] + change
            _project(w[j], x, z)
            _add_neuron(a[j], z, h, gelu, constants)
    return last
