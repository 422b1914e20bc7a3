"""One training run under the instruments of all four papers (claim H28).

The run is that of Hu et al. 2020, Figure 1, on other seeds: Gaussian inputs, labels by a random erf network of width 5, an erf
network at the scale of the tangent kernel, both layers trained. What the linear model explains of it is measured as a function,
1 - D / mean f_lin^2 (Hu et al.), and in bits, mu_Y(F; L) / I(F;Y) with L the sign of the model's limit (Nakkiran et al. 2019).

Beside it, and judged by nothing, a ReLU network on the same data that starts small (Boursier & Flammarion 2025): it is linear
early as well, for another reason. Both are also seen by |df/db| and |df/dx| (Loukas et al. 2021) and by the neurons' angles.

No paper has a criterion for H28. These were written before any run of this module:

    plateau, 1.25 to 5 units of d log d / step: median of the share in squares above .98, of the share in bits above .9
    end, 51 units: both below .9 (in bits: with 20,000 samples; with fewer the network may overfit before it generalises)
    kept at the end: retention index above .5
    from the plateau on: rank correlation of both shares, interval above .5; times at which they have fallen by half within a
    factor of 2
"""

import dataclasses
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from simplicity import nets
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Control,
    Criterion,
    Estimate,
    above,
    below,
    cells_where,
    check,
    control,
    every_seed,
    interval_above,
    largest,
    mean,
    no_seed,
    settings_of,
    share,
    smallest,
)
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear, ntk
from simplicity.nakkiran import information
from simplicity.nets import TwoLayer
from simplicity.together import lenses

CLAIMS = ("H28",)

PROBES = 40
PLATEAU = (1.25, 5.0)  # in units of d log d / step
SHORT = 5.0
ENOUGH_SAMPLES = 20_000
NEAR = (0.5, 2.0)  # ratio of two times that count as one
LINE, REACH = 61, 3.0  # points of the line through input space, and how far it goes
SHOWN = 60  # fresh inputs and neurons of which pictures are kept
ACTIVATION = {"kernel": "erf", "small": "relu"}


