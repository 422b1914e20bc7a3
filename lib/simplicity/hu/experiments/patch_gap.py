"""The tangent kernel of a convolutional network with one hidden layer against d (claim H21).

Hu et al. 2020, section 4. E = ||Theta - psi psi^T|| d/n for n = 2 d^1.25 signals from {-1, 1}^d,
circular patches of q neighbours, no pooling, infinitely many channels: Theta is exact. The
proposition asks for q well above sqrt d: the model's constant is off by an order of 1/q^2, and E by
d/q^2. q = 3 is the control: for ReLU E then grows like d. For odd phi that constant is 0, and E
tends to the amount by which the slope is off for covariances of 1/3 and 1, times the data kernel's
norm, whose fall is too slow for the criterion (`kernel_checks`).
"""

import xarray as xr

from simplicity.data import streams
from simplicity.evidence.claims import Check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import deep_kernel, kernel, kernel_checks
from simplicity.hu.kernel_checks import LABELS, fall, falls
from simplicity.nets.activations import moments

CLAIMS = ("H21",)

HALF, EIGHTH, THREE = "q = d/2", "q = d/8", "q = 3"


@config.settings
class Run(kernel_checks.Run):
    """One convolution, the size of its patch by name."""

    patch: str = config.param(HALF, "law of the patch", choices=(HALF, EIGHTH, THREE))

    @property
    def q(self) -> int:
        return {HALF: self.dim // 2, EIGHTH: max(1, self.dim // 8), THREE: 3}[self.patch]


GRID = Grid(
    Run,
    groups={
        "half": {"activation": ("erf", "relu"), "patch": lambda run: HALF},
        "eighth": {"patch": lambda run: EIGHTH},
        "three": {"patch": lambda run: THREE},
    },
    quick={"dim": (32, 48, 64, 96), "seeds": 5},
    full={"dim": (32, 48, 64, 96, 128, 192, 256), "first_seed": 2_000_000},
    tiny={"dim": (8, 12), "seeds": 1},
)


def measure(run: Run) -> xr.Dataset:
    """E, and the patch's size."""
    x = streams.generator(run.seed, streams.DATA).choice([-1.0, 1.0], (run.n, run.dim))
    found = moments(run.activation)
    psi = deep_kernel.hypercube_features(x, found.zeta, found.bend, found.vartheta_0, run.q)
    theta = deep_kernel.hypercube(x, run.activation, run.q)
    gap = run.dim / run.n * kernel.spectral_norm(theta - psi @ psi.T)
    return xr.Dataset({"gap": gap, "neighbours": run.q})


def checks(runs: Runs) -> list[Check]:
    return [closes(runs, name, group) for name in ("relu", "erf") for group in ("half", "eighth")]


def closes(runs: Runs, name: str, group: str) -> Check:
    """The gap of an activation, whose patch grows with d; a patch of three is the control."""
    cells, three = (runs(one, activation=name) for one in (group, "three"))
    where = f"one convolution, {LABELS[name]}, {dict(half=HALF, eighth=EIGHTH)[group]}"
    stays = f"{LABELS[name]}, q = 3", fall(three, "gap")
    return falls(runs, f"H21.{name}_{group}", where, cells, stays)
