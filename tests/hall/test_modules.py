"""Torch networks: sizes counted by hand, laws of the start against variances; the loop with images
and after a break.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from simplicity import nets
from simplicity.nets import modules
from simplicity.nets import train as engine
from simplicity.nets.train import cross_entropy, train
from simplicity.process import checkpoints

SGD = partial(torch.optim.SGD, lr=0.05, momentum=0.9)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_sizes_are_those_of_the_papers_networks():
    dense = 2000 * 2001 + 2001  # 2000 -> 2000 -> 1
    assert (
        parameters(modules.convolutional((1, 28, 28), rng()))
        == 32 * 10 + 3 * 32 * 289 + 33 * 2000 + dense
    )
    assert (
        parameters(modules.convolutional((3, 32, 32), rng()))
        == 32 * 28 + 3 * 32 * 289 + 129 * 2000 + dense
    )  # 2 x 2 places left
    assert parameters(modules.fully_connected((30, 256, 256), rng())) == 31 * 256 + 257 * 256 + 257
    assert parameters(modules.linear(64, rng())) == 65
    # ResNet-18 with ten classes and no shortcut norms has 11.17 million; one logit instead of ten
    # saves 9 x 513.
    stages = {64: (64, 64), 128: (64, 128), 256: (128, 256), 512: (256, 512)}
    by_hand = 3 * 64 * 9 + sum(
        9 * (a * b + 3 * b * b) + 2 * (a + 3 * b) + (a * b if a != b else 0)
        for a, b in stages.values()
    )
    assert parameters(modules.residual((3, 32, 32), rng())) == by_hand + 2 * 512 + 513
    # CNN2: pooled to 8 x 8
    assert parameters(modules.residual((3, 32, 32), rng(), stages=())) == 64 * 28 + 64 * 64 + 1


@pytest.mark.parametrize(
    ("initialise", "variance", "bias"),
    [
        (modules.glorot, 2 / (300 + 200), 0),
        (modules.he, 2 / 300, 0),
        (modules.lecun, 1 / 300, 0),
        (modules.torch_default, 1 / (3 * 300), 1 / (3 * 300)),
        (modules.scaled(modules.glorot, 4), 16 * 2 / (300 + 200), 0),
    ],
)
def test_starts_have_the_variance_of_their_law(initialise, variance, bias):
    layer = modules.fully_connected((300, 200), rng(), initialise)[1]
    assert float(layer.weight.detach().var()) == pytest.approx(variance, rel=0.03)  # 60,000 draws
    assert float((layer.bias.detach() ** 2).mean()) == pytest.approx(bias, rel=0.3)


def test_a_start_depends_on_its_generator_alone_and_leaves_torchs_own_as_it_was():
    before = torch.random.get_rng_state()
    first, again, other = (modules.convolutional((3, 32, 32), rng(seed)) for seed in (1, 1, 2))
    weights = [module[0].weight.detach() for module in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_plain_network_as_a_module_is_the_same_function():
    module = modules.fully_connected((5, 7), rng(), modules.torch_default)
    hidden, out = module[1], module[3]
    x = rng(3).standard_normal((9, 5)).astype(np.float32)
    with torch.no_grad():
        ours = module(torch.from_numpy(x)).numpy()
    first = nets.with_ones(x) @ np.column_stack([hidden.weight.detach(), hidden.bias.detach()]).T
    by_hand = np.maximum(first, 0) @ out.weight.detach().numpy()[0] + out.bias.detach().numpy()
    np.testing.assert_allclose(ours, by_hand, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(modules.predict(module, x, block=4), ours > 0)


def test_images_below_the_smallest_size_are_refused():
    modules.convolutional((1, 26, 26), rng())
    with pytest.raises(ValueError, match="image: got 25 x 25, allowed 26 x 26 at least"):
        modules.convolutional((1, 25, 25), rng())


def test_cross_entropy_on_a_hand_case():
    # h = 0 costs ln 2 whatever the label; h = 2 with label 0 costs ln(1 + e^2).
    found = cross_entropy(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0]))
    assert float(found) == pytest.approx((np.log(2) + np.log(1 + np.e**2)) / 2)


def images(n: int = 24):
    generator = rng(5)
    return generator.random((n, 3, 26, 26)).astype(np.float32), (generator.random(n) < 0.5).astype(
        np.float32
    )


SETTINGS = {
    "optimiser": SGD, "loss": cross_entropy, "batch": 8, "precision": "float32",
    "schedule": (0, 2, 5, 9), "dims": {"predictions": ("sample",)},
}  # fmt: skip


def probes(x):
    return {
        "predictions": partial(modules.predict, x=x),
        "norm": lambda module: float(module[0].weight.norm()),
    }


def run(x, y, **more):
    return train(
        modules.residual((3, 26, 26), rng(1), width=4, stages=(1,)),
        x,
        y,
        probes=probes(x),
        rng=rng(2),
        **SETTINGS | more,
    )


def test_a_probe_may_return_an_array_and_its_axes_are_named():
    x, y = images()
    _, table = run(x, y)
    assert table.predictions.dims == ("probe", "sample") and table.predictions.shape == (4, 24)
    assert table.norm.dims == ("probe",)


def test_channels_last_changes_rounding_alone():
    x, y = images()
    (first, _), (last, _) = run(x, y), run(x, y, channels_last=True)
    for one, other in zip(first.parameters(), last.parameters(), strict=True):
        np.testing.assert_allclose(one.detach(), other.detach(), rtol=0, atol=2e-5)


class Broken(RuntimeError):
    pass


@pytest.mark.parametrize("at", [1, 2, 4, 9])
def test_a_run_that_was_broken_off_goes_on_with_the_same_bits(tmp_path: Path, at: int):
    """Momentum, batch normalisation, the order of the batches and what was measured are all part of
    the state.
    """
    x, y = images()
    whole, table = run(x, y)
    steps = []

    def breaks(inputs, step):
        steps.append(step)
        if step == at:
            raise Broken
        return inputs

    state = tmp_path / "cell" / "main.state"
    keep = {"checkpoint": state, "checkpoint_seconds": 0.0}
    with pytest.raises(Broken) if at < 9 else pytest.MonkeyPatch.context():
        run(x, y, augment=breaks, **keep)
    assert state.is_file()
    taken = len(steps)
    resumed, again = run(x, y, augment=lambda inputs, step: steps.append(step) or inputs, **keep)
    assert steps[taken:] == list(range(at, 9))  # none is taken twice but the one that broke
    assert again.identical(table)
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("content", [b"", b"no state", "cut", "other"])
def test_a_state_that_cannot_be_used_is_no_state(tmp_path: Path, content):
    x, y = images()
    _, table = run(x, y)
    state = tmp_path / "main.state"
    if content == "other":
        other = modules.residual((3, 26, 26), rng(1), width=8, stages=(1,))
        train(
            other, x, y, probes={}, rng=rng(2), checkpoint=state, checkpoint_seconds=0.0, **SETTINGS
        )
    elif content == "cut":
        run(x, y, checkpoint=state, checkpoint_seconds=0.0)
        state.write_bytes(state.read_bytes()[:2000])
    else:
        state.write_bytes(content)
    _, again = run(x, y, checkpoint=state)
    assert again.identical(table)


def test_a_state_that_would_run_code_is_not_read(tmp_path: Path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was here",))

    torch.save({"module": Evil()}, tmp_path / "main.state")
    x, y = images()
    run(x, y, checkpoint=tmp_path / "main.state")
    assert not (tmp_path / "was here").exists()


def test_a_cells_states_lie_beside_its_file_and_go_when_it_is_measured(tmp_path: Path):
    stored = tmp_path / "store" / "toy" / "abc.cell"
    stored.parent.mkdir(parents=True)
    assert checkpoints.path("main") is None
    with pytest.raises(Broken), checkpoints.of_cell(stored):
        first = checkpoints.path("main")
        first.parent.mkdir()
        first.write_bytes(b"1")
        raise Broken
    assert first.is_file() and first.parent.parent == stored.parent  # for the next try
    with checkpoints.of_cell(stored):
        assert checkpoints.path("main") == first and first.is_file()
    assert not first.exists() and checkpoints.path("main") is None


def test_without_a_store_that_can_be_seen_there_are_no_states(tmp_path: Path):
    for stored in (None, tmp_path / "not" / "here" / "abc.cell"):
        with checkpoints.of_cell(stored):
            assert checkpoints.path("main") is None


def test_another_device_looks_at_its_loss_less_often_and_still_stops(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(engine, "_WATCHED", 4)
    x, y = images()
    with pytest.raises(engine.Diverged, match="step 4"):
        start, settings = (
            modules.linear(3 * 26 * 26, rng()),
            SETTINGS | {"schedule": (0, 9), "device": "cpu:0"},
        )
        train(start, x, y, probes={}, rng=rng(), augment=lambda seen, _: seen * np.nan, **settings)
