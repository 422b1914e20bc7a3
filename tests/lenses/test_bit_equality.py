"""A training has the same bits with and without lenses: parameters, buffers, gradients, optimisers,
generators.
"""

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from simplicity import lenses

STEPS, N = 6, 40


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm, self.second = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = x + torch.relu(self.norm(self.second(x)))
        return self.head(x.mean(dim=(2, 3)))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(6, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.read(x.reshape(len(x), 6, 6))).mean(dim=1))


class Noisy(nn.Module):
    """Draws in every mode, counts its calls, and returns an object with logits, in half
    precision.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(36, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 3)
        )
        self.register_buffer("calls", torch.zeros(1))
        self.counted = 0

    def forward(self, x: Tensor) -> Any:
        self.calls += 1
        self.counted += 1
        noise = 0.1 * torch.randn_like(x) + random.random() + float(np.random.rand())
        return SimpleNamespace(logits=self.body(x.flatten(1) + noise.flatten(1)))


def connected() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
    )


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def spectral() -> nn.Module:
    inner = nn.utils.parametrizations.spectral_norm(nn.Linear(36, 8))
    return nn.Sequential(nn.Flatten(), inner, nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 3))


def half() -> nn.Module:
    return Noisy().to(torch.bfloat16)


MODELS: dict[str, tuple[Callable[[], nn.Module], str, str | None]] = {
    "fully connected": (connected, "1", "4"),
    "convolutional": (convolutional, "0", "5"),
    "residual": (Residual, "first", "second"),
    "attention": (Attention, "read", None),
    "spectral": (spectral, "1", "4"),
    "noisy bfloat16": (half, "body.0", "body.3"),
}


def state(model: nn.Module, rule: torch.optim.Optimizer, more: list[Any]) -> dict[str, Any]:
    gradients = {f"gradient {name}": one.grad for name, one in model.named_parameters()}
    momenta = {
        f"{key} {k}": v for key, one in rule.state_dict()["state"].items() for k, v in one.items()
    }
    generators = {
        "torch": torch.get_rng_state(), "numpy": np.random.get_state()[1],
        "numpy at": np.random.get_state()[2], "python": random.getstate(),
    }  # fmt: skip
    modes = {f"mode {name}": one.training for name, one in model.named_modules()}
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    return tensors | gradients | momenta | generators | modes | {"more": more}


def run(name: str, watched: bool) -> dict[str, Any]:
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    make, layer, outgoing = MODELS[name]
    model = make()
    x = torch.randn(N, 1, 6, 6).to(next(model.parameters()).dtype)
    y = torch.arange(N) % 3
    calls: list[int] = []
    model.register_forward_hook(lambda module, given, output: calls.append(len(given[0])))
    rule = torch.optim.Adam(model.parameters(), lr=0.01)
    chosen = [
        lenses.linear_explainability(),
        lenses.linear_gap(),
        lenses.bias_trajectory(layer, rate=0.01),
    ]
    if outgoing:
        chosen.append(lenses.alignment(layer, outgoing=outgoing))
    record = (
        lenses.watch(model, data=(x, y), lenses=chosen, schedule=range(STEPS + 1))
        if watched
        else None
    )
    losses = []
    if record:
        record.__enter__()
    for _ in range(STEPS):
        rows = torch.randperm(N)[:16]
        rule.zero_grad()
        output = model(x[rows])
        loss = nn.functional.cross_entropy(getattr(output, "logits", output), y[rows])
        loss.backward()
        rule.step()
        losses += [float(loss.detach()), random.random(), float(np.random.rand())]
        if record:
            record.step((x[rows], y[rows]))
    if record:
        record.__exit__(None, None, None)
        finite = {
            key: bool(np.isfinite(one.values[1:]).all()) for key, one in record.dataset.items()
        }
        assert all(finite.values()), finite
    return state(model, rule, [*losses, *calls, getattr(model, "counted", 0)])


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return first.dtype == second.dtype and torch.equal(first.detach(), second.detach())
    return bool(np.array_equal(first, second)) if isinstance(first, np.ndarray) else first == second


@pytest.mark.parametrize("name", MODELS)
def test_a_training_has_the_same_bits_with_and_without_lenses(name: str) -> None:
    without, watched = run(name, False), run(name, True)
    assert without.keys() == watched.keys()
    different = [key for key in without if not same(without[key], watched[key])]
    assert not different


def test_no_seed_is_left_behind_for_a_device_that_is_used_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    run("fully connected", True)
    assert seeds == [3]  # the run's own
