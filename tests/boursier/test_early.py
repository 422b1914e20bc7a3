"""The early phase: its measures by hand, what the flow must do, and the numbers of its picture."""

import numpy as np
import pytest

from outcomes import outcomes
from simplicity import nets
from simplicity.boursier import alignment, early, extremal, ols, sectors, synthetic
from simplicity.boursier.experiments import early_alignment, three_points
from simplicity.boursier.pictures import early as plot
from simplicity.boursier.snapshots import snapshots
from simplicity.boursier.two_layer import descend
from simplicity.data import streams
from simplicity.evidence.over_seeds import each
from simplicity.grid.groups import Runs
from simplicity.nets import starts


def plane(n: int = 12, seed: int = 0):
    task = synthetic.linear_task("gaussian", n, 2, 0.25, seed)
    return task.x, task.y


def test_tau_by_hand():
    # lambda = e^-8, |D| = 2, eps = 1/4: tau = 8 / 4 / 2 = 1
    assert early.tau(np.exp(-8), 2.0, 0.25) == pytest.approx(1.0)
    assert early.tau(1.0, 2.0, 0.25) == 0
    assert early.tau(2.0, 2.0, 0.25) == 0  # a loss that moves at once has no early phase


def test_the_exit_ratio_is_one_at_the_rate_of_the_largest_force_and_undefined_from_scale_one_on():
    assert early.exit_ratio(4.0, np.exp(-8), 2.0) == pytest.approx(1.0)
    assert np.isnan([early.exit_ratio(4.0, scale, 2.0) for scale in (1.0, 2.0)]).all()


@pytest.mark.parametrize("last", [0.9, 0.901])
def test_the_plateau_is_left_at_a_tenth_and_not_before(last):
    assert early.left_plateau(np.array([1.0, 1.0, 0.95, last])) == (3 if last == 0.9 else None)


def test_signed_cosines_by_hand():
    # One sample (1, 0), y = 2: D = (2, 0) for a neuron that it activates, 0 for the other.
    x, y = np.array([[1.0, 0.0]]), np.array([2.0])
    w = np.array([[3.0, 0.0], [3.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
    a = np.array([1.0, -1.0, 1.0, 1.0])
    np.testing.assert_allclose(early.cosines_to_force(a, w, x, y), [1, -1, np.sqrt(0.5), np.nan])
    assert early.aligned_share(a, w, x, y) == pytest.approx(1 / 3)
    assert early.idle_share(a, w, x, y) == 0.25
    assert np.isnan(early.aligned_share(a[3:], w[3:], x, y))


def test_the_leading_force_is_that_of_the_largest_output_weight():
    x, y = plane()
    w, a = sectors.circle(np.array([0.0, 1.0, 2.0])), np.array([1.0, -3.0, 2.0])
    longest = float(np.linalg.norm(alignment.d_n(w[1:2], x, y)))
    assert early.leading_force(a, w, x, y) == pytest.approx(longest)


def test_a_neuron_climbs_along_the_flow_of_its_direction():
    # dv/dt = D - <D, v> v for v = w / a, against one small step of the engine.
    x, y = plane()
    start = nets.dominated(40, 2, 1e-6, np.random.default_rng(3))
    step = 1e-4
    network, _ = descend(start, x, y, step_size=step, schedule=(0, 1), probes={})
    v, after = (part.w / part.a[:, None] for part in (start, network))
    force = alignment.d_n(start.w, x, y)
    np.testing.assert_allclose(
        (after - v) / step, force - np.sum(force * v, axis=1, keepdims=True) * v, atol=1e-3
    )


def test_the_direction_ends_at_the_normalised_force():
    x, y = np.array([[2.0, 0.0]]), np.array([1.5])  # D = (3, 0) for every active neuron
    start = nets.TwoLayer(np.array([1e-9]), np.array([[3e-10, 8e-10]]))
    network, _ = descend(start, x, y, step_size=1e-3, schedule=(0, 4000), probes={})
    np.testing.assert_allclose(network.w[0] / network.a[0], [1, 0], atol=1e-4)


def test_the_exit_of_one_neuron_on_one_sample_is_at_its_own_rate():
    # a = |w| = s: both grow as s e^(3t), so h = 2 s^2 e^(6t), and the loss is down a tenth when h =
    # y (1 - sqrt(0.9)).
    x, y, size = np.array([[2.0, 0.0]]), np.array([1.5]), 1e-5
    start = nets.TwoLayer(np.array([size]), np.array([[size, 0.0]]))
    error = {"error": lambda network: ols.mse(nets.forward(network, x), y)}
    _, run = descend(start, x, y, step_size=1e-4, schedule=range(0, 60_000, 50), probes=error)
    found = float(run.time[early.left_plateau(run.error.values)])
    expected = np.log(1.5 * (1 - np.sqrt(0.9)) / (2 * size**2)) / 6
    # the force itself has shrunk by 5 percent at the end
    assert found == pytest.approx(expected, abs=0.02)


def test_least_squares_of_the_three_points_by_hand():
    # x = -3/4, -1/2, 1/8: mean -3/8, deviations -3/8, -1/8, 1/2, squares sum to 13/32. y: mean 2/3,
    # cross sum -1/40.
    slope = (-1 / 40) / (13 / 32)
    fit = 2 / 3 + slope * (np.array([-0.75, -0.5, 0.125]) + 0.375)
    error = np.mean((fit - np.array([1.1, 0.1, 0.8])) ** 2)
    assert slope == pytest.approx(-0.0615, abs=1e-4)
    assert error == pytest.approx(0.175043, abs=1e-6) == three_points.LEAST_SQUARES


def test_the_balanced_start_is_balanced_and_the_gaussian_one_is_not_dominated():
    balanced = starts.balanced(500, 3, 0.1, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(balanced.a), np.linalg.norm(balanced.w, axis=1))
    assert 0.4 < np.mean(balanced.a > 0) < 0.6
    assert np.sum(balanced.w**2) == pytest.approx(0.1**2 * 3, rel=0.1)
    free = starts.gaussian(500, 3, 0.1, np.random.default_rng(0))
    assert np.mean(np.abs(free.a) < np.linalg.norm(free.w, axis=1)) > 0.5
    assert np.sum(free.a**2) == pytest.approx(0.1**2, rel=0.2)


def test_snapshots_end_where_one_run_ends():
    x, y = plane()
    start = nets.dominated(20, 2, 0.1, streams.generator(0, streams.INITIALISATION))
    a, w = snapshots(start, x, y, step_size=0.02, schedule=(0, 30, 100))
    whole, _ = descend(start, x, y, step_size=0.02, schedule=(0, 100), probes={})
    assert a.shape == (3, 20) and w.shape == (3, 20, 2)
    np.testing.assert_array_equal(a[-1], whole.a)
    np.testing.assert_array_equal(w[0], start.w)


def test_frames_show_neurons_inside_the_disc_that_end_at_the_attractors():
    x, y = plane(n=8, seed=295)
    start = nets.dominated(60, 2, 1e-6, streams.generator(0, streams.INITIALISATION))
    schedule = range(0, 801, 40)
    a, w = snapshots(start, x, y, step_size=0.02, schedule=schedule)
    frames = plot.neuron_frames(a, w, np.array(schedule) * 0.02, x, y, extremal.in_plane(x, y))
    # in the ball, but for the step's own error
    assert np.linalg.norm(frames["position"], axis=2).max() <= 1 + 1e-3
    assert frames["loss"][-1] == pytest.approx(frames["loss"][0], rel=1e-3)
    assert frames["aligned"][0] < 0.2 and frames["aligned"][-1] > 0.9
    up = frames["position"][-1, frames["sign"] > 0]
    nearest = np.linalg.norm(up[:, None] - frames["maximisers"], axis=2).min(axis=1)
    assert np.median(nearest) < 0.05


def test_the_polar_curve_is_closed_and_outside_the_circle_where_g_is_positive():
    x, y = plane(n=8)
    curve = plot.polar_curve(x, y)
    np.testing.assert_allclose(curve[0], curve[-1], atol=1e-9)
    radius = np.linalg.norm(curve, axis=1)
    np.testing.assert_array_equal(radius > 1, alignment.g_n(curve, x, y) > 0)
    assert np.abs(radius - 1).max() == pytest.approx(0.32)


def test_a_relative_size_is_the_quotient_that_the_theorem_bounds():
    grid = early_alignment.GRID
    run = early_alignment.measure(grid.of_group("small", grid.presets["TINY"])[0])
    assert run["size"][0] == pytest.approx(1e-2)
    assert run["size"][2] <= 1e-2**0.5 * 1.01
    assert float(run.exit_time) == pytest.approx(float(run.moment_time[3]))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1e-6, "scale 10⁻⁶"),
        (1e-10, "scale 10⁻¹⁰"),
        (1.0, "scale 1"),
        (100.0, "scale 10²"),
        (0.02, "scale 0.02"),
    ],
)
def test_scales_are_shown_as_powers_of_ten(value, shown):
    assert plot._scale(value) == shown


