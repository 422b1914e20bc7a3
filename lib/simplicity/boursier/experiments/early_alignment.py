"""Before the loss moves, every neuron has turned to its own force; when that ends (claims B7, B8).

Boursier & Flammarion, early alignment theorem (the predecessor's theorem 1) and its use for many
samples. Margin inputs, a linear teacher with noise, in float64, since a start of 1e-6 is small for
float32. Two times matter in each run: tau, the theorem's end of the alignment, and the exit, when
the loss has dropped by a tenth. At scale 1, the control, tau is 0 and the ratio that B8 speaks of
is 0/0. |D_max| is exact for d = 2 and searched for other dimensions.
"""

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import early, extremal, linear_teacher
from simplicity.boursier.linear_teacher import Run
from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    above,
    below,
    check,
    control,
    every_seed,
    exact,
    interval_within,
    mean,
    median,
    no_seed,
    share,
)
from simplicity.evidence.over_seeds import paired
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("B7", "B8")

EPS = (0.25, 0.5)
START, QUARTER, HALF, EXIT = range(4)  # the moments of a run: tau with either eps between its ends
PROBES = 41  # of the curves, which are for drawing; the exit is found to a step
LARGE_N = (80, 320, 1280)

GRID = Grid(
    Run,
    groups={
        "small": {"dim": (5,), "n": (20, 80, 320, 1280), "scale": (1e-6, 1e-3)},
        "unaligned": {"scale": 1.0},
    },
    quick={"width": 200, "step_size": 0.02, "steps": 2000, "precision": "float64", "seeds": 5},
    full={"dim": (2, 5), "scale": (1e-6, 1e-4, 1e-3), "width": 500, "seeds": 10},
    tiny={
        "dim": (2,), "n": (20,), "scale": (1e-2,), "width": 20, "step_size": 0.05, "steps": 450,
        "seeds": 2,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Curves over the whole run, and what neurons do at its moments: start, two tau, exit."""
    task, start = linear_teacher.draw(run), linear_teacher.initial(run)
    rng = streams.generator(run.seed, streams.NOISE)
    force = extremal.largest_force(task.x, task.y, start.w, rng)
    probes = {
        "aligned": lambda network: early.aligned_share(network.a, network.w, task.x, task.y),
        "idle": lambda network: early.idle_share(network.a, network.w, task.x, task.y),
        "size": _size,
        "pull": lambda network: early.leading_force(network.a, network.w, task.x, task.y),
    }
    coarse = tuple(np.unique(np.rint(np.linspace(0, run.steps, PROBES)).astype(int)).tolist())
    aligned = {"aligned": probes["aligned"]}
    curves = linear_teacher.train(run, schedule=coarse, probes=aligned).trajectory
    exit_step = _exit_step(run, curves)
    times = [early.tau(run.scale, force, eps) for eps in EPS]
    moments = (0, *(min(round(time / run.step_size), exit_step) for time in times), exit_step)
    at = linear_teacher.train(run, schedule=moments, probes=probes).trajectory
    left = at.train_curve.values[-1] <= (1 - early.DROP) * at.train_curve.values[0]
    exit_time = exit_step * run.step_size if left else float("nan")
    return xr.Dataset(
        {
            **{name: ("moment", at[name].values) for name in probes},
            "train_mse": ("moment", at.train_curve.values),
            "moment_time": ("moment", at.time.values),
            "largest_force": force,
            "own_force": early.longest(start.w, task.x, task.y),
            "exit_time": exit_time,
            "exit_ratio": early.exit_ratio(exit_time, run.scale, force),
            "train_curve": curves.train_curve.astype(np.float32),
            "aligned_curve": curves.aligned.astype(np.float32),
        },
        {"step": curves.step, "time": curves.time},
    )


def _size(network: nets.TwoLayer) -> float:
    """max_j |a_j| sqrt(m): lambda at the start."""
    return float(np.abs(network.a).max() * np.sqrt(len(network.a)))


def _exit_step(run: Run, curves: xr.Dataset) -> int:
    """The first step after which the loss has dropped by a tenth, or the last step of the run."""
    index = early.left_plateau(curves.train_curve.values)
    if index is None:
        return run.steps
    before, after = (int(curves.step[i]) for i in (index - 1, index))
    schedule = (0, *range(max(before, 1), after + 1))
    within = linear_teacher.train(run, schedule=schedule).trajectory
    found = early.left_plateau(within.train_curve.values)
    return after if found is None else schedule[found]


# Where a threshold does not come from the sheet's cross-checked table it comes from the theorem,
# and was fixed before any run: all neurons align (99 percent of them stands for all), the weights
# obey |a_j| sqrt(m) <= lambda^(1 - eps) (1 percent for the o(1)), and the loss has not moved (1
# percent).
def checks(runs: Runs) -> list[Check]:
    return [*_alignment_checks(runs), *_exit_checks(runs)]


def _alignment_checks(runs: Runs) -> list[Check]:
    smallest, middle = (runs("small", dim=5, n=320, scale=scale) for scale in (1e-6, 1e-3))
    large = runs("unaligned", dim=5, n=320)
    small = runs("small", dim=5, n=LARGE_N, scale=(1e-6, 1e-3))
    moved = np.abs(small.train_mse / small.train_mse.isel(moment=START) - 1).isel(moment=HALF)
    sizes = np.maximum(*(_relative_size(small, moment) for moment in (QUARTER, HALF)))
    more, at_start = (
        paired(smallest.isel(moment=moment), middle.isel(moment=moment), "aligned", np.greater) > 0
        for moment in (QUARTER, START)
    )
    return [
        check(
            runs, "B7.aligned", "theorem",
            "share of seeds with 99 percent of neurons aligned at tau, eps 0.5, scale 1e-6, "
            "n = 320",
            share((smallest.aligned.isel(moment=HALF) >= 0.99).values), every_seed(),
            control(
                "scale 1, when the loss has dropped by a tenth: median share of aligned neurons",
                median(large.aligned.isel(moment=EXIT).values), below(0.1),
            ),
        ),
        check(
            runs, "B7.size", "theorem",
            "largest |a_j| sqrt(m) / scale^(1 - eps) at tau, both eps, scales 1e-3 and 1e-6, "
            "n >= 80",
            _largest(sizes, small), below(1.01),
            control(
                "at the exit in place of tau: the smallest such quotient, eps 0.5",
                _smallest(_relative_size(small, EXIT), small), above(1.5),
            ),
        ),
        check(
            runs, "B7.loss", "theorem",
            "largest relative change of the loss at tau, eps 0.5, scales 1e-3 and 1e-6, n >= 80",
            _largest(moved.values, small), below(0.01),
            control(
                "scale 1 at the time tau of scale 1e-3, n = 320: smallest relative change",
                _smallest(_change_of_control(large, middle), large), above(0.1),
            ),
        ),
        check(
            runs, "B7.scale", "theorem",
            "share of seeds with more neurons aligned at tau, eps 0.25, at 1e-6 than 1e-3, n = 320",
            share(more), every_seed(),
            control("the same at the start", share(at_start), no_seed()),
        ),
    ]  # fmt: skip


def _exit_checks(runs: Runs) -> list[Check]:
    large = _with_scaled_exit(runs("unaligned", dim=5, n=LARGE_N))
    small = _with_scaled_exit(runs("small", dim=5, n=LARGE_N, scale=(1e-6, 1e-3)))
    within = ((small.exit_ratio >= 1) & (small.exit_ratio <= 1.35)).values
    # With five seeds it depends on which five whether every run lies in the band, and how wide an
    # interval is.
    few = "" if runs.seeds >= 10 else f"{runs.seeds} seeds, 10 are needed"
    return [
        check(
            runs, "B8.scale", "theorem",
            "largest difference of exit time x |D_max| / ln(1/scale) between scales 1e-3 and 1e-6 "
            "in the same seed, n >= 80",
            _largest(np.abs(_between_scales(small, "exit_ratio")), small), below(0.05),
            control(
                "not divided by ln(1/scale): the smallest difference",
                _smallest(np.abs(_between_scales(small, "scaled_exit")), small), above(5),
            ),
        ),
        check(
            runs, "B8.band", "theorem",
            "share of runs with exit time x |D_max| / ln(1/scale) in [1, 1.35], both scales, "
            "n >= 80",
            share(within), every_seed(),
            control(
                "scale 1, no plateau and the ratio undefined: largest exit time x |D_max|",
                _largest(large.scaled_exit.values, large), below(1),
            ),
            unless=few,
        ),
        check(
            runs, "B8.samples", "empirical",
            "mean over seeds of exit time at n = 1280 / exit time at n = 320, scale 1e-6",
            mean(_exit_quotients(runs, 1280, 320)), interval_within(0.85, 1.15),
            control(
                "n = 320 / n = 20, where forces have not concentrated yet",
                mean(_exit_quotients(runs, 320, 20)), above(1.15),
            ),
            unless=few,
        ),
    ]  # fmt: skip


def _largest(values: np.ndarray, cells: xr.Dataset) -> Estimate:
    """Over all draws of `cells`; huge where a value is missing: a run without an exit fails."""
    found = np.where(np.isnan(values), 1e9, values)
    return exact(found.max(initial=-np.inf), len(np.unique(cells.seed.values)))


def _smallest(values: np.ndarray, cells: xr.Dataset) -> Estimate:
    """Likewise, and low where a value is missing."""
    found = np.where(np.isnan(values), -1e9, values)
    return exact(found.min(initial=np.inf), len(np.unique(cells.seed.values)))


def _relative_size(cells: xr.Dataset, moment: int) -> np.ndarray:
    """max_j |a_j| sqrt(m) / lambda^(1 - eps) at a moment; at the exit with the larger eps."""
    eps = EPS[min(moment, len(EPS)) - 1]
    return cells["size"].isel(moment=moment).values / cells.scale.values ** (1 - eps)


def _change_of_control(large: xr.Dataset, small: xr.Dataset) -> np.ndarray:
    """Relative change of the loss at scale 1, at the seed's tau (eps 0.5) at scale 1e-3."""
    ends = small.moment_time.isel(moment=HALF).values.tolist()
    tau = dict(zip(small.seed.values.tolist(), ends, strict=True))
    curves = zip(large.seed.values.tolist(), large.train_curve.values, strict=True)
    changes = [
        np.interp(tau[seed], large.time.values, curve) / curve[0] - 1
        for seed, curve in curves
        if seed in tau
    ]
    return np.abs(np.array(changes))


def _with_scaled_exit(cells: xr.Dataset) -> xr.Dataset:
    return cells.assign(scaled_exit=cells.exit_time * cells.largest_force)


def _between_scales(cells: xr.Dataset, name: str) -> np.ndarray:
    """`name` at scale 1e-6 minus at 1e-3, for each n and seed that has both."""

    def part(n: int, scale: float) -> xr.Dataset:
        return cells.isel(cell=(cells.n.values == n) & (cells.scale.values == scale))

    pairs = [paired(part(n, 1e-6), part(n, 1e-3), name, np.subtract) for n in LARGE_N]
    return np.concatenate(pairs)


def _exit_quotients(runs: Runs, one: int, other: int) -> np.ndarray:
    """Exit time at n = `one` over that at n = `other`, scale 1e-6, seed by seed."""
    first, second = (runs("small", dim=5, scale=1e-6, n=n) for n in (one, other))
    return paired(first, second, "exit_time")
