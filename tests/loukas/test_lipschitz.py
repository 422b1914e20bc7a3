"""Local Lipschitz constants by masked products against automatic differentiation, differences and
hand cases.
"""

import numpy as np
import pytest
import torch

from simplicity import nets
from simplicity.loukas import lipschitz
from simplicity.loukas.single_sample_autograd import as_module
from simplicity.nets import FullyConnected

RNG = np.random.default_rng


@pytest.mark.parametrize("sigmoid", [False, True])
def test_masked_products_are_what_automatic_differentiation_finds(sigmoid: bool) -> None:
    network = nets.torch_default((7, 9, 11, 4, 1), RNG(0))
    x = RNG(1).standard_normal((50, 7))
    seen = torch.from_numpy(x).requires_grad_()
    value = as_module(network)(seen)[:, 0]
    np.testing.assert_allclose(lipschitz.outputs(network, x), value.detach().numpy(), rtol=1e-12)
    (gradient,) = torch.autograd.grad((torch.sigmoid(value) if sigmoid else value).sum(), seen)
    np.testing.assert_allclose(
        lipschitz.local(network, x, sigmoid=sigmoid), gradient.norm(dim=1).numpy(), rtol=1e-10
    )
    if not sigmoid:
        np.testing.assert_allclose(lipschitz.gradients(network, x), gradient.numpy(), atol=1e-13)


def test_the_gradient_of_the_upper_layers_is_that_of_the_network_that_they_form() -> None:
    network = nets.torch_default((5, 6, 8, 1), RNG(0))
    x = RNG(1).standard_normal((20, 5))
    upper = FullyConnected(network.weights[1:], network.biases[1:])
    hidden = np.maximum(x @ network.weights[0].T + network.biases[0], 0)
    np.testing.assert_allclose(
        lipschitz.gradients(network, x, layer=1), lipschitz.gradients(upper, hidden), rtol=1e-12
    )


def test_two_neurons_by_hand() -> None:
    # f(x) = 3 relu(x_1 + x_2) - 2 relu(x_1 - 1): gradient (3, 3) where only the first is on, (1, 3)
    # where both are.
    network = FullyConnected(
        (np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([[3.0, -2.0]])),
        (np.array([0.0, -1.0]), np.zeros(1)),
    )
    x = np.array([[0.5, 0.0], [2.0, 0.0], [-1.0, 0.5]])
    np.testing.assert_array_equal(lipschitz.gradients(network, x), [[3, 3], [1, 3], [0, 0]])
    np.testing.assert_allclose(lipschitz.local(network, x), [18**0.5, 10**0.5, 0])
    np.testing.assert_array_equal(lipschitz.patterns(network, x)[0], [[1, 0], [1, 1], [0, 0]])
    np.testing.assert_allclose(lipschitz.first_steps(network, x), [3, 13**0.5, 0])
    # |W_1|_2^2 is the larger root of t^2 - 3 t + 1, and |W_2| = 13^(1/2)
    assert lipschitz.product_bound(network) == pytest.approx(((3 + 5**0.5) / 2 * 13) ** 0.5)
    x = RNG(0).standard_normal((1000, 2))
    assert lipschitz.product_bound(network) >= lipschitz.local(network, x).max()


def test_a_neuron_at_zero_is_off() -> None:
    network = FullyConnected((np.eye(1), np.eye(1)), (np.zeros(1), np.zeros(1)))
    assert lipschitz.local(network, np.array([[0.0], [1e-300]])).tolist() == [0.0, 1.0]
