"""The network leaves the kernel regime, later; up to T its weights move by about sqrt(d log d) (claims H13, H16).

Hu et al. 2020: up to T the tangent kernel stays within n / d^{1 + alpha} of its start and |W_t - W_0|_F below sqrt(d log d) up
to a constant. After that nothing holds it: here the loss falls far below that of the network with its kernel frozen. The
control is a far wider network, whose kernel changes less.
"""

import dataclasses
import math

import numpy as np
import torch
import xarray as xr

from simplicity.evidence.claims import Check, above, below, cells_where, check, control, exact, mean, settings_of
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear, kernel, ntk
from simplicity.hu.early_linear import Cell
from simplicity.hu.linear_descent import FrozenKernel
from simplicity.nets import TwoLayer
from simplicity.nets.activations import ACTIVATIONS

CLAIMS = ("H13", "H16")

PROBES = 16


@config.settings
class Config:
    dims: tuple[int, ...] = config.param((25, 50, 100), "input dimensions", low=2, high=10**4)
    dim: int = config.param(50, "the one of them whose run goes on", low=2, high=10**4)
    n: int = config.param(600, "training samples", unit="samples", low=2, high=10**5)
    width: int = config.param(256, "hidden neurons", unit="neurons", low=2, high=10**5)
    wide: int = config.param(2048, "hidden neurons of the control", unit="neurons", low=2, high=10**5)
    horizon: float = config.param(40.0, "length of the long runs in units of d log d / step", low=2)
    seeds: int = config.param(1, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dims=(5, 10), dim=10, n=60, width=32, wide=128, horizon=5.0)
FULL = dataclasses.replace(QUICK, dims=(25, 50, 100, 200), n=1500, wide=8192, horizon=76.0, seeds=3)


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        for dim in config.dims:
            found.append(Cell(seed, dim, config.n, config.width, early_linear.step_size("erf", dim)))
        long = Cell(seed, config.dim, config.n, config.width, early_linear.step_size("erf", config.dim), horizon=config.horizon)
        found += [long, dataclasses.replace(long, width=config.wide)]
    return found


def measure(cell: Cell) -> xr.Dataset:
    """At `PROBES` steps, T first among the late ones where the run goes on: change of the kernel, of the weights, and losses.

    `change` = |Theta_t - Theta_0| / |Theta_0| in spectral norm, on the training samples; `moved` = |W_t - W_0|_F;
    half mean square errors `network`, `frozen` (the linearised network with Theta_0) and `linear`.
    """
    found = early_linear.data(cell, 1)
    start = early_linear.network(cell)
    last = early_linear.horizon(cell)
    if cell.horizon > early_linear.HORIZON:
        up_to = early_linear.horizon(dataclasses.replace(cell, horizon=early_linear.HORIZON))
        late = np.rint(np.geomspace(up_to, last, PROBES // 2)).astype(int)
        steps = (*early_linear.schedule(up_to, PROBES - PROBES // 2 + 1)[:-1], *late.tolist())
    else:
        steps = early_linear.schedule(last, PROBES)
    before = theta(found.x, start, cell.activation)
    size = kernel.spectral_norm(before)
    probes = {
        "change": lambda net: kernel.spectral_norm(theta(found.x, net, cell.activation) - before) / size,
        "moved": lambda net: np.linalg.norm(net.w - start.w.astype(net.w.dtype)),
        "network": lambda net: early_linear.square(ntk.forward(net, found.x, cell.activation) - found.y) / 2,
    }
    _, run = ntk.descend(
        start, found.x, found.y, activation=cell.activation, step_size=early_linear.rates(cell), schedule=steps, probes=probes
    )
    frozen = FrozenKernel(before, found.y, cell.step_size)
    model, _ = early_linear.linear_model(cell, found)
    return run.drop_vars("step").rename(probe="time").assign(
        step=("time", np.array(steps, dtype=float)),
        frozen=("time", [early_linear.square(frozen.residual(step)) / 2 for step in steps]),
        linear=("time", early_linear.square(model.outputs(model.psi, steps) - found.y) / 2),
    )  # fmt: skip


def theta(x: np.ndarray, net: TwoLayer, activation: str) -> np.ndarray:
    """Theta_1, in which v_r^2 is no longer 1, and Theta_2; in float64."""
    w, v = (np.asarray(part, dtype=np.float64) for part in (net.w, net.a))
    slopes = ACTIVATIONS[activation].slope(torch.from_numpy(x @ w.T / math.sqrt(x.shape[1]))).numpy() * v
    first = (slopes @ slopes.T) * (x @ x.T) / (len(w) * x.shape[1])
    return first + kernel.second_block(x, w, activation)


def checks(dataset: xr.Dataset) -> list[Check]:
    given = settings_of(dataset)
    if not early_linear.high(*given["dims"]):
        return []
    long = dataset.isel(cell=dataset.horizon.values > early_linear.HORIZON)
    short = dataset.isel(cell=dataset.horizon.values <= early_linear.HORIZON)
    usual, wide = cells_where(long, width=given["width"]), cells_where(long, width=given["wide"])
    end = wide.change.isel(time=-1).values / usual.change.isel(time=-1).values
    at = cells_where(short, dim=given["dim"])
    better = mean(usual.network.isel(time=-1) / usual.frozen.isel(time=-1))
    at_T = mean(at.network.isel(time=-1) / at.frozen.isel(time=-1))
    moved = movement(short)
    means = [mean(cells_where(moved, dim=dim).movement) for dim in given["dims"]]
    spread = exact(max(one.value for one in means) / min(one.value for one in means), given["seeds"])
    late = movement(usual)
    return [
        check(
            dataset, "H13", "theorem", "change of the kernel at T", mean(at.change.isel(time=-1)), below(0.1),
            control("at the end of the long run: the same", mean(usual.change.isel(time=-1)), above(0.5)),
        ),
        check(
            dataset, "H13", "empirical", "change of the kernel at the end of the long run", mean(usual.change.isel(time=-1)),
            above(0.5), control(f"{given['wide']} neurons: its change over that", mean(end), below(0.5)),
        ),
        check(
            dataset, "H13", "empirical", "train loss at the end over that with the kernel frozen", better, below(0.5),
            control("at T: the same", at_T, above(0.9)),
        ),
        check(
            dataset, "H16", "theorem", "|W_T - W_0|_F / sqrt(d log d): largest mean over d / smallest", spread, below(2),
            control(
                "end of the long run: the same quantity over that at T",
                mean(early_linear.paired(late, movement(at), "movement")), above(3),
            ),
        ),
    ]  # fmt: skip


def movement(cells: xr.Dataset) -> xr.Dataset:
    """Adds `movement` = |W - W_0|_F / sqrt(d log d) at the last time."""
    dim = cells.dim.values.astype(float)
    return cells.assign(movement=("cell", cells.moved.values[:, -1] / np.sqrt(dim * np.log(dim))))
