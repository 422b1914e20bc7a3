"""The peers in JAX, run by `make peers` in an environment of their own: seconds of a step as JSON.

    echo '{"engine": "single_sample", "precision": "float64"}' | python jax_peer.py

A line is asked and a line answered, for as long as there are lines. One thread; every loop is
compiled whole (`fori_loop`, `scan`) with its state donated, and the first call is not counted.
"""

import json
import os
import sys
import time
from functools import partial

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

REPEATS, LONG = 3, 2.0  # and seconds after which one is enough
LAYERS = (10, 10)  # the others have as many neurons as is asked


def best(run, state, steps):
    """Least processor seconds of one of the `steps` that `run` makes of a state that it uses up."""
    state = jax.block_until_ready(run(state))
    found = []
    for _ in range(REPEATS):
        clock = time.process_time()
        state = jax.block_until_ready(run(state))
        found.append((time.process_time() - clock) / steps)
        if steps * sum(found) > LONG:
            break
    return min(found)


def by_hand(state, x, y, rate, slope, rule):
    """One pass forward, which keeps the activity as numbers, and one back."""
    a, w = state[0]
    z = w @ x.T
    active = jnp.where(z > 0, 1, slope).astype(z.dtype)
    r = (y - a @ (active * z)) / len(y)
    force = active @ (r[:, None] * x)
    return moved(state, (-jnp.sum(w * force, 1), -a[:, None] * force), rate, rule)


def by_grad(state, x, y, rate, slope, rule):
    def loss(network):
        a, w = network
        z = x @ w.T
        return 0.5 * jnp.mean((jnp.where(z > 0, z, slope * z) @ a - y) ** 2)

    return moved(state, jax.grad(loss)(state[0]), rate, rule)


def moved(state, slopes, rate, rule):
    """The weights and what the rule remembers, a step on; constants are those of torch."""
    network, first, second, t = state
    tree = jax.tree.map
    if rule == "plain":
        return tree(lambda p, g: p - rate * g, network, slopes), first, second, t
    if rule == "momentum":
        first = tree(lambda v, g: 0.9 * v + g, first, slopes)
        return tree(lambda p, v: p - rate * v, network, first), first, second, t
    t = t + 1
    first = tree(lambda u, g: 0.9 * u + 0.1 * g, first, slopes)
    second = tree(lambda s, g: 0.999 * s + 0.001 * g * g, second, slopes)

    def step(p, u, s):
        return p - rate * (u / (1 - 0.9**t)) / (jnp.sqrt(s / (1 - 0.999**t)) + 1e-8)

    return tree(step, network, first, second), first, second, t


def two_layer(n, m, d, precision, what="plain"):
    """By jax.grad and by hand. `what` is a rule, a leaky slope, a hidden bias or a minibatch."""
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.standard_normal(shape), precision) for shape in ((n, d), (n,)))
    if what == "hidden bias":
        x, d = jnp.concatenate([x, jnp.ones((n, 1), precision)], 1), d + 1
    slope = 0.1 if what == "leaky slope" else 0.0
    rule = what if what in ("momentum", "adam") else "plain"
    batch = int(what.split()[1]) if what.startswith("batch") else 0
    steps = max(3, int(1e8 / ((batch or n) * m * d)))
    order = jnp.asarray(rng.integers(n, size=(steps, batch or 1)))
    found = {}
    for step in (by_grad, by_hand):
        network = tuple(
            jnp.asarray(1e-3 * rng.standard_normal(shape), precision) for shape in ((m,), (m, d))
        )
        nothing = [tuple(map(jnp.zeros_like, network)) for _ in range(2 * (rule != "plain"))]
        state = (network, *(nothing or ((), ())), jnp.zeros((), precision))

        @partial(jax.jit, donate_argnums=0)
        def run(state, step=step):
            def one(k, old):
                # a batch is gathered each step, as ours is
                data = (x[order[k]], y[order[k]]) if batch else (x, y)
                return step(old, *data, jnp.asarray(0.01, precision), slope, rule)

            return jax.lax.fori_loop(0, steps, one, state)

        found[step.__name__] = best(run, state, steps)
    return found


