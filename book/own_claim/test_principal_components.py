"""principal_components against what is known in closed form."""

import numpy as np
from simplicity.grid.groups import Runs
from simplicity.grid.run import run

import principal_components as experiment


def test_one_layer_has_the_eigenvalues_as_rates() -> None:
    """Gradient descent on a linear model: (1 - eta lambda_i)^t, exactly."""
    found = experiment.measure(
        experiment.Run(network="one layer", step_size=0.01, steps=700)
    )
    np.testing.assert_allclose(found.rate, found.eigenvalue, rtol=1e-6)
    whitened = experiment.measure(
        experiment.Run(network="one layer", whitened=True)
    )
    np.testing.assert_allclose(whitened.rate, 1, rtol=1e-6)


def test_a_halving_rate_is_that_of_its_own_curve() -> None:
    curve = 3 * (1 - 0.05 * 0.7) ** np.arange(100)
    assert abs(experiment.halving_rate(curve, 0.05) - 0.7) < 1e-9
    assert np.isnan(experiment.halving_rate(curve[:5], 0.05))


def test_the_criteria_hold_and_their_controls_fail_them(tmp_path) -> None:
    dataset = run(
        experiment,
        experiment.GRID.presets["QUICK"],
        store=tmp_path,
        progress=False,
    )
    for found in experiment.checks(Runs(dataset, experiment.GRID)):
        assert found.passed and found.control.passed
