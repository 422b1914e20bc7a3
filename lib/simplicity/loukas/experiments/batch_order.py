"""Batches of 16 and 32: is the trajectory still longer at the higher frequency (claim L30)?

Loukas et al.'s code has such an experiment, for f = 0.25 and 0.75 over 3000 epochs, which cannot be
run as released: it divides a batch's step by eps of the batch's first sample. Here a step is
divided by the mean eps of its batch, which is this book's choice. At the step size of single
samples a batch makes so many times fewer steps that training ends early; so there are also runs
with a step size as many times larger.
"""

from functools import partial

import numpy as np
import xarray as xr
from scipy import stats

from simplicity.evidence import claims, over_seeds
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, trajectory
from simplicity.loukas.criteria import elsewhere
from simplicity.loukas.single_sample import descend
from simplicity.problems import Problem

CLAIMS = ("L30",)

RATES = ("same", "scaled")
WINDOW = 25  # steps
BINS = 40  # places on the curves, evenly over the run
END = 0.01  # of the run
MATCHED = 0.03  # loss, with the 1/2
LABELS = ("cosine", "y negated")


@config.settings
class Run(cosine.Run):
    """A run in batches of one size, at one of two rates."""

    labels: str = config.param("cosine", "targets", choices=LABELS)
    batch: int = config.param(16, "samples a step", unit="samples", low=1, high=10**6)
    rate: str = config.param("scaled", "step of single samples, or times the batch", choices=RATES)

    def check(self) -> None:
        if self.n * self.epochs < self.batch * WINDOW:
            allowed = f"allowed at least {WINDOW} steps of {self.batch} samples"
            raise Problem(f"epochs: got {self.epochs} of {self.n} samples, {allowed}")


GRID = Grid(
    Run,
    groups={
        "low": {"frequency": 0.25},
        "high": {"frequency": 0.75},
        "negated": {"frequency": 0.25, "labels": "y negated"},
    },
    quick={"batch": (16,), "rate": ("scaled",), "epochs": 1500, "seeds": 5},
    full={"batch": (16, 32), "rate": RATES, "epochs": 3000, "seeds": 10, "first_seed": 100},
    tiny={"epochs": 400, "n": 20, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """Level and loss along the run (at `BINS` places), at its end, and at loss 0.03."""
    data = cosine.task(run.frequency, run.n, run.seed)
    y = -data.y if run.labels == "y negated" else data.y
    order = cosine.in_epochs(run.n, run.epochs, run.seed)
    whole = len(order) // (run.batch * WINDOW)
    _, found = descend(
        cosine.start(run.seed), data.x, y, order[: whole * run.batch * WINDOW],
        batch=run.batch, window=WINDOW,
        step_size=run.step_size * (run.batch if run.rate == "scaled" else 1),
    )  # fmt: skip
    level, loss = found.trajectory.values, found.loss.values
    last, part = max(1, round(END * whole)), (np.arange(BINS) + 0.5) / BINS
    seen = (part * whole).astype(int)
    first = trajectory.first_below(loss, MATCHED)
    variables = {
        "level_end": level[-last:].mean(),
        "loss_end": loss[-last:].mean(),
        "level_at": trajectory.at(level, first),
        "part_at": first / whole,
        "level": ("probe", level[seen].astype(np.float32)),
        "loss": ("probe", loss[seen].astype(np.float32)),
    }
    return xr.Dataset(variables, {"part": ("probe", part)})


def checks(runs: Runs) -> list[claims.Check]:
    """Sign tests over seeds; of several batch sizes the one furthest from what has to come out."""
    check = partial(_check, runs)
    return [
        check("scaled", "level_end", "scaled", "step size times the batch, end"),
        check("scaled", "level_at", "matched", "step size times the batch, at matched loss 0.03"),
        check("same", "level_end", "same", "step size of single samples, end"),
    ]


def _check(runs: Runs, rate: str, name: str, id: str, when: str) -> claims.Check:
    higher, negated = (furthest(runs, group, rate, name) for group in ("high", "negated"))
    return claims.check(
        runs, f"L30.{id}", "empirical",
        f"{when}: p of a sign test that f = 0.75 has the larger level", higher, claims.below(0.05),
        claims.control("y negated, f = 0.25, against y: two-sided p", negated, claims.above(0.05)),
        unless=elsewhere(runs, n=100, rate=(rate,)),
    )  # fmt: skip


def furthest(runs: Runs, group: str, rate: str, name: str) -> claims.Estimate:
    """The largest one-sided p over batch sizes; of the control, the smallest two-sided one."""
    side, furthest_of = ("two-sided", min) if group == "negated" else ("greater", max)
    found = []
    for batch in runs.settings.batch:
        more = differences(runs, group, rate, batch, name)
        up, down = int((more > 0).sum()), int((more < 0).sum())
        if up + down:
            found.append(float(stats.binomtest(up, up + down, alternative=side).pvalue))
    return claims.exact(furthest_of(found), runs.seeds) if found else claims.mean([])


def differences(runs: Runs, group: str, rate: str, batch: int, name: str) -> np.ndarray:
    """Per seed the value of a group less that of y at f = 0.25; undefined ones are out."""
    one, low = (runs(which, rate=rate, batch=batch) for which in (group, "low"))
    found = over_seeds.paired(one, low, name, np.subtract)
    return found[np.isfinite(found)]
