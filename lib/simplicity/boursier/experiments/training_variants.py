"""The task under other training, other starts and other samples (claim B17, a referees' table).

Margin inputs and a linear teacher, plain full-batch gradient descent on a ReLU network from a small
dominated start: every row of `VARIANTS` changes one thing of that, or two. What is asked of each:
rho where the plain network has long crossed the threshold, and the number of samples from which on
this one has crossed. Only minibatches have a claim of their own, B17; the other rows are answers to
referees and are shown, not judged.
"""

import dataclasses
import re

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, linear_teacher, optimisers, synthetic, two_layer
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    below,
    cells_where,
    check,
    control,
    every_seed,
    mean,
    median,
    no_control,
    share,
)
from simplicity.evidence.over_seeds import paired
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import TwoLayer, dominated, with_ones
from simplicity.nets.loop import log_schedule
from simplicity.nets.starts import balanced, gaussian

CLAIMS = ("B17",)

PROBES, TAIL_PROBES = 20, 20
TAIL = 0.75  # the tail is the last quarter of the time
CROSSED = 0.9  # median rho that counts as past the threshold
HEAVY = 2.5  # degrees of freedom of the heavy-tailed noise: a variance and no fourth moment
LONG = 20_000  # steps from which on the tail averages enough for a ratio of two floors


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a row changes; the defaults are the plain network."""

    activation: str = "relu"
    slope: float = 0.0
    bias: bool = False
    start: str = "dominated"
    rule: str = "gd"
    batch: int = 0
    longer: int = 1  # times as many steps, each as many times smaller
    samples: str = "independent"


VARIANTS = {
    "plain": Variant(),
    "SGD, batch 32": Variant(batch=32),
    "SGD, batch 32, half the step": Variant(batch=32, longer=2),
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

MINIBATCHES = ("SGD, batch 32", "SGD, batch 32, half the step", "SGD, batch 8")
_OWN_GROUP = ("SGD, batch 32, half the step", "SGD, batch 32, scale 1")


@config.settings
class Run(linear_teacher.Run):
    """A run of a variant; it has the variant's scale, step size and number of steps."""

    variant: str = config.param(
        "plain", "row of the table; its group has its step size and scale", choices=VARIANTS
    )


def _by_rule(*rules: str) -> tuple[str, ...]:
    return tuple(
        name for name, row in VARIANTS.items() if row.rule in rules and name not in _OWN_GROUP
    )


GRID = Grid(
    Run,
    groups={
        "descent": {"variant": _by_rule("gd"), "n": (60, 480)},
        "half": {"variant": "SGD, batch 32, half the step", "step_size": 0.05, "steps": 8000},
        "large": {"variant": "SGD, batch 32, scale 1", "scale": 1.0},
        "adam": {"variant": _by_rule("adam", "adamw"), "step_size": 1e-3},
    },
    quick={"width": 100, "steps": 4000, "seeds": 5},
    full={"n": (30, 60, 120, 240, 480), "width": 200, "steps": LONG, "half_steps": 2 * LONG},
    tiny={"n": (20, 40), "width": 20, "steps": 40, "half_steps": 80, "seeds": 2},
)


