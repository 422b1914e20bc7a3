"""The predictions on both sides of their criteria, with made-up runs whose ends are known."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import xarray as xr

from simplicity.evidence.claims import Check
from simplicity.grid import groups
from simplicity.together import ends, phase_checks, watched
from simplicity.together.experiments import simple_phase_ends
from simplicity.together.strata import LEARNABLE, STRATA

CLOCK = np.geomspace(0.01, 1000, 90)
KNOWN = 0.3  # I(L;Y)


def rise(at: float, low: float, level: float) -> np.ndarray:
    """A curve that is `low` before a time, is at `level` there, and goes on."""
    return np.where(CLOCK < at, low, level) + (level - low) * np.log(CLOCK / at)


def curves(name: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A run that does what the predictions say."""
    one = STRATA[name]
    small, kernel = one.start == "small" and one.scale < 1, one.scale > 2
    t10 = math.exp(0.1 * rng.standard_normal()) / one.loud
    own = math.exp(0.3 * rng.standard_normal())
    static = 60 * own * (one.dim / 15) ** 0.5
    dynamic = 0.3 if small else static
    nakkiran = 1.1 * static * (4.0 if kernel else 1.0)
    loukas = static * (2.0 if kernel else 1.3)
    leaves = 15.0 if small and name != "linear many" else math.inf
    blind = one.shuffled or one.target == "xor"
    later = 0.7 + 0.3 * (CLOCK > 1)
    alignment = np.where((CLOCK > 0.5) & (CLOCK < leaves), 0.99, 0.3 if small else 0.1)
    known = 1e-4 if blind else KNOWN
    beyond = np.clip(0.15 + 0.4 * np.log(CLOCK / nakkiran), 0, 0.6) * (not blind)
    information = np.where(CLOCK < 1, 0.5, 1.01) * KNOWN * (not blind) + beyond
    steep = one.loud * one.frequency ** np.where(CLOCK > 1.5, 0.5, 0.0)
    return {
        "loss": np.where(CLOCK < t10, 1.0, 0.5),
        "information": information,
        "beyond": beyond,
        "mu": later * (1 - 0.3 * (one.flipped > 0) * (CLOCK > 100)),
        "mu_rival": information - 0.25,
        "nonlinear": np.clip(0.1 + 0.2 * np.log(CLOCK / static), 0.01, 1),
        "dynamic": np.clip(0.1 + 0.2 * np.log(CLOCK / dynamic), 0.01, 1),
        "alignment": alignment if small else np.full(len(CLOCK), 0.1),
        "relative": np.clip(1.5 + np.log(CLOCK / loukas), 1, 3),
        "lipschitz": steep,
        "linear_information": np.array(known),
    }


def run_of(change: str = "", seeds: int = 10) -> groups.Runs:
    """All conditions; a change spoils one thing."""
    full = dataclasses.replace(simple_phase_ends.GRID.presets["FULL"], seeds=seeds)
    cells, runs = [], simple_phase_ends.GRID.runs(full)
    for run in runs:
        rng = np.random.default_rng([run.seed, list(STRATA).index(run.stratum)])
        made = curves(run.stratum, rng)
        if change == "unrelated":
            made["nonlinear"] = np.clip(0.1 + 0.2 * np.log(CLOCK / rng.uniform(30, 110)), 0.01, 1)
        if change == "steady":
            made["relative"] = np.ones(len(CLOCK))
        if change == "never aligned":
            made["alignment"] = np.full(len(CLOCK), 0.5)
        if change == "forgets":
            made["mu"] = np.where(CLOCK > 100, 0.5, 1.0)
        cells.append(made | {"clock": CLOCK})
    fields = {name: [getattr(run, name) for run in runs] for name in dataclasses.asdict(runs[0])}
    whole = xr.Dataset(
        {
            name: (
                ("cell", "time") if cells[0][name].ndim else "cell",
                [one[name] for one in cells],
            )
            for name in cells[0]
        },
        {name: ("cell", values) for name, values in fields.items()},
    )
    attrs = {"config": json.dumps(dataclasses.asdict(full)), "preset": "FULL"}
    return groups.Runs(whole.assign_attrs(attrs), simple_phase_ends.GRID)


@pytest.fixture(scope="module")
def found() -> dict[str, Check]:
    return {one.id: one for one in simple_phase_ends.checks(run_of())}


def test_runs_that_do_what_is_predicted_meet_every_criterion(found: dict[str, Check]) -> None:
    assert {name: one.outcome for name, one in found.items() if not one.holds} == {}
    assert len(found) == 21


