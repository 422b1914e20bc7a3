"""Networks learn the principal components of their inputs in order.

Claims M1 and M2. Hacohen & Weinshall 2022: in wide deep linear networks the
convergence along a principal direction of the inputs is exponential, at a
rate that its eigenvalue governs; ReLU networks show the same early in
training; whitened inputs do not. The control changes one thing: the inputs
are whitened.

    loss 1/(2n) sum_k (f(x_k) - y_k)^2,  X^T X / n = sum_i lambda_i u_i u_i^T
    p_i = 1/n sum_k (f(x_k) - y_k) <u_i, x_k> / sqrt(lambda_i)
    p_i(t) / p_i(0) = (1 - eta c lambda_i)^t      the error along direction i

One layer: c = 1, exactly. Two linear layers with weights of variance
1/width: the gradient by each passes through the other, whose scale is about 1
while it is wide and little trained; c = 2. Two layers with ReLU: for Gaussian
inputs each coordinate is an eigenfunction of the kernel of infinite width,
and each layer gives E[relu'(z)]^2 = 1/4 of its value in a linear network;
c = 1/2 as the samples become many. Whitened inputs have one eigenvalue, so
one rate.
"""

import math

import numpy as np
import xarray as xr
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    check,
    interval_within,
    mean,
)
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("M1", "M2")
NETWORKS = ("one layer", "linear", "relu")
SMALLEST = 1 / 8  # eigenvalue of the inputs' law; the largest is 1
SIGNAL = 0.3  # standard deviation of the labels, equal along all directions


@config.settings
class Run:
    """One network on one sample."""

    network: str = config.param(
        "linear", "layers and activation", choices=NETWORKS
    )
    whitened: bool = config.param(False, "whether the inputs are whitened")
    dim: int = config.param(8, "principal directions", low=2, high=100)
    n: int = config.param(300, "samples", low=10, high=10**5)
    width: int = config.param(
        300, "hidden neurons", unit="neurons", low=1, high=10**5
    )
    step_size: float = config.param(
        0.05, "step of gradient descent", low=1e-6, high=0.5
    )
    steps: int = config.param(
        600, "steps of gradient descent", low=1, high=10**6
    )
    seed: int = config.param(0, "the seed", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={
        "linear": {"network": "linear"},
        "relu": {"network": "relu"},
        "one_layer": {"network": "one layer"},
        "linear_whitened": {"network": "linear", "whitened": True},
        "relu_whitened": {"network": "relu", "whitened": True},
    },
    quick={"seeds": 5},
    full={"width": 1000, "seeds": 20},
    tiny={"n": 50, "width": 50, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """`eigenvalue` (direction): of the inputs before they are whitened.

    `rate` (direction) is c lambda where half of the error is gone after t
    steps with (1 - eta c lambda)^t = 1/2, NaN where the steps do not suffice.
    `exponent` is the slope of log rate on log eigenvalue, `factor` the median
    of rate / eigenvalue; NaN where a rate is.
    """
    x, z, y, eigenvalues = sample(run)
    start = streams.generator(run.seed, streams.INITIALISATION)
    error = errors(run, start, x, y) @ z / run.n
    rate = np.array(
        [halving_rate(np.abs(one), run.step_size) for one in error.T]
    )
    logs = np.log(eigenvalues) - np.log(eigenvalues).mean()
    slope = logs @ np.log(rate) / (logs @ logs)
    curves = {"eigenvalue": eigenvalues, "rate": rate}
    return xr.Dataset(
        {name: ("direction", values) for name, values in curves.items()}
        | {
            "exponent": float(slope),
            "factor": float(np.median(rate / eigenvalues)),
        }
    )


def sample(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs x (n, d), principal coordinates z (n, d), labels, eigenvalues.

    Each coordinate has variance 1. The labels have the same share of each, so
    that no direction is easier than another.
    """
    law = np.geomspace(1.0, SMALLEST, run.dim)
    draws = streams.generator(run.seed, streams.DATA).standard_normal(
        (run.n, run.dim)
    )
    x = draws * np.sqrt(law)
    eigenvalues, directions = np.linalg.eigh(x.T @ x / run.n)
    z = x @ directions / np.sqrt(eigenvalues)
    return (
        z if run.whitened else x,
        z,
        SIGNAL * z.mean(axis=1) * math.sqrt(run.dim),
        eigenvalues,
    )


def errors(
    run: Run, rng: np.random.Generator, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """f(x_k) - y_k before each step and after the last, (steps + 1, n)."""
    scale = 1 / math.sqrt(run.width)
    a = rng.normal(0, scale, run.width)
    w = rng.normal(0, scale, (run.width, run.dim))
    v = np.zeros(run.dim)
    found = np.empty((run.steps + 1, run.n))
    for step in range(run.steps + 1):
        z = x @ w.T
        on = z > 0 if run.network == "relu" else np.ones_like(z)
        error = found[step] = (
            x @ v if run.network == "one layer" else (on * z) @ a
        ) - y
        pull = run.step_size * error / run.n
        v = v - x.T @ pull
        a, w = a - (on * z).T @ pull, w - (on * np.outer(pull, a)).T @ x
    return found


def halving_rate(error: np.ndarray, step_size: float) -> float:
    """The r of (1 - step_size r)^t = 1/2, t being where half is left."""
    below = np.flatnonzero(error <= error[0] / 2)
    if len(below) == 0 or below[0] == 0:
        return math.nan
    last, first = np.log(error[below[0] - 1 : below[0] + 1] / (error[0] / 2))
    t = below[0] - 1 + last / (last - first)
    return float((1 - 0.5 ** (1 / t)) / step_size)


def checks(runs: Runs) -> list[Check]:
    """The criteria, committed before the first run."""

    def of(name: str, group: str) -> Estimate:
        return mean(runs[group][name].values)

    exponent = "exponent of the rate in the eigenvalue"
    return [
        check(
            runs,
            "M1.exponent",
            "theorem",
            f"{exponent}, two linear layers",
            of("exponent", "linear"),
            interval_within(0.9, 1.1),
            ("whitened inputs", of("exponent", "linear_whitened")),
            needs=5,
        ),
        check(
            runs,
            "M1.factor",
            "theorem",
            "rate over eigenvalue, two linear layers",
            of("factor", "linear"),
            interval_within(1.8, 2.2),
            ("one layer", of("factor", "one_layer")),
            needs=5,
        ),
        check(
            runs,
            "M2.exponent",
            "empirical",
            f"{exponent}, two layers with ReLU",
            of("exponent", "relu"),
            interval_within(0.75, 1.25),
            ("whitened inputs", of("exponent", "relu_whitened")),
            needs=5,
        ),
    ]
