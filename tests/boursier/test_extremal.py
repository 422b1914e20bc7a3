"""Extremal vectors: by hand, against a search that knows nothing of sectors, and under symmetries
of the problem.
"""

import numpy as np
import pytest

from outcomes import outcomes
from simplicity import nets
from simplicity.boursier import alignment, early, extremal, ols, sectors, synthetic
from simplicity.boursier.experiments import extremal_vectors, three_points
from simplicity.boursier.two_layer import descend

PLANE = np.array([0.5, 0.0])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def draw(n: int, seed: int = 0, variance: float = 0.25, dim: int = 2) -> tuple:
    generator = rng(seed)
    x = synthetic.gaussian(n, dim, generator)
    return x, synthetic.linear_labels(x, synthetic.first_axis(dim), variance, generator)


def heights(found: extremal.Extremal) -> np.ndarray:
    """G_n at the critical points, s |D|."""
    return found.signs * np.linalg.norm(found.vectors, axis=1)


def by_angle(found: extremal.Extremal) -> np.ndarray:
    """(w, D, s, on a boundary) in the order of the angle of w from 0 to 2 pi."""
    w = found.directions
    table = np.column_stack([w, found.vectors, found.signs, found.on_boundary])
    return table[np.argsort(np.round(np.arctan2(w[:, 1], w[:, 0]) % (2 * np.pi), 9))]


def test_one_sample_pulls_towards_itself_and_leaves_a_half_plane_without_force():
    found = extremal.in_plane(np.array([[3.0, 4.0]]), np.array([2.0]))
    np.testing.assert_allclose(found.vectors, [[6.0, 8.0]], atol=1e-12)
    assert found.signs.tolist() == [1.0] and not found.on_boundary.any() and found.zero
    np.testing.assert_allclose(found.directions, [[0.6, 0.8]])


def test_a_negative_label_turns_the_vector_round_and_not_the_direction():
    found = extremal.in_plane(np.array([[3.0, 4.0]]), np.array([-2.0]))
    np.testing.assert_allclose(found.vectors, [[-6.0, -8.0]], atol=1e-12)
    np.testing.assert_allclose(found.directions, [[0.6, 0.8]], atol=1e-12)
    assert found.signs.tolist() == [-1.0]


def test_four_samples_on_the_axes_by_hand():
    """x = +-e_1 with y = +-1: G(w) = |w_1| on the right, -|w_1| on the left; +-e_2 with y = 0 add
    edges and no force.
    """
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = extremal.in_plane(x, np.array([4.0, -4.0, 0.0, 0.0]))
    np.testing.assert_allclose(
        by_angle(found)[:, :5], [[1, 0, 1, 0, 1], [-1, 0, 1, 0, -1]], atol=1e-12
    )


def test_boundary_vectors_constructed_by_hand():
    """x = (1, -1) twice and (0, 3), all labels 1, n = 3. Two kinks turn G from falling to rising,
    going counter-clockwise.

    At w = e_1 the third enters: D goes from (2, -2)/3 to (2, 1)/3, whose second entry vanishes at
    eta = 2/3. At 45 degrees the others leave: D goes from (2, 1)/3 to (0, 1), and is parallel to
    (1, 1) in between, at (1, 1)/2.
    """
    x = np.array([[1.0, -1.0], [1.0, -1.0], [0.0, 3.0]])
    found = extremal.in_plane(x, np.ones(3))
    at = found.on_boundary
    np.testing.assert_allclose(found.vectors[at], [[2 / 3, 0.0], [0.5, 0.5]], atol=1e-12)
    assert found.signs[at].tolist() == [1.0, 1.0]
    np.testing.assert_allclose(
        found.vectors[~at], [[2 / 3, -2 / 3], [2 / 3, 1 / 3], [0.0, 1.0]], atol=1e-12
    )


def test_a_boundary_at_which_the_derivative_keeps_its_sign_has_no_vector():
    """As above with a third label of -1: at e_1 the second entry of D goes from -2/3 to -5/3."""
    found = extremal.in_plane(
        np.array([[1.0, -1.0], [1.0, -1.0], [0.0, 3.0]]), np.array([1.0, 1.0, -1.0])
    )
    assert not np.any(np.abs(found.directions[:, 1]) < 1e-9)


