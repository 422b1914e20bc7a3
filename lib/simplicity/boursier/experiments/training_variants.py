"""The same task under other training, other starts and other samples (claim B17, and the referees' table).

Margin inputs and a linear teacher, plain full-batch gradient descent on a ReLU network from a small dominated start: every
row of `VARIANTS` changes one thing of that, or two. What is asked of each: rho where the plain network has long crossed
the threshold, and the number of samples from which on this one has crossed. Only minibatches have a claim of their own, B17;
the other rows are answers to referees and are shown, not judged.
"""

import dataclasses
import re

import numpy as np
import xarray as xr

from simplicity.boursier import alignment, optimisers, synthetic, two_layer
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
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nets import TwoLayer, dominated, with_ones
from simplicity.nets.loop import log_schedule
from simplicity.nets.starts import balanced, gaussian

CLAIMS = ("B17",)

PROBES, TAIL_PROBES = 20, 20
TAIL = 0.75  # the tail is the last quarter of the time
CROSSED = 0.9  # median rho that counts as past the threshold
HEAVY = 2.5  # degrees of freedom of the heavy-tailed noise: it has a variance and no fourth moment
_TOLERANCE = 1e-6  # as in the other runs with a linear teacher


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a row changes; the defaults are the plain network."""

    activation: str = "relu"
    slope: float = 0.0
    bias: bool = False
    start: str = "dominated"
    large: bool = False
    rule: str = "gd"
    batch: int = 0
    longer: int = 1  # times as many steps, each as many times smaller
    samples: str = "independent"


VARIANTS = {
    "plain": Variant(),
    "SGD, batch 32": Variant(batch=32),
    "SGD, batch 32, half the step": Variant(batch=32, longer=2),
    "SGD, batch 8": Variant(batch=8),
    "SGD, batch 32, scale 1": Variant(batch=32, large=True),
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
LONG = 20_000  # steps from which on the tail averages enough for a ratio of two floors


@config.settings
class Config:
    variants: tuple[str, ...] = config.param(tuple(VARIANTS), "rows of the table", choices=VARIANTS)
    ns: tuple[int, ...] = config.param((60, 480), "numbers of samples, even", unit="samples", low=2, high=10**8)
    width: int = config.param(100, "hidden neurons", unit="neurons", low=1, high=10**7)
    dim: int = config.param(5, "input dimension", low=1, high=1000)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    control_scale: float = config.param(1.0, "scale of the large start", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta of gradient descent", low=1e-12)
    adam_step_size: float = config.param(1e-3, "learning rate of Adam and AdamW", low=1e-12)
    steps: int = config.param(4000, "steps", low=10, high=10**9)
    seeds: int = config.param(5, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, ns=(20, 40), width=20, steps=40, seeds=2)
FULL = dataclasses.replace(QUICK, ns=(30, 60, 120, 240, 480), width=200, steps=20_000, seeds=5)


@dataclasses.dataclass(frozen=True)
class Cell:
    variant: str
    n: int
    scale: float
    seed: int
    step_size: float
    steps: int
    width: int
    dim: int
    noise_variance: float


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        for name in config.variants:
            variant = VARIANTS[name]
            rate = config.step_size if variant.rule == "gd" else config.adam_step_size
            settings = shared(Cell, config) | {
                "scale": config.control_scale if variant.large else config.scale,
                "step_size": rate / variant.longer,
                "steps": config.steps * variant.longer,
            }
            found += [Cell(variant=name, n=n, seed=seed, **settings) for n in config.ns]
    return found


def draw(cell: Cell) -> synthetic.Task:
    """The cell's samples: independent; n/2 and their mirror images, with noise of their own; or with heavy-tailed noise."""
    task = synthetic.linear_task("margin", cell.n, cell.dim, cell.noise_variance, cell.seed)
    rng = streams.generator(cell.seed, streams.NOISE)
    samples = VARIANTS[cell.variant].samples
    if samples == "mirrored":
        x = synthetic.mirrored(task.x[: cell.n // 2])
        return task._replace(x=x, y=synthetic.linear_labels(x, task.teacher, cell.noise_variance, rng))
    if samples == "heavy-tailed":
        return task._replace(y=task.x @ task.teacher + heavy_noise(cell.n, cell.noise_variance, rng))
    return task


def heavy_noise(n: int, variance: float, rng: np.random.Generator) -> np.ndarray:
    """Student's t with `HEAVY` degrees of freedom, scaled to `variance`: E t^2 = nu / (nu - 2)."""
    return np.sqrt(variance * (HEAVY - 2) / HEAVY) * rng.standard_t(HEAVY, n)


def initial(cell: Cell) -> TwoLayer:
    """The variant's start; a hidden bias is one more input weight, which starts at 0 and leaves the start dominated."""
    rng = streams.generator(cell.seed, streams.INITIALISATION)
    variant = VARIANTS[cell.variant]
    start = {"dominated": dominated, "balanced": balanced, "gaussian": gaussian, "torch": torch_default}[variant.start]
    network = start(cell.width, cell.dim, cell.scale, rng)
    return network._replace(w=np.pad(network.w, ((0, 0), (0, 1)))) if variant.bias else network


def torch_default(width: int, dim: int, scale: float, rng: np.random.Generator) -> TwoLayer:
    """`torch.nn.Linear`'s default for both layers, without biases: w ~ U(+-1/sqrt d), a ~ U(+-1/sqrt m). It has no scale."""
    w = rng.uniform(-1, 1, (width, dim)) / np.sqrt(dim)
    return TwoLayer(rng.uniform(-1, 1, width) / np.sqrt(width), w)


def measure(cell: Cell) -> xr.Dataset:
    """The outcome at the end, rho along the way (constant after a stop), and its mean over the tail."""
    task, variant = draw(cell), VARIANTS[cell.variant]
    limit = alignment.mse(alignment.two_ols(task.x, task.y, task.teacher).predict(task.x), task.y)

    def rho(network: TwoLayer) -> float:
        return alignment.rho(alignment.mse(predict(network, task.x, variant), task.y), limit, task.y)

    network, run = train(cell, task, {"rho": rho})
    found = alignment.against_two_ols(lambda x: predict(network, x, variant), *task)
    curve = np.where(run.step.values <= int(run.stopped_at), run.rho.values, found["rho"])
    tail = run.step.values >= TAIL * cell.steps
    return xr.Dataset(
        {
            **found,
            "stopped_at": run.stopped_at,
            "tail_rho": float(curve[tail].mean()),
            "rho_curve": ("probe", curve.astype(np.float32)),
        },
        {"part": ("probe", run.step.values / cell.steps)},  # of the cell's steps
    )


def train(cell: Cell, task: synthetic.Task, probes: dict[str, two_layer.Probe]) -> tuple[TwoLayer, xr.Dataset]:
    """The variant's training: the compiled loop for a ReLU under gradient descent, else the compiled optimisers."""
    variant = VARIANTS[cell.variant]
    x, start, times = features(task.x, variant), initial(cell), schedule(cell.steps, variant.longer)
    if variant.activation == "relu" and variant.rule == "gd":
        return two_layer.descend(
            start, x, task.y, step_size=cell.step_size, schedule=times, probes=probes, precision="float32",
            slope=variant.slope, batch=variant.batch, rng=streams.generator(cell.seed, streams.BATCHES),
            tolerance=0.0 if variant.batch else _TOLERANCE,
        )  # fmt: skip
    return optimisers.descend(
        start, x, task.y, activation=variant.activation, rule=variant.rule, step_size=cell.step_size,
        schedule=times, probes=probes,
    )  # fmt: skip


def schedule(steps: int, longer: int) -> tuple[int, ...]:
    """Evenly spaced in log(1 + step), then evenly over the tail; the same parts of the whole for every `longer`."""
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
    return (1 - variant.slope) * optimisers.forward(network, inputs, variant.activation) + variant.slope * (inputs @ (a @ w))


def checks(dataset: xr.Dataset) -> list[Check]:
    """B17 at n = 480: the floor of minibatches must be low, and must not outgrow the step size."""
    plain = cells_where(dataset, variant="plain", n=480)
    runs = [floor for name in ("SGD, batch 32", "SGD, batch 8") for floor in floors(dataset, name)]
    large = cells_where(dataset, variant="SGD, batch 32, scale 1", n=(60, 120))
    found = [
        check(
            dataset, "B17", "empirical",
            "batches of 8 and 32, n = 480: share of runs with |rho - rho of GD| < 0.05 in the tail",
            share(np.array(runs) < 0.05), every_seed(),
            control(
                "batch 32 from scale 1, n = 60 and 120: share of runs with rho < 0.5",
                share((large.tail_rho < 0.5).values), every_seed(),
            ),
        )
    ]  # fmt: skip
    if plain.sizes["cell"] and int(plain.steps.min()) >= LONG:
        found.append(_growth_check(dataset))
    return found


def _growth_check(dataset: xr.Dataset) -> Check:
    """FULL only: a floor proportional to the step size has a ratio of 2."""
    return check(
        dataset, "B17", "empirical",
        "batch 32, n = 480: mean |rho - rho of GD| in the tail, over that at half the step",
        _ratio(*(floors(dataset, name) for name in MINIBATCHES[:2])), below(3),
        no_control("a comparison of two step sizes; the other check has one"),
    )  # fmt: skip


def floors(dataset: xr.Dataset, variant: str, n: int = 480) -> np.ndarray:
    """For each seed |tail rho of the variant - final rho of plain gradient descent| on the same samples."""
    ours, plain = (cells_where(dataset, variant=name, n=n) for name in (variant, "plain"))
    final = dict(zip(plain.seed.values.tolist(), plain.rho.values.tolist(), strict=True))
    tails = zip(ours.seed.values.tolist(), ours.tail_rho.values.tolist(), strict=True)
    return np.array([abs(rho - final[seed]) for seed, rho in tails if seed in final])


def _ratio(full: np.ndarray, half: np.ndarray) -> Estimate:
    """The ratio of the means, with the range of the ratios of single seeds; over nothing where one of the two is missing."""
    if len(full) != len(half) or len(full) == 0:
        return mean([])
    ratios = full / half
    return Estimate(float(full.mean() / half.mean()), (float(ratios.min()), float(ratios.max())), "range", len(full))


def crossing(dataset: xr.Dataset, variant: str) -> int | None:
    """The smallest n of the grid from which on the median rho stays at `CROSSED` or above; None if it never does."""
    part = cells_where(dataset, variant=variant)
    found = None
    for n in sorted({int(n) for n in part.n.values}, reverse=True):
        if median(cells_where(part, n=n).rho.values).value < CROSSED:
            break
        found = n
    return found


def table(dataset: xr.Dataset, n: int) -> list[tuple[str, float, float, float, str, int]]:
    """A row a variant: its name, median, least and largest rho at `n`, where it crosses in words, and its seeds."""
    rows = []
    for name in (name for name in VARIANTS if name in dataset.variant.values):
        rho = cells_where(dataset, variant=name, n=n).rho.values
        first = crossing(dataset, name)
        where = f"not up to {dataset.n.values.max()}" if first is None else f"{first}"
        rows.append((name, float(np.median(rho)), float(rho.min()), float(rho.max()), where, len(rho)))
    return rows


def slug(variant: str) -> str:
    """A variant's name as a part of an identifier: `SGD, batch 32` becomes `sgd_batch_32`."""
    return re.sub(r"\W+", "_", variant.lower())
