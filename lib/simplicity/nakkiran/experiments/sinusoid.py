"""A linear rule with a wave on it: what a network learns first, keeps, and when.

Nakkiran et al. 2019, the synthetic task of their code (claims N4-N9, N11, N19, N21): x ~ N(0, I_d),
y = 1[b <w, x> + A sin(f <w', x>) > 0] with w and w' orthonormal, here at d = 30 and with 8,000
samples. The authors' own size can be run and is not recorded. Fresh test samples for each seed, so
an interval over seeds has the error of the test sample in it. Groups other than `plain` are
controls, limits, and that size.
"""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.random import Generator
from torch import nn

from simplicity.data import streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Control, Estimate, check, control
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import explain, explain_checks, information, linear_phase
from simplicity.nakkiran.explain import Recipe, Samples, tables
from simplicity.nakkiran.explain_checks import Setting
from simplicity.nets import modules

CLAIMS = ("N4", "N5", "N6", "N7", "N8", "N9", "N11", "N19", "N21")

OTHERS = ("other network",)
SIMPLE = ("linear", "forest", "wave", *OTHERS)
LINEAR_RECIPE = Recipe(0.001, 32, 20)  # the authors', for this task
SCORED = 20_000  # training points that are scored, at most


class Kind(NamedTuple):
    """What a kind changes of the plain task; the groups say what it changes of its size."""

    slope: float = 1.0
    product: bool = False
    start_factor: float = 1.0
    flipped: float = 0.0
    wave_first: bool = False


KINDS = {
    "plain": Kind(),
    "two networks": Kind(),  # the plain task, with second networks to explain the first
    "product": Kind(product=True),  # y = 1[x_1 x_2 > 0]: nothing linear in it
    "wave first": Kind(wave_first=True),  # as many steps on the sign of the wave, then the task
    "large start": Kind(start_factor=4),
    "weak line": Kind(slope=0.2),
    "noisy": Kind(flipped=0.1),
    "paper size": Kind(),
}


@config.settings
class Run(explain.Run):
    """The task and the network on it."""

    kind: str = config.param("plain", "variant of the task", choices=KINDS)
    dim: int = config.param(30, "input dimension d", low=2, high=10_000)
    samples: int = config.param(4000, "training samples", unit="samples", low=50, high=10**7)
    amplitude: float = config.param(1.7, "A, of the wave", low=0, high=100)
    frequency: float = config.param(1.7, "f, of the wave", low=0, high=100)
    test_samples: int = config.param(10_000, "fresh samples", unit="samples", low=100, high=10**7)


GRID = Grid(
    Run,
    groups={
        "plain": {"kind": "plain"},
        "wave_first": {"kind": ()},
        "two_networks": {"kind": ()},
        "large_start": {"kind": (), "step_size": 0.02 / 4**2},
        "weak_line": {"kind": ()},
        # Until the flipped labels are fitted too.
        "noisy": {"kind": (), "samples": 4000, "epochs": 240, "step_size": 0.03},
        "paper_size": {
            "kind": (), "dim": 100, "samples": 50_000, "step_size": 0.01, "epochs": 16
        },
    },
    quick={"seeds": 2},
    full={
        "two_networks_kind": ("two networks",), "large_start_kind": ("large start",),
        "weak_line_kind": ("weak line",), "noisy_kind": ("noisy",),
        "wave_first_kind": ("wave first",),
        "samples": 8000, "epochs": 40, "test_samples": 20_000, "probes": 48, "seeds": 5,
        "first_seed": 1_000_000,
    },
    tiny={
        "dim": 5, "samples": 200, "width": 16, "epochs": 2,
        "test_samples": 500, "probes": 6,
    },
)  # fmt: skip


def measure(run: Run) -> xr.Dataset:
    """Tables with each of `SIMPLE` at each checkpoint; all zero for second networks without any.

    L and the forest are fitted to true labels, whatever the network is trained on, and tested on
    true ones.
    """
    samples, (wave_seen, wave) = draw(run)
    fit = partial(explain.logistic, samples.x, samples.y, LINEAR_RECIPE)
    line, simple = explain.simple_ones(samples, fit, run.seed)
    simple["wave"] = wave
    seen = samples._replace(y=samples.y ^ _flipped(run))
    if run.kind == "two networks":
        simple[OTHERS[0]] = _other(run, seen.x, seen.y)(samples.x_test)
    found = explain.follow(
        _begun(run, seen.x, wave_seen), seen, simple, line(seen.x[:SCORED]),
        rate=run.step_size, batch=run.batch, at=run.looked_at(run.samples),
        order=streams.generator(run.seed, streams.BATCHES),
    )[1]  # fmt: skip
    # The authors' size takes more steps, so they are no coordinate.
    return found.reindex(simple=list(SIMPLE), fill_value=0).reset_coords("step")


def _flipped(run: Run) -> np.ndarray:
    """Which labels the network is trained on wrongly, (samples,)."""
    coins = streams.generator(run.seed, streams.NOISE).random(run.samples)
    return coins < KINDS[run.kind].flipped


def _begun(run: Run, x: np.ndarray, wave: np.ndarray) -> nn.Module:
    """The network before the task, of which it may have learnt the sign of the wave."""
    module = network(run, streams.generator(run.seed, streams.INITIALISATION))
    if not KINDS[run.kind].wave_first:
        return module
    return _trained(run, module, x, wave, streams.generator(run.seed, streams.OTHER))