def test_mirrored_inputs_share_their_boundaries():
    """x and -x enter and leave at the same angles: the two etas together span the jump."""
    x, _ = draw(6, seed=3)
    both = synthetic.mirrored(x)
    clean = extremal.in_plane(both, both @ np.array([1.0, 0.0]))
    second_moment = x.T @ x / len(x)
    # D(w) = Sigma beta / 2 for every w: no sector differs from another
    limit = second_moment[0] / 2
    np.testing.assert_allclose(clean.vectors, np.tile(limit, (2, 1)), atol=1e-12)
    assert sorted(clean.signs.tolist()) == [-1.0, 1.0] and not clean.on_boundary.any()


def brute_force(x: np.ndarray, y: np.ndarray, count: int = 40_001) -> tuple[int, np.ndarray]:
    """Critical points of G_n on the circle: sign changes of its differences on a fine grid, flat
    parts excluded.
    """
    angles = np.linspace(0, 2 * np.pi, count)[:-1] + 1e-5
    values = alignment.g_n(sectors.circle(angles), x, y)
    slope = np.roll(values, -1) - values
    moving = np.abs(slope) > 1e-12
    turns = np.flatnonzero((slope * np.roll(slope, 1) < 0) & moving & np.roll(moving, 1))
    return len(turns), angles[turns]


