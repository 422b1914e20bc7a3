"""Batches of 16 and 32 in place of single samples: is the trajectory still longer at the higher frequency (claim L-FBS)?

Loukas et al.'s code has such an experiment, for f = 0.25 and 0.75 over 3000 epochs, which cannot be run as released: it divides
a batch's step by eps of the batch's first sample. Here a step is divided by the mean eps of its batch, which is this book's
choice. At the step size of single samples a batch makes so many times fewer steps that training ends early; so there are also
runs with a step size as many times larger.
"""

import dataclasses

import numpy as np
import xarray as xr
from scipy import stats

from simplicity import nets
from simplicity.data import streams
from simplicity.evidence.claims import Check, Estimate, above, below, cells_where, check, control, exact, mean
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.loukas import cosine, trajectory
from simplicity.loukas.single_sample import descend, passes
from simplicity.problems import Problem

CLAIMS = ("L-FBS",)

SIZES = (10, 10, 32, 32, 32, 1)
LOW, HIGH = 0.25, 0.75  # frequencies
RATES = ("same", "scaled")
WINDOW = 25  # steps
BINS = 40  # places on the curves, evenly over the run
END = 0.01  # of the run
JUDGED_N = 100
MATCHED = 0.03  # loss, with the 1/2
NEGATED = "y negated"


@config.settings
class Config:
    batches: tuple[int, ...] = config.param((16, 32), "samples a step", unit="samples", low=1, high=10**6)
    rates: tuple[str, ...] = config.param(RATES, "step size: that of single samples, or times the batch", choices=RATES)
    n: int = config.param(100, "training points", unit="samples", low=2, high=10**6)
    step_size: float = config.param(0.001, "learning rate alpha of single samples", low=1e-12)
    epochs: int = config.param(3000, "epochs", unit="epochs", low=40, high=10**7)
    seeds: int = config.param(5, "seeds", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config(batches=(16,), rates=("scaled",), epochs=1500)
TINY = dataclasses.replace(QUICK, epochs=400, n=20, seeds=2)
FULL = dataclasses.replace(QUICK, batches=(16, 32), rates=RATES, epochs=3000, seeds=10, first_seed=100)


@dataclasses.dataclass(frozen=True)
class Cell:
    labels: str
    frequency: float
    batch: int
    rate: str
    seed: int
    n: int
    step_size: float
    epochs: int


def cells(config: Config) -> list[Cell]:
    if config.n * config.epochs < max(config.batches) * WINDOW:
        allowed = f"at least {WINDOW} steps of {max(config.batches)} samples"
        raise Problem(f"epochs: got {config.epochs} of {config.n} samples, allowed {allowed}")
    common = shared(Cell, config)
    return [
        Cell(labels=labels, frequency=frequency, batch=batch, rate=rate, seed=seed, **common)
        for seed in seeds(config)
        for batch in config.batches
        for rate in config.rates
        for labels, frequency in (("cosine", LOW), ("cosine", HIGH), (NEGATED, LOW))
    ]


def measure(cell: Cell) -> xr.Dataset:
    """Level and loss along the run (at `BINS` places), at its end, and where the loss first falls below 0.03."""
    data = cosine.task(cell.frequency, cell.n, cell.seed)
    y = -data.y if cell.labels == NEGATED else data.y
    start = nets.torch_default(SIZES, streams.generator(cell.seed, streams.INITIALISATION), identity=True)
    order = passes(cell.n, cell.epochs, streams.generator(cell.seed, streams.BATCHES))
    whole = len(order) // (cell.batch * WINDOW)
    _, run = descend(
        start, data.x, y, order[: whole * cell.batch * WINDOW], batch=cell.batch, window=WINDOW,
        step_size=cell.step_size * (cell.batch if cell.rate == "scaled" else 1),
    )  # fmt: skip
    last = max(1, round(END * whole))
    part = (np.arange(BINS) + 0.5) / BINS
    seen = (part * whole).astype(int)
    curves = {name: ("probe", run[of].values[seen].astype(np.float32)) for name, of in _CURVES.items()}
    first = trajectory.first_below(run.loss.values, MATCHED)
    scalars = {
        "level_end": run.trajectory.values[-last:].mean(),
        "loss_end": run.loss.values[-last:].mean(),
        "level_at": trajectory.at(run.trajectory.values, first),
        "part_at": first / whole,
    }
    return xr.Dataset(scalars | curves, {"part": ("probe", part)})


_CURVES = {"level": "trajectory", "loss": "loss"}


def checks(dataset: xr.Dataset) -> list[Check]:
    """Sign tests over seeds that f = 0.75 has the larger level; of several batch sizes the largest p is judged."""
    dataset = cells_where(dataset, n=JUDGED_N)
    found = [
        _check(dataset, "scaled", "level_end", "step size times the batch, end"),
        _check(dataset, "scaled", "level_at", "step size times the batch, at matched loss 0.03"),
    ]
    if "same" in dataset.rate.values:
        found.append(_check(dataset, "same", "level_end", "step size of single samples, end"))
    return found


def _check(dataset: xr.Dataset, rate: str, name: str, when: str) -> Check:
    return check(
        dataset, "L-FBS", "empirical", f"{when}: p of a sign test that f = 0.75 has the larger level",
        worst(dataset, rate, name), below(0.05),
        control("y negated, f = 0.25, against y: two-sided p", worst(dataset, rate, name, NEGATED, LOW), above(0.05)),
    )  # fmt: skip


def worst(dataset: xr.Dataset, rate: str, name: str, labels: str = "cosine", frequency: float = HIGH) -> Estimate:
    """The p furthest from what has to come out, over batch sizes: one-sided the largest, of the control the smallest."""
    two_sided = labels == NEGATED
    found = []
    for batch in np.unique(dataset.batch.values):
        signs = np.sign(differences(dataset, rate, int(batch), name, labels, frequency))
        up, down = int((signs > 0).sum()), int((signs < 0).sum())
        if up + down:
            side = "two-sided" if two_sided else "greater"
            found.append(float(stats.binomtest(up, up + down, alternative=side).pvalue))
    count = len(np.unique(dataset.seed.values))
    return exact(min(found) if two_sided else max(found), count) if found else mean([])


def differences(
    dataset: xr.Dataset, rate: str, batch: int, name: str, labels: str = "cosine", frequency: float = HIGH
) -> np.ndarray:
    """Per seed the value of those labels and that frequency less the value of y at f = 0.25; undefined ones are out."""
    common = {"rate": rate, "batch": batch}
    one = cells_where(dataset, labels=labels, frequency=frequency, **common)
    other = cells_where(dataset, labels="cosine", frequency=LOW, **common)
    ours, low = (part.isel(cell=np.argsort(part.seed.values))[name].values for part in (one, other))
    found = ours - low
    return found[np.isfinite(found)]
