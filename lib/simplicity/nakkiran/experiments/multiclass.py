"""Ten classes: what a test set can say about mu (claim N12).

Nakkiran et al. 2019, the remark beyond binary classification: the definition carries over. Whether
an estimate can be had is another question, since the table of (F, Y, L) has a thousand cells.
scikit-learn's digits, 897 test points, where L is nearly always right, and CIFAR-10, 30,000, where
it is mostly wrong; a linear classifier and a small network, both trained on cross-entropy. The same
predictions are scored a second time with the first five classes against the last five.

Three baselines shuffle the predictions F: over all test points, where no relation is left and mu is
bias alone; within the true class, where F keeps its accuracy and its confusions and errs
independently of L; within the class that L names, where I(F;Y|L) = 0 and all that F knows is
explained by L. The last says what bias does to I(F;Y|L): its truth is zero there.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn

from simplicity.data import images, streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Estimate, check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import information
from simplicity.nets.loop import geometrically
from simplicity.nets.train import train
from simplicity.problems import Problem

CLAIMS = ("N12",)

Array = NDArray[np.floating]
Labels = NDArray[np.int64]

DIGITS, CIFAR = "digits", "cifar10"
CLASSES = (2, 10)
TEN, HALF = 10, 5
FEWEST = 90  # test images
PROBES = 12
BASELINES = ("over all points", "within the class", "within L's class")
# Low and high: the band of 95 % of the shuffles; one: the first of them.
STATISTICS = ("mean", "low", "high", "one")
SIGNAL = 0.5  # a correction of half the plug-in I(F;Y|L) is of the signal's size
EXPLAINED = 0.75  # as for two classes
JUDGED_HIDDEN, ENOUGH_STEPS = 256, 1000  # after fewer steps the network has not matched L


@config.settings
class Run:
    """One split of a data set, with a linear classifier and a network."""

    data: str = config.param(DIGITS, "data set", choices=(DIGITS, CIFAR))
    train: int = config.param(900, "training images", low=100, high=40_000)
    test: int = config.param(897, "most test images", low=FEWEST, high=40_000)
    hidden: int = config.param(256, "hidden neurons", unit="neurons", low=1, high=10**5)
    step_size: float = config.param(0.05, "learning rate eta of the network", low=1e-6, high=10)
    steps: int = config.param(1000, "steps of the network", low=PROBES, high=10**7)
    batch: int = config.param(32, "samples a step", unit="samples", low=1)
    linear_step_size: float = config.param(0.01, "learning rate of L", low=1e-6, high=10)
    linear_epochs: int = config.param(50, "epochs of L", unit="epochs", low=1, high=10**5)
    permutations: int = config.param(100, "permutations of each baseline", low=20, high=10**5)
    seed: int = config.param(0, "seed of split and networks", low=0, high=2**31 - 1)


GRID = Grid(
    Run,
    groups={
        "digits": {},
        # Its inputs are some eighty times as long as those of the digits, so that the steps are
        # smaller.
        "cifar10": {
            "data": (), "train": 10_000, "test": 30_000, "step_size": 0.01,
            "linear_step_size": 0.001, "permutations": 100, "seeds": 5,
        },
    },
    quick={"seeds": 2},
    full={
        "steps": 4000, "linear_epochs": 100, "permutations": 1000, "seeds": 10,
        "cifar10_data": (CIFAR,), "first_seed": 2_000_000,
    },
    tiny={"hidden": 16, "steps": 60, "linear_epochs": 2, "permutations": 20},
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """At log-spaced steps, for two and ten classes: all five informations, and the baselines'."""
    split = _split(run)
    predictions, simple, fit = _predictions(run, split)
    rng = streams.generator(run.seed, streams.TEST)
    labels = predictions, split.test.y, simple
    found, shuffled = zip(*(_of_classes(one, run, labels, rng) for one in CLASSES), strict=True)
    both = predictions, np.broadcast_to(simple, predictions.shape)
    axes = ("classes", "probe", "baseline", "statistic", "estimator", "quantity")
    return xr.Dataset(
        {
            "found": (("classes", "probe", "estimator", "quantity"), np.stack(found)),
            "shuffled": (axes, np.array(shuffled)),
            "accuracy": (("model", "probe"), np.mean(np.stack(both) == split.test.y, axis=-1)),
            "fit": ("probe", fit),
        },
        {
            "classes": list(CLASSES), "estimator": list(information.ESTIMATORS),
            "baseline": list(BASELINES), "statistic": list(STATISTICS),
            "quantity": list(information.Information._fields),
            "model": ["network", "linear"], "step": ("probe", list(schedule(run.steps))),
        },
    )  # fmt: skip


