"""Before the loss moves, every neuron has turned to its own force; when that ends (B7, B8, B28).

Boursier & Flammarion, early alignment theorem (the predecessor's theorem 1) and its use for many
samples. Margin inputs, a linear teacher with noise, in float64, since a start of 1e-6 is small for
float32. Two times matter in each run: tau, the theorem's end of the alignment, and the exit, when
the loss has dropped by a tenth. At scale 1, a control, tau is 0. |D_max| is exact for d = 2 and
searched for other dimensions. The force on the leading neuron, the one that has grown most by tau,
is exact in any dimension.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import driver, early, extremal, linear_teacher, synthetic
from simplicity.boursier.early import EPS, EXIT, START, TAU_HALF, TAU_QUARTER
from simplicity.boursier.linear_teacher import Run
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    below,
    check,
    every_seed,
    exact,
    interval_above,
    interval_within,
    mean,
    share,
)
from simplicity.evidence.over_seeds import each, paired
from simplicity.grid.groups import Grid, Runs, cells_where
from simplicity.nets.loop import evenly

CLAIMS = ("B7", "B8", "B28")

PROBES = 41  # of the curves, which are for drawing; the exit is found to a step
SEEN = {"aligned": early.aligned_share, "idle": early.idle_share, "pull": early.leading_force}
ALL = 0.99  # of the neurons
SEVERAL_N, LARGE_N = (80, 320, 1280), (320, 1280)

GRID = Grid(
    Run,
    groups={
        "small": {"dim": (5,), "n": (20, 80, 320, 1280), "scale": (1e-6, 1e-3)},
        "unaligned": {"dim": (5,), "n": (320, 1280), "scale": (0.1, 1.0)},
    },
    quick={"width": 200, "step_size": 0.02, "steps": 2000, "precision": "float64", "seeds": 5},
    full={"width": 500, "seeds": 10, "first_seed": 1_000_000},
    tiny={
        "dim": (2,), "n": (20,), "scale": (1e-2,), "width": 20, "step_size": 0.05, "steps": 450,
        "unaligned_dim": (2,), "unaligned_n": (20,), "unaligned_scale": (1.0,), "seeds": 2,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Curves over the whole run, and what neurons do at its moments: start, two tau, exit."""
    task, start = linear_teacher.draw(run), linear_teacher.initial(run)
    rng = streams.generator(run.seed, streams.NOISE)
    force = extremal.largest_force(task.x, task.y, start.w, rng)
    curves, at = _along(run, task, force)
    return xr.Dataset(
        {
            **_at_moments(at),
            "largest_force": force,
            "own_force": early.largest_own_force(start.w, task.x, task.y),
            **_exit(run, at, force),
            "train_curve": curves.train_curve.astype(np.float32),
            "aligned_curve": curves.aligned.astype(np.float32),
        },
        {"step": curves.step, "time": curves.time},
    )


def _along(run: Run, task: synthetic.Task, force: float) -> tuple[xr.Dataset, xr.Dataset]:
    """The run looked at evenly, and the same run looked at in its moments."""
    probes = {name: _probe(seen, task) for name, seen in SEEN.items()}
    coarse, aligned = evenly(run.steps, PROBES), {"aligned": probes["aligned"]}
    curves = linear_teacher.train(run, schedule=coarse, probes=aligned).trajectory
    moments = _moments(run, force, _exit_step(run, curves))
    seen = probes | {"size": _size}
    return curves, linear_teacher.train(run, schedule=moments, probes=seen).trajectory


def _moments(run: Run, force: float, exit_step: int) -> tuple[int, ...]:
    """The steps of the start, of tau with either eps, and of the exit."""
    times = [early.tau(run.scale, force, eps) for eps in EPS]
    return (0, *(min(round(time / run.step_size), exit_step) for time in times), exit_step)


def _at_moments(at: xr.Dataset) -> dict[str, tuple[str, np.ndarray]]:
    names = {name: name for name in (*SEEN, "size")}
    names |= {"train_mse": "train_curve", "moment_time": "time"}
    return {name: ("moment", at[seen].values) for name, seen in names.items()}


