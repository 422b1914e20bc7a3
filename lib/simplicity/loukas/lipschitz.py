"""Local Lipschitz constants of fully connected ReLU networks (Loukas et al. 2021, sections 2, 3).

Inside a linear region f(x) = <g, x> + c with g = W_1^T S_1 ... W_{d-1}^T S_{d-1} W_d^T, S_l the 0/1
diagonal of the neurons that are on, so lambda_f(R_x) = |g|. With a sigmoid on top it is p (1 - p)
|g|, at the point and no longer over the region. At a pre-activation of exactly 0 a neuron is off.
"""

import numpy as np
from numpy.typing import NDArray

from simplicity.nets import FullyConnected
from simplicity.problems import doors, training_doors

Array = NDArray[np.floating]


def _looked_at(network: FullyConnected, x: Array) -> tuple[FullyConnected, Array]:
    """Network and inputs (n, n_0), which fit to each other."""
    (x,) = doors.arrays(x=(x, "N k"))
    return FullyConnected(*map(tuple, training_doors.layers(network, x.shape[1]))), x


def _activations(network: FullyConnected, x: Array) -> list[Array]:
    """The inputs, and what each hidden layer makes of them."""
    found = [x]
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        found.append(np.maximum(found[-1] @ weight.T + bias, 0))
    return found


def outputs(network: FullyConnected, x: Array) -> Array:
    """f(x), the logit where a sigmoid follows; (n,) for inputs (n, n_0)."""
    network, x = _looked_at(network, x)
    h = _activations(network, x)[-1]
    return (h @ network.weights[-1].T + network.biases[-1])[:, 0]


def patterns(network: FullyConnected, x: Array) -> tuple[NDArray[np.bool_], ...]:
    """Which hidden neurons are on: for each layer l < d an array (n, n_l)."""
    return tuple(h > 0 for h in _activations(*_looked_at(network, x))[1:])


def gradients(network: FullyConnected, x: Array, *, layer: int = 0) -> Array:
    """df / d(input of layer `layer` + 1), the product of the masked weights; (n, n_0) for layer 0.

    f_d o ... o f_{layer + 1} is the function whose gradient that is.
    """
    network, x = _looked_at(network, x)
    doors.whole("layer", layer, 0, len(network.weights) - 1)
    on = patterns(network, x)
    g = np.repeat(network.weights[-1], len(x), axis=0)
    for index in reversed(range(layer, len(on))):
        g = (g * on[index]) @ network.weights[index]
    return g


def first_steps(network: FullyConnected, x: Array) -> Array:
    """|df/db_1|, (n,): what a normalised step of the first bias measures."""
    return np.linalg.norm(gradients(network, x, layer=1) * patterns(network, x)[0], axis=1)


def local(network: FullyConnected, x: Array, *, sigmoid: bool = False) -> Array:
    """lambda_f(R_x) = |df/dx|, (n,); with `sigmoid` the norm of the gradient of p = sigmoid(f)."""
    norms = np.linalg.norm(gradients(network, x), axis=1)
    if not sigmoid:
        return norms
    return norms * _sigmoid_slope(outputs(network, x))


def _sigmoid_slope(logit: Array) -> Array:
    """p (1 - p)."""
    p = 1 / (1 + np.exp(-np.clip(logit, -700, 700)))
    return p * (1 - p)


def product_bound(network: FullyConnected, *, sigmoid: bool = False) -> float:
    """prod_l |W_l|_2, which bounds every local constant.

    With `sigmoid` times 1/4, the largest p (1 - p).
    """
    weights, _ = training_doors.layers(network)
    bound = float(np.prod([np.linalg.norm(weight, 2) for weight in weights]))
    return bound / 4 if sigmoid else bound
