"""The engine of cones against the plain sweep, which knows none of them, and its certificates
against the full computation.
"""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from simplicity import nets
from simplicity.boursier import cones, ols, synthetic, two_layer
from simplicity.nets.loop import Diverged
from simplicity.process import threads

SETTINGS = {"step_size": 0.1, "probes": {}, "tolerance": 1e-6}


def problem(law: str, n: int, width: int = 200, scale: float = 1e-3):
    task = synthetic.linear_task(law, n, 5, 0.25, seed=0, n_test=1)
    return task, nets.dominated(width, 5, scale, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("law", "n", "steps"), [("gaussian", 40, 3000), ("gaussian", 320, 1500), ("margin", 320, 5000)]
)
def test_the_steps_are_those_of_the_plain_sweep(law, n, steps):
    # n = 40: every sample is a candidate. Gaussian: most neurons chatter. Margin: cones sleep, and
    # the stopping rule ends it.
    task, start = problem(law, n)
    schedule = (0, 100, 700, steps)
    ours, by_cones = cones.descend(start, task.x, task.y, schedule=schedule, **SETTINGS)
    theirs, plain = two_layer.descend(start, task.x, task.y, schedule=schedule, **SETTINGS)
    assert by_cones.stopped_at == plain.stopped_at and by_cones.plain_steps < 0.6 * plain.stopped_at
    assert (plain.stopped_at < steps) == (law == "margin")
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.a, theirs.a, rtol=0, atol=1e-9)
    assert float(by_cones.force) == pytest.approx(float(plain.force), rel=1e-6)
    errors = [ols.mse(nets.forward(network, task.x), task.y) for network in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-9)


# Of 400 steps with portable arithmetic, by a process that compiles. Read from numba's cache without
# `cached.settle` the same code gives 0599a6f9...
COMPILED = "6ea708a52c47ae2a074dd8388444ba53d399398b22145be83a869045a2affaa3"


def short() -> str:
    task, start = problem("gaussian", 40)
    network, _ = cones.descend(start, task.x, task.y, schedule=(0, 400), **SETTINGS)
    return hashlib.sha256(network.w.tobytes()).hexdigest()


def test_code_from_the_cache_gives_the_bits_of_the_process_that_compiled_it():
    ours = short()  # afterwards the cache holds it, whoever compiled it
    code = "import sys; sys.path[:0] = sys.argv[1:]; import test_cones; print(test_cones.short())"
    done = subprocess.run(
        [sys.executable, "-c", code, *sys.path], capture_output=True, encoding="utf-8"
    )
    assert done.stdout.strip() == ours, done.stderr
    if threads.label() == "portable":
        assert ours == COMPILED


def aligned(law: str, n: int, steps: int):
    """A problem after so many plain steps, and the arguments that the compiled loop takes beside
    the network.
    """
    task, start = problem(law, n)
    network, _ = two_layer.descend(
        start, task.x, task.y, step_size=0.1, schedule=(0, steps), probes={}
    )
    return task, network, (cones.data_of(task.x.T, task.y), *cones.state(n, len(start.a), 5))


def violations(network: nets.TwoLayer, task, sectors, groups, blocks, work) -> tuple[int, int, int]:
    """Of all (neuron, sample): wrong beliefs, how many are believed, and how many are watched."""
    truth, belief = network.w @ task.x.T > 0, np.zeros((len(network.a), len(task.y)))
    for block in range(work.used[2]):
        for owner in blocks.owner[block]:
            if owner >= 0 and blocks.live[block]:
                g = blocks.cone[block]
                s, watched = groups.sector[g], groups.samples[g, : groups.watching[g]]
                candidates = sectors.candidates[s, : sectors.number[s]]
                belief[owner] = sectors.far[s]
                belief[owner, candidates] = groups.mask[g, : len(candidates)]
                belief[owner, watched] = np.nan
    watched = np.isnan(belief)
    return int((~watched & (belief != truth)).sum()), int((~watched).sum()), int(watched.sum())


