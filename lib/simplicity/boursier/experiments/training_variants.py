"""The task under other training, other starts and other samples (B17, B31, a referees' table).

Margin inputs and a linear teacher, plain full-batch gradient descent on a ReLU network from a small
dominated start: every row of `VARIANTS` changes one thing of that, or two. What is asked of each:
rho where the plain network has long crossed the threshold, and the number of samples from which on
this one has crossed. Only minibatches are judged. The other rows are answers to referees and are
shown. A minibatch is the next of a permutation that each pass draws anew, or it is drawn
independently of all others. The floor is the distance that is left to plain descent.
"""

import dataclasses
import re
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from simplicity.boursier import (
    driver,
    gelu_and_adam,
    independent_batches,
    linear_teacher,
    ols,
    synthetic,
    two_layer,
)
from simplicity.boursier.criteria import LONG, too_short
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Criterion,
    Estimate,
    Other,
    check,
    every_seed,
    interval_above,
    interval_within,
    mean,
    median,
    share,
)
from simplicity.evidence.over_seeds import paired
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs, cells_where
from simplicity.nets import TwoLayer, starts, with_ones
from simplicity.nets.loop import evenly, log_schedule

CLAIMS = ("B17", "B31")

PROBES, TAIL_PROBES = 20, 20
TAIL = 0.75  # the tail is the last quarter of the time
CROSSED = 0.9  # median rho that counts as past the threshold
LONGER = (1, 2, 4)
STARTS = starts.STARTS | {"torch": starts.torch_default}


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a row changes; the defaults are the plain network."""

    activation: str = "relu"
    slope: float = 0.0
    bias: bool = False
    start: str = "dominated"
    rule: str = "gd"
    batch: int = 0
    passes: bool = True  # the batches of a pass share no sample; else each is drawn by itself
    samples: str = "independent"


VARIANTS = {
    "plain": Variant(),
    "SGD, batch 32": Variant(batch=32),
    "SGD, batch 32, independent": Variant(batch=32, passes=False),
    "SGD, batch 8": Variant(batch=8),
    "SGD, batch 32, scale 1": Variant(batch=32),
    "balanced start": Variant(start="balanced"),
    "Gaussian start": Variant(start="gaussian"),
    "torch's default start": Variant(start="torch"),
    "leaky ReLU, slope 0.1": Variant(slope=0.1),
    "hidden bias": Variant(bias=True),
    "mirrored inputs": Variant(samples="mirrored"),
    "heavy-tailed noise": Variant(samples="heavy-tailed"),
    "Adam": Variant(rule="adam"),
    "AdamW": Variant(rule="adamw"),
    "GeLU": Variant(activation="gelu"),
    "GeLU and Adam": Variant(activation="gelu", rule="adam"),
}

MINIBATCHES = ("SGD, batch 32", "SGD, batch 8")
BY_PASSES, INDEPENDENT, LARGE = (
    "SGD, batch 32", "SGD, batch 32, independent", "SGD, batch 32, scale 1",
)  # fmt: skip


@config.settings
class Run(linear_teacher.Run):
    """A run of a variant; it has the variant's scale, step size and number of steps."""

    variant: str = config.param(
        "plain", "row of the table; its group has its step size and scale", choices=VARIANTS
    )
    longer: int = config.param(1, "times as many steps, each as many times smaller", low=1)


def _by_rule(*rules: str) -> tuple[str, ...]:
    return tuple(
        name
        for name, row in VARIANTS.items()
        if row.rule in rules and name not in (INDEPENDENT, LARGE)
    )


GRID = Grid(
    Run,
    groups={
        "descent": {"variant": _by_rule("gd"), "n": (60, 480)},
        "floors": {"variant": (BY_PASSES, INDEPENDENT), "n": (480,), "longer": (1, 2)},
        "large": {"variant": LARGE, "n": (60, 480), "scale": 1.0},
        "large_floors": {"variant": LARGE, "n": (480,), "longer": (1, 2), "scale": 1.0},
        "adam": {"variant": _by_rule("adam", "adamw"), "step_size": 1e-3},
    },
    quick={"width": 100, "steps": 4000, "seeds": 5},
    full={
        "n": (30, 60, 120, 240, 480),
        "large_n": (30, 60, 120, 240, 480),
        "width": 200,
        "floors_longer": LONGER,
        "large_floors_longer": LONGER,
        "steps": LONG,
        "seeds": 6,
        "first_seed": 1_000_000,
    },
    tiny={
        "n": (20, 40),
        "large_n": (20,),
        "floors_n": (40,),
        "large_floors_n": (40,),
        "width": 20,
        "steps": 40,
        "seeds": 2,
    },
)


