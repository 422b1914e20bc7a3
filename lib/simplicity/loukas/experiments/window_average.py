"""Sums of normalised bias steps over a window against sums of lambda_avg (claim L3).

Loukas et al. 2021, Theorem 1: over T steps with replacement the two differ by delta a step, T being
of the order of (lambda_max / (sigma_n delta))^2, so their relative gap falls like T^(-1/2). W_1 =
I, the cosine task at f = 0.5. Weights are frozen (steps so small that nothing moves) or go on
training. In epochs, as in all of the authors' runs, each sample comes once and frozen weights leave
no gap at all: there the theorem's law of sampling is not tested.
"""

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, lipschitz, trajectory
from simplicity.loukas.criteria import elsewhere
from simplicity.loukas.single_sample import descend, passes, with_replacement
from simplicity.nets import FullyConnected

CLAIMS = ("L3",)

WINDOWS = (1, 2, 4, 8, 16, 32, 64)  # epochs
FROZEN = 1e-12  # a step size: 400,000 pulls below 1 move b_1 by less than 1e-6
KINDS = (
    "frozen", "frozen, epochs", "frozen, one sample", "moving", "moving, one sample",
    "moving, epochs",
)  # fmt: skip


@config.settings
class Run(cosine.Run):
    """A network whose windows are compared, frozen or moving."""

    kind: str = config.param("frozen", "how samples are drawn, and do weights move?", choices=KINDS)
    epochs: int = config.param(500, "epochs before", unit="epochs", low=1, high=10**6)
    blocks: int = config.param(32, "windows of 64 epochs", low=2, high=10**5)

    @property
    def judged(self) -> int:
        """Epochs of the windows."""
        return self.blocks * WINDOWS[-1]

    @property
    def moving(self) -> bool:
        return self.kind.startswith("moving")


GRID = Grid(
    Run,
    groups={"windows": {"kind": KINDS}},
    quick={"kind": KINDS[:5], "seeds": 5},
    full={"kind": KINDS, "blocks": 64, "seeds": 10, "first_seed": 2_000_000},
    tiny={"n": 10, "epochs": 5, "blocks": 2, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """`gap`, the rms over windows of (sum of normalised steps / sum of lambda_avg - 1).

    It is given for each length of a window; windows of a length do not overlap. `expected` is
    sd(lambda) / (mean(lambda) sqrt(n)), the rms gap of one epoch's worth of independent draws.
    lambda_avg is taken every four epochs, and in between on a line.
    """
    data = cosine.task(run.frequency, run.n, run.seed)
    rng = streams.generator(run.seed, streams.BATCHES)
    network = _pretrained(run, data, rng)
    found = _windows(run, network, data, _order(run, rng))
    gap = gaps(_path(run, found), _average(run, found))
    variables = {"gap": ("window", gap), "expected": _expected(network, data.x)}
    return xr.Dataset(variables, {"length": ("window", list(WINDOWS))})


def _expected(network: FullyConnected, x: np.ndarray) -> float:
    """The gap of as many independent draws as there are points."""
    local = lipschitz.local(network, x)
    return local.std() / (local.mean() * np.sqrt(len(x)))


def _pretrained(run: Run, data: cosine.Cosine, rng: np.random.Generator) -> FullyConnected:
    """The network after the epochs before."""
    order = with_replacement(run.n, run.n * run.epochs, rng)
    network, _ = descend(
        cosine.start(run.seed), data.x, data.y, order, step_size=run.step_size, window=run.n
    )
    return network


def _windows(
    run: Run, network: FullyConnected, data: cosine.Cosine, order: np.ndarray
) -> xr.Dataset:
    """Statistics of each epoch of the windows, and lambda_avg at some."""
    _, found = descend(
        network, data.x, data.y, order, window=run.n,
        step_size=run.step_size if run.moving else FROZEN,
        schedule=range(0, run.judged + 1, 4 if run.moving else run.judged),
        probes={"average": lambda one: lipschitz.local(one, data.x).mean()},
    )  # fmt: skip
    return found


def _path(run: Run, found: xr.Dataset) -> np.ndarray:
    """The mean normalised step of each epoch.

    So small a step of b_1, or one at a sample that is fitted to the last digit, is lost in the
    rounding of b_1; by L2 it is the slope, which is not.
    """
    lost = not run.moving or run.kind.endswith("one sample")
    return (found.slope if lost else found.trajectory).values


def _average(run: Run, found: xr.Dataset) -> np.ndarray:
    """lambda_avg over each epoch, the mean of its start and its end."""
    places = found.probe_step.values / run.n
    average = np.interp(np.arange(run.judged + 1), places, found.average.values)
    return (average[1:] + average[:-1]) / 2


def _order(run: Run, rng: np.random.Generator) -> np.ndarray:
    if run.kind.endswith("epochs"):
        return passes(run.n, run.judged, rng)
    steps = run.n * run.judged
    if run.kind.endswith("one sample"):
        return np.full(steps, int(rng.integers(run.n)))
    return with_replacement(run.n, steps, rng)


def gaps(path: np.ndarray, average: np.ndarray) -> np.ndarray:
    """The rms relative gap for each length of a window; path and lambda_avg of each epoch."""
    return np.array([_rms_gap(path, average, length) for length in WINDOWS])


def _rms_gap(path: np.ndarray, average: np.ndarray, length: int) -> float:
    one, other = (part.reshape(-1, length).sum(axis=1) for part in (path, average))
    return np.sqrt(np.mean((one / other - 1) ** 2))


def exponents(cells: xr.Dataset) -> list[float]:
    """For each run the slope of log gap on log window."""
    return [trajectory.log_slope(WINDOWS, gap) for gap in cells.gap.values]


def checks(runs: Runs) -> list[claims.Check]:
    """With moving weights the theorem's content; with frozen ones the law of large numbers."""
    return [_moving_check(runs), _frozen_check(runs), _constant_check(runs)]


_HALF = claims.interval_within(-0.6, -0.4)


def _unless(runs: Runs) -> str:
    return elsewhere(runs, n=100, frequency=0.5)


def _exponent(runs: Runs, kind: str) -> claims.Estimate:
    return claims.mean(exponents(runs("windows", kind=kind)))


def _moving_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L3.exponent", "theorem",
        "moving weights, with replacement: exponent of the rms gap in the window",
        _exponent(runs, "moving"), _HALF,
        ("moving weights, the same sample at every step", _exponent(runs, "moving, one sample")),
        unless=_unless(runs),
    )  # fmt: skip


def _frozen_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L3.frozen", "identity",
        "frozen weights, with replacement: exponent of the rms gap in the window",
        _exponent(runs, "frozen"), _HALF,
        ("frozen weights, the same sample at every step", _exponent(runs, "frozen, one sample")),
        unless=_unless(runs),
    )  # fmt: skip


def _constant_check(runs: Runs) -> claims.Check:
    return claims.check(
        runs, "L3.constant", "identity",
        "frozen weights, with replacement: rms gap of one epoch's steps over sd(lambda) / "
        "(mean(lambda) sqrt(n))",
        _over_expected(runs, "frozen"), claims.interval_within(0.8, 1.25),
        ("frozen weights in epochs, each sample once", _over_expected(runs, "frozen, epochs")),
        unless=_unless(runs),
    )  # fmt: skip


def _over_expected(runs: Runs, kind: str) -> claims.Estimate:
    """The gap of one epoch over what independent draws let expect."""
    cells = runs("windows", kind=kind)
    return claims.mean(cells.gap[:, 0] / cells.expected)
