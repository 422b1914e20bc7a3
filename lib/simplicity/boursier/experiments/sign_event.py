"""The event on which the theorem is silent: all output weights share a sign (claim B20).

Boursier & Flammarion 2025, theorem 4.1 has an exception of probability O(2^-m): it is the event that all a_j
share a sign, of probability 2^(1-m) exactly. Three kinds of cells: `draws` tosses the signs only; `trained` trains the
few neurons that a draw gave, m = 1, 2, 3; `forced` trains a wide network whose a_j are all positive, and its mirror, the
same start with both signs, is the positive case.
"""

import dataclasses

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import alignment, linear_teacher, synthetic
from simplicity.data import streams
from simplicity.evidence.claims import Check, below, cells_where, check, control, every_seed, exact, no_seed, share
from simplicity.grid import config
from simplicity.grid.config import seeds, shared

CLAIMS = ("B20",)


@config.settings
class Config:
    widths: tuple[int, ...] = config.param((1, 2, 3, 4, 5, 6), "widths m of the coin tosses", unit="neurons", low=1, high=10**7)
    trained_widths: tuple[int, ...] = config.param(
        (1, 2, 3), "widths m that are also trained", unit="neurons", low=1, high=10**7
    )
    draws: int = config.param(2000, "draws of the signs for each m and seed", low=1, high=10**8)
    width: int = config.param(200, "neurons of the network with forced signs", unit="neurons", low=1, high=10**7)
    n: int = config.param(480, "samples", unit="samples", low=1, high=10**8)
    law: str = config.param("bounded margin", "law of the inputs", choices=synthetic.LAWS)
    dim: int = config.param(5, "input dimension", low=1, high=10**5)
    scale: float = config.param(1e-3, "scale lambda of the initialisation", low=1e-12)
    noise_variance: float = config.param(0.25, "sigma^2", low=0)
    step_size: float = config.param(0.1, "learning rate eta", low=1e-12)
    steps: int = config.param(20_000, "gradient steps at most", low=1, high=10**9)
    precision: str = config.param("float32", "floating point of the training", choices=("float32", "float64"))
    seeds: int = config.param(5, "seeds of each trained setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, widths=(1, 2), trained_widths=(1,), draws=200, width=20, n=40, steps=200, seeds=2)
FULL = dataclasses.replace(QUICK, width=1000, seeds=40)


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    width: int
    seed: int
    draws: int
    n: int
    law: str
    dim: int
    scale: float
    noise_variance: float
    step_size: float
    steps: int
    precision: str


def cells(config: Config) -> list[Cell]:
    common = shared(Cell, config, but=("width",))
    return (
        [Cell(kind="draws", width=width, seed=seed, **common) for width in config.widths for seed in seeds(config)]
        + [Cell(kind="trained", width=width, seed=seed, **common) for width in config.trained_widths for seed in seeds(config)]
        + [Cell(kind=kind, width=config.width, seed=seed, **common) for kind in ("forced", "both") for seed in seeds(config)]
    )


def measure(cell: Cell) -> xr.Dataset:
    if cell.kind == "draws":
        rng = streams.generator(cell.seed, streams.INITIALISATION)
        mixed = sum(_has_both_signs(nets.dominated(cell.width, 1, 1.0, rng)) for _ in range(cell.draws))
        return xr.Dataset({"mixed": mixed, "rho": np.nan, "rms_two_ols": np.nan, "negative_half": np.nan, "stopped_at": 0})
    return _trained(cell)


def _trained(cell: Cell) -> xr.Dataset:
    """`negative_half` = MSE over the samples with <x, beta*> < 0, divided by mean y^2 there: 1 if nothing fits them."""
    run = linear_teacher.train(cell, one_sign=cell.kind == "forced")
    negative = run.task.x @ run.task.teacher < 0
    x, y = run.task.x[negative], run.task.y[negative]
    left = alignment.mse(run.prediction(x), y) / float(np.mean(y**2))
    found = run.outcome()[["rho", "rms_two_ols", "stopped_at"]]
    return found.assign(mixed=int(_has_both_signs(run.start)), negative_half=left)


def _has_both_signs(network: nets.TwoLayer) -> bool:
    return bool(np.any(network.a > 0) and np.any(network.a < 0))


def checks(dataset: xr.Dataset) -> list[Check]:
    tossed = cells_where(dataset, kind="draws")
    forced = cells_where(dataset, kind="forced")
    trained = cells_where(dataset, kind=("trained", "both", "forced"), n=480)
    mixed, uniform = cells_where(trained, mixed=1), cells_where(trained, mixed=0)
    return [
        check(
            dataset, "B20", "identity", "share of draws with both signs, largest distance to 1 - 2^(1-m) in standard errors",
            exact(_largest_deviation(tossed), int(tossed.draws.sum())), below(4),
            control(
                "all a_j > 0: largest distance to 1 of MSE / mean y^2 over the negative half",
                exact(_largest(np.abs(forced.negative_half.values - 1)), forced.sizes["cell"]), below(1e-3),
            ),
        ),
        check(
            dataset, "B20", "theorem",
            "share of networks with both signs, of a few neurons and wide, with |rho - 1| < 0.001, n = 480",
            share((np.abs(mixed.rho - 1) < 1e-3).values), every_seed(),
            control("the same with one sign only", share((np.abs(uniform.rho - 1) < 1e-3).values), no_seed()),
        ),
    ]  # fmt: skip


def exact_share(width: np.ndarray) -> np.ndarray:
    """P(both signs among m fair coins) = 1 - 2^(1-m)."""
    return 1 - 2.0 ** (1 - width)


def _largest_deviation(tossed: xr.Dataset) -> float:
    widths = np.unique(tossed.width.values)
    draws = np.array([cells_where(tossed, width=width).draws.sum() for width in widths])
    mixed = np.array([cells_where(tossed, width=width).mixed.sum() for width in widths])
    expected = exact_share(widths)
    error = np.sqrt(expected * (1 - expected) / draws)
    distance = np.abs(mixed / draws - expected)
    return _largest(np.divide(distance, error, out=np.where(distance > 0, np.inf, 0.0), where=error > 0))


def _largest(values: np.ndarray) -> float:
    """NaN, which `exact` takes for nothing to judge, where there are none."""
    return float(values.max()) if values.size else float("nan")
