"""The book's example of an experiment of one's own, against its closed form.

The example has a test of its own beside it, which needs seconds; here are its cheap parts and what
the page says of it.
"""

import numpy as np
import pytest

from simplicity import experiment
from simplicity.grid import groups
from simplicity.places import paths

FOLDER = paths.book() / "own_claim"


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return experiment(str(FOLDER / "principal_components.py"))


@pytest.mark.parametrize("whitened", [False, True])
def test_one_layer_has_the_eigenvalues_as_rates(own, whitened: bool) -> None:
    found = own.measure(own.Run(network="one layer", whitened=whitened, n=50, width=2))
    wanted = np.ones(8) if whitened else found.eigenvalue
    np.testing.assert_allclose(found.rate, wanted, rtol=1e-9)


def wide_kernel(network: str, x: np.ndarray) -> np.ndarray:
    """The tangent kernel of infinite width, weights of variance 1/width; with ReLU that of Cho and
    Saul: |x||x'| k_1(angle) + <x, x'> k_0(angle).
    """
    inner = x @ x.T
    if network == "linear":
        return 2 * inner
    lengths = np.linalg.norm(x, axis=1)
    cosine = np.clip(inner / np.outer(lengths, lengths), -1, 1)
    angle = np.arccos(cosine)
    second = (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi)
    return np.outer(lengths, lengths) * second + inner * (np.pi - angle) / (2 * np.pi)


@pytest.mark.parametrize("network", ["linear", "relu"])
def test_the_first_step_is_that_of_the_kernel_of_infinite_width(own, network: str) -> None:
    """The change of the error along each direction, a mean over wide starts on one sample."""
    run = own.Run(network=network, n=100, width=4000, steps=1, step_size=1e-3)
    x, z, y, eigenvalues = own.sample(run)
    found = [own.errors(run, np.random.default_rng(seed), x, y) for seed in range(30)]
    before, after = np.mean(found, axis=0) @ z / run.n
    wanted = -run.step_size * z.T @ wide_kernel(network, x) @ np.mean(found, axis=0)[0] / run.n**2
    np.testing.assert_allclose(after - before, wanted, rtol=0.05)
    if network == "linear":
        np.testing.assert_allclose((before - after) / before, 2e-3 * eigenvalues, rtol=0.05)


def test_on_many_samples_the_relu_kernel_is_a_quarter_of_the_linear_one_along_each_direction(own):
    """By Stein's identity E[z_i relu(<w, x>)] = sqrt(lambda_i) w_i / 2; few samples add tr / n."""
    distances = []
    for n in (100, 500, 3000):
        x, z, _, eigenvalues = own.sample(own.Run(n=n))
        along = np.einsum("ki,kl,li->i", z, wide_kernel("relu", x), z) / n**2
        distances.append(float(np.max(np.abs(along / eigenvalues - 0.5))))
    assert distances[0] > distances[1] > distances[2] and distances[2] < 0.05


def test_its_smallest_runs_have_numbers_and_too_few_steps_none(own) -> None:
    tiny = groups.preset(own, "TINY")
    for run in groups.runs_of(own, tiny):
        assert np.isfinite(own.measure(run).exponent)
    assert np.isnan(own.measure(own.Run(n=20, width=5, steps=2)).exponent)


def test_the_page_tells_its_criteria(own) -> None:
    page = (paths.book() / "a-claim-of-your-own.md").read_text("utf-8")
    source = (FOLDER / "principal_components.py").read_text("utf-8")
    for low, high in ((0.9, 1.1), (1.8, 2.2), (0.75, 1.25)):
        assert f"interval_within({low}, {high})" in source and f"inside [{low}, {high}]" in page
    assert max(map(len, source.splitlines())) <= 79
