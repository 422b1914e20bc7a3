"""The compiled engine against automatic differentiation, hand cases and its own contract."""

import functools

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher as Dispatcher

from simplicity import nets
from simplicity.boursier import two_layer_by_neurons, two_layer_by_samples
from simplicity.boursier.two_layer import descend, descend_autograd
from simplicity.nets.loop import Diverged, log_schedule
from simplicity.process import lanes


def problem(n: int = 30, dim: int = 5, width: int = 12, scale: float = 0.5):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((n, dim))
    return nets.dominated(width, dim, scale, rng), x, x[:, 0] + 0.5 * rng.standard_normal(n)


def assert_equal_to_autograd(start, x, y, step_size=0.05, **settings):
    settings |= {"step_size": step_size, "schedule": (0, 100), "probes": {}}
    batches = [{"rng": np.random.default_rng(3)} if settings.get("batch") else {} for _ in range(2)]
    ours, _ = descend(start, x, y, **settings, **batches[0])
    theirs, _ = descend_autograd(start, x, y, **settings, **batches[1])
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.a, theirs.a, rtol=0, atol=1e-10)
    assert np.abs(ours.w - start.w).max() > 1e-3  # it did move


@pytest.mark.parametrize("width", [12, 13])
@pytest.mark.parametrize("dim", [1, 5, 7, 8, 9, 20])
def test_the_compiled_loop_equals_autograd_after_100_steps(dim, width):
    assert_equal_to_autograd(*problem(dim=dim, width=width))


@pytest.mark.parametrize("dim", [2, 10])
def test_so_it_does_with_more_samples_than_a_block(dim):
    assert_equal_to_autograd(*problem(n=1100, dim=dim))


@pytest.mark.parametrize("dim", [2, 9])
@pytest.mark.parametrize("slope", [0.1, 1.0])
def test_so_it_does_with_a_leaky_slope(dim, slope):
    assert_equal_to_autograd(*problem(dim=dim, width=13), slope=slope)


@pytest.mark.parametrize("dim", [5, 9])
@pytest.mark.parametrize(("batch", "slope"), [(1, 0.0), (8, 0.1), (29, 0.0), (64, 0.0)])
def test_so_it_does_on_minibatches(dim, batch, slope):
    assert_equal_to_autograd(*problem(dim=dim), batch=batch, slope=slope, step_size=0.01)