@pytest.mark.parametrize("n", [60, 320])
@pytest.mark.parametrize("steps", [1, 2, 7, 40, 200, 600])
def test_no_sample_that_is_not_watched_has_changed_sides(n, steps):
    task, network, arguments = aligned("gaussian", n, 600)
    done, _, _ = cones._run(network.a, network.w, *arguments, steps, 0.0, 0.1, (0.0,) * 5)
    wrong, believed, watched = violations(network, task, *arguments[1:])
    assert 0 < done <= steps and watched > 0 and wrong == 0
    assert believed + watched == network.w.shape[0] * n
    # The check can fail: the same cones are wrong about the network that they had before.
    task, moved, _ = aligned("gaussian", n, 0)
    assert violations(moved, task, *arguments[1:])[0] > 0


def test_on_margin_data_cones_sleep_and_a_step_costs_the_same_for_any_width():
    task, network, arguments = aligned("margin", 320, 400)
    cones._run(network.a, network.w, *arguments, 100, 0.0, 0.1, (0.0,) * 5)
    groups, work = arguments[2], arguments[4]
    members = groups.members[: work.used[1]]
    # what the theorem's limit has
    assert members.sum() == len(network.a) and (members > 0).sum() == 2
    # all steps since they fell asleep were of moments
    assert np.all(groups.turned[: work.used[1]][members > 0] > 0)


def test_neurons_and_samples_that_are_zero_stay_what_they_are():
    task, start = problem("margin", 100)
    w, x = start.w.copy(), task.x.copy()
    w[3], x[5] = 0, 0
    ours, by_cones = cones.descend(
        nets.TwoLayer(start.a, w), x, task.y, schedule=(0, 400), **SETTINGS
    )
    theirs, _ = two_layer.descend(
        nets.TwoLayer(start.a, w), x, task.y, schedule=(0, 400), **SETTINGS
    )
    assert by_cones.plain_steps < 400 and np.all(ours.w[3] == 0) and ours.a[3] == start.a[3]
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-9)


def test_a_network_that_never_aligns_is_left_to_the_plain_sweep():
    task, start = problem("gaussian", 320, width=500, scale=1.0)
    ours, by_cones = cones.descend(start, task.x, task.y, schedule=(0, 600), **SETTINGS)
    theirs, _ = two_layer.descend(start, task.x, task.y, schedule=(0, 600), **SETTINGS)
    assert by_cones.plain_steps > 0.95 * 600
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-9)


def test_cones_are_tried_again_after_a_quarter_of_the_steps_and_512_at_most(monkeypatch):
    # At n = 2560 a plain step costs more than trying: one failure late in a run must not hand a
    # quarter of it to the sweep.
    _, start = problem("margin", 20, width=3)
    hybrid, tried = cones.Hybrid(5), []
    hybrid.sweep = lambda a, w, columns, y, step_size, steps, tolerance: (steps, 1.0)
    monkeypatch.setattr(
        cones, "_run", lambda *task: tried.append(hybrid.plain_steps) or (0, 1e300, False)
    )
    columns, y = np.ones((5, 4)), np.ones(4)
    assert hybrid(start.a, start.w, columns, y, 0.1, 5000, 0.0) == (5000, 1.0)
    waits = np.diff([0, *tried])
    np.testing.assert_array_equal(waits[:6], [32, 32, 32, 32, 32, 40])  # a quarter of 160
    assert waits.max() == 512 and len(tried) < 30


def test_single_precision_of_the_sweep_follows_double():
    task, start = problem("margin", 320)
    single, _ = cones.descend(
        start, task.x, task.y, schedule=(0, 400), precision="float32", **SETTINGS
    )
    double, _ = cones.descend(start, task.x, task.y, schedule=(0, 400), **SETTINGS)
    assert single.w.dtype == np.float32
    np.testing.assert_allclose(single.w, double.w, rtol=0, atol=1e-4)


def test_a_start_that_diverges_is_reported():
    task, start = problem("margin", 100, scale=1e-3)
    with pytest.raises(Diverged, match="loss not finite at step"):
        cones.descend(start, task.x, task.y, step_size=4.0, schedule=(0, 2000), probes={})


def test_what_it_cannot_do_is_refused_in_one_line():
    task, start = problem("margin", 20)
    for wrong in ({"slope": 0.1}, {"batch": 8, "rng": np.random.default_rng(0)}):
        with pytest.raises(
            ValueError, match="cones: got slope .* and batch .*, allowed 0 and 0"
        ) as refusal:
            cones.descend(start, task.x, task.y, schedule=(0, 1), **SETTINGS, **wrong)
        assert "\n" not in str(refusal.value)