def _exit(run: Run, at: xr.Dataset, force: float) -> dict[str, float]:
    """When the loss had dropped by a tenth, in time and in units of the theorem."""
    losses = at.train_curve.values
    left = losses[-1] <= (1 - early.DROP) * losses[0]
    time = float(at.time[-1]) if left else float("nan")
    return {"exit_time": time, "exit_ratio": early.exit_ratio(time, run.scale, force)}


def _probe(seen: Callable[..., float], task: synthetic.Task) -> driver.Probe:
    return lambda network: seen(*network, task.x, task.y)


def _size(network: nets.TwoLayer) -> float:
    """max_j |a_j| sqrt(m): lambda at the start."""
    return float(np.abs(network.a).max() * np.sqrt(len(network.a)))


def _exit_step(run: Run, curves: xr.Dataset) -> int:
    """The first step after which the loss has dropped by a tenth, or the last step of the run."""
    index = early.left_plateau(curves.train_curve.values)
    if index is None:
        return run.steps
    before, after = curves.step.values[index - 1 : index + 1].tolist()
    return _exit_between(run, before, after)


def _exit_between(run: Run, before: int, after: int) -> int:
    schedule = (0, *range(max(before, 1), after + 1))
    within = linear_teacher.train(run, schedule=schedule).trajectory
    found = early.left_plateau(within.train_curve.values)
    return after if found is None else schedule[found]


# Thresholds of B7 are those of the theorem, fixed before any run: all neurons align (99 percent of
# them stands for all), the weights obey |a_j| sqrt(m) <= lambda^(1 - eps) (1 percent for the o(1)),
# and the loss has not moved (1 percent). The last two are Gronwall's inequality for one neuron.
def checks(runs: Runs) -> list[Check]:
    """What has happened by tau, then the time of the exit."""
    several = runs("small", dim=5, n=SEVERAL_N, scale=(1e-6, 1e-3))
    large, tiny = runs("unaligned", dim=5, n=320, scale=1.0), runs("small", dim=5, scale=1e-6)
    return [
        _aligned(runs, large),
        _size_at_tau(runs, several),
        _loss_at_tau(runs, several, large),
        _logarithm(runs),
        _samples(runs, tiny),
        _unit(runs, tiny),
    ]


def _aligned(runs: Runs, large: xr.Dataset) -> Check:
    small = runs("small", dim=5, n=320, scale=1e-6)
    return check(
        runs, "B7.aligned", "theorem",
        "share of seeds with 99 percent of neurons aligned at tau, eps 0.5, scale 1e-6, n = 320",
        share((small.aligned.isel(moment=TAU_HALF) >= ALL).values), every_seed(),
        ("scale 1, when the loss has dropped by a tenth: the same share",
         share((large.aligned.isel(moment=EXIT) >= ALL).values)),
    )  # fmt: skip


def _size_at_tau(runs: Runs, small: xr.Dataset) -> Check:
    sizes = np.maximum(*(_relative_size(small, moment) for moment in (TAU_QUARTER, TAU_HALF)))
    return check(
        runs, "B7.size", "identity",
        "largest |a_j| sqrt(m) / scale^(1 - eps) at tau, both eps, scales 1e-3 and 1e-6, n >= 80",
        _largest(sizes, small), below(1.01),
        ("at the exit in place of tau, eps 0.5: the same",
         _largest(_relative_size(small, EXIT), small)),
    )  # fmt: skip


def _loss_at_tau(runs: Runs, small: xr.Dataset, large: xr.Dataset) -> Check:
    moved = np.abs(small.train_mse / small.train_mse.isel(moment=START) - 1).isel(moment=TAU_HALF)
    middle = runs("small", dim=5, n=320, scale=1e-3)
    return check(
        runs, "B7.loss", "identity",
        "largest relative change of the loss at tau, eps 0.5, scales 1e-3 and 1e-6, n >= 80",
        _largest(moved.values, small), below(0.01),
        ("scale 1 at the time tau of scale 1e-3, n = 320: the same",
         _largest(_change_of_control(large, middle), large)),
    )  # fmt: skip


def _logarithm(runs: Runs) -> Check:
    small, large = (runs(group, dim=5, n=LARGE_N) for group in ("small", "unaligned"))
    return check(
        runs, "B8.logarithm", "theorem",
        "mean over seeds of the slope of the exit time on ln(1/scale), times the force on the "
        "leading neuron, scales 1e-3 and 1e-6, n = 320 and 1280",
        mean(each(small, logarithm)), interval_within(0.95, 1.05),
        ("scales 0.1 and 1, too large to align first: the same", mean(each(large, logarithm))),
        needs=5,
    )  # fmt: skip


