"""Regions against Kronecker vectors that are formed in full, on networks small enough to form
them.
"""

import functools
import itertools
import re

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import linprog

from simplicity.loukas import lipschitz, regions
from simplicity.loukas.pictures import regions as plot
from simplicity.nets import torch_default

TINY = (2, 3, 4, 1)


def kronecker(patterns) -> np.ndarray:
    """(n, prod n_l), the vectors as the paper writes them: layer d - 1 first."""
    rows = zip(*[layer.astype(float) for layer in reversed(patterns)], strict=True)
    return np.stack([functools.reduce(np.kron, layers) for layers in rows])


def network_and_patterns(seed: int, n: int = 30, sizes=TINY):
    network = torch_default(sizes, np.random.default_rng([seed, 1]))
    x = np.random.default_rng([seed, 0]).uniform(-4, 4, (n, sizes[0]))
    return network, x, lipschitz.patterns(network, x)


def bits(*rows) -> np.ndarray:
    return np.array(rows, dtype=bool)


def test_a_dead_layer_makes_inputs_equal_that_differ_elsewhere_and_nothing_else_does():
    first = bits([1, 0], [0, 1], [1, 0], [0, 0])
    second = bits([0, 0], [0, 0], [1, 1], [1, 1])
    found = regions.numbered((first, second))
    assert found[0] == found[1] == found[3] != found[2]
    assert len(regions.representatives((first, second))) == 2
    assert len(np.unique(kronecker((first, second)), axis=0)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_numbers_are_equal_where_the_full_vectors_are(seed):
    _, _, patterns = network_and_patterns(seed)
    full, found = kronecker(patterns), regions.numbered(patterns)
    for one, other in itertools.combinations(range(len(full)), 2):
        assert (found[one] == found[other]) == (full[one] == full[other]).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sizes", [TINY, (2, 3, 2, 3, 1)])
def test_different_rows_gram_matrix_and_rank_are_those_of_the_full_matrix(seed, sizes):
    _, _, patterns = network_and_patterns(seed, sizes=sizes)
    full = kronecker(patterns)
    rows = np.unique(full.T, axis=0)
    expected = {tuple(row) for row in rows if row.any()}
    found = regions.different_rows(patterns)
    assert {tuple(row) for row in found.astype(float)} == expected and len(found) == len(expected)
    np.testing.assert_array_equal(regions.gram(patterns, patterns), full @ full.T)
    assert regions.rank(patterns) == np.linalg.matrix_rank(full)


@pytest.mark.parametrize("seed", range(4))
def test_the_programme_is_that_over_the_full_vectors_and_its_k_combines_gradients(seed):
    network, x, seen = network_and_patterns(seed, n=12)
    new_x = np.random.default_rng(seed).uniform(-4, 4, (15, 2))
    new = lipschitz.patterns(network, new_x)
    phi = lipschitz.local(network, x) + 0.1
    found = regions.far_from_data(seen, phi, new)
    full, wanted = kronecker(seen).T, kronecker(new)
    both = np.hstack([full, -full])
    for index, target in enumerate(wanted):
        brute = linprog(np.tile(phi, 2), A_eq=both, b_eq=target, bounds=(0, None))
        assert (brute.status == 2) == np.isinf(found.bound[index])
        if brute.status != 2:
            assert found.bound[index] == pytest.approx(brute.fun, abs=1e-8)
            k = brute.x[: len(phi)] - brute.x[len(phi) :]
            gradient = lipschitz.gradients(network, new_x[[index]])[0]
            np.testing.assert_allclose(k @ lipschitz.gradients(network, x), gradient, atol=1e-8)
            assert found.bound[index] >= np.linalg.norm(gradient) - 1e-9
        else:
            assert found.combined[index] == 0


def test_a_programme_with_a_choice_takes_the_cheaper_combination():
    # Four patterns of one layer: e1, e2, e1 + e2, e3. The target e1 + e2 is the third, or the sum
    # of the first two.
    seen = (bits([1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]),)
    target = (bits([1, 1, 0]),)
    dear, cheap = np.array([1.0, 1.0, 5.0, 1.0]), np.array([1.0, 1.0, 1.5, 1.0])
    assert regions.far_from_data(seen, dear, target) == (pytest.approx([2.0]), [2])
    assert regions.far_from_data(seen, cheap, target) == (pytest.approx([1.5]), [1])


def test_a_combination_may_subtract_and_what_is_not_spanned_has_no_bound():
    seen = (bits([1, 1, 0], [0, 1, 0]),)
    new = (bits([1, 0, 0], [0, 0, 1], [0, 0, 0]),)
    found = regions.far_from_data(seen, np.array([2.0, 3.0]), new)
    np.testing.assert_allclose(found.bound, [5.0, np.inf, 0.0])
    np.testing.assert_array_equal(found.combined, [2, 0, 0])


def test_of_several_points_in_one_region_the_least_phi_counts():
    seen = (bits([1, 0], [1, 0]),)
    found = regions.far_from_data(seen, np.array([3.0, 2.0]), (bits([1, 0]),))
    assert found.bound == pytest.approx([2.0])


def test_exact_sums_are_found_with_the_fewest_summands_and_only_disjoint_ones():
    columns = bits([1, 0, 1, 0, 1], [0, 1, 1, 0, 1], [0, 0, 0, 1, 1])  # e1, e2, e1 + e2, e3, all
    assert regions.exact_sum(columns, bits([1, 1, 1])[0]) == (4,)
    assert set(regions.exact_sum(columns[:, :4], bits([1, 1, 1])[0])) == {2, 3}
    assert set(regions.exact_sum(columns[:, [0, 1, 3]], bits([1, 1, 1])[0])) == {0, 1, 2}
    assert regions.exact_sum(columns[:, [0, 1, 3]], bits([1, 1, 1])[0], most=2) is None
    # 1 - 1 would need a difference
    assert regions.exact_sum(columns[:, [2]], bits([1, 0, 0])[0]) is None
    assert regions.exact_sum(columns, bits([0, 0, 0])[0]) == ()


@pytest.mark.parametrize("seed", range(6))
def test_exact_sums_agree_with_trying_all_subsets(seed):
    rng = np.random.default_rng(seed)
    columns, target = rng.random((5, 7)) < 0.35, np.ones(5, dtype=bool)
    found = regions.exact_sum(columns, target, most=3)
    sizes = [
        size
        for size in range(1, 4)
        for subset in itertools.combinations(range(7), size)
        if (columns[:, subset].sum(axis=1) == target).all()
    ]
    assert (found is None) == (not sizes)
    if found is not None:
        assert len(found) == min(sizes) and (columns[:, list(found)].sum(axis=1) == 1).all()


def test_a_map_fills_its_frame_in_the_svg():
    side = 10
    one = (("v", "u"), np.full((side, side), 0.5))
    maps = xr.Dataset({f"map_{name}": one for name in ("region", "local", "far")})
    svg = plot.four(maps, np.zeros((side, side)), np.zeros((1, 2))).svg
    place = r"<image[^>]*matrix\(([\d.]+) 0 0 -[\d.]+ ([\d.]+) ([\d.]+)\)"
    scale, left, bottom = map(float, re.search(place, svg).groups())
    found = re.findall(r'd="M ([\d.]+) ([\d.]+) \nL ([\d.]+) [\d.]+ \nL', svg)
    frames = [tuple(map(float, frame)) for frame in found]
    image = pytest.approx((left, bottom, left + scale * side), abs=0.1)
    assert any(frame == image for frame in frames)
