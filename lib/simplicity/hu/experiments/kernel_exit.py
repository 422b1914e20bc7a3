"""The network leaves the kernel regime, later; up to T its weights hardly move (claims H13, H16).

Hu et al. 2020: up to T the tangent kernel stays within n / d^{1 + alpha} of its start and
|W_t - W_0|_F below sqrt(d log d) up to a constant. After that nothing holds it: here the loss falls
far below that of the network with its kernel frozen. The control is a far wider network, whose
kernel changes less.
"""

import dataclasses
import math

import numpy as np
import torch
import xarray as xr

from simplicity.evidence.claims import Check, above, below, exact, mean
from simplicity.evidence.over_seeds import paired
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear, early_linear_checks, kernel, ntk
from simplicity.hu.early_linear import HORIZON, Run
from simplicity.hu.early_linear_checks import Judge
from simplicity.hu.linear_descent import FrozenKernel
from simplicity.nets import TwoLayer
from simplicity.nets.activations import ACTIVATIONS

CLAIMS = ("H13", "H16")

PROBES = 16

GRID = Grid(
    Run,
    groups={
        "long": {"dim": 50, "horizon": 40.0},
        "wide": {"width": 2048},
        "short": {"dim": (25, 50, 100), "horizon": lambda run: HORIZON},
    },
    quick={"n": 600, "width": 256, "step_size": early_linear.own_step, "seeds": 1},
    full={
        "n": 1500, "horizon": 76.0, "short_dim": (25, 50, 100, 200), "seeds": 3,
        "first_seed": 1_000_000,
    },
    tiny={
        "n": 60, "width": 32, "dim": 10, "horizon": 5.0, "wide_width": 128, "short_dim": (5, 10),
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Along `time`: `change` = |Theta_t - Theta_0| / |Theta_0| in spectral norm, on the training
    samples; `moved` = |W_t - W_0|_F; half mean square errors `network`, `frozen` (the linearised
    network with Theta_0) and `linear`.
    """
    found, start, steps = early_linear.data(run, 1), early_linear.network(run), schedule(run)
    before = theta(found.x, start, run.activation)
    _, seen = ntk.descend(
        start, found.x, found.y, activation=run.activation, step_size=early_linear.rates(run),
        schedule=steps, probes=probes(run.activation, found, start, before),
    )  # fmt: skip
    frozen = FrozenKernel(before, found.y, run.step_size)
    model, _ = early_linear.linear_model(run, found)
    return seen.drop_vars("step").rename(probe="time").assign(
        step=("time", np.array(steps, dtype=float)),
        frozen=("time", [early_linear.square(frozen.residual(step)) / 2 for step in steps]),
        linear=("time", early_linear.loss(model.outputs(model.psi, steps), found.y)),
    )  # fmt: skip


def probes(
    activation: str, found: early_linear.Data, start: TwoLayer, before: np.ndarray
) -> ntk.Probes:
    """What is looked at in the network, whose kernel was `before` at the start."""
    norm, size = kernel.spectral_norm, kernel.spectral_norm(before)
    return {
        "change": lambda net: norm(theta(found.x, net, activation) - before) / size,
        "moved": lambda net: np.linalg.norm(net.w - start.w.astype(net.w.dtype)),
        "network": lambda net: early_linear.loss(ntk.forward(net, found.x, activation), found.y),
    }


def schedule(run: Run) -> tuple[int, ...]:
    """`PROBES` steps; where the run goes on after T half of them, the first of these at T."""
    last = early_linear.horizon(run)
    if run.horizon <= HORIZON:
        return early_linear.schedule(last, PROBES)
    up_to = early_linear.horizon(dataclasses.replace(run, horizon=HORIZON))
    early = early_linear.schedule(up_to, PROBES - PROBES // 2 + 1)
    return early[:-1] + early_linear.schedule(last, PROBES // 2, up_to, spaced=np.geomspace)


def theta(x: np.ndarray, net: TwoLayer, activation: str) -> np.ndarray:
    """Theta_1, in which v_r^2 is no longer 1, and Theta_2; in float64."""
    w, v = (part.astype(np.float64) for part in (net.w, net.a))
    hidden = torch.from_numpy(x @ w.T / math.sqrt(x.shape[1]))
    slopes = ACTIVATIONS[activation].slope(hidden).numpy() * v
    first = (slopes @ slopes.T) * (x @ x.T) / (len(w) * x.shape[1])
    return first + kernel.second_block(x, w, activation)


def checks(runs: Runs) -> list[Check]:
    given = runs.settings
    judge = early_linear_checks.judge(runs, given.dim, *given.short_dim)
    return [early(runs, judge), late(runs, judge), below_frozen(runs, judge), weights(runs, judge)]


def early(runs: Runs, judge: Judge) -> Check:
    """H13: up to T the kernel hardly changes."""
    change, other = mean(at_horizon(runs).change), mean(ends(runs, "long").change)
    return judge(
        "H13.early", "theorem", "change of the kernel at T", change, below(0.1),
        ("at the end of the long run: the same", other),
    )  # fmt: skip


def late(runs: Runs, judge: Judge) -> Check:
    """H13: in the long run it does."""
    change, other = (mean(ends(runs, group).change) for group in ("long", "wide"))
    return judge(
        "H13.end", "empirical", "change of the kernel at the end of the long run", change,
        above(0.5), (f"{runs.settings.wide_width} neurons: the same", other),
    )  # fmt: skip


def below_frozen(runs: Runs, judge: Judge) -> Check:
    """H13: there the loss is far lower than with the kernel frozen."""
    end, other = (
        mean(cells.network / cells.frozen) for cells in (ends(runs, "long"), at_horizon(runs))
    )
    return judge(
        "H13.loss", "empirical", "train loss at the end over that with the kernel frozen",
        end, below(0.5), ("at T: the same", other),
    )  # fmt: skip


def weights(runs: Runs, judge: Judge) -> Check:
    """H16: how far they move up to T is of the same order at each dimension."""
    further = mean(paired(ends(runs, "long"), at_horizon(runs), "movement"))
    return judge(
        "H16.moved", "theorem",
        "|W_T - W_0|_F / sqrt(d log d): largest mean over d / smallest",
        exact(spread(runs), runs.settings.seeds), below(2),
        ("end of the long run: the same quantity over that at T", further),
    )  # fmt: skip


def spread(runs: Runs) -> float:
    """Of the movement up to T: the largest mean over the dimensions over the smallest."""
    short = ends(runs, "short")
    means = [mean(short.movement[short.dim.values == d]).value for d in runs.settings.short_dim]
    return max(means, default=math.nan) / min(means, default=math.nan)


def ends(runs: Runs, group: str) -> xr.Dataset:
    """The last look at the runs of a group, with `movement`."""
    return moved(runs[group].isel(time=-1))


def at_horizon(runs: Runs) -> xr.Dataset:
    """The runs up to T at the dimension of the long runs."""
    short = ends(runs, "short")
    return short.isel(cell=short.dim.values == runs.settings.dim)


def moved(cells: xr.Dataset) -> xr.Dataset:
    """Adds `movement` = |W - W_0|_F / sqrt(d log d)."""
    dim = cells.dim.astype(float)
    return cells.assign(movement=cells.moved / np.sqrt(dim * np.log(dim)))