@pytest.mark.parametrize("n", [2, 3, 5, 8, 20])
@pytest.mark.parametrize("seed", range(8))
def test_the_critical_points_are_those_of_a_brute_force_search(n: int, seed: int) -> None:
    x, y = draw(n, seed, variance=1.0)
    found = extremal.in_plane(x, y)
    count, angles = brute_force(x, y)
    ours = np.sort(np.arctan2(*found.directions.T[::-1]) % (2 * np.pi))
    assert len(found.signs) == count
    gap = np.abs(np.exp(1j * ours[:, None]) - np.exp(1j * angles[None]))
    assert np.all(gap.min(axis=1) < 5e-4) and np.all(gap.min(axis=0) < 5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_every_vector_is_in_its_own_set_and_points_where_it_should(seed: int) -> None:
    x, y = draw(30, seed, variance=4.0)
    found = extremal.in_plane(x, y)
    w = found.directions
    np.testing.assert_allclose(alignment.g_n(w, x, y), heights(found), atol=1e-12)
    smooth = ~found.on_boundary
    np.testing.assert_allclose(alignment.d_n(w[smooth], x, y), found.vectors[smooth], atol=1e-12)
    for direction, vector in zip(w[~smooth], found.vectors[~smooth], strict=True):
        off = np.abs(x @ direction) > 1e-9 * np.linalg.norm(x, axis=1)
        rest = (alignment.d_n(direction[None], x[off], y[off]) * off.sum() / len(x))[0]
        (edge,) = (y[:, None] * x / len(x))[~off]
        eta = (vector - rest) @ edge / (edge @ edge)
        np.testing.assert_allclose(rest + eta * edge, vector, atol=1e-12)
        assert 0 < eta < 1


def test_the_order_of_the_samples_does_not_matter():
    x, y = draw(50, seed=1, variance=4.0)
    order = rng(5).permutation(50)
    plain, other = extremal.in_plane(x, y), extremal.in_plane(x[order], y[order])
    np.testing.assert_allclose(by_angle(plain), by_angle(other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("angle", [0.3, 2.0, -1.1])
def test_rotating_the_inputs_rotates_the_vectors(angle: float) -> None:
    x, y = draw(50, seed=2, variance=4.0)
    # rows times this: counter-clockwise
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    plain, turned = extremal.in_plane(x, y), extremal.in_plane(x @ turn, y)
    turned_back = turned._replace(vectors=turned.vectors @ turn.T)
    np.testing.assert_allclose(by_angle(turned_back), by_angle(plain), rtol=1e-9, atol=1e-11)
    assert extremal.deviation(x @ turn, y, PLANE @ turn) == pytest.approx(
        extremal.deviation(x, y, PLANE)
    )


def test_labels_of_the_opposite_sign_keep_the_directions_and_swap_the_signs():
    x, y = draw(50, seed=4, variance=4.0)
    plain, opposite = by_angle(extremal.in_plane(x, y)), by_angle(extremal.in_plane(x, -y))
    np.testing.assert_allclose(opposite, plain * [1, 1, -1, -1, -1, 1], rtol=1e-9, atol=1e-12)


def test_mirrored_inputs_and_labels_keep_the_vectors_and_swap_the_signs():
    """(-x, -y): D_n(-w) of the new sample is D_n(w) of the old one, so maximisers become minimisers
    on the other side.
    """
    x, y = draw(50, seed=6, variance=4.0)
    plain, other = extremal.in_plane(x, y), extremal.in_plane(-x, -y)
    order, back = (np.lexsort(np.round(found.vectors, 9).T) for found in (plain, other))
    np.testing.assert_allclose(other.vectors[back], plain.vectors[order], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(other.signs[back], -plain.signs[order])


def test_zero_is_told_apart_exactly_where_all_inputs_lie_on_one_side():
    inside = sectors.circle(np.array([0.2, 0.9, 1.7]))
    around = sectors.circle(np.array([0.2, 2.3, 4.4]))
    assert extremal.in_plane(inside, np.ones(3)).zero
    assert not extremal.in_plane(around, np.ones(3)).zero


def test_null_labels_of_zero_have_nothing_but_zero():
    found = extremal.in_plane(sectors.circle(np.array([0.2, 2.3, 4.4])), np.zeros(3))
    assert found.vectors.shape == (0, 2) and found.zero
    assert np.isnan(extremal.farthest(found, PLANE)) and np.isnan(extremal.widest_angle(found))


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_the_supremum_is_the_largest_over_a_fine_grid_of_directions(n: int) -> None:
    x, y = draw(n, seed=n)
    w = sectors.circle(np.linspace(0, 2 * np.pi, 50_001))
    grid = np.linalg.norm(alignment.d_n(w, x, y) - PLANE, axis=1).max()
    assert extremal.deviation(x, y, PLANE) == pytest.approx(grid, rel=1e-9)


def test_the_searched_supremum_is_exact_in_the_plane_and_never_falls_in_space():
    x, y = draw(60, seed=3)
    assert extremal.searched_deviation(x, y, PLANE, rng(1), circles=1) == pytest.approx(
        extremal.deviation(x, y, PLANE)
    )
    x, y = draw(60, seed=3, dim=5)
    population = synthetic.first_axis(5) / 2
    circles = (1, 10, 100)
    found = [extremal.searched_deviation(x, y, population, rng(1), 1, count) for count in circles]
    assert found == sorted(found)
    w = rng(2).standard_normal((20_000, 5))
    best = extremal.searched_deviation(x, y, population, rng(1))
    assert best > np.linalg.norm(alignment.d_n(w, x, y) - population, axis=1).max()


@pytest.mark.parametrize("seed", range(5))
def test_the_search_in_space_returns_extremal_vectors_only(seed: int) -> None:
    x, y = draw(40, seed, dim=5, variance=1.0)
    found = extremal.searched(x, y, rng(1))
    assert set(found.signs) == {-1.0, 1.0}
    w, smooth = found.directions, ~found.on_boundary
    np.testing.assert_allclose(alignment.d_n(w[smooth], x, y), found.vectors[smooth], atol=1e-12)
    np.testing.assert_allclose(alignment.g_n(w, x, y), heights(found), atol=1e-12)
    directions = rng(2).standard_normal((5000, 5))
    tried = alignment.g_n(directions / np.linalg.norm(directions, axis=1, keepdims=True), x, y)
    # those missed, if any, are no more than a little higher
    assert heights(found).max() > 0.98 * tried.max()
    assert heights(found).min() < 0.98 * tried.min()


@pytest.mark.parametrize("seed", range(5))
def test_the_search_in_the_plane_finds_what_the_enumeration_has_and_both_extremes(seed) -> None:
    x, y = draw(100, seed)
    found, exact = extremal.searched(x, y, rng(1)), extremal.in_plane(x, y)
    distance = np.linalg.norm(found.vectors[:, None] - exact.vectors[None], axis=2)
    assert np.all(distance.min(axis=1) < 1e-12) and len(found.signs) <= len(exact.signs)
    np.testing.assert_array_equal(found.on_boundary, exact.on_boundary[distance.argmin(axis=1)])
    ours, all_of_them = (heights(part) for part in (found, exact))
    assert ours.max() == pytest.approx(all_of_them.max())
    assert ours.min() == pytest.approx(all_of_them.min())


def test_angles_and_distances_by_hand():
    vectors = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1e-9]])
    found = extremal.Extremal(vectors, np.ones(3), np.zeros(3) > 0, np.ones(3) > 0, False)
    assert extremal.widest_angle(found) == pytest.approx(np.pi / 2)
    assert extremal.farthest(found, PLANE) == pytest.approx(np.hypot(0.5, 2.0))
    near = extremal.Extremal(vectors[::2], np.ones(2), np.zeros(2) > 0, np.ones(2) > 0, False)
    assert extremal.widest_angle(near) == pytest.approx(1e-9, rel=1e-6)


# --- where neurons end


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("variance", [0.25, 4.0])
def test_neurons_end_at_the_local_extrema_of_a_fine_grid_that_have_their_own_sign(
    seed: int, variance: float
) -> None:
    x, y = draw(12, seed, variance)
    angle = np.linspace(0, 2 * np.pi, 100_001)[:-1]
    w = sectors.circle(angle)
    for sign in (1, -1):
        height = sign * alignment.g_n(w, x, y)
        top = (height > np.roll(height, 1)) & (height > np.roll(height, -1)) & (height > 0)
        ends = extremal.in_plane(x, y).ends(sign)
        np.testing.assert_allclose(
            np.sort(np.arctan2(*ends.T[::-1]) % (2 * np.pi)), angle[top], atol=2e-4
        )


def test_neurons_end_at_a_kink_that_points_their_way_and_not_at_one_that_points_away():
    """x = (1, -1), (1, 1): with labels 1 the two kinks of G at +-45 degrees are minima of it, with
    labels -1 maxima.
    """
    x = np.array([[1.0, -1.0], [1.0, 1.0], [2.0, 0.0]])
    up, down = (extremal.in_plane(x, np.array([y, y, 1.0])) for y in (1.0, -0.9))
    assert not up.attracting[up.on_boundary].any()
    assert down.attracting[down.on_boundary & (down.signs == 1)].all() and down.on_boundary.any()


def test_mirrored_inputs_have_one_end_for_each_sign():
    x, _ = draw(6, seed=3)
    both = synthetic.mirrored(x)
    found = extremal.in_plane(both, both[:, 0])
    assert found.attracting.all() and len(found.ends(1)) == len(found.ends(-1)) == 1


@pytest.mark.parametrize("dim", [2, 3])
def test_the_flow_of_a_tiny_start_ends_where_the_enumeration_or_the_search_says(dim: int) -> None:
    """The engine knows nothing of extremal vectors: neurons that have stopped turning are at one of
    them, of their sign.
    """
    stopped = 0
    for seed in range(4):
        x, y = draw(12, seed, dim=dim)
        start = nets.dominated(60, dim, 1e-9, rng(3))
        network, _ = descend(start, x, y, step_size=0.02, schedule=(0, 700), probes={})
        # the loss has not moved
        assert ols.mse(nets.forward(network, x), y) == pytest.approx(np.mean(y**2), rel=1e-3)
        found = extremal.in_plane(x, y) if dim == 2 else extremal.searched(x, y, rng(1), starts=200)
        still = early.cosines_to_force(network.a, network.w, x, y) > 1 - 1e-6
        stopped += int(still.sum())
        for sign in (1, -1):
            unit = network.w[still & (np.sign(network.a) == sign)]
            unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
            assert np.all((unit @ found.ends(sign).T).max(axis=1, initial=-1) > 1 - 1e-5)
    assert stopped > 50  # a neuron on a boundary has no force of its own, and is not asked


def test_a_maximiser_below_zero_is_no_end_since_a_neuron_leaves_it_through_the_inside_of_the_ball():
    x, y = (getattr(synthetic.linear_task("gaussian", 8, 2, 0.25, 2), name) for name in "xy")
    found = extremal.in_plane(x, y)
    below = found.on_boundary & ~found.attracting
    (w,) = found.directions[below]
    near = alignment.g_n(
        sectors.circle(np.arctan2(w[1], w[0]) + np.array([-1e-4, 0.0, 1e-4])), x, y
    )
    assert near.argmax() == 1 and near[1] < 0  # a local maximum of G_n on the circle
    start = nets.TwoLayer(np.array([1e-9]), 0.9e-9 * w[None])
    network, _ = descend(start, x, y, step_size=0.02, schedule=(0, 1000), probes={})
    v = network.w[0] / network.a[0]
    assert v @ w < 0.5 and abs(v[0] * w[1] - v[1] * w[0]) < 0.05


@pytest.mark.parametrize("dim", [2, 3, 5])
def test_every_end_that_is_searched_is_a_local_maximum_and_the_others_are_not(dim: int) -> None:
    ends, others = 0, 0
    for seed in range(6):
        x, y = draw(20, seed, variance=4.0, dim=dim)
        found = extremal.searched(x, y, rng(1))
        around = found.directions[:, None] + 1e-5 * rng(2).standard_normal(
            (len(found.signs), 400, dim)
        )
        around /= np.linalg.norm(around, axis=2, keepdims=True)
        heights = found.signs[:, None] * np.array([alignment.g_n(near, x, y) for near in around])
        top = np.all(heights <= np.linalg.norm(found.vectors, axis=1)[:, None] + 1e-15, axis=1)
        np.testing.assert_array_equal(found.attracting, top)
        ends, others = ends + int(top.sum()), others + int((~top).sum())
    assert ends > 10


def test_the_three_points_have_one_end_for_positive_neurons_and_it_is_active_on_all_of_them():
    (top,) = extremal.in_plane(three_points.X, three_points.Y).ends(1)
    assert np.all(three_points.X @ top > 0)
    idle = sectors.circle(np.array([1.5 * np.pi]))  # away from every point: no force at all
    np.testing.assert_array_equal(alignment.d_n(idle, three_points.X, three_points.Y), 0)


# --- the largest force


def test_the_largest_force_of_the_plane_is_that_of_a_fine_grid_and_the_search_finds_it():
    x, y = draw(30)
    grid = sectors.circle(np.linspace(0, 2 * np.pi, 200_000))
    exact = extremal.largest_force(x, y, grid[:1], rng())
    assert exact == pytest.approx(early.largest_own_force(grid, x, y))
    assert extremal.search_force(x, y, grid[::4000], rng()) == pytest.approx(exact)


def test_the_search_never_falls_below_the_directions_that_it_is_given():
    task = synthetic.linear_task("margin", 60, 5, 0.25, 0)
    w = rng(1).standard_normal((200, 5))
    found = extremal.largest_force(task.x, task.y, w, rng(2))
    assert found >= max(
        early.largest_own_force(w, task.x, task.y), early.largest_own_force(-w, task.x, task.y)
    )
    assert found <= np.mean(np.abs(task.y) * np.linalg.norm(task.x, axis=1))  # triangle inequality


@pytest.mark.parametrize(
    ("trend", "holds"), [(0.0, True), (0.1, True), (0.2, False), (-0.2, False)]
)
def test_the_count_without_a_margin_stays_inside_a_band_and_the_null_count_does_not(
    trend: float, holds: bool
) -> None:
    def found(run) -> dict:
        slope = 3.0 if run.labels == "null" else trend
        count = 2.0 if run.law == "margin" else 3 + slope * np.log(run.n) + 0.1 * (-1) ** run.seed
        fall = run.n ** (-0.15 if run.labels == "heavy" else -0.5)
        return {"count": count, "supremum": fall, "farthest": fall, "widest": 1.0}

    given = {f"{group}_seeds": 5 for group in ("rate", "heavy_rate", "null_rate")}
    runs = outcomes(extremal_vectors, found, seeds=200, **given)
    checks = {one.id: one for one in extremal_vectors.checks(runs)}
    assert checks["B29.trend"].holds is holds and checks["B6.two"].holds
    assert all(one.holds for name, one in checks.items() if name.startswith("B5"))