@pytest.mark.parametrize("n", [1, 7, 30, 260])
@pytest.mark.parametrize(("dim", "slope"), [(2, 0.0), (3, 0.2), (5, 0.0), (7, 0.1), (25, 0.0)])
def test_both_orders_of_the_sums_are_torchs_step_to_rounding(n, dim, slope):
    start, x, y = problem(n=n, dim=dim, width=37)
    settings = {"step_size": 0.01, "schedule": (0, 20), "probes": {}, "slope": slope}
    theirs, _ = descend_autograd(start, x, y, **settings)
    by_neurons = functools.partial(two_layer_by_neurons.advance, order=None)
    both = dim <= 7 and not lanes.WIDE
    for advance in (by_neurons, two_layer_by_samples.advance) if both else (by_neurons,):
        a, w = start.a.copy(), start.w.copy()
        done, force = advance(a, w, np.ascontiguousarray(x.T), y, 0.01, 20, 0.0, slope=slope)
        assert done == 20 and force > 0
        np.testing.assert_allclose(w, theirs.w, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(a, theirs.a, rtol=1e-12, atol=1e-13)


def test_a_coordinate_of_ones_is_a_hidden_bias():
    # One neuron a = 1, w = (1), b = 1 on x = -2, 3 with y = 0, 6: inactive on the first (z = -1), h
    # = 4 on the second. D = 1/2 (6 - 4) (3, 1) = (3, 1); a <- 1 + 0.1 (3 + 1) = 1.4; (w, b) <- (1,
    # 1) + 0.1 (3, 1) = (1.3, 1.1).
    start = nets.TwoLayer(np.array([1.0]), np.array([[1.0, 1.0]]))
    inputs = nets.with_ones(np.array([[-2.0], [3.0]]))
    network, _ = descend(
        start, inputs, np.array([0.0, 6.0]), step_size=0.1, schedule=(0, 1), probes={}
    )
    np.testing.assert_allclose(network.a, [1.4], rtol=1e-15)
    np.testing.assert_allclose(network.w, [[1.3, 1.1]], rtol=1e-15)


def test_probes_inside_a_pass_change_no_minibatch():
    start, x, y = problem()
    settings = {"step_size": 0.05, "probes": {}, "batch": 8}
    whole, _ = descend(start, x, y, schedule=(0, 50), rng=np.random.default_rng(1), **settings)
    pieces, _ = descend(
        start, x, y, schedule=(0, 3, 7, 50), rng=np.random.default_rng(1), **settings
    )
    np.testing.assert_array_equal(whole.w, pieces.w)


def test_minibatches_certify_no_stationary_point():
    start, x, y = problem()
    eights = {"step_size": 0.1, "schedule": (0, 1), "probes": {}, "batch": 8}
    with pytest.raises(ValueError, match="tolerance: got 0.001 with minibatches of 8"):
        descend(start, x, y, tolerance=1e-3, rng=np.random.default_rng(0), **eights)
    with pytest.raises(ValueError, match="minibatches of 8 need their own generator"):
        descend(start, x, y, **eights)


def test_the_padding_of_an_odd_width_has_no_force_of_its_own():
    # Slope 1/2, a = w = 1, x = (1, -1): h = (1, -1/2). With y = (2, 3/2), r = (1, 2) and the
    # neuron's D = (1 - 2/2) / 2 = 0, while a neuron at w = 0 would feel 1/2 (1 - 2) / 2 = -1/4.
    start = nets.TwoLayer(np.array([1.0]), np.array([[1.0]]))
    x, y = np.array([[1.0], [-1.0]]), np.array([2.0, 1.5])
    network, run = descend(
        start, x, y, step_size=0.1, schedule=(0, 5), probes={}, tolerance=1e-12, slope=0.5
    )
    assert run.stopped_at == 1 and run.force < 1e-12
    np.testing.assert_array_equal(network.w, start.w)


@pytest.mark.parametrize("dim", [5, 10])
def test_single_precision_follows_double_to_its_own_accuracy(dim):
    # Few steps: later a sample within rounding of a neuron's hyperplane may count as active in one
    # precision only.
    start, x, y = problem(dim=dim)
    settings = {"step_size": 0.05, "schedule": (0, 20), "probes": {}}
    single = descend(start, x, y, precision="float32", **settings)[0]
    double = descend(start, x, y, **settings)[0]
    assert single.w.dtype == np.float32
    np.testing.assert_allclose(single.w, double.w, rtol=0, atol=1e-6)


def test_one_step_by_hand():
    # One neuron a = 1, w = (1, 0); samples (1, 0) with y = 3 is active, (-1, 2) with y = 5 is not.
    # h = (1, 0). D = 1/2 (3 - 1) (1, 0) = (1, 0); a <- 1 + 0.1 <w, D> = 1.1; w <- (1, 0) + 0.1 * 1
    # * (1, 0) = (1.1, 0).
    start = nets.TwoLayer(np.array([1.0]), np.array([[1.0, 0.0]]))
    x, y = np.array([[1.0, 0.0], [-1.0, 2.0]]), np.array([3.0, 5.0])
    network, run = descend(start, x, y, step_size=0.1, schedule=(0, 1), probes={})
    np.testing.assert_allclose(network.a, [1.1], rtol=1e-15)
    np.testing.assert_allclose(network.w, [[1.1, 0.0]], rtol=1e-15)
    assert float(run.force) == pytest.approx(1.0)


def test_a_sample_on_the_hyperplane_pulls_nothing():
    start = nets.TwoLayer(np.array([1.0]), np.array([[1.0, 0.0]]))
    network, run = descend(
        start, np.array([[0.0, 1.0]]), np.array([1.0]), step_size=0.1, schedule=(0, 5), probes={}
    )
    np.testing.assert_array_equal(network.w, start.w)
    assert float(run.force) == 0


def test_the_start_is_left_as_it_was():
    start, x, y = problem()
    before = start.w.copy()
    descend(start, x, y, step_size=0.1, schedule=(0, 10), probes={})
    np.testing.assert_array_equal(start.w, before)


def test_probes_see_every_scheduled_step_and_segments_change_no_bit():
    start, x, y = problem()
    probes = {"error": lambda network: float(np.mean((nets.forward(network, x) - y) ** 2))}
    whole, _ = descend(start, x, y, step_size=0.1, schedule=(0, 64), probes=probes)
    pieces, run = descend(start, x, y, step_size=0.1, schedule=(0, 1, 5, 64), probes=probes)
    np.testing.assert_array_equal(whole.w, pieces.w)
    np.testing.assert_array_equal(run.step, [0, 1, 5, 64])
    np.testing.assert_allclose(run.time, [0, 0.1, 0.5, 6.4])
    assert run.error[0] == pytest.approx(probes["error"](start)) and np.all(np.diff(run.error) < 0)


def linear_task():
    """Noiseless and linear: the network can fit it exactly, so the force goes to zero."""
    start, x, _ = problem(n=40, width=20, scale=0.5)
    return start, x, x[:, 0]


def test_the_stopping_rule_fires_below_the_tolerance_and_not_above():
    start, x, y = linear_task()
    steps = functools.partial(descend, start, x, y, step_size=0.1)
    watched = {"schedule": (0, 10, 20_000), "probes": {"one": lambda network: 1.0}}
    _, loose = steps(tolerance=1e-2, **watched)
    _, tight = steps(tolerance=1e-3, **watched)
    assert loose.force < 1e-2 and 10 < loose.stopped_at < tight.stopped_at < 20_000
    assert tight.force < 1e-3
    # what was never reached is NaN
    np.testing.assert_array_equal(np.isnan(loose.one), [False, False, True])
    _, last = steps(tolerance=1e-2, schedule=(0, int(loose.stopped_at) - 1), probes={})
    assert last.force >= 1e-2  # one step earlier the rule did not hold


def test_without_a_tolerance_the_budget_is_used_up():
    start, x, y = linear_task()
    _, run = descend(start, x, y, step_size=0.1, schedule=(0, 300), probes={})
    assert run.stopped_at == 300


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("dim", [5, 10])
def test_a_diverged_run_names_the_step_and_the_settings(dim, precision):
    start, x, y = problem(dim=dim, scale=1.0)
    with pytest.raises(Diverged, match=r"not finite at step \d+: step_size 50, n 30, m 12"):
        descend(start, x, y, step_size=50.0, schedule=(0, 1000), probes={}, precision=precision)


def test_a_step_below_the_stability_limit_does_not_diverge():
    start, x, y = problem(scale=1.0)
    _, run = descend(start, x, y, step_size=0.05, schedule=(0, 1000), probes={})
    assert np.isfinite(run.force)


def test_the_log_schedule_starts_at_zero_ends_at_the_budget_and_never_repeats():
    schedule = log_schedule(20_000, 25)
    assert schedule[0] == 0 and schedule[-1] == 20_000 and len(schedule) <= 25
    assert np.all(np.diff(schedule) > 0)
    assert log_schedule(1, 25) == (0, 1)


def test_a_zero_start_is_stationary():
    start = nets.TwoLayer(np.zeros(3), np.zeros((3, 2)))
    how = {"schedule": (0, 50), "probes": {}, "tolerance": 1e-9}
    _, run = descend(start, np.ones((4, 2)), np.ones(4), step_size=0.1, **how)
    assert run.stopped_at == 1


def test_every_kernel_releases_the_interpreter_lock():
    made = [*vars(two_layer_by_neurons).values(), *vars(two_layer_by_samples).values()]
    kernels = [one for one in made if isinstance(one, Dispatcher)]
    assert len(kernels) > 5 and all(kernel.targetoptions["nogil"] for kernel in kernels)
