"""The tangent kernel of a two-layer network beside that of a linear model (claims H2, H3, H4).

E = ||Theta - psi psi^T|| d/n on n = 2 d^1.25 Gaussian inputs, for one layer at a time, against d.
The start is the symmetric one, of whose m neurons m/2 are distinct. Widths: m = n, which is enough
for the first layer, and for the second if E phi(g) = 0; m = n d, which the second layer of a ReLU
network needs; and a fixed one, the control. The naive model lacks the norm of x.
"""

import math

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import Check, Estimate, check, interval_above, mean
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import high_dimensional, kernel, kernel_checks, kernel_operators
from simplicity.hu.kernel_checks import LABELS, at_largest, fall, falls, slope
from simplicity.nets import starts

CLAIMS = ("H2", "H3", "H4")

NARROW, WIDE, FIXED = "m = n", "m = n d", "fixed m"
GAUSSIAN, SHRUNK = "gaussian", "norms shrunk"
SHRINK = 10.0  # of the variance of the norm
NARROW_FROM = 64  # below it sqrt(d / m) of m / 2 distinct neurons is no small number


@config.settings
class Run(kernel_checks.Run):
    """One layer of a network, its width and inputs by name."""

    layer: str = config.param("first", "layer that is trained", choices=kernel.LAYERS[:2])
    width: str = config.param(NARROW, "law of the width", choices=(NARROW, WIDE, FIXED))
    inputs: str = config.param(GAUSSIAN, "law of the inputs", choices=(GAUSSIAN, SHRUNK))
    fixed_width: int = config.param(16, "m of the fixed law", unit="neurons", low=2, high=10**5)

    @property
    def m(self) -> int:
        """An even number."""
        wide = {NARROW: self.n, WIDE: self.n * self.dim, FIXED: 2 * (self.fixed_width // 2)}
        return wide[self.width]


BOTH = ("erf", "relu")
GRID = Grid(
    Run,
    groups={
        "first": {
            "layer": "first", "activation": BOTH, "width": (NARROW, FIXED),
            "dim": (16, 32, 64, 128),
        },
        "narrow": {
            "layer": "second", "activation": BOTH, "width": NARROW, "dim": (16, 24, 32, 48, 64),
        },
        "wide": {
            "layer": "second", "width": WIDE, "dim": (16, 24, 32, 48, 64),
            ("activation", "inputs"): (("erf", GAUSSIAN), ("relu", GAUSSIAN), ("relu", SHRUNK)),
        },
    },
    quick={"seeds": 5},
    full={
        "dim": (16, 32, 64, 128, 256), "narrow_dim": (64, 128, 256, 512),
        "wide_dim": (16, 32, 64, 128), "seeds": 10, "first_seed": 2_000_000,
    },
    tiny={"dim": (4, 8), "narrow_dim": (4, 8), "wide_dim": (4, 8), "seeds": 1},
)  # fmt: skip


def inputs(run: Run) -> np.ndarray:
    """Gaussian (n, d), or |x| shrunk along the rays to sqrt d + (|x| - sqrt d) / sqrt 10."""
    x = kernel_checks.gaussian(run)
    return x if run.inputs == GAUSSIAN else shrunk(x)


def shrunk(x: np.ndarray) -> np.ndarray:
    """The inputs with a tenth of the norm's variance."""
    norm = high_dimensional.lengths(x)[:, None]
    return x * (1 + (norm - 1) / math.sqrt(SHRINK)) / norm


def measure(run: Run) -> xr.Dataset:
    """`gap`: E with all features; `naive`: with the naive ones; `model`: |psi psi^T| d/n."""
    x, unit = inputs(run), run.dim / run.n
    theta = kernel_operators.wide_block(x, weights(run), run.activation, run.layer)
    full, naive = (
        kernel.features(x, run.activation, run.layer, naive=one) for one in (False, True)
    )
    return xr.Dataset(
        {
            "samples_used": run.n,
            "neurons": run.m,
            "gap": unit * kernel.spectral_norm(theta - full @ full.T),
            "naive": unit * kernel.spectral_norm(theta - naive @ naive.T),
            "model": unit * float(np.linalg.norm(full, 2)) ** 2,
        }
    )


def weights(run: Run) -> np.ndarray:
    """The distinct neurons of the symmetric start, (m/2, d)."""
    rng = streams.generator(run.seed, streams.INITIALISATION)
    return starts.symmetric(run.m, run.dim, rng).w[: run.m // 2]


def checks(runs: Runs) -> list[Check]:
    # What differs too much between seeds, or falls too slowly, is judged from ten seeds on.
    return [
        first_layer(runs, "erf", needs=0),
        first_layer(runs, "relu", needs=10),
        second_layer(runs, "wide", "wide", "erf", needs=0),
        second_layer(runs, "narrow", "narrow", "erf", needs=10),
        second_layer(runs, "relu", "wide", "relu", needs=10),
        norm(runs),
    ]


def first_layer(runs: Runs, name: str, needs: int) -> Check:
    """H2: as many neurons as samples are enough."""
    cells, fixed = (runs("first", activation=name, width=width) for width in (NARROW, FIXED))
    where = f"first layer, {LABELS[name]}, m = n"
    other = "the same, fixed m", fall(fixed, "gap")
    return falls(runs, f"H2.{name}", where, cells, other, needs=needs)


def second_layer(runs: Runs, word: str, group: str, name: str, needs: int) -> Check:
    """H3: with the neurons that its activation asks for; ReLU with fewer is the control."""
    cells, width = second(runs, group, name), {"wide": WIDE, "narrow": NARROW}[group]
    where = f"second layer, {LABELS[name]}, {width}"
    other = "ReLU, m = n", fall(second(runs, "narrow", "relu"), "gap")
    return falls(runs, f"H3.{word}", where, cells, other, least=0.0, needs=needs)


def second(runs: Runs, group: str, name: str) -> xr.Dataset:
    """The cells of the second layer on Gaussian inputs that the criteria speak of."""
    cells = runs(group, activation=name, inputs=GAUSSIAN)
    return cells.isel(cell=cells.dim.values >= (NARROW_FROM if group == "narrow" else 0))


def norm(runs: Runs) -> Check:
    """H4: without the norm feature the gap does not close. It grows.

    The feature is h = vartheta_0 + vartheta_1 s to first order, and s has variance 1/(2d). What
    the naive model lacks is vartheta_0 vartheta_1 (1 s^T + s 1^T), of norm
    vartheta_0 vartheta_1 n / sqrt(2d), so that E goes to vartheta_0 vartheta_1 sqrt(d/2). With a
    tenth of the variance E is 1/sqrt(10) of that and grows alike, which is shown and not judged.
    """
    gaussian = runs("wide", activation="relu", inputs=GAUSSIAN)
    return check(
        runs, "H4.norm", "theorem",
        "second layer, ReLU, m = n d, without the norm feature: slope of log E on log d",
        slope(gaussian, "naive"), interval_above(0),
        ("with the norm feature: the same slope", slope(gaussian, "gap")),
        unless=kernel_checks.unjudged(gaussian),
    )  # fmt: skip


def norm_gap_ratio(runs: Runs) -> Estimate:
    """E naive / E at the largest d with norms shrunk, over that of Gaussian inputs, by seed."""
    gaussian, shrunk = (runs("wide", activation="relu", inputs=law) for law in (GAUSSIAN, SHRUNK))
    less, more = (at_largest(one, "naive") / at_largest(one, "gap") for one in (shrunk, gaussian))
    return mean(less / more if len(less) == len(more) else [])