def _of_classes(
    classes: int, run: Run, labels: tuple[Labels, Labels, Labels], rng: Generator
) -> tuple[Array, list[Any]]:
    """All informations of F for so many classes, and the baselines' at each probe."""
    f, y, simple = (_merged(one, classes) for one in labels)
    score = partial(_scored, y, simple, classes)
    return score(f), [_baselines(one, (y, simple), score, run.permutations, rng) for one in f]


def _split(run: Run) -> images.Split:
    """Training and test images, drawn from the digits or from CIFAR-10's training images."""
    rng = streams.generator(run.seed, streams.DATA)
    split = images.digits(rng, run.train) if run.data == DIGITS else _training(run, rng)
    left = len(split.test.y)
    if left < FEWEST:
        allowed = f"at most {run.train + left - FEWEST} of {run.data}"
        raise Problem(f"train: got {run.train}, allowed {allowed}")
    return split._replace(test=split.test.take(np.arange(left)[: run.test]))


def _training(run: Run, rng: Generator) -> images.Split:
    """The data set's training images in two parts."""
    whole = images.load(run.data, rng).train
    order = rng.permutation(len(whole.y))
    return images.Split(whole.take(order[: run.train]), whole.take(order[run.train :]))


def _merged(labels: Labels, classes: int) -> Labels:
    """All ten classes, or the first five against the last five."""
    return labels if classes == TEN else (labels >= HALF).astype(np.int64)


