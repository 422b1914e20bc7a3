"""Ten classes: what a test set of 900 points can say about mu (claim N12).

Nakkiran et al. 2019, the remark beyond binary classification: the definition carries over. Whether an estimate can be had is
another question, since the table of (F, Y, L) has a thousand cells. scikit-learn's digits, a linear classifier and a small
network, both trained on cross-entropy; the same predictions are scored a second time as 0-4 against 5-9, two classes.

Three baselines shuffle the predictions F: over all test points, where no relation is left and mu is bias alone; within the
true class, where F keeps its accuracy and its confusions and errs independently of L; within the class that L names, where
I(F;Y|L) = 0 and all that F knows is explained by L. The last says what bias does to I(F;Y|L): its truth is zero there.
"""

import dataclasses
from functools import partial

import numpy as np
import torch
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn

from simplicity.data import images, streams
from simplicity.evidence.claims import (
    Check,
    Estimate,
    at_least,
    below,
    between,
    cells_where,
    check,
    control,
    every_seed,
    interval_above,
    mean,
    no_seed,
    not_testable,
    share,
)
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import information
from simplicity.nets.train import train

CLAIMS = ("N12",)

Array = NDArray[np.floating]
Labels = NDArray[np.int64]

CLASSES = (2, 10)
DIGITS, HALF = 10, 5
PROBES = 12
BASELINES = ("over all points", "within the class", "within L's class")
STATISTICS = ("mean", "low", "high", "one")  # low and high: the band of 95 % of the shuffles; one: the first of them
SIGNAL = 0.5  # a correction of half the plug-in I(F;Y|L) is of the signal's size
EXPLAINED = 0.75  # as for two classes
JUDGED_HIDDEN, ENOUGH_STEPS = 256, 1000  # after fewer steps the network has not matched L


@config.settings
class Config:
    train: int = config.param(900, "training images; the others are test points", unit="images", low=100, high=1700)
    hidden: int = config.param(256, "hidden neurons", unit="neurons", low=1, high=10**5)
    step_size: float = config.param(0.05, "learning rate eta of the network", low=1e-6, high=10)
    steps: int = config.param(1000, "steps of the network", low=PROBES, high=10**7)
    batch: int = config.param(32, "samples a step", unit="samples", low=1)
    linear_step_size: float = config.param(0.01, "learning rate of L", low=1e-6, high=10)
    linear_epochs: int = config.param(50, "epochs of L", unit="epochs", low=1, high=10**5)
    permutations: int = config.param(100, "permutations of each baseline", low=20, high=10**5)
    seeds: int = config.param(2, "seeds, each with a split, a linear classifier and a network", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, hidden=16, steps=60, linear_epochs=2, permutations=20)
FULL = dataclasses.replace(QUICK, steps=4000, linear_epochs=100, permutations=1000, seeds=10)


@dataclasses.dataclass(frozen=True)
class Cell:
    seed: int
    train: int
    hidden: int
    step_size: float
    steps: int
    batch: int
    linear_step_size: float
    linear_epochs: int
    permutations: int


def cells(config: Config) -> list[Cell]:
    return [Cell(seed=seed, **shared(Cell, config)) for seed in seeds(config)]


def measure(cell: Cell) -> xr.Dataset:
    """At log-spaced steps, for two and ten classes: all five informations by both estimators, and those of the baselines."""
    split = images.digits(streams.generator(cell.seed, streams.DATA), cell.train)
    predictions, simple, fit = _predictions(cell, split)
    rng = streams.generator(cell.seed, streams.TEST)
    found, shuffled = [], []
    for classes in CLASSES:
        merge = partial(_merged, classes=classes)
        f, y, other = merge(predictions), merge(split.test.y), merge(simple)
        found.append(_both(information.table(f, y, other, classes)))
        groups = (np.zeros_like(y), y, other)
        draws = [[information.table(permuted(g, one, cell.permutations, rng), y, other, classes) for g in groups] for one in f]
        shuffled.append([[_summary(_both(tables)) for tables in row] for row in draws])
    right = (np.mean(labels == split.test.y, axis=-1) for labels in (predictions, np.broadcast_to(simple, predictions.shape)))
    return xr.Dataset(
        {
            "found": (("classes", "probe", "estimator", "quantity"), np.stack(found)),
            "shuffled": (("classes", "probe", "baseline", "statistic", "estimator", "quantity"), np.array(shuffled)),
            "accuracy": (("model", "probe"), np.stack(list(right))),
            "fit": ("probe", fit),
        },
        {
            "classes": list(CLASSES), "estimator": ["plug-in", "miller-madow"], "baseline": list(BASELINES),
            "quantity": list(information.Information._fields), "statistic": list(STATISTICS), "model": ["network", "linear"],
            "step": ("probe", schedule(cell.steps)),
        },
    )  # fmt: skip