def _samples(runs: Runs, tiny: xr.Dataset) -> Check:
    return check(
        runs, "B8.samples", "empirical",
        "mean over seeds of exit time at n = 1280 / exit time at n = 320, scale 1e-6",
        mean(_quotients(tiny, 1280, 320, "exit_time")), interval_within(0.85, 1.15),
        ("n = 320 / n = 20, where forces have not concentrated yet: the same",
         mean(_quotients(tiny, 320, 20, "exit_time"))),
        needs=10,
    )  # fmt: skip


def _unit(runs: Runs, tiny: xr.Dataset) -> Check:
    return check(
        runs, "B28.unit", "empirical",
        "mean over seeds of exit time x |D_max| at n = 80 / the same at n = 1280, scale 1e-6",
        mean(_quotients(tiny, 80, 1280, "exit_ratio")), interval_above(1.05),
        ("the force on the leading neuron in place of |D_max|: the same",
         mean(_quotients(_in_units_of_leader(tiny), 80, 1280, "exit_ratio"))),
        needs=5,
    )  # fmt: skip


def logarithm(part: xr.Dataset) -> float:
    """Slope of the exit time on ln(1/lambda) times the leading neuron's force; mean over the n.

    A neuron that has turned grows like e^(|D| t), so that exit = (ln(1/lambda) + c) / |D| and the
    product is 1 (1 + eta |D| / 2 under descent). The force is that at tau of the smallest scale.
    """
    ns = np.unique(part.n.values)
    found = [_slope_times_force(cells_where(part, n=n)) for n in ns]
    return float(np.mean(found)) if found else float("nan")


def _slope_times_force(runs: xr.Dataset) -> float:
    """The same at one n; NaN with one scale."""
    if runs.sizes["cell"] < 2:
        return float("nan")
    runs = runs.sortby("scale")
    slope = np.polyfit(-np.log(runs.scale.values), runs.exit_time.values, 1)[0]
    return slope * float(runs.pull.isel(moment=TAU_HALF).values[0])


def _in_units_of_leader(cells: xr.Dataset) -> xr.Dataset:
    """`exit_ratio` with the force on the leading neuron at tau in place of the largest force."""
    leading = cells.pull.isel(moment=TAU_HALF)
    return cells.assign(exit_ratio=cells.exit_ratio * leading / cells.largest_force)


def _quotients(cells: xr.Dataset, one: int, other: int, name: str) -> np.ndarray:
    """`name` at n = `one` over that at n = `other`, seed by seed."""
    first, second = (cells_where(cells, n=n) for n in (one, other))
    return paired(first, second, name)


def _largest(values: np.ndarray, cells: xr.Dataset) -> Estimate:
    """Over all draws of `cells`; huge where a value is missing: a run without an exit fails."""
    found = np.where(np.isnan(values), 1e9, values)
    return exact(found.max(initial=-np.inf), len(np.unique(cells.seed.values)))


def _relative_size(cells: xr.Dataset, moment: int) -> np.ndarray:
    """max_j |a_j| sqrt(m) / lambda^(1 - eps) at a moment; at the exit with the larger eps."""
    eps = EPS[min(moment, len(EPS)) - 1]
    return cells["size"].isel(moment=moment).values / cells.scale.values ** (1 - eps)


def _change_of_control(large: xr.Dataset, small: xr.Dataset) -> np.ndarray:
    """Relative change of the loss at scale 1, at the seed's tau (eps 0.5) at scale 1e-3."""
    curves, tau = _by_seed(large.train_curve), _by_seed(small.moment_time.isel(moment=TAU_HALF))
    both = sorted(curves.keys() & tau.keys())
    then = [np.interp(tau[seed], large.time.values, curves[seed]) for seed in both]
    start = [curves[seed][0] for seed in both]
    return np.abs(np.array(then) / np.array(start) - 1)


def _by_seed(values: xr.DataArray) -> dict[int, np.ndarray]:
    return dict(zip(values.seed.values.tolist(), values.values, strict=True))
