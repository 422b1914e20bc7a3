"""Batches of 16 and 32: is the trajectory still longer at the higher frequency (claim L30)?

Loukas et al.'s code has such an experiment, for f = 0.25 and 0.75 over 3000 epochs, which cannot be
run as released: it divides a batch's step by eps of the batch's first sample. Here a step is
divided by the mean eps of its batch, which is this book's choice. At the step size of single
samples a batch makes so many times fewer steps in an epoch, so that these runs are as many times
longer. There are also runs of the plain length with a step size as many times larger.
"""

import numpy as np
import xarray as xr

from simplicity.evidence import claims, over_seeds
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.loukas import cosine, trajectory
from simplicity.loukas.criteria import elsewhere
from simplicity.loukas.single_sample import descend
from simplicity.problems import Problem

CLAIMS = ("L30",)

RATES = ("same", "scaled")  # as many steps as with single samples; as many epochs
WINDOW = 25  # steps
BINS = 40  # places on the curves, evenly over the run
_PARTS = (np.arange(BINS) + 0.5) / BINS
END = 0.01  # of the run
MATCHED = 0.03  # loss, with the 1/2
LABELS = ("cosine", "y negated")
ENOUGH_SEEDS = 5  # for an interval


@config.settings
class Run(cosine.Run):
    """A run in batches of one size, at one of two rates."""

    labels: str = config.param("cosine", "targets", choices=LABELS)
    batch: int = config.param(16, "samples a step", unit="samples", low=1, high=10**6)
    rate: str = config.param("scaled", "step of single samples, or times the batch", choices=RATES)

    @property
    def passes(self) -> int:
        """Epochs that are made: at the step of single samples, as many updates as those take."""
        return self.epochs * (self.batch if self.rate == "same" else 1)

    @property
    def batch_step(self) -> float:
        """The step size of a batch."""
        return self.step_size * (self.batch if self.rate == "scaled" else 1)

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
    full={"batch": (16, 32), "rate": RATES, "epochs": 3000, "seeds": 10, "first_seed": 2_000_000},
    tiny={"epochs": 400, "n": 20, "seeds": 2},
)


def measure(run: Run) -> xr.Dataset:
    """Level and loss along the run (at `BINS` places), at its end, and at loss 0.03."""
    found = _train(run)
    return xr.Dataset(_at_end(found) | _along(found), {"part": ("probe", _PARTS)})


def _train(run: Run) -> xr.Dataset:
    """Statistics of each window; the last steps, which fill none, are not made."""
    data = cosine.task(run.frequency, run.n, run.seed)
    order = cosine.in_epochs(run.n, run.passes, run.seed)
    steps = run.batch * WINDOW
    _, found = descend(
        cosine.start(run.seed), data.x, -data.y if run.labels == "y negated" else data.y,
        order[: len(order) // steps * steps],
        batch=run.batch, window=WINDOW, step_size=run.batch_step,
    )  # fmt: skip
    return found


def _at_end(found: xr.Dataset) -> dict[str, float]:
    """Means over the end of the run, and the level where the loss first is `MATCHED`."""
    level, loss = found.trajectory.values, found.loss.values
    last = max(1, round(END * len(loss)))
    first = trajectory.first_below(loss, MATCHED)
    return {
        "level_end": level[-last:].mean(), "loss_end": loss[-last:].mean(),
        "level_at": trajectory.at(level, first), "part_at": first / len(loss),
    }  # fmt: skip


def _along(found: xr.Dataset) -> dict[str, tuple[str, np.ndarray]]:
    """Level and loss in the middle of each of `BINS` parts of the run."""
    seen = found.isel(window=(_PARTS * found.sizes["window"]).astype(int))
    curves = {"level": seen.trajectory.values, "loss": seen.loss.values}
    return {name: ("probe", values.astype(np.float32)) for name, values in curves.items()}


def checks(runs: Runs) -> list[claims.Check]:
    """Mean log ratios over seeds; of several batch sizes the one with the lowest interval."""
    rows = (
        ("scaled", "level_end", "scaled", "step size times the batch, end"),
        ("scaled", "level_at", "matched", "step size times the batch, at matched loss 0.03"),
        ("same", "level_end", "same", "step size of single samples, as many updates, end"),
    )
    return [_check(runs, *row) for row in rows]


def _check(runs: Runs, rate: str, name: str, id: str, when: str) -> claims.Check:
    return claims.check(
        runs, f"L30.{id}", "empirical",
        f"{when}: mean log of the level at f = 0.75 over that at f = 0.25",
        lowest(runs, "high", rate, name), claims.interval_above(0),
        ("f = 0.25 with y negated in place of f = 0.75", lowest(runs, "negated", rate, name)),
        needs=ENOUGH_SEEDS, unless=elsewhere(runs, n=100, rate=(rate,)),
    )  # fmt: skip


def lowest(runs: Runs, group: str, rate: str, name: str) -> claims.Estimate:
    """The mean over seeds of the log ratio, of the batch size whose interval reaches lowest."""
    ratios = (log_ratios(runs, group, rate, batch, name) for batch in runs.settings.batch)
    made = [one for one in map(claims.mean, ratios) if one.interval is not None]
    return min(made, key=lambda one: one.interval or (), default=claims.mean([]))


def log_ratios(runs: Runs, group: str, rate: str, batch: int, name: str) -> np.ndarray:
    """Per seed the log of a group's value over that of y at f = 0.25; undefined ones are out."""
    one, low = (runs(which, rate=rate, batch=batch) for which in (group, "low"))
    found = over_seeds.paired(one, low, name, lambda a, b: np.log(a / b))
    return found[np.isfinite(found)]
