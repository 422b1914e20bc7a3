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

from simplicity.boursier import gelu_and_adam, linear_teacher, ols
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

    def predict(network: TwoLayer, x: np.ndarray) -> np.ndarray:
        return gelu_and_adam.forward(network, x, run.activation)

    def rho(network: TwoLayer) -> float:
        return linear_teacher.rho(ols.mse(predict(network, task.x), task.y), task)

    network, trajectory = gelu_and_adam.descend(
        linear_teacher.initial(run), task.x, task.y, activation=run.activation, rule=run.rule,
        step_size=run.step_size, schedule=schedule(run.steps), probes={"rho_curve": rho},
        precision=run.precision,
    )  # fmt: skip
    found = ols.against_two_ols(partial(predict, network), *task)
    curve = trajectory.rho_curve.values.astype(np.float32)
    return xr.Dataset(
        {**found, "stopped_at": trajectory.stopped_at, "rho_curve": ("probe", curve)},
        {"part": ("probe", np.array(PARTS))},  # of the steps; rules differ in step size
    )


def schedule(steps: int) -> tuple[int, ...]:
    """The steps of `PARTS`, strictly increasing."""
    found = np.rint(np.array(PARTS) * steps).astype(int)
    for index in range(1, len(found)):
        found[index] = max(found[index], found[index - 1] + 1)
    return tuple(found.tolist())


def checks(runs: Runs) -> list[Check]:
    many, fewer = runs("descent", n=MANY), runs("descent", n=40)
    stops, slower, moves = at_least(0.9), interval_above(0.1), interval_above(0.1)
    unless = too_short(runs.settings.longer_steps)
    few = "GeLU: share of seeds with train MSE > 0.1 sigma^2, n = 10"
    return [
        few_samples(runs, "B15.few", few, runs("descent", n=10), needs=10),
        check(
            runs, "B15.many", "empirical",
            f"GeLU: share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, n = {MANY}",
            share(refuses_noise(many)), stops,
            ("n = 40: the same share", share(refuses_noise(fewer))),
            unless=too_short(runs.settings.steps),
        ),
        check(
            runs, "B15.harder", "empirical",
            "train error of GeLU minus that of ReLU in units of sigma^2, from scale 1, n = 160, "
            "the same steps, mean over seeds",
            mean(_behind_relu(runs, 160)), slower,
            ("n = 10: the same difference", mean(_behind_relu(runs, 10))),
            needs=5,
        ),
        check(
            runs, "B32.moves", "empirical",
            "GeLU, d = 2: shift in ln n of the transition with ten times the steps, mean over "
            "seeds",
            mean(shift_with_steps(runs["longer"])), moves,
            ("ReLU: the same shift", mean(shift_with_steps(runs["relu"]))),
            needs=5, unless=unless,
        ),
        check(
            runs, "B33.adam", "empirical",
            "GeLU, d = 2: shift in ln n of the transition with Adam in place of gradient descent, "
            "mean over seeds",
            mean(shift_between(runs["longer"], runs["adam"])), moves,
            ("gradient descent from scale 1 in place of Adam: the same shift",
             mean(shift_between(runs["longer"], runs["large"]))),
            needs=5, unless=unless,
        ),
        *_adam_checks(runs),
    ]  # fmt: skip


def _adam_checks(runs: Runs) -> list[Check]:
    many, fewer = runs("adam", n=640), runs("adam", n=40)
    stops, moves, unless = every_seed(), interval_above(0.1), too_short(runs.settings.adam_steps)
    few = "GeLU and Adam, d = 2: share of seeds with train MSE > 0.1 sigma^2, n = 10"
    return [
        few_samples(runs, "B16.few", few, runs("adam", n=10), needs=5),
        check(
            runs, "B16.many", "empirical",
            "GeLU and Adam, d = 2: share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, "
            "n = 640",
            share(refuses_noise(many)), stops,
            ("n = 40: the same share", share(refuses_noise(fewer))),
            unless=unless,
        ),
        check(
            runs, "B34.moves", "empirical",
            "GeLU and Adam, d = 2: shift in ln n of the transition with three times the steps, "
            "mean over seeds",
            mean(area_between(runs["adam"], runs["adam"], THIRD, END)), moves,
            ("ReLU and gradient descent: the same shift",
             mean(area_between(runs["relu"], runs["relu"], THIRD, END))),
            needs=5, unless=unless,
        ),
    ]  # fmt: skip


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
    common = np.intersect1d(one.n.values, other.n.values)
    common = common[common > 2 * one.dim.values.max(initial=0)]  # else the two fits interpolate
    if len(common) < 2:
        return np.zeros(0)
    areas, others = _areas(one, common, first), _areas(other, common, second)
    return np.array([areas[seed] - others[seed] for seed in sorted(areas.keys() & others.keys())])


def _areas(cells: xr.Dataset, common: np.ndarray, probe: int) -> dict[int, float]:
    """Seed -> the integral of rho d ln n at a probe, for seeds that have a run at each of the n."""
    cells = cells.isel(cell=np.isin(cells.n.values, common)).sortby("n")
    found = {}
    for seed, runs in cells.groupby("seed"):
        if runs.sizes["cell"] == len(common):
            rho = np.clip(runs.rho_curve.values[:, probe], 0, 1)
            found[int(seed)] = float(np.trapezoid(rho, np.log(runs.n.values)))
    return found


def last_fall(cells: xr.Dataset) -> np.ndarray:
    """Per cell: by what part rho fell over the last decade of steps; negative where it rose."""
    curves = cells.rho_curve.values
    return 1 - curves[:, END] / curves[:, TENTH] if cells.sizes["cell"] else np.zeros(0)
