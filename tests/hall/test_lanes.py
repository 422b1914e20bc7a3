"""Vectors as values of compiled code, against numpy."""

import numba
import numpy as np
import pytest

from simplicity.process import lanes

ONE, TWO, THREE = (0,), (0, 0), (0, 0, 0)


@numba.njit
def tile(left, right, out):
    """out[p, q] += left[p] right[q] + left[p + 1] right[q], left by number and right by vector."""
    lane = out.shape[2]
    sums = lanes.load(out, 0, lane, TWO + TWO + TWO)
    for i in range(2):
        sums = lanes.outer(sums, lanes.spread(left, i, 1, THREE), lanes.load(right, 0, lane, TWO))
    lanes.store(out, 0, lane, sums)


@numba.njit
def pieces(x, marks, out):
    vectors = lanes.load(x, 0, x.shape[1], THREE)
    lanes.store(out, 0, out.shape[1], lanes.kept(marks, 0, 1, lanes.load(x, 0, 0, ONE), THREE))
    lanes.store(out, 3 * out.shape[1], out.shape[1], lanes.rectified(vectors))
    return lanes.total(vectors), lanes.inner(vectors, vectors)


@numba.njit
def rectify(z, weights, sums, marks):
    lane = sums.shape[1]
    lanes.rectify(
        lanes.load(z, 0, lane, TWO + TWO),
        lanes.spread(weights, 0, 1, TWO),
        sums,
        0,
        lane,
        marks,
        0,
        2,
    )


def numbers(shape: tuple[int, ...], precision: str) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(precision)


def lane(precision: str) -> int:
    return lanes.BYTES // np.dtype(precision).itemsize


def bits(marks: np.ndarray, count: int) -> np.ndarray:
    return (marks[..., None] >> np.arange(count)) & 1 == 1


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_tile_gains_the_products_of_numbers_and_vectors(precision):
    left, right, out = (
        numbers((4,), precision),
        numbers((2, lane(precision)), precision),
        numbers((3, 2, lane(precision)), precision),
    )
    expected = out + (left[:3] + left[1:])[:, None, None] * right
    tile(left, right, out)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_vectors_are_kept_rectified_and_summed(precision):
    count = lane(precision)
    x, out = numbers((3, count), precision), np.empty((6, count), precision)
    marks = np.array([0b1010, 0b0001, 0b1111], np.uint16)
    total, inner = pieces(x, marks, out)
    np.testing.assert_array_equal(out[:3], np.where(bits(marks, count), x[0], 0))
    np.testing.assert_array_equal(out[3:], np.maximum(x, 0))
    np.testing.assert_allclose(total, x.sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inner, (x * x).sum(), rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_outputs_gain_what_is_positive_and_marks_say_where(precision):
    count = lane(precision)
    z, weights, sums = (
        numbers((2, 2, count), precision),
        numbers((2,), precision),
        numbers((2, count), precision),
    )
    z[0, 0, 0], marks = 0, np.zeros((2, 2), np.uint16)  # by weight, then by row
    expected = sums + weights[0] * np.maximum(z[:, 0], 0) + weights[1] * np.maximum(z[:, 1], 0)
    rectify(z, weights, sums, marks)
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(bits(marks, count), z.swapaxes(0, 1) > 0)