@config.settings
class Config:
    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    low_dim: int = config.param(4, "input dimension of the control", low=2, high=10**4)
    n: int = config.param(4000, "training samples", unit="samples", low=2, high=10**6)
    test_samples: int = config.param(2000, "fresh samples", unit="samples", low=60, high=10**6)
    width: int = config.param(256, "hidden neurons", unit="neurons", low=60, high=10**5)
    small: float = config.param(0.03, "size of a neuron's weights at the small start", low=1e-6, high=1)
    faster: float = config.param(4.0, "step size of the small start over the other's", low=0.1, high=10)
    small_seeds: int = config.param(1, "how many of the seeds have a small start as well", low=1, high=10**5)
    horizon: float = config.param(51.0, "length of a run in units of d log d / step", low=6)
    seeds: int = config.param(2, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(100, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dim=10, low_dim=2, n=100, test_samples=60, width=60, horizon=6.0)
FULL = dataclasses.replace(QUICK, n=20_000, seeds=5, small_seeds=5)


@dataclasses.dataclass(frozen=True)
class Cell:
    seed: int
    start: str
    dim: int
    horizon: float
    frames: bool
    n: int
    test_samples: int
    width: int
    small: float
    faster: float


def cells(config: Config) -> list[Cell]:
    """Pictures are kept of the first seed alone."""
    common: dict[str, Any] = {"n": config.n, "test_samples": config.test_samples, "width": config.width, "small": config.small}
    found = []
    for index, seed in enumerate(seeds(config)):
        found.append(Cell(seed, "kernel", config.dim, config.horizon, index == 0, **common, faster=1.0))
        found.append(Cell(seed, "kernel", config.low_dim, SHORT, False, **common, faster=1.0))
        if index < config.small_seeds:
            found.append(Cell(seed, "small", config.dim, config.horizon, index == 0, **common, faster=config.faster))
    return found


def measure(cell: Cell) -> xr.Dataset:
    """All instruments at `PROBES` steps, even in their logarithm; `clock` in units of d log d / step.

    `explained` = 1 - D / mean f_lin^2 on fresh samples, of the model at the same step, with the small start of its
    limit, which needs no clock. `linear`: `lenses.linear_part`. `counts`: tables (F, Y, other), other being L, and R,
    right as often by chance. Mean and standard deviation over fresh samples of |df/db| and |df/dx|; `used`: the largest
    |df/dx| over its bound. Means over neurons by weight: cosine with the start, with their force, share of those above .99.
    Pictures, 0 where none are kept: outputs on a line, |df/dx| at some inputs, direction and weight of some neurons.
    """
    setting = setting_of(cell)
    last = early_linear.horizon(setting)
    steps = tuple(np.rint(np.geomspace(1, last, PROBES)).astype(int).tolist())
    drawn = early_linear.data(setting, cell.test_samples)
    model, psi = early_linear.linear_model(setting, drawn)
    limit = np.linalg.lstsq(drawn.x, drawn.y, rcond=None)[0]
    start = start_of(cell, setting)
    look = Looks(cell, start, drawn, limit)
    names = {"fresh": "sample", "along": "place", "scalars": "scalar", "slope": "shown", "neurons": "part"}
    _, run = ntk.descend(
        start, drawn.x, drawn.y, activation=ACTIVATION[cell.start], step_size=early_linear.rates(setting), schedule=steps,
        probes={name: getattr(look, name) for name in names},
        dims={name: (axis, "shown") if name == "neurons" else (axis,) for name, axis in names.items()},
    )  # fmt: skip
    outputs = run.fresh.values.astype(np.float64)
    by_limit = np.broadcast_to(drawn.fresh @ limit, outputs.shape)
    of_model = model.outputs(psi, steps) if cell.start == "kernel" else by_limit
    gap = np.minimum((outputs - of_model) ** 2, 1).mean(axis=1)
    scalars = dict(zip(Looks.SCALARS, run.scalars.values.T, strict=True))
    curves = {
        "step": np.asarray(steps, float), "clock": np.asarray(steps) * setting.horizon / last,
        "power": early_linear.square(of_model), "explained": 1 - gap / early_linear.square(of_model),
        "test": early_linear.square(outputs - drawn.fresh_y) / 2, **scalars,
    }  # fmt: skip
    kept = 1.0 if cell.frames else 0.0
    pictures = {
        "line_network": (("time", "place"), run.along.values), "line_model": ("place", look.places @ limit),
        "slope_shown": (("time", "shown"), run.slope.values), "at_shown": ("shown", look.along_limit),
        "neurons": (("time", "part", "shown"), run.neurons.values),
    }  # fmt: skip
    return xr.Dataset(
        {name: ("time", values) for name, values in curves.items()}
        | {"counts": (("time", "other", "f", "y", "l"), tables(cell, outputs, drawn.fresh_y, by_limit[0]))}
        | {name: (axes, np.round(kept * values, 3).astype(np.float32)) for name, (axes, values) in pictures.items()}
    )


def setting_of(cell: Cell) -> early_linear.Run:
    """The run in the terms of `early_linear`: both starts share data and steps; the small one allows larger steps."""
    step_size = cell.faster * early_linear.step_size("erf", cell.dim)
    return early_linear.Run(
        seed=cell.seed, dim=cell.dim, n=cell.n, width=cell.width, step_size=step_size,
        horizon=cell.faster * cell.horizon,
    )  # fmt: skip


def start_of(cell: Cell, setting: early_linear.Run) -> TwoLayer:
    """The symmetric start of Hu et al., or the dominated one of Boursier & Flammarion with |v_r| = `small` >= |w_r|."""
    if cell.start == "kernel":
        return early_linear.network(setting)
    rng = streams.generator(cell.seed, streams.INITIALISATION)
    return nets.dominated(cell.width, cell.dim, cell.small * cell.width**0.5, rng)


class Looks:
    """What is taken from a network at each time; everything that stays the same over the run is made once."""

    SCALARS = ("bias", "bias_sd", "slope", "slope_sd", "used", "from_start", "towards_force", "aligned", "linear")

    def __init__(self, cell: Cell, start: TwoLayer, drawn: early_linear.Data, limit: np.ndarray) -> None:
        self.activation, self.start, self.drawn, self.limit = ACTIVATION[cell.start], start, drawn, limit
        unit = limit / np.linalg.norm(limit)
        rest = drawn.fresh[0] - (drawn.fresh[0] @ unit) * unit
        self.places = rest + np.linspace(-REACH, REACH, LINE)[:, None] * unit
        self.along_limit = drawn.fresh[:SHOWN] @ unit

    def fresh(self, network: TwoLayer) -> np.ndarray:
        return ntk.forward(network, self.drawn.fresh, self.activation)

    def along(self, network: TwoLayer) -> np.ndarray:
        return ntk.forward(network, self.places, self.activation)

    def slope(self, network: TwoLayer) -> np.ndarray:
        return lenses.slopes(network, self.drawn.fresh[:SHOWN], self.activation).inputs

    def neurons(self, network: TwoLayer) -> np.ndarray:
        """(2, shown): cosine with the limit's direction, signed by v, and weight in units of the mean."""
        return np.stack([lenses.towards(network, self.limit), lenses.weights(network) * len(network.a)])[:, :SHOWN]

    def scalars(self, network: TwoLayer) -> np.ndarray:
        """`SCALARS`, in their order."""
        bias, slope = lenses.slopes(network, self.drawn.fresh, self.activation)
        weight = lenses.weights(network)
        pulled = lenses.towards(network, lenses.force(network, self.drawn.x, self.drawn.y, self.activation))
        used = np.max(slope / np.maximum(bias, 1e-30)) / lenses.slope_bound(network)
        angles = (lenses.cosines(network.w, self.start.w), pulled, pulled > lenses.ALIGNED)
        linear = lenses.linear_part(self.fresh(network), self.drawn.fresh)
        found = [bias.mean(), bias.std(), slope.mean(), slope.std(), used, *(np.sum(weight * one) for one in angles), linear]
        return np.array(found, dtype=np.float64)


def tables(cell: Cell, outputs: np.ndarray, labels: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Counts (time, 2, F, Y, other): other is L, the limit's sign, and R, right as often but about nothing in particular."""
    f, y, simple = outputs > 0, (labels > 0).astype(int), (limit > 0).astype(int)
    coin = information.flipped(y, float(np.mean(simple == y)), streams.generator(cell.seed, streams.NOISE))
    return np.stack([information.table(f, y, other) for other in (simple, coin)], axis=1)


def checks(dataset: xr.Dataset) -> list[Check]:
    given = settings_of(dataset)
    run = cells_where(dataset, start="kernel", dim=given["dim"])
    run = run.isel(cell=run.dim.values >= early_linear.LOWEST)
    low = cells_where(dataset, start="kernel", dim=given["low_dim"])
    plane = f"d = {given['low_dim']}: largest"
    early, squares = "on the plateau: smallest share", run.explained.values

    def judge(statistic: str, estimate: Estimate, criterion: Criterion, negative: Control) -> Check:
        return check(dataset, "H28", "empirical", statistic, estimate, criterion, negative)

    found = [
        judge(
            "share explained in squares, median on the plateau: smallest over seeds", smallest(on_plateau(run, squares)),
            above(0.98), control(plane, largest(on_plateau(low, low.explained.values)), below(0.965)),
        ),
        judge(
            "share explained in squares at the end: largest over seeds", largest(squares[:, -1]), below(0.9),
            control(early, smallest(on_plateau(run, squares)), above(0.9)),
        ),
        judge(
            "share explained in bits, median on the plateau: smallest over seeds", smallest(on_plateau(run, bits(run))),
            above(0.9), control("another classifier as accurate as L: largest", largest(on_plateau(run, bits(run, 1))),
                                below(0.9)),
        ),
    ]  # fmt: skip
    return found if given["n"] < ENOUGH_SAMPLES else [*found, *late(run, judge)]


def late(run: xr.Dataset, judge) -> list[Check]:  # type: ignore[no-untyped-def]
    """The checks that need a network which generalises beyond the linear model."""
    squares, in_bits = run.explained.values, bits(run)
    falls = [fallen(run, squares), fallen(run, in_bits)]
    retained = [kept(run, other) if run.sizes["cell"] else np.zeros(0) for other in (0, 1)]
    learnt = [first_beyond(run.clock.values[0], power, power[-1] / 2) for power in run.power.values]
    return [
        judge(
            "share explained in bits at the end: largest over seeds", largest(in_bits[:, -1]), below(0.9),
            control("on the plateau: smallest share", smallest(on_plateau(run, in_bits)), above(0.9)),
        ),
        judge(
            "kept of L at the end, retention index: smallest over seeds", smallest(retained[0]), above(0.5),
            control("another classifier as accurate as L: largest", largest(retained[1]), below(0.5)),
        ),
        judge(
            "rank correlation of both shares from the plateau on", mean(together(run, squares, in_bits)), interval_above(0.5),
            control("one of them shuffled in time", mean(together(run, squares, in_bits, shuffled=True)), below(0.5)),
        ),
        judge(
            "both have fallen by half within a factor of 2 in time: share of seeds", share(near(*falls)), every_seed(),
            control("the time at which half of the linear model is learnt", share(near(learnt, falls[1])), no_seed()),
        ),
    ]  # fmt: skip


def bits(run: xr.Dataset, other: int = 0) -> np.ndarray:
    """mu_Y(F; other) / I(F;Y), (cell, time); `other` is 0 for L and 1 for R. NaN where the network knows nothing."""
    if not run.sizes["cell"]:
        return np.zeros((0, run.sizes["time"]))
    found = information.information(run.counts.values[:, :, other])
    return np.divide(found.mu, found.network, out=np.full(found.mu.shape, np.nan), where=found.network > 1e-3)


def kept(run: xr.Dataset, other: int = 0) -> np.ndarray:
    """Retention index at the last time, (cell,)."""
    counts = run.counts.values[:, -1, other]
    found, null = information.information(counts), information.mu_null(*information.accuracies(counts))
    return information.retention_index(found.mu, null, found.network, found.simple)


def on_plateau(run: xr.Dataset, values: np.ndarray) -> list[float]:
    """For each seed the median of `values` (cell, time) over the plateau."""
    inside = (run.clock.values >= PLATEAU[0]) & (run.clock.values <= PLATEAU[1])
    return [float(np.median(row[mask])) for row, mask in zip(values, inside, strict=True)]


def together(run: xr.Dataset, first: np.ndarray, second: np.ndarray, *, shuffled: bool = False) -> list[float]:
    """For each seed Spearman's rank correlation of two series over time, from the plateau on."""
    found = []
    for seed, clock, one, two in zip(run.seed.values, run.clock.values, first, second, strict=True):
        at = np.flatnonzero(clock >= PLATEAU[0])
        other = streams.generator(int(seed), streams.OTHER).permutation(at) if shuffled else at
        found.append(float(stats.spearmanr(one[at], two[other]).statistic))
    return found


def fallen(run: xr.Dataset, values: np.ndarray) -> list[float]:
    """For each seed the clock at which a share is first below the middle between plateau and end; NaN if it does not fall."""
    found = []
    for clock, row, level in zip(run.clock.values, values, on_plateau(run, values), strict=True):
        after = clock >= PLATEAU[0]
        falls = row[-1] < level
        found.append(first_beyond(clock[after], -row[after], -(level + row[-1]) / 2) if falls else float("nan"))
    return found


def first_beyond(clock: np.ndarray, values: np.ndarray, level: float) -> float:
    """The first time at which `values` are above `level`, NaN for never."""
    at = np.flatnonzero(values > level)
    return float(clock[at[0]]) if len(at) else float("nan")


def near(first: list[float], second: list[float]) -> list[bool]:
    """Whether two times of each seed are within the factors `NEAR`; a time that does not exist is near nothing."""
    return [NEAR[0] <= one / two <= NEAR[1] for one, two in zip(first, second, strict=True)]
