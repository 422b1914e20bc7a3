"""What watching a training costs: one run with all lenses beside the same run without, in one
process.

Prints for each network the seconds of the plain loop, those that the lenses took in their set-up
and in their looks, their share of the plain loop, the number of looks. Runs last about a minute;
`--seconds` says otherwise. The plain loop's speed is measured first, and its number of steps
follows from it. One thread; processor time; the arithmetic that torch takes by itself, as in a
process that imports the lenses alone. `--csv` writes the table as well.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

os.environ["SIMPLICITY_ARITHMETIC"] = "native"  # before `simplicity.process` settles another
from simplicity import lenses
from simplicity.process import machine, threads

ROWS, FRESH = 20_000, 4000
WARM = 30  # steps by which the speed is told


class Setting(NamedTuple):
    """A network, the shape of its inputs, its number of outputs, its minibatch, and the layer that
    is looked at.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    outputs: int
    batch: int
    layer: str
    outgoing: str | None = None


class Residual(nn.Module):
    """A 3 x 3 convolution, three blocks x + conv(relu(norm(x))), an average over places, a head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = x + conv(torch.relu(norm(x)))
        return self.head(x.mean(dim=(2, 3)))


def connected() -> nn.Module:
    return nn.Sequential(
        nn.Linear(50, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1)
    )


def digits() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 10)
    )  # fmt: skip


def images() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


SETTINGS = {
    "fully connected, 50 inputs, 1 output": Setting(connected, (50,), 1, 64, "0"),
    "convolutional, 8 x 8, 10 classes": Setting(digits, (1, 8, 8), 10, 32, "0"),
    "convolutional, 28 x 28, 10 classes": Setting(images, (1, 28, 28), 10, 64, "0"),
    "residual, 3 x 16 x 16, 10 classes": Setting(
        lambda: Residual(16), (3, 16, 16), 10, 128, "first", "convs.0"
    ),
}


def data(setting: Setting, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Gaussian inputs and what a fixed random map makes of them."""
    x = torch.randn(count, *setting.shape, generator=torch.Generator().manual_seed(seed))
    flat = x.reshape(count, -1)
    w = (
        torch.randn(flat.shape[1], setting.outputs, generator=torch.Generator().manual_seed(0))
        / flat.shape[1] ** 0.5
    )
    return x, (flat @ w > 0).long()[:, 0] if setting.outputs == 1 else (flat @ w).argmax(dim=1)


def loop(
    setting: Setting,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    steps: int,
    after: Callable[[tuple], None],
) -> float:
    """Seconds of so many steps of minibatch SGD."""
    rule = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    order = torch.Generator().manual_seed(1)
    clock = time.process_time()
    for _ in range(steps):
        rows = torch.randint(len(x), (setting.batch,), generator=order)
        rule.zero_grad()
        output = model(x[rows])
        if setting.outputs == 1:
            loss = nn.functional.binary_cross_entropy_with_logits(output[:, 0], y[rows].float())
        else:
            loss = nn.functional.cross_entropy(output, y[rows])
        loss.backward()
        rule.step()
        after((x[rows], y[rows]))
    return time.process_time() - clock


class Timed:
    """A function of one argument, and the processor seconds that it took."""

    def __init__(self, act: Callable[[Any], Any]) -> None:
        self.act, self.seconds = act, 0.0

    def __call__(self, given: Any) -> Any:
        clock = time.process_time()
        found = self.act(given)
        self.seconds += time.process_time() - clock
        return found


def measured(setting: Setting, seconds: float) -> dict[str, str]:
    """One row of the table."""
    x, y = data(setting, ROWS, 0)
    fresh = data(setting, FRESH, 1)
    torch.manual_seed(0)
    loop(setting, setting.make(), x, y, WARM, lambda batch: None)
    speed = loop(setting, setting.make(), x, y, WARM, lambda batch: None) / WARM
    steps = max(WARM, round(seconds / speed))
    plain = loop(setting, setting.make(), x, y, steps, lambda batch: None)
    chosen = [
        lenses.linear_explainability(), lenses.linear_gap(),
        lenses.bias_trajectory(setting.layer, rate=0.01),
        lenses.alignment(setting.layer, outgoing=setting.outgoing),
    ]  # fmt: skip
    model = setting.make()
    ready = Timed(lambda parts: lenses.watch(model, data=(x, y), test=parts, lenses=chosen))
    record = ready(fresh)
    first, looks = Timed(lambda none: record.__enter__()), Timed(record.step)
    first(None)
    loop(setting, model, x, y, steps, looks)
    last = Timed(lambda error: record.__exit__(error, error, error))
    last(None)
    looked = first.seconds + looks.seconds + last.seconds
    weights = sum(one.numel() * one.element_size() for one in model.parameters())
    return {
        "steps": f"{steps}", "plain s": f"{plain:.1f}", "set-up s": f"{ready.seconds:.2f}",
        "looks s": f"{looked:.2f}", "looks": f"{record.dataset.sizes['time']}",
        "percent": f"{100 * (ready.seconds + looked) / plain:.1f}",
        "kB of weights": f"{weights / 1e3:.0f}",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long a plain run lasts, about"
    )
    parser.add_argument("--csv", metavar="FILE", help="write the table here")
    options = parser.parse_args()
    rows: list[dict[str, str]] = []
    with threads.one_thread():
        print(f"{machine.cpu()}, one thread")
        for name, setting in SETTINGS.items():
            rows.append({"network": name} | measured(setting, options.seconds))
            if len(rows) == 1:
                print(" | ".join(rows[0]))
            print(" | ".join(rows[-1].values()), flush=True)
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
