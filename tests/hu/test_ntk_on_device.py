"""NTK descent and descent of modules in torch on any device, against the engines of the records."""

import numpy as np
import pytest
import torch

from simplicity.hu import full_batch, ntk, on_device
from simplicity.nets import ntk_modules, starts
from simplicity.nets.activations import ACTIVATIONS
from simplicity.nets.loop import Diverged

CARD = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)
DEVICES = ["cpu", CARD]


def problem(n: int = 60, dim: int = 5, width: int = 16):
    rng = np.random.default_rng(3)
    return (
        starts.symmetric(width, dim, rng),
        rng.standard_normal((n, dim)),
        rng.choice([-1.0, 1.0], n),
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("step_size", [0.5, (0.5, 0.0), (0.0, 0.5)])
def test_it_is_the_ntk_engine(device, activation, step_size, monkeypatch):
    monkeypatch.setitem(on_device._BLOCK, device, 16 * 25)  # several blocks, the last one smaller
    start, x, y = problem()
    settings = {"activation": activation, "step_size": step_size, "schedule": (0, 3, 30)}
    settings |= {"probes": {"a": lambda network: network.a}, "dims": {"a": ("neuron",)}}
    settings |= {"precision": "float64"}
    ours, found = on_device.descend(start, x, y, device=device, **settings)
    theirs, other = ntk.descend(start, x, y, **settings)
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.a, theirs.a, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.a, other.a, rtol=0, atol=1e-12)
    assert np.abs(ours.a - start.a).max() + np.abs(ours.w - start.w).max() > 1e-3  # it did move


@pytest.mark.parametrize("device", DEVICES)
def test_single_precision_is_the_compiled_pass_to_its_accuracy(device):
    start, x, y = problem()
    settings = {"activation": "erf", "step_size": 0.5, "schedule": (0, 30), "probes": {}}
    ours, _ = on_device.descend(start, x, y, device=device, **settings)
    theirs, _ = ntk.descend(start, x, y, **settings)
    assert ours.w.dtype == np.float32
    np.testing.assert_allclose(ours.w, theirs.w, rtol=0, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("head", ["connected", "flatten"])
def test_a_module_descends_as_in_full_batch(device, head):
    rng = np.random.default_rng(0)
    x, x_test = rng.standard_normal((50, 1, 6, 6)), rng.standard_normal((9, 1, 6, 6))
    y = rng.choice([-1.0, 1.0], 50)

    def module():
        start = np.random.default_rng(1)
        if head == "connected":
            make = lambda: ntk_modules.fully_connected((36, 8, 8), "erf", start)  # noqa: E731
        else:
            make = lambda: ntk_modules.convolutional(  # noqa: E731
                (1, 6, 6), 4, 2, "erf", start, head="flatten"
            )
        return ntk_modules.difference(make).double()

    settings = {"step_size": 0.3, "schedule": (0, 2, 9), "block": 20}
    losses, seen = on_device.train_module(module(), x, y, x_test, device=device, **settings)
    other_losses, other_seen = full_batch.descend(module(), x, y, x_test, **settings)
    np.testing.assert_allclose(losses, other_losses, rtol=1e-12)
    np.testing.assert_allclose(seen, other_seen, rtol=0, atol=1e-12)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("device", DEVICES)
def test_a_module_goes_on_where_it_was_broken_off(device, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    x, x_test = rng.standard_normal((50, 1, 6, 6)), rng.standard_normal((9, 1, 6, 6))
    y = rng.choice([-1.0, 1.0], 50)

    def run(checkpoint):
        start = np.random.default_rng(1)
        module = ntk_modules.difference(
            lambda: ntk_modules.fully_connected((36, 8, 8), "erf", start)
        )
        return on_device.train_module(
            module, x, y, x_test, step_size=0.3, schedule=(0, 3, 5, 9), device=device,
            checkpoint=checkpoint, checkpoint_seconds=0,
        )  # fmt: skip

    whole, place, step = run(None), tmp_path / "state", on_device._InBlocks.step

    def broken(self, *data):
        if self.done == 6:
            raise KeyboardInterrupt
        return step(self, *data)

    monkeypatch.setattr(on_device._InBlocks, "step", broken)
    with pytest.raises(KeyboardInterrupt):
        run(place)
    monkeypatch.setattr(on_device._InBlocks, "step", step)
    resumed = run(place)
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_diverges_says_so():
    start, x, y = problem()
    with pytest.raises(Diverged, match="step_size"):
        on_device.descend(
            start, x, y, activation="relu", step_size=1e4, schedule=(0, 500), probes={}
        )


def test_a_device_that_is_not_there_is_refused():
    start, x, y = problem()
    with pytest.raises(ValueError, match=r"^device: got 'cuda:99', allowed one that torch finds"):
        on_device.descend(
            start, x, y, activation="erf", step_size=1.0, schedule=(0, 1), probes={},
            device="cuda:99",
        )  # fmt: skip
