"""A linear rule with a wave on it: what a network learns first, keeps, and when (claims N4-N9, N11, N19).

Nakkiran et al. 2019, the synthetic task of their code: x ~ N(0, I_d), y = 1[b <w, x> + A sin(f <w', x>) > 0] with w and w'
orthonormal, here at d = 30 and with 8,000 samples, and at the authors' own size. Fresh test samples for each seed, so an
interval over seeds has the error of the test sample in it. Kinds other than `plain` are controls, limits, and that size.
"""

import dataclasses
from functools import partial

import numpy as np
import xarray as xr
from torch import nn

from simplicity.data import streams
from simplicity.evidence.claims import (
    Check,
    at_least,
    below,
    cells_where,
    check,
    control,
    every_seed,
    interval_above,
    mean,
    no_control,
    share,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds, shared
from simplicity.nakkiran import explain, explain_checks, information, linear_phase
from simplicity.nakkiran.explain import Recipe, Samples
from simplicity.nets import modules

CLAIMS = ("N4", "N5", "N6", "N7", "N8", "N9", "N11", "N19")

SIMPLE = ("linear", "forest", "wave", "other network", "network of permuted labels")
LINEAR_RECIPE = Recipe(0.001, 32, 20)  # the authors', for this task
SCORED = 20_000  # training points that are scored, at most


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a kind changes of the plain task; `more` times as many samples at the same number of steps."""

    slope: float = 1.0
    product: bool = False
    start_factor: float = 1.0
    flipped: float = 0.0
    more: int = 1
    paper_size: bool = False


KINDS = {
    "plain": Kind(),
    "two networks": Kind(),  # the plain task, with second networks to explain the first
    "product": Kind(product=True),  # y = 1[x_1 x_2 > 0]: nothing linear in it
    "large start": Kind(start_factor=4),
    "weak line": Kind(slope=0.2),
    "noisy": Kind(flipped=0.1),
    "ten times the samples": Kind(more=10),
    "paper size": Kind(paper_size=True),
}


@config.settings
class Config:
    kinds: tuple[str, ...] = config.param(("plain", "product"), "variants of the task", choices=KINDS)
    dim: int = config.param(30, "input dimension d", low=2, high=10_000)
    samples: int = config.param(4000, "training samples", unit="samples", low=50, high=10**7)
    amplitude: float = config.param(1.7, "A, of the wave", low=0, high=100)
    frequency: float = config.param(1.7, "f, of the wave", low=0, high=100)
    width: int = config.param(256, "hidden neurons of both layers", unit="neurons", low=1, high=10_000)
    step_size: float = config.param(0.02, "learning rate eta", low=1e-9, high=100)
    batch: int = config.param(32, "samples of a step", unit="samples", low=1, high=10**6)
    epochs: int = config.param(20, "passes over the sample", unit="epochs", low=1, high=10**6)
    test_samples: int = config.param(10_000, "fresh samples", unit="samples", low=100, high=10**7)
    probes: int = config.param(32, "checkpoints, evenly spaced in log(1 + step)", low=4, high=1000)
    seeds: int = config.param(2, "seeds of each setting", low=1, high=100_000)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, kinds=("plain",), dim=5, samples=200, width=16, epochs=2, test_samples=500, probes=6, seeds=2)
FULL = dataclasses.replace(QUICK, kinds=tuple(KINDS), samples=8000, epochs=40, test_samples=20_000, probes=48, seeds=5)
PAPER_SIZE = {"dim": 100, "samples": 50_000, "step_size": 0.01, "epochs": 16}


@dataclasses.dataclass(frozen=True)
class Cell:
    kind: str
    seed: int
    dim: int
    samples: int
    amplitude: float
    frequency: float
    width: int
    step_size: float
    batch: int
    epochs: int
    test_samples: int
    probes: int


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        for name in config.kinds:
            kind, settings = KINDS[name], shared(Cell, config)
            settings |= PAPER_SIZE if kind.paper_size else {}
            settings["samples"] *= kind.more
            settings["epochs"] = max(1, settings["epochs"] // kind.more)
            settings["step_size"] /= kind.start_factor**2
            found.append(Cell(kind=name, seed=seed, **settings))
    return found


def measure(cell: Cell) -> xr.Dataset:
    """Tables with each of `SIMPLE` at each checkpoint; all zero for second networks where a kind has none.

    L and the forest are fitted to true labels, whatever the network is trained on, and tested on true ones.
    """
    samples, wave = draw(cell)
    noise, rng = (streams.generator(cell.seed, stream) for stream in (streams.NOISE, streams.SIMPLE))
    line = explain.logistic(samples.x, samples.y, LINEAR_RECIPE, rng)
    linear = line(samples.x_test)
    trees = explain.forest(samples, float(np.mean(linear == samples.y_test)), rng)
    simple = {"linear": linear, "forest": trees, "wave": wave}
    seen = samples._replace(y=samples.y ^ (noise.random(cell.samples) < KINDS[cell.kind].flipped))
    if cell.kind == "two networks":
        for name, labels in {"other network": seen.y, "network of permuted labels": noise.permutation(seen.y)}.items():
            simple[name] = _other(cell, seen.x, labels)(samples.x_test)
    rngs = {stream: streams.generator(cell.seed, stream) for stream in (streams.INITIALISATION, streams.BATCHES)}
    found = explain.follow(
        network(cell, rngs[streams.INITIALISATION]), seen, simple, line(seen.x[:SCORED]), rate=cell.step_size, batch=cell.batch,
        at=explain.schedule(steps(cell), cell.probes), order=rngs[streams.BATCHES],
    )[1]  # fmt: skip
    return found.reindex(simple=list(SIMPLE), fill_value=0).reset_coords("step")  # the authors' size takes more steps


def draw(cell: Cell) -> tuple[Samples, np.ndarray]:
    """The samples of the cell with true labels, and the sign of its wave on the test samples."""
    kind = KINDS[cell.kind]
    data = streams.generator(cell.seed, streams.DATA)
    plane = np.linalg.qr(data.standard_normal((cell.dim, 2)))[0]

    def labelled(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x = rng.standard_normal((size, cell.dim))
        along, across = (x @ plane).T
        wave = cell.amplitude * np.sin(cell.frequency * across)
        y = along * across > 0 if kind.product else kind.slope * along + wave > 0
        return x.astype(np.float32), y, wave > 0

    x, y, _ = labelled(data, cell.samples)
    x_test, y_test, wave = labelled(streams.generator(cell.seed, streams.TEST), cell.test_samples)
    return Samples(x, y, x_test, y_test), wave


def network(cell: Cell, rng: np.random.Generator) -> nn.Module:
    """The cell's network at its start."""
    law = modules.scaled(modules.glorot, KINDS[cell.kind].start_factor)
    return modules.fully_connected((cell.dim, cell.width, cell.width), rng, law)


def steps(cell: Cell) -> int:
    return explain.steps_of(cell.samples, cell.batch, cell.epochs)


def _other(cell: Cell, x: np.ndarray, y: np.ndarray) -> explain.Predict:
    """A second network on the same inputs, with a start and an order of its own."""
    rng = streams.generator(cell.seed, streams.OTHER)
    module = explain.last(network(cell, rng), x, y, rate=cell.step_size, batch=cell.batch, steps=steps(cell), order=rng)
    return partial(modules.predict, module)


def tables(dataset: xr.Dataset, name: str) -> np.ndarray:
    """Those with one of `SIMPLE`, (cell, probe, f, y, l)."""
    return dataset.counts.sel(simple=name).transpose("cell", "probe", "f", "y", "l").values


def checks(dataset: xr.Dataset) -> list[Check]:
    """Of each kind that the dataset has; where one that a control needs is missing, that control is not judged."""
    parts = {kind: cells_where(dataset, kind=kind) for kind in KINDS}
    if not parts["plain"].sizes["cell"]:
        return []
    runs = {kind: explain_checks.Runs(part, "sinusoid") for kind, part in parts.items()}
    plain, large = runs["plain"], runs["large start"].phases
    nothing = control(
        "a product, nothing linear in it: largest mu of a run, bits", mean(_largest(parts["product"])), below(0.01)
    )
    unmatched = share(not np.isfinite(run.match) and run.matched_information <= 0.5 for run in large)
    never = control("large start: share of runs without T0 and with at most half of I(L;Y)", unmatched, every_seed())
    enough = len(plain.phases) >= explain_checks.ENOUGH_SEEDS
    return [
        *explain_checks.explained(dataset, plain, nothing),
        *(explain_checks.matched(dataset, plain, never) if enough else []),  # in half of the blocks of three a run has none
        *_order(dataset, parts),
        *explain_checks.retained(dataset, plain),
        *_widens(dataset, plain, runs["ten times the samples"]),
        *explain_checks.alternatives(dataset, plain, enough),
        *_second_network(dataset, parts["two networks"]),
        *_noisy(dataset, runs["noisy"]),
    ]


def _largest(dataset: xr.Dataset) -> list[float]:
    """The largest mu of each run, in bits."""
    return [float(information.information(table).mu.max()) for table in tables(dataset, "linear")]


def _order(dataset: xr.Dataset, parts: dict[str, xr.Dataset]) -> list[Check]:
    """N6, FULL only: at T0 the line is known and the wave, which tells more about the label, is not."""
    if not parts["weak line"].sizes["cell"]:
        return []
    return [
        check(
            dataset, "N6", "empirical", "sinusoid: mu with L minus mu with the sign of the wave at T0, bits",
            mean(_line_over_wave(parts["plain"])), interval_above(0),
            control("a weak line: the same, its sign turned", mean(_line_over_wave(parts["weak line"])), below(0)),
        )
    ]  # fmt: skip


def _line_over_wave(dataset: xr.Dataset) -> list[float]:
    found = []
    for line, wave in zip(tables(dataset, "linear"), tables(dataset, "wave"), strict=True):
        at = linear_phase.first_match(line)
        mu, mu_wave = (information.information(table).mu for table in (line, wave))
        found.append(float("nan") if at is None else float(mu[at] - mu_wave[at]))
    return found


def _widens(dataset: xr.Dataset, plain: explain_checks.Runs, more: explain_checks.Runs) -> list[Check]:
    """N9, FULL only; with ten times the samples, at the same number of steps, the gap stays below a third of the plain one."""
    if not more.phases:
        return []
    ratio = [run.gap_end / plain.mean(lambda other: other.gap_end).value for run in more.phases]
    narrow = control("ten times the samples: gap at the end over the plain one", mean(ratio), below(1 / 3))
    return explain_checks.widens(dataset, plain, narrow)


def _second_network(dataset: xr.Dataset, part: xr.Dataset) -> list[Check]:
    """N11: a network of another start, at its end, explains the first at each checkpoint as L does only early."""
    if not part.sizes["cell"]:
        return []
    last = part.sizes["probe"] - 1
    ours, permuted = (
        [linear_phase.explained(table, last) for table in tables(part, name)]
        for name in ("other network", "network of permuted labels")
    )
    return [
        check(
            dataset, "N11", "empirical", "sinusoid: mean of mu / I(F;Y) over the whole run, a second network in place of L",
            mean(ours), at_least(explain_checks.ENOUGH),
            control("a second network trained on permuted labels", mean(permuted), below(0.1)),
        )
    ]  # fmt: skip


def _noisy(dataset: xr.Dataset, runs: explain_checks.Runs) -> list[Check]:
    """N8, beside the digits: nearly fitted wrong labels cost some of what L explained."""
    if not runs.phases:
        return []
    return [
        check(
            dataset, "N8", "empirical", "sinusoid, a tenth of the labels flipped: mu at the end over its largest value",
            runs.mean(lambda run: run.kept_end), at_least(0.9), no_control("true labels: the check of N7"),
        )
    ]  # fmt: skip
