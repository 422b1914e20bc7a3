"""Networks learn something simple first: trajectories, measures and evidence for four papers.

What a researcher imports, by name; each is loaded when it is first asked for:

    from simplicity import two_layer, ntk, single_sample, train    engines that train a network
    from simplicity import TwoLayer, alignment, extremal, kernel   networks, and measures on them
    from simplicity import ols, lipschitz, trajectory, information, explain
    from simplicity import lenses                        four measures on a network of one's own
    from simplicity import Grid, Runs, param, settings   an experiment of one's own
    from simplicity import check, control, run, sweep, experiment   its criteria, and its runs

Whatever of this computes settles the arithmetic of the process when it is imported (see
`process`). `lenses` only look at a training of one's own, and leave its arithmetic alone.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# Name -> where it is; a name after the colon is one of that module.
_FACE = {
    "two_layer": "boursier.two_layer",
    "ntk": "hu.ntk",
    "single_sample": "loukas.single_sample",
    "train": "nets.train:train",
    "TwoLayer": "nets:TwoLayer",
    "alignment": "boursier.alignment",
    "ols": "boursier.ols",
    "extremal": "boursier.extremal",
    "kernel": "hu.kernel",
    "lipschitz": "loukas.lipschitz",
    "trajectory": "loukas.trajectory",
    "information": "nakkiran.information",
    "explain": "nakkiran.explain",
    "lenses": "lenses",
    "Grid": "grid.groups:Grid",
    "Runs": "grid.groups:Runs",
    "param": "grid.config:param",
    "settings": "grid.config:settings",
    "check": "evidence.claims:check",
    "control": "evidence.claims:control",
    "run": "grid.run:run",
    "sweep": "grid.sweep:sweep",
    "experiment": "evidence.records:experiment",
}
__all__ = ["__version__", *_FACE]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'simplicity' has no attribute {name!r}")
    if name != "lenses":
        importlib.import_module("simplicity.process")  # before the module's own imports load numpy
    module, _, inner = _FACE[name].partition(":")
    found = importlib.import_module(f"simplicity.{module}")
    return getattr(found, inner) if inner else found


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