def spoiled(change: str) -> set[str]:
    return {one.id for one in simple_phase_ends.checks(run_of(change)) if one.holds is not True}


def test_unrelated_ends_do_not_agree(found: dict[str, Check]) -> None:
    assert {"H47.bits", "H47.slopes"} <= spoiled("unrelated")
    assert found["H47.bits"].value > 0.6


def test_a_slope_that_never_grows_is_the_last_and_leaves_nothing_to_rank() -> None:
    # it is the last at the kernel's scale too, where it should not be
    assert spoiled("steady") == {"H47.slopes", "H46.kernel", "L45.last"}


def test_neurons_that_never_align_spoil_what_rests_on_alignment() -> None:
    lost = spoiled("never aligned")
    assert {"B40.small", "B40.few", "H46.small"} <= lost and "H46.near" not in lost


def test_what_is_forgotten_is_not_kept() -> None:
    assert spoiled("forgets") == {"N35.kept"}


def test_the_agreement_needs_sixty_runs() -> None:
    few = {one.id: one for one in simple_phase_ends.checks(run_of(seeds=4))}
    assert few["H47.bits"].passed is None
    assert few["H47.bits"].control.why == "52 seeds, 60 are needed"
    assert len(LEARNABLE) == 13


def test_a_run_is_the_same_network_that_the_lenses_saw() -> None:
    """The curves of a short run against the network trained again without any lens."""
    run = dataclasses.replace(
        simple_phase_ends.GRID.runs(simple_phase_ends.GRID.presets["TINY"])[0],
        width=12,
        test_samples=400,
    )
    found = simple_phase_ends.measure(run)
    x, y, fresh, fresh_y, net = simple_phase_ends.draw(run)
    steps = round(float(found.clock[-1]) / STRATA[run.stratum].rate)
    rng = simple_phase_ends.generator(run, 2)
    rows = watched.batches(len(x), run.batch, steps, rng)
    for batch in rows:
        loss = 0.5 * (net(x[batch]) - y[batch]).square().mean()
        for one, slope in zip(
            net.parameters(), torch.autograd.grad(loss, list(net.parameters())), strict=True
        ):
            one.data -= STRATA[run.stratum].rate * slope
    f = net(fresh).detach().double().numpy()[:, 0]
    design = np.column_stack([np.ones(400), fresh.double().numpy()])
    rest = f - design @ np.linalg.lstsq(design, f, rcond=None)[0]
    share = np.sum(rest**2) / (400 - 16) / f.var(ddof=1)
    assert float(found.nonlinear[-1]) == pytest.approx(share, rel=2e-3)
    right = np.mean((f > 0) == (fresh_y.numpy()[:, 0] > 0))
    assert float(found.accuracy[-1]) == pytest.approx(right, abs=6e-3)
    scored = simple_phase_ends.SCORED
    missing = net(x[:scored]).detach() - y[:scored]
    loss_now = float(missing.square().mean() / y[:scored].square().mean())
    assert float(found.loss[-1]) == pytest.approx(loss_now, rel=2e-3)


def test_checkpoints_are_whole_steps_as_many_as_asked() -> None:
    found = simple_phase_ends.checkpoints(2500, 48)
    assert len(found) >= 48 and found[0] == 1 and found[-1] == 2500
    ratios = np.diff(np.log(found[20:]))
    assert ratios.max() < 0.25


def test_four_digits_are_kept() -> None:
    given = np.array([1.23456, -0.000123456, 0.0, np.nan, 12345.6])
    wanted = np.array([1.235, -0.0001235, 0, np.nan, 12350], np.float32)
    np.testing.assert_allclose(simple_phase_ends.rounded(given), wanted, rtol=1e-6)


def test_a_shift_with_the_own_clock_keeps_what_the_clock_alone_makes() -> None:
    """Where T10 alone differs between runs, own clocks agree and other runs' do not."""
    run = run_of().where(stratum=LEARNABLE)
    factor = np.exp(np.random.default_rng(0).standard_normal(run.sizes["cell"]))
    loss = np.where(CLOCK[None] < factor[:, None], 1.0, 0.5)
    run = run.assign(loss=(("cell", "time"), loss))
    pair = phase_checks.PAIRS["bits"]
    own = phase_checks.agreement(run, pair, 1.0, "time")
    other = phase_checks.agreement(run, pair, 1.0, "both")
    assert own.tau > 0.4 and abs(other.tau) < 0.2
    assert ends.FACTORS == (0.5, 1.0, 2.0)