def single_sample(precision, m=32, steps=50_000):
    """A step with W_1 = I not trained and the squared loss; no statistics but the mean loss."""
    rng, sizes = np.random.default_rng(0), (*LAYERS, m, m, m, 1)
    x, order = (
        jnp.asarray(rng.standard_normal((100, LAYERS[0])), precision),
        jnp.asarray(rng.integers(100, size=steps)),
    )
    y, rate = jnp.sin(x[:, 0]), jnp.asarray(1e-3, precision)

    def output(network, one):
        weights, biases = network
        h = jax.nn.relu(one + biases[0])
        for weight, bias in zip(weights[:-1], biases[1:-1], strict=True):
            h = jax.nn.relu(h @ weight + bias)
        return (h @ weights[-1] + biases[-1])[0]

    def by_grad(network, k):
        loss, slopes = jax.value_and_grad(
            lambda network: 0.5 * (output(network, x[k]) - y[k]) ** 2
        )(network)
        return jax.tree.map(lambda part, slope: part - rate * slope, network, slopes), loss

    def by_hand(network, k):
        weights, biases = network
        h = [x[k], jax.nn.relu(x[k] + biases[0])]
        for weight, bias in zip(weights[:-1], biases[1:-1], strict=True):
            h.append(jax.nn.relu(h[-1] @ weight + bias))
        delta = h[-1] @ weights[-1] + biases[-1] - y[k]
        loss, slid, moved = 0.5 * delta[0] ** 2, [], []
        for layer in reversed(range(len(weights))):
            moved.insert(0, biases[layer + 1] - rate * delta)
            slid.insert(0, weights[layer] - rate * h[layer + 1][:, None] * delta)
            delta = jnp.where(h[layer + 1] > 0, weights[layer] @ delta, 0)
        return (tuple(slid), (biases[0] - rate * delta, *moved)), loss

    found = {}
    for step in (by_grad, by_hand):
        draw = [
            rng.uniform(-1, 1, (below, above)) / below**0.5
            for below, above in zip(sizes[1:-1], sizes[2:], strict=True)
        ]
        network = (
            tuple(jnp.asarray(part, precision) for part in draw),
            tuple(jnp.zeros(size, precision) for size in sizes[1:]),
        )

        @partial(jax.jit, donate_argnums=0)
        def run(network, step=step):
            network, losses = jax.lax.scan(step, network, order)
            return network, jnp.mean(losses)

        found[step.__name__] = best(lambda state, run=run: run(state[0]), (network, 0), steps)
    return found


def ntk_descent(n, m, d, precision):
    """A full-batch step of the two-layer erf network in NTK parametrisation, both layers."""
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.standard_normal(shape), precision) for shape in ((n, d), (n,)))
    steps = max(2, int(1e8 / (n * m * d)))
    factor = 2 / np.pi**0.5

    def by_grad(state):
        def loss(state):
            v, w = state
            return 0.5 * jnp.mean((jax.lax.erf(x @ w.T / d**0.5) @ v / m**0.5 - y) ** 2)

        return jax.tree.map(lambda part, slope: part - slope, state, jax.grad(loss)(state))

    def by_hand(state):
        v, w = state
        z = x @ w.T / d**0.5
        h = jax.lax.erf(z)
        r = (h @ v / m**0.5 - y) / n
        slope = factor * jnp.exp(-(z**2)) * r[:, None]
        return v - r @ h / m**0.5, w - (slope.T @ x) * v[:, None] / (m * d) ** 0.5

    found = {}
    for step in (by_grad, by_hand):
        state = tuple(
            jnp.asarray(rng.standard_normal(shape), precision) for shape in ((m,), (m, d))
        )

        @partial(jax.jit, donate_argnums=0)
        def run(state, step=step):
            return jax.lax.fori_loop(0, steps, lambda _, old: step(old), state)

        found[step.__name__] = best(run, state, steps)
    return found


def tangent_kernel(n, m, d, precision):
    """Both layers of a two-layer erf network: from single samples' gradients, and by hand."""
    rng = np.random.default_rng(0)
    x, a, w = (
        jnp.asarray(rng.standard_normal(shape), precision) for shape in ((n, d), (m,), (m, d))
    )

    @jax.jit
    def by_grad(x):
        def of(one):
            return jax.grad(lambda state: jax.lax.erf(state[1] @ one / d**0.5) @ state[0] / m**0.5)(
                (a, w)
            )

        outer, inner = jax.vmap(of)(x)
        inner = inner.reshape(n, m * d)
        return outer @ outer.T + inner @ inner.T

    @jax.jit
    def by_hand(x):
        z = x @ w.T / d**0.5
        h, slope = jax.lax.erf(z), 2 / np.pi**0.5 * jnp.exp(-(z**2)) * a
        return (h @ h.T + slope @ slope.T * (x @ x.T) / d) / m

    found = {}
    for kernel in (by_grad, by_hand):
        found[kernel.__name__] = best(lambda state, kernel=kernel: kernel(x), None, 1)
    return found


if __name__ == "__main__":
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps(globals()[task.pop("engine")](**task)), flush=True)
