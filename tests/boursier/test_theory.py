"""What the papers prove or what follows in a line, as tests of the instruments."""

import dataclasses

import numpy as np
import pytest

from simplicity import nets
from simplicity.boursier import alignment, ols, synthetic
from simplicity.boursier.experiments import conserved_quantity, excess_risk, sign_event
from simplicity.boursier.two_layer import descend
from simplicity.data import streams


def trained(step_size: float, time: float, **task):
    """A dominated start trained for `time` units of the flow's time."""
    data = synthetic.linear_task(
        **({"law": "margin", "n": 60, "dim": 3, "noise_variance": 0.25, "seed": 0} | task)
    )
    start = nets.dominated(40, data.x.shape[1], 0.5, streams.generator(0, streams.INITIALISATION))
    steps = round(time / step_size)
    network, _ = descend(start, data.x, data.y, step_size=step_size, schedule=(0, steps), probes={})
    return data, start, network


def balance(network: nets.TwoLayer) -> np.ndarray:
    """a_j^2 - |w_j|^2, conserved by the flow (Boursier & Flammarion)."""
    return network.a**2 - np.sum(network.w**2, axis=1)


def test_a_run_of_fewer_steps_than_probes_of_the_drift_is_refused():
    grid = conserved_quantity.GRID
    tiny = dataclasses.replace(grid.presets["TINY"], seeds=1, time=0.5)  # 25 steps of 0.02
    run = grid.of_group("descent", tiny)[0]
    assert conserved_quantity.measure(run).sizes["probe"] == conserved_quantity.PROBES
    with pytest.raises(ValueError, match=r"^steps: got 24 \(.*\), allowed at least 25"):
        dataclasses.replace(run, steps=24)


def test_the_conserved_quantity_drifts_in_proportion_to_the_step():
    drifts = []
    for step_size in (0.02, 0.002):
        _, start, network = trained(step_size, time=4.0)
        drifts.append(np.abs(balance(network) - balance(start)).max())
    assert 8 < drifts[0] / drifts[1] < 12  # first order: 10


def test_domination_keeps_every_sign():
    _, start, network = trained(0.01, time=20.0)
    np.testing.assert_array_equal(np.sign(start.a), np.sign(network.a))


def test_early_on_a_neuron_grows_at_the_rate_of_its_own_force():
    # With h = O(lambda^2) the force is D_n(w, 0), constant inside a cone. For w along D the pair
    # (a, |w|) solves a' = |D| |w|, |w|' = a |D|, so that a + |w| grows as exp(|D| t).
    x, y, length = np.array([[2.0, 0.0]]), np.array([1.5]), 1e-6
    start = nets.TwoLayer(np.array([length]), np.array([[length / 2, 0.0]]))
    network, _ = descend(start, x, y, step_size=1e-4, schedule=(0, 10_000), probes={})
    force = np.linalg.norm(alignment.d_n(start.w, x, y)[0])
    assert force == pytest.approx(3.0)
    grown = 1.5 * length * np.exp(force * 1.0)
    assert network.a[0] + network.w[0, 0] == pytest.approx(grown, rel=1e-3)


def test_the_limit_is_two_least_squares_fits_past_the_threshold_and_not_below():
    errors = {}
    for n in (12, 480):
        data = synthetic.linear_task("bounded margin", n, 5, 0.25, seed=3)
        start = nets.dominated(60, 5, 1e-3, streams.generator(3, streams.INITIALISATION))
        network, _ = descend(
            start, data.x, data.y, step_size=0.1, schedule=(0, 4000), probes={}, tolerance=1e-9
        )
        errors[n] = ols.against_two_ols(lambda x, now=network: nets.forward(now, x), *data)
    assert abs(errors[480]["rho"] - 1) < 1e-6 and errors[480]["rms_two_ols"] < 1e-6
    assert errors[12]["rms_two_ols"] > 0.05


def test_population_force_is_half_the_teacher_in_every_direction():
    # Symmetric inputs with covariance I and a linear target: D(w) = beta* / 2 for every w, up to
    # sqrt(d/n).
    data = synthetic.linear_task("margin", 200_000, 4, 0.25, seed=0, n_test=1)
    directions = np.random.default_rng(0).standard_normal((6, 4))
    found = alignment.d_n(directions, data.x, data.y)
    half = np.tile(data.teacher / 2, (6, 1))
    np.testing.assert_allclose(found, half, atol=5 * np.sqrt(4 / 200_000))


def test_with_positive_output_weights_the_negative_half_stays_at_zero():
    data = synthetic.linear_task("bounded margin", 480, 5, 0.25, seed=1)
    start = nets.dominated(30, 5, 1e-3, streams.generator(1, streams.INITIALISATION), one_sign=True)
    network, _ = descend(start, data.x, data.y, step_size=0.1, schedule=(0, 2000), probes={})
    negative = data.x[:, 0] < 0
    np.testing.assert_array_equal(nets.forward(network, data.x[negative]), 0.0)
    assert np.mean((nets.forward(network, data.x[~negative]) - data.y[~negative]) ** 2) < 0.5


def test_both_signs_occur_with_the_share_counted_by_hand():
    # m = 3: of 8 sign patterns 2 are uniform
    np.testing.assert_allclose(sign_event.exact_share(np.array([1, 2, 3])), [0, 0.5, 0.75])


def test_expected_risk_with_a_binomial_half_is_above_the_one_with_an_exact_half():
    # Jensen: E 1/(N - d - 1) > 1/(n/2 - d - 1); and the gap closes with n
    gaps = []
    for n in (60, 960):
        binomial = excess_risk._expected(n, 5, 0.25)
        even = 2 * 5 * 0.25 / (n - 2 * 5 - 2)
        gaps.append(binomial / even - 1)
    assert 0 < gaps[1] < gaps[0] < 0.05


def test_expected_risk_equals_a_simulation_with_normal_equations():
    # A second implementation of what the experiment simulates with lstsq and two halves.
    rng, n, dim, draws = np.random.default_rng(5), 80, 3, 4000
    risks = []
    for _ in range(draws):
        x, noise = rng.standard_normal((n, dim)), 0.5 * rng.standard_normal(n)
        half = [
            np.linalg.solve(x[s].T @ x[s], x[s].T @ noise[s]) for s in (x[:, 0] > 0, x[:, 0] < 0)
        ]
        risks.append(np.mean([np.sum(error**2) for error in half]))
    error = np.std(risks) / np.sqrt(draws)
    assert abs(np.mean(risks) - excess_risk._expected(n, dim, 0.25)) < 4 * error
