"""Sums of normalised bias steps over a window against sums of lambda_avg (claim L3).

Loukas et al. 2021, Theorem 1: over T steps with replacement the two differ by delta a step, T being
of the order of (lambda_max / (sigma_n delta))^2, so their relative gap falls like T^(-1/2). W_1 =
I, the cosine task at f = 0.5. Weights are frozen (steps so small that nothing moves) or go on
training. In epochs, as in all of the authors' runs, each sample comes once and frozen weights leave
no gap at all: there the theorem's law of sampling is not tested.
"""

from functools import partial

import numpy as np
import xarray as xr

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, lipschitz, trajectory
from simplicity.loukas.criteria import elsewhere
from simplicity.loukas.single_sample import descend, passes, with_replacement

CLAIMS = ("L3",)

WINDOWS = (1, 2, 4, 8, 16, 32, 64)  # epochs
FROZEN = 1e-12  # a step size: 400,000 steps move b_1 by less than 1e-12
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
    order = with_replacement(run.n, run.n * run.epochs, rng)
    start = cosine.start(run.seed)
    network, _ = descend(start, data.x, data.y, order, step_size=run.step_size, window=run.n)
    epochs, moving = run.blocks * WINDOWS[-1], run.kind.startswith("moving")
    _, found = descend(
        network, data.x, data.y, _order(run, epochs, rng), window=run.n,
        step_size=run.step_size if moving else FROZEN,
        schedule=range(0, epochs + 1, 4 if moving else epochs),
        probes={"average": lambda one: lipschitz.local(one, data.x).mean()},
    )  # fmt: skip
    # So small a step of b_1, or one at a sample that is fitted to the last digit, is lost in the
    # rounding of b_1; by L2 it is the slope, which is not.
    lost = not moving or run.kind.endswith("one sample")
    path = found.slope if lost else found.trajectory
    places = found.probe_step.values / run.n
    average = np.interp(np.arange(epochs + 1), places, found.average.values)
    local = lipschitz.local(network, data.x)
    variables = {
        "gap": ("window", gaps(path.values, (average[1:] + average[:-1]) / 2)),
        "expected": local.std() / (local.mean() * np.sqrt(run.n)),
    }
    return xr.Dataset(variables, {"length": ("window", list(WINDOWS))})


def _order(run: Run, epochs: int, rng: np.random.Generator) -> np.ndarray:
    if run.kind.endswith("epochs"):
        return passes(run.n, epochs, rng)
    if run.kind.endswith("one sample"):
        return np.full(run.n * epochs, int(rng.integers(run.n)))
    return with_replacement(run.n, run.n * epochs, rng)


def gaps(path: np.ndarray, average: np.ndarray) -> np.ndarray:
    """The rms relative gap for each length of a window; path and lambda_avg of each epoch."""
    found = []
    for length in WINDOWS:
        one, other = (part.reshape(-1, length).sum(axis=1) for part in (path, average))
        found.append(np.sqrt(np.mean((one / other - 1) ** 2)))
    return np.array(found)


def exponents(cells: xr.Dataset) -> list[float]:
    """For each run the slope of log gap on log window."""
    return [trajectory.log_slope(WINDOWS, gap) for gap in cells.gap.values]


def checks(runs: Runs) -> list[claims.Check]:
    """With moving weights the theorem's content; with frozen ones the law of large numbers."""
    frozen, epochs, same, moving, visited = (runs("windows", kind=kind) for kind in KINDS[:5])
    judge = partial(claims.check, runs, unless=elsewhere(runs, n=100, frequency=0.5))
    rate = claims.interval_within(-0.6, -0.4)
    return [
        judge(
            "L3.exponent", "theorem",
            "moving weights, with replacement: exponent of the rms gap in the window",
            claims.mean(exponents(moving)), rate,
            ("moving weights, the same sample at every step", claims.mean(exponents(visited))),
        ),
        judge(
            "L3.frozen", "identity",
            "frozen weights, with replacement: exponent of the rms gap in the window",
            claims.mean(exponents(frozen)), rate,
            ("frozen weights, the same sample at every step", claims.mean(exponents(same))),
        ),
        judge(
            "L3.constant", "identity",
            "frozen weights, with replacement: rms gap of one epoch's steps over sd(lambda) / "
            "(mean(lambda) sqrt(n))",
            claims.mean(frozen.gap[:, 0] / frozen.expected), claims.interval_within(0.8, 1.25),
            ("frozen weights in epochs, each sample once",
             claims.mean(epochs.gap[:, 0] / epochs.expected)),
        ),
    ]  # fmt: skip