def draw(run: Run) -> synthetic.Task:
    """The run's samples.

    They are independent; or n/2 and their mirror images, with noise of their own; or have
    heavy-tailed noise.
    """
    task = linear_teacher.draw(run)
    samples = VARIANTS[run.variant].samples
    return task if samples == "independent" else _OTHER_SAMPLES[samples](run, task)


def _mirrored(run: Run, task: synthetic.Task) -> synthetic.Task:
    rng = streams.generator(run.seed, streams.NOISE)
    x = synthetic.mirrored(task.x[: run.n // 2])
    return task._replace(x=x, y=synthetic.linear_labels(x, task.teacher, run.noise_variance, rng))


def _heavy_tailed(run: Run, task: synthetic.Task) -> synthetic.Task:
    rng = streams.generator(run.seed, streams.NOISE)
    noise = synthetic.heavy_noise(run.n, run.noise_variance, rng)
    return task._replace(y=task.x @ task.teacher + noise)


_OTHER_SAMPLES = {"mirrored": _mirrored, "heavy-tailed": _heavy_tailed}


def initial(run: Run) -> TwoLayer:
    """The variant's start.

    A hidden bias is one more input weight, which starts at 0 and leaves the start dominated.
    """
    rng = streams.generator(run.seed, streams.INITIALISATION)
    variant = VARIANTS[run.variant]
    network = STARTS[variant.start](run.width, run.dim, run.scale, rng)
    return network._replace(w=np.pad(network.w, ((0, 0), (0, 1)))) if variant.bias else network


def measure(run: Run) -> xr.Dataset:
    """The outcome, rho along the way (constant after a stop), and its mean over the tail."""
    task, variant = draw(run), VARIANTS[run.variant]
    network, trajectory = train(run, task, {"rho": partial(_rho, task, variant)})
    found = ols.against_two_ols(partial(predict, network, variant=variant), *task)
    steps = trajectory.step.values
    curve = np.where(steps <= int(trajectory.stopped_at), trajectory.rho.values, found["rho"])
    return xr.Dataset(
        {
            **found,
            "stopped_at": trajectory.stopped_at,
            "tail_rho": float(curve[steps >= TAIL * steps[-1]].mean()),
            "rho_curve": ("probe", curve.astype(np.float32)),
        },
        {"part": ("probe", steps / steps[-1])},  # of the run's steps
    )


def _rho(task: synthetic.Task, variant: Variant, network: TwoLayer) -> float:
    return linear_teacher.rho(ols.mse(predict(network, task.x, variant), task.y), task)


def train(
    run: Run, task: synthetic.Task, probes: dict[str, driver.Probe]
) -> tuple[TwoLayer, xr.Dataset]:
    """The variant's training, by its engine."""
    engine, chosen = _engine(run)
    return engine(
        initial(run), features(task.x, VARIANTS[run.variant]), task.y,
        step_size=run.step_size / run.longer, schedule=schedule(run.steps, run.longer),
        probes=probes, **chosen,
    )  # fmt: skip


def _engine(run: Run) -> tuple[linear_teacher.Engine, dict[str, Any]]:
    """One of three engines, with what the variant chooses of it.

    A ReLU under gradient descent has `two_layer`, or `independent_batches` where batches are drawn
    by themselves, which are in double precision; all else has `gelu_and_adam`.
    """
    variant, precision = VARIANTS[run.variant], {"precision": run.precision}
    if variant.activation != "relu" or variant.rule != "gd":
        rule = {"activation": variant.activation, "rule": variant.rule}
        return gelu_and_adam.descend, rule | precision
    batches = {"batch": variant.batch, "rng": streams.generator(run.seed, streams.BATCHES)}
    if not variant.passes:
        return independent_batches.descend, batches
    tolerance = 0.0 if variant.batch else linear_teacher.TOLERANCE
    return two_layer.descend, {
        "slope": variant.slope,
        "tolerance": tolerance,
        **batches,
        **precision,
    }


def schedule(steps: int, longer: int) -> tuple[int, ...]:
    """Evenly spaced in log(1 + step), then evenly over the tail; alike for every `longer`."""
    tail = evenly(steps, TAIL_PROBES, round(TAIL * steps))
    return tuple(longer * step for step in sorted({*log_schedule(steps, PROBES), *tail}))


def features(x: np.ndarray, variant: Variant) -> np.ndarray:
    return with_ones(x) if variant.bias else x


def predict(network: TwoLayer, x: np.ndarray, variant: Variant) -> np.ndarray:
    """h(x) of the variant's network for inputs (n, d)."""
    inputs = features(x, variant)
    a, w = (np.asarray(part, dtype=np.float64) for part in network)
    # max(z, s z) = (1 - s) max(z, 0) + s z
    bent = (1 - variant.slope) * gelu_and_adam.forward(network, inputs, variant.activation)
    return bent + variant.slope * (inputs @ (a @ w))


def checks(runs: Runs) -> list[Check]:
    """B17 at n = 480: minibatches stay near plain descent, the nearer the smaller the step."""
    passes = mean(exponents(runs, "floors", BY_PASSES))
    independent = mean(exponents(runs, "floors", INDEPENDENT))
    large = mean(exponents(runs, "large_floors", LARGE))
    squared, single = interval_within(1.5, 2.5), interval_within(0.5, 1.5)
    by_passes, alone = "reshuffled passes", "independent batches"
    return [
        _floor(runs),
        _exponent(runs, "B17.limit", by_passes, passes, interval_above(0.5),
                  ("from scale 1: the same exponent", large)),
        _exponent(runs, "B31.passes", by_passes, passes, squared,
                  ("batches drawn independently: the same exponent", independent)),
        _exponent(runs, "B31.independent", alone, independent, single,
                  ("reshuffled passes: the same exponent", passes)),
    ]  # fmt: skip


def _floor(runs: Runs) -> Check:
    with_both = (floors(runs("descent"), runs, name) for name in MINIBATCHES)
    return check(
        runs, "B17.floor", "empirical",
        "batches of 8 and 32, n = 480: share of seeds with |rho - rho of GD| < 0.05 in the tail "
        "with both",
        share(np.maximum(*with_both) < 0.05), every_seed(),
        ("batch 32 from scale 1: the same share",
         share(floors(runs("large"), runs, LARGE) < 0.05)),
    )  # fmt: skip


def _exponent(
    runs: Runs, id: str, batches: str, found: Estimate, rule: Criterion, against: Other
) -> Check:
    return check(
        runs, id, "empirical",
        f"batch 32, n = 480: exponent of |rho - rho of GD| in the step size, {batches}",
        found, rule, against, needs=5, unless=too_short(runs.settings.steps),
    )  # fmt: skip


def floors(
    cells: xr.Dataset, runs: Runs, variant: str, n: int = 480, longer: int = 1
) -> np.ndarray:
    """For each seed |tail rho of the variant - final rho of plain descent| on the same samples."""
    ours = cells_where(cells, variant=variant, n=n, longer=longer)
    plain = runs("descent", variant="plain", n=n)
    return np.abs(paired(ours, plain.assign(tail_rho=plain.rho), "tail_rho", np.subtract))


def exponents(runs: Runs, group: str, variant: str) -> np.ndarray:
    """For each seed the slope of log floor on log step size; none with fewer than two steps."""
    steps = np.unique(runs[group].longer.values).tolist()
    found = [floors(runs[group], runs, variant, longer=longer) for longer in steps]
    if len(found) < 2 or not found[0].size:
        return np.zeros(0)
    return -np.polyfit(np.log(steps), np.log(np.array(found)), 1)[0]


def crossing(cells: xr.Dataset, variant: str) -> int | None:
    """The smallest n from which on the median rho stays at `CROSSED` or above, if it ever does."""
    part, found = cells_where(cells, variant=variant, longer=1), None
    for n in reversed(np.unique(part.n.values).tolist()):
        if median(cells_where(part, n=n).rho.values).value < CROSSED:
            break
        found = n
    return found


Row = tuple[str, float, float, float, str, int]


def table(cells: xr.Dataset, n: int) -> list[Row]:
    """A row a variant: name, median, least and largest rho at `n`, where it crosses, its seeds."""
    there = cells_where(cells, n=n).variant.values
    return [_row(cells, name, n) for name in VARIANTS if name in there]


def _row(cells: xr.Dataset, name: str, n: int) -> Row:
    rho = cells_where(cells, variant=name, n=n, longer=1).rho.values
    first = crossing(cells, name)
    where = f"not up to {cells.n.values.max()}" if first is None else f"{first}"
    return name, float(np.median(rho)), float(rho.min()), float(rho.max()), where, len(rho)


def slug(variant: str) -> str:
    """A variant's name as a part of an identifier: `SGD, batch 32` becomes `sgd_batch_32`."""
    return re.sub(r"\W+", "_", variant.lower())
