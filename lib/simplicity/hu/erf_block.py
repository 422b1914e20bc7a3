"""An erf network's hidden layer in one pass, in single precision.

This is what `hu.ntk` does between its two matrix products.

For a block of samples with pre-activations z (rows, m):

    r_k = sum_j erf(z_kj) v_j - y_k,    outer_j += sum_k erf(z_kj) r_k,    z_kj <- r_k erf'(z_kj)

erf(z) is an odd rational function fitted to 3e-7 on [-4, 4], exp(-u) = 2^k times a polynomial of
degree 6, to 3e-6 relative; both vectorise, which the library functions called one by one do not.
"""

import math

import numba
import numpy as np

from simplicity.process import lanes

_inlined = numba.njit(fastmath=lanes.FASTMATH, error_model="numpy", inline="always")
_single = np.float32

_LOG2_E, _LN_2, _ROUND = _single(math.log2(math.e)), _single(math.log(2)), _single(0.5)
_EXP = tuple(_single(1 / math.factorial(k)) for k in (6, 5, 4, 3, 2, 1, 0))
_LARGEST = _single(80)  # exp(-80) = 2e-35: nothing, and 2^k is still a normal number
# Numerator and denominator of erf(z) / z in z^2, highest power first: a Remez fit in common use for
# single precision.
_UP = tuple(
    _single(c)
    for c in (
        -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
        -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
    )
)  # fmt: skip
_DOWN = tuple(
    _single(c)
    for c in (
        -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
        -1.42647390514189e-02,
    )
)  # fmt: skip
_SLOPE_AT_0 = _single(2 / math.sqrt(math.pi))


@_inlined
def _erf(z):  # type: ignore[no-untyped-def]
    z = min(max(z, _single(-4)), _single(4))
    s = z * z
    up = _UP[0]
    for c in _UP[1:]:
        up = up * s + c
    down = _DOWN[0]
    for c in _DOWN[1:]:
        down = down * s + c
    return z * up / down


@_inlined
def _decay(u):  # type: ignore[no-untyped-def]
    """exp(-u) for u in [0, 80]."""
    power = -u * _LOG2_E
    whole = np.int32(power - _ROUND)
    rest = (power - _single(whole)) * _LN_2
    found = _EXP[0]
    for c in _EXP[1:]:
        found = found * rest + c
    return found * np.int32((whole + 127) << 23).view(np.float32)  # the bits of 2^whole


@numba.njit(nogil=True, cache=True, fastmath=lanes.FASTMATH, error_model="numpy")
def sweep(z, v, y, outer, row):  # type: ignore[no-untyped-def]
    """One block, in place; z (rows, m), v (m,), y (rows,), outer (m,). Returns sum_k r_k^2.

    row (m,) is scratch.
    """
    total = _single(0)
    for k in range(len(z)):
        output = _single(0)
        for j in range(len(v)):
            row[j] = _erf(z[k, j])
            output += row[j] * v[j]
        residual = output - y[k]
        total += residual * residual
        factor = _SLOPE_AT_0 * residual
        for j in range(len(v)):
            outer[j] += row[j] * residual
            z[k, j] = factor * _decay(min(z[k, j] * z[k, j], _LARGEST))
    return total