def exits_at(slope: float, by_n: dict[int, float], large: float = 0.8, leader: float = 1.0) -> Runs:
    """Exit times slope x (ln(1/lambda) + 0.1) / force, the force `by_n` on the leading neuron and 1
    at most of all.
    """

    def found(run) -> dict:
        factor = large if run.scale >= 0.1 else slope
        pull = by_n.get(run.n, 0.5)
        time = factor * (0.1 - np.log(run.scale)) / pull
        ratio = time * leader / -np.log(run.scale + 1e-9)
        scalars = {"exit_time": time, "largest_force": leader, "exit_ratio": ratio}
        moments = dict.fromkeys(at_moments, [1.0] * 4) | {"pull": [pull] * 4}
        return scalars | moments | {"train_curve": [1.0, 0.5]}

    at_moments = ("aligned", "size", "train_mse", "moment_time", "pull")
    axes = dict.fromkeys(at_moments, "moment") | {"train_curve": "probe"}
    runs = outcomes(early_alignment, found, axes, seeds=10)
    return Runs(runs.dataset.assign_coords(time=("probe", [0.0, 1.0])), runs.grid)


@pytest.mark.parametrize(
    ("slope", "by_n", "large", "holding"),
    [
        (1.01, {}, 0.8, {"B8.logarithm"}),
        (1.2, {}, 0.8, set()),
        (1.0, {}, 1.0, set()),  # the control is met too, so that the check says nothing
        (1.0, {20: 0.8}, 0.8, {"B8.logarithm", "B8.samples"}),
        (1.0, {20: 0.8, 80: 0.4}, 0.8, {"B8.logarithm", "B8.samples", "B28.unit"}),
    ],
)
def test_the_exit_is_judged_by_its_slope_its_samples_and_its_unit(slope, by_n, large, holding):
    checks = early_alignment.checks(exits_at(slope, by_n, large))
    assert {one.id for one in checks if one.id.startswith(("B8", "B28")) and one.holds} == holding


def test_the_slope_of_the_exit_in_units_of_the_leader_by_hand():
    cells = exits_at(1.02, {320: 0.5, 1280: 0.7})("small", n=(320, 1280))
    np.testing.assert_allclose(each(cells, early_alignment.logarithm), [1.02] * 10)
