"""Two layers in torch on any device, against the compiled engines."""

import numpy as np
import pytest
import torch

from simplicity import nets
from simplicity.boursier import gelu_and_adam, on_device, two_layer
from simplicity.nets.loop import Diverged

CARD = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)
DEVICES = ["cpu", CARD]


def problem(n: int = 30, dim: int = 5, width: int = 13):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((n, dim))
    return nets.dominated(width, dim, 0.5, rng), x, x[:, 0] + 0.5 * rng.standard_normal(n)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("batch", "slope"), [(0, 0.0), (0, 0.1), (8, 0.0), (29, 0.1)])
def test_it_is_the_compiled_engine(device, batch, slope, monkeypatch):
    monkeypatch.setitem(on_device._BLOCK, device, 100)  # several blocks, the last one smaller
    start, x, y = problem()
    settings = {"step_size": 0.01, "schedule": (0, 5, 50), "probes": {}}
    settings |= {"batch": batch, "slope": slope}
    found = [
        engine(start, x, y, rng=np.random.default_rng(1) if batch else None, **settings, **more)
        for engine, more in ((two_layer.descend, {}), (on_device.descend, {"device": device}))
    ]
    (compiled, one), (ours, other) = found
    np.testing.assert_allclose(ours.w, compiled.w, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(ours.a, compiled.a, rtol=1e-12, atol=1e-12)
    assert float(other.force) == pytest.approx(float(one.force), rel=1e-10)
    assert int(other.stopped_at) == int(one.stopped_at) == 50
    assert np.abs(ours.w - start.w).max() > 1e-2  # it did move


@pytest.mark.parametrize("device", DEVICES)
def test_single_precision_follows_double_to_its_own_accuracy(device):
    start, x, y = problem()
    settings = {"step_size": 0.05, "schedule": (0, 20), "probes": {}}
    single, _ = on_device.descend(start, x, y, precision="float32", device=device, **settings)
    double, _ = two_layer.descend(start, x, y, **settings)
    assert single.w.dtype == np.float32
    np.testing.assert_allclose(single.w, double.w, rtol=0, atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rule", gelu_and_adam.RULES)
@pytest.mark.parametrize("activation", gelu_and_adam.ACTIVATIONS)
def test_rules_and_activations_are_those_of_optimisers(device, rule, activation):
    start, x, y = problem()
    settings = {"step_size": 0.003, "schedule": (0, 10, 60), "probes": {}, "rule": rule}
    settings |= {"activation": activation, "precision": "float64"}
    ours, _ = on_device.descend(start, x, y, device=device, **settings)
    theirs, _ = gelu_and_adam.descend(start, x, y, **settings)
    # the compiled GeLU is an approximation to 1e-7
    close = 1e-12 if activation == "relu" and rule == "gd" else 1e-10
    close = 1e-5 if activation == "gelu" else close
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=close)
    np.testing.assert_allclose(ours.a, theirs.a, rtol=0, atol=close)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("schedule", [(0, 3000), (0, 40, 3000)])
def test_it_stops_where_the_compiled_engine_stops(device, schedule):
    start, x, y = problem(n=4)
    settings = {"step_size": 0.1, "schedule": schedule, "probes": {}, "tolerance": 1e-4}
    ours, run = on_device.descend(start, x, y, device=device, **settings)
    theirs, other = two_layer.descend(start, x, y, **settings)
    assert 0 < int(run.stopped_at) == int(other.stopped_at) < 3000
    assert int(run.stopped_at) % on_device._WATCHED  # not where it is looked at
    assert float(run.force) == pytest.approx(float(other.force), rel=1e-6)
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-9)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("broken_at", [150, 600, 700])  # 600 is looked at
@pytest.mark.parametrize(
    "more", [{"rule": "adam"}, {"batch": 8}, {"tolerance": 1e-9}], ids=["adam", "batch", "stop"]
)
def test_a_run_that_is_broken_off_goes_on_with_the_same_bits(
    device, broken_at, more, tmp_path, monkeypatch
):
    start, x, y = problem()

    def run(checkpoint):
        rng = np.random.default_rng(1) if "batch" in more else None
        return on_device.descend(
            start, x, y, step_size=0.003, schedule=(0, 10, 200, 600, 1000), device=device, rng=rng,
            probes={"size": lambda network: np.abs(network.w).sum()}, checkpoint=checkpoint,
            checkpoint_seconds=0, **more,
        )  # fmt: skip

    network, whole = run(None)
    move, place = on_device._Advance._move, tmp_path / "state"

    def broken(self, *step):
        if self.taken == broken_at:
            raise KeyboardInterrupt
        return move(self, *step)

    monkeypatch.setattr(on_device._Advance, "_move", broken)
    with pytest.raises(KeyboardInterrupt):
        run(place)
    assert place.is_file()
    monkeypatch.setattr(on_device._Advance, "_move", move)
    resumed, table = run(place)
    np.testing.assert_array_equal(resumed.w, network.w)
    np.testing.assert_array_equal(resumed.a, network.a)
    assert table.identical(whole)


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_that_is_looked_at_often_is_kept_too(device, tmp_path):
    start, x, y = problem()
    looks, place = {}, tmp_path / "state"

    def size(network):
        looks[len(looks)] = place.is_file()
        return np.abs(network.w).sum()

    def run():
        return on_device.descend(
            start, x, y, step_size=0.003, schedule=tuple(range(0, 301, 50)), device=device,
            probes={"size": size}, checkpoint=place, checkpoint_seconds=0,
        )  # fmt: skip

    network, whole = run()
    assert list(looks.values()) == [False] * 2 + [True] * 5  # looks at 0, 50, 100, ...
    again, table = run()  # from its last step, which was kept with its force
    np.testing.assert_array_equal(again.w, network.w)
    assert table.identical(whole)


def test_one_step_by_hand():
    # As in `test_two_layer`: a = 1.1, w = (1.1, 0).
    start = nets.TwoLayer(np.array([1.0]), np.array([[1.0, 0.0]]))
    x, y = np.array([[1.0, 0.0], [-1.0, 2.0]]), np.array([3.0, 5.0])
    network, run = on_device.descend(start, x, y, step_size=0.1, schedule=(0, 1), probes={})
    np.testing.assert_allclose(network.a, [1.1], rtol=1e-15)
    np.testing.assert_allclose(network.w, [[1.1, 0.0]], rtol=1e-15)
    assert float(run.force) == pytest.approx(1.0)


def test_what_diverges_says_so():
    start, x, y = problem()
    with pytest.raises(Diverged, match="step_size 50"):
        on_device.descend(start, x, y, step_size=50.0, schedule=(0, 1000), probes={})


@pytest.mark.parametrize("device", ["cuda:99", "gpu", 3.5])
def test_a_device_that_is_not_there_is_refused(device):
    start, x, y = problem()
    with pytest.raises(ValueError, match=r"^device: got .*, allowed one that torch finds here"):
        on_device.descend(start, x, y, step_size=0.1, schedule=(0, 1), probes={}, device=device)


def test_gelu_has_no_slope():
    start, x, y = problem()
    with pytest.raises(ValueError, match="slope: got 0.1 with gelu"):
        on_device.descend(
            start, x, y, step_size=0.1, schedule=(0, 1), probes={}, slope=0.1, activation="gelu"
        )
