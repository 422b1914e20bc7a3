"""The tangent kernel of a deep, infinitely wide network beside c_1 X X^T / d (claim H20).

Hu et al. 2020, section 4. E = ||Theta - (c_1/d) X X^T|| d/n on n = 2 d^1.25 Gaussian inputs,
against d, with Theta from the recursion: no weights are drawn. Four hidden layers of erf and five
of tanh. c_1 = (L + 1) prod zeta_l^2. The control of the gap leaves the factor L + 1 out, as if
Theta were the kernel of the last layer alone; that of the entries takes c_1 of one hidden layer.
"""

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, between, check, mean
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import deep_kernel, kernel, kernel_checks
from simplicity.hu.kernel_checks import at_largest, fall, falls

CLAIMS = ("H20",)


@config.settings
class Run(kernel_checks.Run):
    """A deep, infinitely wide network on Gaussian inputs."""

    depth: int = config.param(4, "hidden layers", low=1, high=100)


GRID = Grid(
    Run,
    groups={
        "erf": {"activation": "erf", "depth": 4},
        "tanh": {"activation": "tanh", "depth": 5},
    },
    quick={"dim": (32, 48, 64, 96), "seeds": 5},
    full={"dim": (32, 48, 64, 96, 128, 192, 256), "first_seed": 2_000_000},
    tiny={"dim": (4, 8), "seeds": 1},
)


def measure(run: Run) -> xr.Dataset:
    """E and the slope of Theta's off-diagonal entries, with c_1 and with two others.

    `_shallow`: that of one layer; `_last`: c_1 / (L + 1).
    """
    x = kernel_checks.gaussian(run)
    theta, data = deep_kernel.connected(x, run.activation, run.depth), x @ x.T / run.dim
    apart = ~np.eye(run.n, dtype=bool)
    fitted = np.polyfit(data[apart], theta[apart], 1)[0]
    values = {"linear": np.corrcoef(data[apart], theta[apart])[0, 1] ** 2}
    for name, c_1 in slopes(run).items():
        values[f"gap{name}"] = run.dim / run.n * kernel.spectral_norm(theta - c_1 * data)
        values[f"slope{name}"] = fitted / c_1
    return xr.Dataset(values)


def slopes(run: Run) -> dict[str, float]:
    """c_1 and the two others, by the ends of their names."""
    c_1, shallow = (kernel.deep_slope(run.activation, depth) for depth in (run.depth, 1))
    return {"": c_1, "_shallow": shallow, "_last": c_1 / (run.depth + 1)}


def checks(runs: Runs) -> list[Check]:
    return [gap(runs, "erf"), gap(runs, "tanh"), entries(runs)]


def where(runs: Runs, name: str) -> str:
    """The network in a check's words."""
    depth = {"erf": runs.settings.depth, "tanh": runs.settings.tanh_depth}[name]
    return f"{depth} hidden layers, {name}"


def gap(runs: Runs, name: str) -> Check:
    """The gap closes."""
    other = "c_1 without its factor L + 1", fall(runs[name], "gap_last")
    return falls(runs, f"H20.{name}", where(runs, name), runs[name], other)


def entries(runs: Runs) -> Check:
    """The entries go with those of the linear kernel, with the slope c_1."""
    entry, shallow = (mean(at_largest(runs["tanh"], name)) for name in ("slope", "slope_shallow"))
    what = "slope of the off-diagonal entries on x.x'/d, over c_1, at the largest d"
    return check(
        runs, "H20.entries", "theorem", f"{where(runs, 'tanh')}: {what}",
        entry, between(0.95, 1.05), ("over c_1 of one layer", shallow),
        unless=kernel_checks.unjudged(runs["tanh"]),
    )  # fmt: skip
