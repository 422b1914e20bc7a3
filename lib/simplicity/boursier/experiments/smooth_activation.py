"""GeLU in place of the ReLU, by gradient descent and by Adam (B15, B16, B32 to B34).

Boursier & Flammarion 2025 report a similar transition for GeLU, and for GeLU with Adam, in their
appendices, and remark that interpolation is even harder to reach with GeLU. Gaussian inputs, a
linear teacher with noise, a fixed number of full-batch steps T.

Where the transition lies may depend on T. A network that stops at a stationary point has its
transition at one place; one that fits noise slowly has it at more samples the longer it trains. In
dimension 2 the threshold is low enough for many steps. The shift between two curves rho(n),

    integral of (rho_one - rho_other) d ln n    over the n that both have, rho cut to [0, 1],

is ln of the factor between the places of two steps from 0 to 1. Runs of a seed share its samples.
"""

from functools import partial

import numpy as np
import xarray as xr

from simplicity.boursier import gelu_and_adam, linear_teacher, ols, synthetic
from simplicity.boursier.criteria import behind, few_samples, refuses_noise, too_short
from simplicity.evidence.claims import (
    Check,
    at_least,
    check,
    every_seed,
    interval_above,
    mean,
    share,
)
from simplicity.evidence.over_seeds import Values
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import TwoLayer

CLAIMS = ("B15", "B16", "B32", "B33", "B34")

# Parts of the steps at which rho is kept; `BUDGETS` are those of a tenth, of 10^-1/2, and of all.
PARTS = (0.0, *np.geomspace(0.01, 1, 17).tolist())
BUDGETS = TENTH, THIRD, END = 9, 13, 17
MANY = 1280  # samples past the transition; at 320 GeLU is within it
IN_PLANE = ("longer", "relu", "large", "adam")


@config.settings
class Run(linear_teacher.Run):
    """A run by one of the rules of `gelu_and_adam`."""

    rule: str = config.param("gd", "what trains", choices=gelu_and_adam.RULES)
    activation: str = config.param("gelu", "activation", choices=gelu_and_adam.ACTIVATIONS)
    steps: int = config.param(20_000, "gradient steps at most", low=len(PARTS) - 1, high=10**9)