def _trained(
    run: Run, start: nn.Module, x: np.ndarray, y: np.ndarray, order: Generator
) -> nn.Module:
    """The network after as many steps as the run takes, unobserved."""
    return explain.last(
        start, x, y, rate=run.step_size, batch=run.batch, steps=steps(run), order=order
    )


def draw(run: Run) -> tuple[Samples, tuple[np.ndarray, np.ndarray]]:
    """The run's samples with true labels, and the sign of its wave on both samples."""
    data = streams.generator(run.seed, streams.DATA)
    plane = np.linalg.qr(data.standard_normal((run.dim, 2)))[0]
    x, y, wave_seen = _labelled(run, plane, run.samples, data)
    test = streams.generator(run.seed, streams.TEST)
    x_test, y_test, wave = _labelled(run, plane, run.test_samples, test)
    return Samples(x, y, x_test, y_test), (wave_seen, wave)


def _labelled(
    run: Run, plane: np.ndarray, n: int, rng: Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, true labels, and the sign of the wave; w and w' are the columns of `plane`."""
    kind, x = KINDS[run.kind], rng.standard_normal((n, run.dim))
    along, across = (x @ plane).T
    wave = run.amplitude * np.sin(run.frequency * across)
    y = along * across > 0 if kind.product else kind.slope * along + wave > 0
    return x.astype(np.float32), y, wave > 0


def network(run: Run, rng: Generator) -> nn.Module:
    """The run's network at its start."""
    law = modules.scaled(modules.glorot, KINDS[run.kind].start_factor)
    return modules.fully_connected((run.dim, run.width, run.width), rng, law)


def steps(run: Run) -> int:
    return explain.steps_of(run.samples, run.batch, run.epochs)


def _other(run: Run, x: np.ndarray, y: np.ndarray) -> explain.Predict:
    """A second network on the same inputs, with a start and an order of its own."""
    rng = streams.generator(run.seed, streams.OTHER)
    return partial(modules.predict, _trained(run, network(run, rng), x, y, rng))


def checks(runs: Runs) -> list[Check]:
    """If a group that a control needs was not run, that control is not judged."""
    plain, large, wave_first = (
        Setting(runs[group], "sinusoid", "sinusoid")
        for group in ("plain", "large_start", "wave_first")
    )
    noisy = Setting(runs["noisy"], "sinusoid, a tenth of the labels flipped", "sinusoid")
    fits = explain_checks.fitted(runs["noisy"], 0.999)
    interpolating = noisy.select(fits, f"{noisy.where}, all fitted")
    true = claims.no_control("true labels: the check of N7 holds")
    few = plain.few()
    return [
        *explain_checks.explained(runs, plain),
        # In half of the blocks of three seeds one has no T0.
        *explain_checks.matched(runs, plain, _never(large), few),
        _order(runs),
        *explain_checks.retained(runs, plain, wave_first, _forgets(interpolating)),
        explain_checks.widens(runs, plain),
        *explain_checks.alternatives(runs, plain, few),
        _second_network(runs),
        explain_checks.kept(runs, "N8.peak", interpolating, true),
    ]


def _never(large: Setting) -> Control:
    """A start too large for a linear phase."""
    rule = claims.fails(claims.every_seed())
    return control("large start: share of runs with T0", large.matched(), rule)


def _forgets(interpolating: Setting) -> Control:
    """A fitted network that has lost what L explained."""
    rule = claims.fails(claims.at_least(explain_checks.KEPT))
    what = "a tenth of the labels flipped, and fitted"
    return control(what, interpolating.mean("kept_end"), rule)


def _order(runs: Runs) -> Check:
    """N6: at T0 the line is known and the wave, which tells more about the label, is not."""
    lead, weak = (claims.mean(_line_over_wave(runs[group])) for group in ("plain", "weak_line"))
    return check(
        runs, "N6.order", "empirical",
        "sinusoid: mu with L minus mu with the sign of the wave at T0, bits",
        lead, claims.interval_above(0), ("a weak line", weak),
        unless="" if runs["weak_line"].sizes["cell"] else "the control, a weak line, was not run",
    )  # fmt: skip


def _second_network(runs: Runs) -> Check:
    """N11: a network of another start, at its end, explains the first as L does only early."""
    others = tables(runs["two_networks"], OTHERS[0])
    ours, random = _explained(others), _explained(map(linear_phase.independent, others))
    return check(
        runs, "N11.second", "empirical",
        "sinusoid: mean of mu / I(F;Y) over the whole run, a second network in place of L",
        ours, claims.at_least(explain_checks.ENOUGH),
        ("R as accurate as the second network", random),
        unless="" if len(others) else "no second network was trained",
    )  # fmt: skip


def _explained(counts: Iterable[np.ndarray]) -> Estimate:
    """mu / I(F;Y) over whole runs."""
    return claims.mean(linear_phase.explained(one, len(one) - 1) for one in counts)


def _line_over_wave(cells: xr.Dataset) -> list[float]:
    """For each run mu with L minus mu with the sign of the wave at T0, NaN without one."""
    both = zip(tables(cells, "linear"), tables(cells, "wave"), strict=True)
    return [_lead(line, wave) for line, wave in both]


def _lead(line: np.ndarray, wave: np.ndarray) -> float:
    at = linear_phase.first_match(line)
    mu, mu_wave = (information.information(table).mu for table in (line, wave))
    return float("nan") if at is None else float(mu[at] - mu_wave[at])
