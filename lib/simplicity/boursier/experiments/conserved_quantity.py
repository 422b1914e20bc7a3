"""a_j^2 - |w_j|^2 is conserved by the flow, and with it the sign of a_j (claim B23).

Boursier & Flammarion, section 2: both weights of a neuron are pulled by the same force, so the flow
keeps a_j^2 - |w_j|^2, and where that is not negative a_j cannot pass 0. Gradient descent drifts in
proportion to its step size. Adam rescales each coordinate by itself and conserves nothing. The step
sizes are compared at the same time, steps times step size.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

from simplicity import nets
from simplicity.boursier import linear_teacher, ols, synthetic
from simplicity.boursier.driver import Probe
from simplicity.data import streams
from simplicity.evidence.claims import Check, Estimate, between, check, every_seed, mean, share
from simplicity.evidence.over_seeds import each
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nets import starts
from simplicity.nets.loop import evenly
from simplicity.nets.train import train
from simplicity.problems import Problem

CLAIMS = ("B23",)

PROBES = 26  # in time, the same for both step sizes
JUDGED = (100, 500)  # widths
OPTIMISERS = ("gradient descent", "adam")


@config.settings
class Run(linear_teacher.TimedRun):
    """A run by one of two optimisers from one of the starts."""

    optimiser: str = config.param("gradient descent", "what trains", choices=OPTIMISERS)
    kind: str = config.param("dominated", "law of the initialisation", choices=starts.STARTS)

    def check(self) -> None:
        if self.steps < PROBES - 1:
            allowed = f"allowed at least {PROBES - 1}, one for each probe after the start"
            raise Problem(f"steps: got {self.steps} (time / step_size), {allowed}")


GRID = Grid(
    Run,
    groups={
        "descent": {"step_size": (0.02, 0.002)},
        "adam": {"optimiser": "adam"},
        "gaussian": {"kind": "gaussian"},  # conservation without domination
    },
    quick={
        "width": 100, "n": 80, "scale": 0.1, "time": 10.0, "steps": linear_teacher.steps_in_time,
        "precision": "float64", "seeds": 5,
    },
    full={"width": 500, "seeds": 10, "first_seed": 1_000_000},
    tiny={"width": 10, "n": 20, "time": 1.0, "seeds": 2},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """`drift`: max_j |Q_j(t) - Q_j(0)| of Q_j = a_j^2 - |w_j|^2; `kept`: share of first signs."""
    task = linear_teacher.draw(run)
    rng = streams.generator(run.seed, streams.INITIALISATION)
    start = starts.STARTS[run.kind](run.width, run.dim, run.scale, rng)
    found = _trained(run, start, task).drop_vars(["step", "time"])
    return found.assign_coords(fraction=("probe", np.linspace(0, 1, PROBES)))


def _trained(run: Run, start: nets.TwoLayer, task: synthetic.Task) -> xr.Dataset:
    """The probes along the training by the run's optimiser."""
    probes = _probes(start, task)
    trained = _by_adam if run.optimiser == "adam" else _by_descent
    found = trained(run, start, task, {"schedule": evenly(run.steps, PROBES), "probes": probes})
    return found[list(probes)]


def _probes(start: nets.TwoLayer, task: synthetic.Task) -> dict[str, Probe]:
    return {
        "drift": lambda network: float(np.abs(balance(network) - balance(start)).max()),
        "kept": lambda network: float(np.mean(np.sign(network.a) == np.sign(start.a))),
        "train_curve": lambda network: ols.mse(nets.forward(network, task.x), task.y),
    }


def _by_descent(
    run: Run, start: nets.TwoLayer, task: synthetic.Task, looks: dict[str, Any]
) -> xr.Dataset:
    return linear_teacher.descend(run, task.x, task.y, start, tolerance=0.0, **looks)[1]


def _by_adam(
    run: Run, start: nets.TwoLayer, task: synthetic.Task, looks: dict[str, Any]
) -> xr.Dataset:
    # Fused, Adam takes the square root of the processor, which is exact; else MKL's, which differs
    # between them.
    adam = partial(torch.optim.Adam, lr=run.step_size, fused=True)
    return train(start, task.x, task.y, optimiser=adam, precision=run.precision, **looks)[1]


def balance(network: nets.TwoLayer) -> np.ndarray:
    """a_j^2 - |w_j|^2 of each neuron."""
    return network.a**2 - np.sum(network.w**2, axis=1)


def checks(runs: Runs) -> list[Check]:
    return [_drift(runs), _signs(runs)]


def _drift(runs: Runs) -> Check:
    descent, adam = (runs(group, width=JUDGED) for group in ("descent", "adam"))
    return check(
        runs, "B23.drift", "identity",
        "mean over seeds of the drift at the larger step size / at a tenth of it, same time",
        drift_ratio(descent), between(8, 12),
        ("Adam: the same ratio", drift_ratio(adam)),
    )  # fmt: skip


def _signs(runs: Runs) -> Check:
    descent, free = (runs(group, width=JUDGED) for group in ("descent", "gaussian"))
    return check(
        runs, "B23.signs", "theorem",
        "share of seeds in which every a_j keeps its sign at both step sizes, gradient descent, "
        "dominated start",
        share(each(descent, _all_kept) == 1), every_seed(),
        ("a start that is not dominated: the same share", share(each(free, _all_kept) == 1)),
    )  # fmt: skip


def _all_kept(runs: xr.Dataset) -> float:
    return float((runs.kept.values == 1).all())


def drift_ratio(cells: xr.Dataset) -> Estimate:
    """Mean over seeds of the final drift at the larger step size over that at the smaller one."""
    return mean(each(cells, _ratio_of_ends))


def _ratio_of_ends(part: xr.Dataset) -> float:
    ends = part.sortby("step_size").drift.values[:, -1]
    return float(ends[1] / ends[0]) if len(ends) == 2 else float("nan")