# `longer` and the groups after it are in dimension 2, with more steps.
GRID = Grid(
    Run,
    groups={
        "descent": {"n": (10, 40, 320)},
        "unaligned": {"activation": ("gelu", "relu"), "n": (10, 80), "scale": 1.0, "seeds": 5},
        "longer": {"dim": 2, "n": (10, 40), "steps": 4000, "seeds": 2},
        "relu": {"dim": 2, "activation": "relu", "n": (10, 40), "steps": 4000, "seeds": 2},
        "large": {"dim": 2, "n": (10, 40), "scale": 1.0, "steps": 4000, "seeds": 2},
        "adam": {
            "dim": 2, "rule": "adam", "n": (10, 40), "step_size": 1e-3, "steps": 4000, "seeds": 2,
        },
    },
    quick={"law": "gaussian", "width": 100, "steps": 4000, "seeds": 5},
    full={
        "n": (10, 40, 320, MANY), "unaligned_n": (10, 80, 160), "width": 240, "steps": 20_000,
        "seeds": 10,
        "first_seed": 3_000_000, "adam_n": (10, 20, 40, 80, 160, 640),
        **{f"{group}_n": (10, 20, 40, 80, 160) for group in ("longer", "relu", "large")},
        **{f"{group}_steps": 60_000 for group in IN_PLANE},
        **{f"{group}_seeds": 5 for group in IN_PLANE},
    },
    tiny={
        "n": (20,), "unaligned_n": (20,), "width": 20, "steps": 200, "seeds": 2,
        **{f"{group}_n": (10, 20) for group in IN_PLANE},
        **{f"{group}_steps": 200 for group in IN_PLANE},
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """The outcome after all steps, and rho along them."""
    task = linear_teacher.draw(run)
    network, trajectory = _trained(run, task)
    predict = partial(gelu_and_adam.forward, network, activation=run.activation)
    curve = trajectory.rho_curve.values.astype(np.float32)
    return xr.Dataset(
        {
            **ols.against_two_ols(predict, *task),
            "stopped_at": trajectory.stopped_at,
            "rho_curve": ("probe", curve),
        },
        {"part": ("probe", np.array(PARTS))},  # of the steps; rules differ in step size
    )


def _trained(run: Run, task: synthetic.Task) -> tuple[TwoLayer, xr.Dataset]:
    rho = partial(_rho, task=task, activation=run.activation)
    return gelu_and_adam.descend(
        linear_teacher.initial(run), task.x, task.y, activation=run.activation, rule=run.rule,
        step_size=run.step_size, schedule=schedule(run.steps), probes={"rho_curve": rho},
        precision=run.precision,
    )  # fmt: skip


def _rho(network: TwoLayer, task: synthetic.Task, activation: str) -> float:
    prediction = gelu_and_adam.forward(network, task.x, activation)
    return linear_teacher.rho(ols.mse(prediction, task.y), task)


def schedule(steps: int) -> tuple[int, ...]:
    """The steps of `PARTS`, strictly increasing."""
    count, rounded = np.arange(len(PARTS)), np.rint(np.array(PARTS) * steps).astype(int)
    return tuple((np.maximum.accumulate(rounded - count) + count).tolist())


def checks(runs: Runs) -> list[Check]:
    few = "GeLU: share of seeds with train MSE > 0.1 sigma^2, n = 10"
    with_adam = "GeLU and Adam, d = 2: share of seeds with train MSE > 0.1 sigma^2, n = 10"
    return [
        few_samples(runs, "B15.few", few, runs("descent", n=10), needs=10),
        _many(runs),
        _harder(runs),
        _moves(runs),
        _adam_moves(runs),
        few_samples(runs, "B16.few", with_adam, runs("adam", n=10), needs=5),
        _many_with_adam(runs),
        _moves_with_adam(runs),
    ]


def _many(runs: Runs) -> Check:
    many, fewer = (share(refuses_noise(runs("descent", n=n))) for n in (MANY, 40))
    return check(
        runs, "B15.many", "empirical",
        f"GeLU: share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, n = {MANY}",
        many, at_least(0.9),
        ("n = 40: the same share", fewer),
        unless=too_short(runs.settings.steps),
    )  # fmt: skip


def _harder(runs: Runs) -> Check:
    return check(
        runs, "B15.harder", "empirical",
        "train error of GeLU minus that of ReLU in units of sigma^2, from scale 1, n = 160, the "
        "same steps, mean over seeds",
        mean(_behind_relu(runs, 160)), interval_above(0.1),
        ("n = 10: the same difference", mean(_behind_relu(runs, 10))),
        needs=5,
    )  # fmt: skip


def _moves(runs: Runs) -> Check:
    return check(
        runs, "B32.moves", "empirical",
        "GeLU, d = 2: shift in ln n of the transition with ten times the steps, mean over seeds",
        mean(shift_with_steps(runs["longer"])), interval_above(0.1),
        ("ReLU: the same shift", mean(shift_with_steps(runs["relu"]))),
        needs=5, unless=too_short(runs.settings.longer_steps),
    )  # fmt: skip


def _adam_moves(runs: Runs) -> Check:
    adam, large = (mean(shift_between(runs["longer"], runs[one])) for one in ("adam", "large"))
    return check(
        runs, "B33.adam", "empirical",
        "GeLU, d = 2: shift in ln n of the transition with Adam in place of gradient descent, mean "
        "over seeds",
        adam, interval_above(0.1),
        ("gradient descent from scale 1 in place of Adam: the same shift", large),
        needs=5, unless=too_short(runs.settings.longer_steps),
    )  # fmt: skip


def _many_with_adam(runs: Runs) -> Check:
    many, fewer = (share(refuses_noise(runs("adam", n=n))) for n in (640, 40))
    return check(
        runs, "B16.many", "empirical",
        "GeLU and Adam, d = 2: share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, "
        "n = 640",
        many, every_seed(),
        ("n = 40: the same share", fewer),
        unless=too_short(runs.settings.adam_steps),
    )  # fmt: skip


def _moves_with_adam(runs: Runs) -> Check:
    adam, relu = (mean(area_between(runs[one], runs[one], THIRD, END)) for one in ("adam", "relu"))
    return check(
        runs, "B34.moves", "empirical",
        "GeLU and Adam, d = 2: shift in ln n of the transition with three times the steps, mean "
        "over seeds",
        adam, interval_above(0.1),
        ("ReLU and gradient descent: the same shift", relu),
        needs=5, unless=too_short(runs.settings.adam_steps),
    )  # fmt: skip


def _behind_relu(runs: Runs, n: int) -> Values:
    """By how much GeLU is behind ReLU from scale 1."""
    return behind(*(runs("unaligned", n=n, activation=name) for name in ("gelu", "relu")))


def shift_with_steps(cells: xr.Dataset) -> np.ndarray:
    """Per seed: ln of the factor by which the transition moves from a tenth of the steps to all."""
    return area_between(cells, cells, TENTH, END)


def shift_between(one: xr.Dataset, other: xr.Dataset) -> np.ndarray:
    """Per seed: ln of the factor between the places of two transitions at the end."""
    return area_between(one, other, END, END)


def area_between(one: xr.Dataset, other: xr.Dataset, first: int, second: int) -> np.ndarray:
    """For each seed that both have at every common n, the integral of rho_one - rho_other d ln n.

    By trapezes.
    """
    common = _common(one, other)
    if len(common) < 2:
        return np.zeros(0)
    areas, others = _areas(one, common, first), _areas(other, common, second)
    return np.array([areas[seed] - others[seed] for seed in sorted(areas.keys() & others.keys())])


def _common(one: xr.Dataset, other: xr.Dataset) -> np.ndarray:
    """The n that both have, without those at which the two fits interpolate."""
    common = np.intersect1d(one.n.values, other.n.values)
    return common[common > 2 * one.dim.values.max(initial=0)]


def _areas(cells: xr.Dataset, common: np.ndarray, probe: int) -> dict[int, float]:
    """Seed -> the integral of rho d ln n at a probe, for seeds that have a run at each of the n."""
    cells = cells.isel(cell=np.isin(cells.n.values, common)).sortby("n")
    return {
        int(seed): _area(runs, probe)
        for seed, runs in cells.groupby("seed")
        if runs.sizes["cell"] == len(common)
    }


def _area(runs: xr.Dataset, probe: int) -> float:
    rho = np.clip(runs.rho_curve.values[:, probe], 0, 1)
    return float(np.trapezoid(rho, np.log(runs.n.values)))


def last_fall(cells: xr.Dataset) -> np.ndarray:
    """Per cell: by what part rho fell over the last decade of steps; negative where it rose."""
    curves = cells.rho_curve.values
    return 1 - curves[:, END] / curves[:, TENTH] if cells.sizes["cell"] else np.zeros(0)