def _merged(labels: Labels, classes: int) -> Labels:
    """All ten digits, or 0-4 against 5-9."""
    return labels if classes == DIGITS else (labels >= HALF).astype(np.int64)


def schedule(steps: int) -> np.ndarray:
    """From step 10 on, where a network knows something, evenly in log(step)."""
    first = min(10, steps // PROBES + 1)
    return np.unique(np.rint(np.geomspace(first, steps, PROBES)).astype(int))


def _predictions(cell: Cell, split: images.Split) -> tuple[Labels, Labels, Array]:
    """Classes that the network names on the test points (probe, N), those of L (N,), the network's train accuracy (probe,)."""
    x, x_test = (part.pixels().reshape(len(part.y), -1) for part in split[:2])
    y, inputs = np.eye(DIGITS, dtype=np.float32)[split.train.y], torch.from_numpy(x_test)
    rng = streams.generator(cell.seed, streams.INITIALISATION)
    loss = nn.functional.cross_entropy
    at: list[Labels] = []
    fit: list[float] = []

    def keep(module: nn.Module) -> float:
        at.append(module(inputs).argmax(dim=1).numpy())
        fit.append(float(np.mean(module(torch.from_numpy(x)).argmax(dim=1).numpy() == split.train.y)))
        return fit[-1]

    nesterov = partial(torch.optim.SGD, lr=cell.linear_step_size, momentum=0.9, nesterov=True)
    linear, _ = train(
        layers((x.shape[1], DIGITS), rng), x, y, optimiser=nesterov, loss=loss, batch=cell.batch, precision="float32",
        schedule=(cell.linear_epochs * -(-len(x) // cell.batch),), probes={}, rng=streams.generator(cell.seed, streams.NOISE),
    )  # fmt: skip
    train(
        layers((x.shape[1], cell.hidden, DIGITS), rng), x, y, optimiser=partial(torch.optim.SGD, lr=cell.step_size), loss=loss,
        batch=cell.batch, precision="float32", schedule=schedule(cell.steps).tolist(), probes={"fit": keep},
        rng=streams.generator(cell.seed, streams.BATCHES),
    )  # fmt: skip
    with torch.no_grad():
        return np.stack(at), linear(inputs).argmax(dim=1).numpy(), np.array(fit)


def layers(sizes: tuple[int, ...], rng: Generator) -> nn.Sequential:
    """Linear maps with ReLUs between them, weights uniform in +-sqrt(6 / (in + out)), biases zero."""
    found: list[nn.Module] = []
    for inside, outside in zip(sizes[:-1], sizes[1:], strict=True):
        layer = nn.Linear(inside, outside)
        bound = np.sqrt(6 / (inside + outside))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(rng.uniform(-bound, bound, (outside, inside))))
            layer.bias.zero_()
        found += [layer, nn.ReLU()]
    return nn.Sequential(*found[:-1])


def permuted(group: Labels, f: Labels, draws: int, rng: Generator) -> Labels:
    """F (N,) shuffled among the points of equal `group` (N,), (draws, N)."""
    base = np.argsort(group, kind="stable")
    order = np.argsort(group[base] + rng.random((draws, len(f))), axis=1)  # a key in [0, 1) keeps each group where it is
    found = np.empty((draws, len(f)), dtype=np.int64)
    found[:, base] = f[base][order]
    return found


def _both(tables: information.Counts) -> Array:
    """(..., estimator, quantity)."""
    return np.stack([np.stack(information.information(tables, name), axis=-1) for name in ("plug-in", "miller-madow")], axis=-2)


def _summary(draws: Array) -> Array:
    """Over the permutations: mean, 95 % band, and the first of them, (statistic, estimator, quantity)."""
    return np.stack([draws.mean(axis=0), *np.quantile(draws, (0.025, 0.975), axis=0), draws[0]])


def checks(dataset: xr.Dataset) -> list[Check]:
    """mu against its baselines; the part that L explains is judged only where both estimators agree on what it leaves."""
    judged = cells_where(dataset, hidden=JUDGED_HIDDEN)
    judged = judged.isel(cell=judged.steps.values >= ENOUGH_STEPS)
    return [_outside_band(dataset, judged), _ratio_check(dataset, judged), _difference_check(dataset, judged)]


def _outside_band(dataset: xr.Dataset, judged: xr.Dataset) -> Check:
    statistic = "ten classes, end of training: share of splits with mu above the 95 % band of shuffled predictions"
    above_band = _end(quantity(judged, "mu")) > _end(baseline(judged, BASELINES[0], "high", "mu"))
    if not len(above_band):
        return not_testable(dataset, "N12", "empirical", statistic, "no trained network")
    if not above_band.any():
        return not_testable(dataset, "N12", "empirical", statistic, "mu lies within what bias alone gives")
    one = _end(baseline(judged, BASELINES[0], "one", "mu"))
    return check(
        dataset, "N12", "empirical", statistic, share(above_band), every_seed(),
        control("a shuffle in place of F: the same share", share(one > _end(quantity(judged, "mu")) / 2), no_seed()),
    )  # fmt: skip


def _ratio_check(dataset: xr.Dataset, judged: xr.Dataset) -> Check:
    statistic = "ten classes, up to the step at which F has matched L: mean over splits of mu / I(F;Y), Miller-Madow"
    off = correction(judged)
    if off.seeds == 0 or off.value >= SIGNAL:
        why = f"the correction of I(F;Y|L) is {off.value:.0%} of its plug-in value, {SIGNAL:.0%} or more"
        return not_testable(dataset, "N12", "empirical", statistic, why if off.seeds else "no trained network")
    return check(
        dataset, "N12", "empirical", statistic, early_mean(judged, explained(judged)), at_least(EXPLAINED),
        control(
            "F shuffled within the class, errors independent of L's: the same",
            early_mean(judged, explained(judged, BASELINES[1])), below(EXPLAINED),
        ),
    )  # fmt: skip


def _difference_check(dataset: xr.Dataset, judged: xr.Dataset) -> Check:
    """Both have the same table of F and Y and of L and Y, so that most of the bias cancels."""
    null = explained(judged, BASELINES[1], estimator="plug-in")
    gain = explained(judged, estimator="plug-in") - null
    own = explained(judged, BASELINES[1], "one", "plug-in") - null
    return check(
        dataset, "N12", "empirical", "ten classes, up to that step: mu / I(F;Y) less the same with independent errors, plug-in",
        early_mean(judged, gain), interval_above(0),
        control("one shuffle in place of F: the same", early_mean(judged, own), between(-0.01, 0.01)),
    )  # fmt: skip


def _end(values: xr.DataArray) -> Array:
    return values.isel(probe=-1).values


def quantity(dataset: xr.Dataset, name: str, estimator: str = "plug-in", classes: int = DIGITS) -> xr.DataArray:
    """(cell, probe)."""
    return dataset.found.sel(classes=classes, estimator=estimator, quantity=name)


def baseline(
    dataset: xr.Dataset, which: str, statistic: str, name: str, estimator: str = "plug-in", classes: int = DIGITS
) -> xr.DataArray:
    """(cell, probe)."""
    found = dataset.shuffled.sel(classes=classes, baseline=which, statistic=statistic)
    return found.sel(estimator=estimator, quantity=name)


def early(dataset: xr.Dataset) -> NDArray[np.bool_]:
    """(cell, probe): up to the first probe at which I(F;Y) reaches I(L;Y), and better than twice chance."""
    matched = (quantity(dataset, "network") >= quantity(dataset, "simple")).values
    before = np.cumsum(matched, axis=1) - matched == 0
    return before & (dataset.accuracy.sel(model="network").values > 2 / DIGITS)


def early_mean(dataset: xr.Dataset, values: xr.DataArray) -> Estimate:
    """Mean over the early probes of each split, then over the splits."""
    kept = zip(values.values, early(dataset), strict=True)
    return mean([row[chosen].mean() for row, chosen in kept if chosen.any()])


def correction(dataset: xr.Dataset, classes: int = DIGITS) -> Estimate:
    """Mean of |Miller-Madow - plug-in| / plug-in of I(F;Y|L) over the early probes."""
    plain, corrected = (quantity(dataset, "beyond", name, classes) for name in ("plug-in", "miller-madow"))
    return early_mean(dataset, abs(corrected - plain) / plain)


def explained(
    dataset: xr.Dataset, which: str = "", statistic: str = "mean", estimator: str = "miller-madow", classes: int = DIGITS
) -> xr.DataArray:
    """mu / I(F;Y) (cell, probe) of the network, or of a baseline."""
    if which:
        mu, network = (baseline(dataset, which, statistic, name, estimator, classes) for name in ("mu", "network"))
    else:
        mu, network = (quantity(dataset, name, estimator, classes) for name in ("mu", "network"))
    return mu / network