def draw(run: Run) -> synthetic.Task:
    """The run's samples.

    They are independent; or n/2 and their mirror images, with noise of their own; or have
    heavy-tailed noise.
    """
    task = linear_teacher.draw(run)
    rng = streams.generator(run.seed, streams.NOISE)
    samples = VARIANTS[run.variant].samples
    if samples == "mirrored":
        x = synthetic.mirrored(task.x[: run.n // 2])
        y = synthetic.linear_labels(x, task.teacher, run.noise_variance, rng)
        return task._replace(x=x, y=y)
    if samples == "heavy-tailed":
        noise = heavy_noise(run.n, run.noise_variance, rng)
        return task._replace(y=task.x @ task.teacher + noise)
    return task


def heavy_noise(n: int, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Student's t with `HEAVY` degrees of freedom, scaled to `variance`: E t^2 = nu / (nu - 2)."""
    return np.sqrt(variance * (HEAVY - 2) / HEAVY) * rng.standard_t(HEAVY, n)


def initial(run: Run) -> TwoLayer:
    """The variant's start.

    A hidden bias is one more input weight, which starts at 0 and leaves the start dominated.
    """
    rng = streams.generator(run.seed, streams.INITIALISATION)
    variant = VARIANTS[run.variant]
    starts = {
        "dominated": dominated, "balanced": balanced, "gaussian": gaussian, "torch": torch_default,
    }  # fmt: skip
    network = starts[variant.start](run.width, run.dim, run.scale, rng)
    return network._replace(w=np.pad(network.w, ((0, 0), (0, 1)))) if variant.bias else network


def torch_default(width: int, dim: int, scale: float, rng: np.random.Generator) -> TwoLayer:
    """`torch.nn.Linear`'s default for both layers, without biases; it has no scale.

    w ~ U(+-1/sqrt d), a ~ U(+-1/sqrt m).
    """
    w = rng.uniform(-1, 1, (width, dim)) / np.sqrt(dim)
    return TwoLayer(rng.uniform(-1, 1, width) / np.sqrt(width), w)


def measure(run: Run) -> xr.Dataset:
    """The outcome, rho along the way (constant after a stop), and its mean over the tail."""
    task, variant = draw(run), VARIANTS[run.variant]
    limit = linear_teacher.two_fit_error(task)

    def rho(network: TwoLayer) -> float:
        error = alignment.mse(predict(network, task.x, variant), task.y)
        return alignment.rho(error, limit, task.y)

    network, trajectory = train(run, task, {"rho": rho})
    found = alignment.against_two_ols(lambda x: predict(network, x, variant), *task)
    steps = trajectory.step.values
    curve = np.where(steps <= int(trajectory.stopped_at), trajectory.rho.values, found["rho"])
    return xr.Dataset(
        {
            **found,
            "stopped_at": trajectory.stopped_at,
            "tail_rho": float(curve[steps >= TAIL * run.steps].mean()),
            "rho_curve": ("probe", curve.astype(np.float32)),
        },
        {"part": ("probe", steps / run.steps)},  # of the run's steps
    )


def train(
    run: Run, task: synthetic.Task, probes: dict[str, two_layer.Probe]
) -> tuple[TwoLayer, xr.Dataset]:
    """The variant's training.

    By the compiled loop for a ReLU under gradient descent, else by the compiled optimisers.
    """
    variant = VARIANTS[run.variant]
    x, start, times = features(task.x, variant), initial(run), schedule(run.steps, variant.longer)
    if variant.activation == "relu" and variant.rule == "gd":
        return two_layer.descend(
            start, x, task.y, step_size=run.step_size, schedule=times, probes=probes,
            precision=run.precision, slope=variant.slope, batch=variant.batch,
            rng=streams.generator(run.seed, streams.BATCHES),
            tolerance=0.0 if variant.batch else linear_teacher.TOLERANCE,
        )  # fmt: skip
    return optimisers.descend(
        start, x, task.y, activation=variant.activation, rule=variant.rule, step_size=run.step_size,
        schedule=times, probes=probes, precision=run.precision,
    )  # fmt: skip


def schedule(steps: int, longer: int) -> tuple[int, ...]:
    """Evenly spaced in log(1 + step), then evenly over the tail; alike for every `longer`."""
    whole = steps // longer
    tail = np.rint(np.linspace(TAIL, 1, TAIL_PROBES) * whole).astype(int)
    return tuple(longer * step for step in sorted({*log_schedule(whole, PROBES), *tail.tolist()}))


def features(x: np.ndarray, variant: Variant) -> np.ndarray:
    return with_ones(x) if variant.bias else x


def predict(network: TwoLayer, x: np.ndarray, variant: Variant) -> np.ndarray:
    """h(x) of the variant's network for inputs (n, d)."""
    inputs = features(x, variant)
    a, w = (np.asarray(part, dtype=np.float64) for part in network)
    # max(z, s z) = (1 - s) max(z, 0) + s z
    bent = (1 - variant.slope) * optimisers.forward(network, inputs, variant.activation)
    return bent + variant.slope * (inputs @ (a @ w))


def checks(runs: Runs) -> list[Check]:
    """B17 at n = 480: the floor of minibatches must be low, and must not outgrow the step size."""
    full, half, small_batch = (floors(runs.dataset, name) for name in MINIBATCHES)
    large = runs("large", n=(60, 120))
    steps = runs.settings.steps
    return [
        check(
            runs, "B17.floor", "empirical",
            "batches of 8 and 32, n = 480: share of runs with |rho - rho of GD| < 0.05 in the tail",
            share(np.concatenate([full, small_batch]) < 0.05), every_seed(),
            control(
                "batch 32 from scale 1, n = 60 and 120: share of runs with rho < 0.5",
                share((large.tail_rho < 0.5).values), every_seed(),
            ),
        ),
        check(  # a floor proportional to the step size has a ratio of 2
            runs, "B17.growth", "empirical",
            "batch 32, n = 480: mean |rho - rho of GD| in the tail, over that at half the step",
            _ratio(full, half), below(3),
            no_control("a comparison of two step sizes; the other check has one"),
            unless="" if steps >= LONG else f"{steps} steps, {LONG} are needed",
        ),
    ]  # fmt: skip


def floors(cells: xr.Dataset, variant: str, n: int = 480) -> np.ndarray:
    """For each seed |tail rho of the variant - final rho of plain descent| on the same samples."""
    ours, plain = (cells_where(cells, variant=name, n=n) for name in (variant, "plain"))
    return np.abs(paired(ours, plain.assign(tail_rho=plain.rho), "tail_rho", np.subtract))


def _ratio(full: np.ndarray, half: np.ndarray) -> Estimate:
    """The ratio of the means, with the range of the ratios of seeds; nothing without both."""
    if len(full) != len(half) or not len(half) or not half.all():
        return mean([])
    ratios = full / half
    ends = (float(ratios.min()), float(ratios.max()))
    return Estimate(float(full.mean() / half.mean()), ends, "range", len(full))


def crossing(cells: xr.Dataset, variant: str) -> int | None:
    """The smallest n from which on the median rho stays at `CROSSED` or above, if it ever does."""
    part = cells_where(cells, variant=variant)
    found = None
    for n in sorted({int(n) for n in part.n.values}, reverse=True):
        if median(cells_where(part, n=n).rho.values).value < CROSSED:
            break
        found = n
    return found


def table(cells: xr.Dataset, n: int) -> list[tuple[str, float, float, float, str, int]]:
    """A row a variant: name, median, least and largest rho at `n`, where it crosses, its seeds."""
    rows = []
    for name in (name for name in VARIANTS if name in cells.variant.values):
        rho = cells_where(cells, variant=name, n=n).rho.values
        first = crossing(cells, name)
        where = f"not up to {cells.n.values.max()}" if first is None else f"{first}"
        ends = float(rho.min()), float(rho.max())
        rows.append((name, float(np.median(rho)), *ends, where, len(rho)))
    return rows


def slug(variant: str) -> str:
    """A variant's name as a part of an identifier: `SGD, batch 32` becomes `sgd_batch_32`."""
    return re.sub(r"\W+", "_", variant.lower())
