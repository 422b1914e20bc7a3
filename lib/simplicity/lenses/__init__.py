"""The instruments of four papers for any torch network, in its own training loop.

    import torch
    from sklearn.datasets import load_digits
    from torch import nn
    from simplicity import lenses

    x, y = map(torch.tensor, load_digits(return_X_y=True))
    x = x.float().reshape(-1, 1, 8, 8) / 16
    model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 10))
    rule = torch.optim.SGD(model.parameters(), lr=0.05)
    old, new = (x[:1000], y[:1000]), (x[1000:], y[1000:])
    with lenses.watch(model, data=old, test=new, share=1) as record:
        for batch in torch.randint(1000, (1000, 32)):
            rule.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            rule.step()
            record.step((x[batch], y[batch]))
    record.plot()

A record has the xarray dataset `dataset`, four panels by `plot()`, a file by `to_netcdf(path)`;
`lenses.plot(xarray.load_dataset(path))` draws a file.
The example takes about five seconds on one core, with the start of Python. Its digits come with
scikit-learn, which the lenses do not need.

| lens | paper | what it measures |
| --- | --- | --- |
| `linear_explainability` | Nakkiran et al. 2019 | bits of the labels that a linear map explains |
| `linear_gap` | Hu et al. 2020 | distance to the best linear map, and to the linearised start |
| `bias_trajectory` | Loukas et al. 2021 | a bias's normalised step, and the Lipschitz constant |
| `alignment` | Boursier & Flammarion 2025 | neurons' cosine with their early force, by weight |

Which lenses look is said by `lenses=[lenses.linear_gap(), lenses.alignment("0")]`; without that
all four do, the last two at the first layer. Layers are named as in `model.named_modules()`. The
training is never changed: a copy of the network is looked at. Importing the lenses leaves the
arithmetic of the process alone; importing what the book computes with settles it (see
`simplicity.process`), which costs a training speed.
"""

from simplicity.lenses.boursier import alignment
from simplicity.lenses.hu import linear_gap
from simplicity.lenses.lens import Lens
from simplicity.lenses.loukas import bias_trajectory
from simplicity.lenses.nakkiran import linear_explainability
from simplicity.lenses.record import Record, plot, watch

__all__ = [
    "Lens",
    "Record",
    "alignment",
    "bias_trajectory",
    "linear_explainability",
    "linear_gap",
    "plot",
    "watch",
]
