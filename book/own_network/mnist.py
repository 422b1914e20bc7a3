"""MNIST under four lenses: a small convolutional network for two epochs.

    python book/own_network/mnist.py      writes mnist.nc beside it

Reads the images from the folder SIMPLICITY_DATA; see `simplicity data`.
"""

from pathlib import Path

import torch
from simplicity import lenses
from simplicity.data import images
from torch import nn

BATCH, EPOCHS, RATE = 64, 2, 0.05


def pairs(given: images.Images) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 1, 28, 28) from 0 to 1, and digits (n,)."""
    return torch.from_numpy(given.pixels())[:, None], torch.from_numpy(given.y)


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    split = images.mnist()
    seen, kept = pairs(split.train), pairs(split.test)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    rule = torch.optim.SGD(model.parameters(), lr=RATE)
    chosen = [
        lenses.linear_explainability(), lenses.linear_gap(),
        lenses.bias_trajectory("0", rate=RATE), lenses.alignment("0"),
    ]  # fmt: skip
    with lenses.watch(model, data=seen, test=kept, lenses=chosen) as record:
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(seen[0])).split(BATCH):
                x, y = seen[0][rows], seen[1][rows]
                rule.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                rule.step()
                record.step((x, y))
    record.to_netcdf(Path(__file__).with_name("mnist.nc"))
    print(record.summary())


if __name__ == "__main__":
    main()
