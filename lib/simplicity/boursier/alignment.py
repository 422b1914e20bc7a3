"""Where neurons are pulled when the network is small, and how far they have turned there.

Boursier & Flammarion 2025, section 3. Inputs are rows: x (n, d), y (n,). Everything here is a pure
function in float64. What neurons converge to is in `ols`.
"""

import numpy as np
from numpy.typing import NDArray

from simplicity.problems import doors

Array = NDArray[np.floating]


def d_n(w: Array, x: Array, y: Array, prediction: Array | float = 0.0) -> Array:
    """D_n(w, theta) = 1/n sum_k 1{<w, x_k> > 0} (y_k - h_theta(x_k)) x_k, (q, d), for w (q, d).

    The force on a neuron: dw_j/dt = a_j D_n(w_j, theta), da_j/dt = <w_j, D_n(w_j, theta)>. With
    `prediction` 0 it is D_n(w), the force at the start of a small initialisation. The paper's D_n
    is a set where <w, x_k> = 0; this is its element with eta_k = 0.
    """
    w, x, y = _directions_and_samples(w, x, y)
    if np.ndim(prediction):
        doors.same(prediction=prediction, y=y)
    active = w @ x.T > 0
    return active @ ((y - prediction)[:, None] * x) / len(y)


def g_n(w: Array, x: Array, y: Array) -> Array:
    """G_n(w) = 1/n sum_k y_k max(0, <w, x_k>) for directions w (q, d), (q,).

    Its subdifferential is D_n(., 0).
    """
    w, x, y = _directions_and_samples(w, x, y)
    return np.maximum(w @ x.T, 0.0) @ y / len(y)


def _directions_and_samples(w: Array, x: Array, y: Array) -> list[Array]:
    return doors.arrays(w=(w, "Q d"), x=(x, "n d"), y=(y, "n"))


def signed_cosines(a: Array, w: Array, targets: Array, nowhere: float = np.nan) -> Array:
    """sign(a_j) cos(w_j, target_j), (m,), for targets (m, d); `nowhere` where one of both is 0."""
    a, w, targets = doors.arrays(a=(a, "m"), w=(w, "m d"), targets=(targets, "m d"))
    inner = np.sum(w * targets, axis=1)
    lengths = np.linalg.norm(w, axis=1) * np.linalg.norm(targets, axis=1)
    missing = np.full(len(lengths), nowhere)
    return np.sign(a) * np.divide(inner, lengths, out=missing, where=lengths > 0)


def on_sphere(vectors: Array) -> Array:
    """Unit vectors along the last axis; a vector 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