def schedule(steps: int) -> tuple[int, ...]:
    """From step 10 on, where a network knows something, evenly in log(step)."""
    return geometrically(steps, PROBES, min(10, steps // PROBES + 1))


def _predictions(run: Run, split: images.Split) -> tuple[Labels, Labels, Array]:
    """The network's classes on test points (probe, N), L's (N,), and train accuracy (probe,)."""
    x, x_test = (part.pixels().reshape(len(part.y), -1) for part in split[:2])
    rng = streams.generator(run.seed, streams.INITIALISATION)
    fitted = partial(
        train, x=x, y=np.eye(TEN, dtype=np.float32)[split.train.y],
        loss=nn.functional.cross_entropy, batch=run.batch, precision="float32",
    )  # fmt: skip
    linear = _linear(run, layers((x.shape[1], TEN), rng), fitted)
    probes = {
        "test": lambda module: _classes(module, x_test),
        "fit": lambda module: np.mean(_classes(module, x) == split.train.y),
    }
    path = _followed(run, layers((x.shape[1], run.hidden, TEN), rng), probes, fitted)
    return path.test.values, _classes(linear, x_test), path.fit.values


def _followed(
    run: Run, start: nn.Module, probes: dict[str, Any], fitted: Callable[..., Any]
) -> xr.Dataset:
    """The network on its way."""
    return fitted(
        start, probes=probes, dims={"test": ("point",)},
        optimiser=partial(torch.optim.SGD, lr=run.step_size), schedule=schedule(run.steps),
        rng=streams.generator(run.seed, streams.BATCHES),
    )[1]  # fmt: skip


def _linear(run: Run, start: nn.Module, fitted: Callable[..., Any]) -> nn.Module:
    """L, with momentum, for whole epochs."""
    return fitted(
        start, probes={},
        optimiser=partial(torch.optim.SGD, lr=run.linear_step_size, momentum=0.9, nesterov=True),
        schedule=(run.linear_epochs * -(-run.train // run.batch),),
        rng=streams.generator(run.seed, streams.NOISE),
    )[0]  # fmt: skip


def _classes(module: nn.Module, x: NDArray[np.floating]) -> Labels:
    """The class of the largest output, (n,)."""
    with torch.no_grad():
        return module(torch.from_numpy(x)).argmax(dim=1).numpy()


def layers(sizes: tuple[int, ...], rng: Generator) -> nn.Sequential:
    """Linear maps with ReLUs between, weights uniform in +-sqrt(6 / (in + out)), biases zero."""
    maps = [_drawn(inside, outside, rng) for inside, outside in pairwise(sizes)]
    found = [part for one in maps for part in (one, nn.ReLU())]
    return nn.Sequential(*found[:-1])


def _drawn(inside: int, outside: int, rng: Generator) -> nn.Linear:
    layer, bound = nn.Linear(inside, outside), np.sqrt(6 / (inside + outside))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(rng.uniform(-bound, bound, (outside, inside))))
        layer.bias.zero_()
    return layer


def permuted(group: Labels, f: Labels, draws: int, rng: Generator) -> Labels:
    """F (N,) shuffled among the points of equal `group` (N,), (draws, N)."""
    base = np.argsort(group, kind="stable")
    # A key in [0, 1) keeps each group where it is.
    order = np.argsort(group[base] + rng.random((draws, len(f))), axis=1)
    found = np.empty((draws, len(f)), dtype=np.int64)
    found[:, base] = f[base][order]
    return found


def _scored(y: Labels, simple: Labels, classes: int, f: Labels) -> Array:
    """All informations of predictions F (..., N), (..., estimator, quantity)."""
    tables = information.table(f, y, simple, classes)
    both = [information.stacked(tables, name) for name in information.ESTIMATORS]
    return np.stack(both, axis=-2)


def _baselines(
    f: Labels, groups: Sequence[Labels], score: Callable[[Labels], Array], draws: int,
    rng: Generator,
) -> list[Array]:  # fmt: skip
    """Of each baseline, F shuffled over all points and within the groups: `_summary`."""
    within = np.zeros_like(f), *groups
    return [_summary(score(permuted(group, f, draws, rng))) for group in within]


def _summary(values: Array) -> Array:
    """Mean, 95 % band and first permutation, (statistic, estimator, quantity)."""
    band = np.quantile(values, (0.025, 0.975), axis=0)
    return np.stack([values.mean(axis=0), *band, values[0]])


def checks(runs: Runs) -> list[Check]:
    """mu against its baselines; the ratio only where L is wrong often enough to leave errors room.

    What L explains is judged only where both estimators agree.
    """
    digits, cifar = (_judged(runs, group) for group in ("digits", "cifar10"))
    return [
        _band(runs, digits),
        _ratio(runs, cifar),
        _difference(runs, "N12.difference", "ten digits", digits),
        _difference(runs, "N12.cifar10", "CIFAR-10, ten classes", cifar),
    ]


def _band(runs: Runs, digits: xr.Dataset) -> Check:
    """mu is above what it is without any relation."""
    one, high = (_end(values(digits, "mu", BASELINES[0], name)) for name in ("one", "high"))
    return check(
        runs, "N12.band", "empirical",
        "ten digits, end of training: share of splits with mu above the 95 % band of "
        "shuffled predictions",
        claims.share(_end(values(digits, "mu")) > high), claims.every_seed(),
        ("a shuffle in place of F: the same", claims.share(one > high)),
        unless=_untrained(digits),
    )  # fmt: skip


def _ratio(runs: Runs, cifar: xr.Dataset) -> Check:
    """L explains early what F knows, where an estimate can be had."""
    return check(
        runs, "N12.ratio", "empirical",
        "CIFAR-10, ten classes, up to the step at which F has matched L: mean over splits of "
        "mu / I(F;Y), Miller-Madow",
        early_mean(cifar, explained(cifar)), claims.at_least(EXPLAINED),
        ("F shuffled within the class, errors independent of L's: the same",
         early_mean(cifar, explained(cifar, BASELINES[1]))),
        unless=_untrained(cifar) or _unclear(correction(cifar).value),
    )  # fmt: skip


def _unclear(off: float) -> str:
    """Why I(F;Y|L) cannot be estimated, by the size of its correction."""
    size = f"{off:.0%} of its plug-in value, {SIGNAL:.0%} or more"
    return f"the correction of I(F;Y|L) is {size}" if off >= SIGNAL else ""


def _judged(runs: Runs, group: str) -> xr.Dataset:
    cells = runs(group, hidden=JUDGED_HIDDEN)
    return cells.isel(cell=cells.steps.values >= ENOUGH_STEPS)


def _untrained(cells: xr.Dataset) -> str:
    return "" if cells.sizes["cell"] else "no trained network"


def _difference(runs: Runs, id: str, where: str, cells: xr.Dataset) -> Check:
    """Both have the same table of F and Y and of L and Y, so that most of the bias cancels."""
    null, own = (explained(cells, BASELINES[1], one, "plug-in") for one in ("mean", "one"))
    gain = explained(cells, estimator="plug-in") - null
    return check(
        runs, id, "empirical",
        f"{where}, up to the step at which F has matched L: mu / I(F;Y) less the same with "
        "independent errors, plug-in",
        early_mean(cells, gain), claims.interval_above(0),
        ("one shuffle in place of F: the same", early_mean(cells, own - null)),
        unless=_untrained(cells),
    )  # fmt: skip


def _end(found: xr.DataArray) -> Array:
    return found.isel(probe=-1).values


def values(
    cells: xr.Dataset, name: str, which: str = "", statistic: str = "mean",
    estimator: str = "plug-in", classes: int = TEN,
) -> xr.DataArray:  # fmt: skip
    """(cell, probe): an information of the network's predictions, or a baseline's `statistic`."""
    found = cells.shuffled.sel(baseline=which, statistic=statistic) if which else cells.found
    return found.sel(classes=classes, estimator=estimator, quantity=name)


def early(cells: xr.Dataset) -> NDArray[np.bool_]:
    """(cell, probe): until I(F;Y) reaches I(L;Y), and better than twice chance."""
    matched = (values(cells, "network") >= values(cells, "simple")).values
    before = np.cumsum(matched, axis=1) - matched == 0
    return before & (cells.accuracy.sel(model="network").values > 2 / TEN)


def early_mean(cells: xr.Dataset, found: xr.DataArray) -> Estimate:
    """Mean over the early probes of each split, then over the splits."""
    kept = zip(found.values, early(cells), strict=True)
    return claims.mean([row[chosen].mean() for row, chosen in kept if chosen.any()])


def correction(cells: xr.Dataset) -> Estimate:
    """Mean of |Miller-Madow - plug-in| / plug-in of I(F;Y|L) over the early probes."""
    plain, corrected = (values(cells, "beyond", estimator=name) for name in information.ESTIMATORS)
    return early_mean(cells, abs(corrected - plain) / plain)


def explained(
    cells: xr.Dataset, which: str = "", statistic: str = "mean", estimator: str = "miller-madow",
    classes: int = TEN,
) -> xr.DataArray:  # fmt: skip
    """mu / I(F;Y) (cell, probe) of the network, or of a baseline."""
    mu, network = (
        values(cells, name, which, statistic, estimator, classes) for name in ("mu", "network")
    )
    return mu / network
