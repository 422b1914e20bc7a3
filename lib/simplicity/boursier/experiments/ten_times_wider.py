"""The threshold with a hundred thousand neurons, ten times the paper's width (claim B2).

Boursier & Flammarion 2025, Figure 1: d = 5, m = 10,000. The theorem is free of m. The settings of
`paper_width`, trained by the engine of cones in double precision, since the plain sweep would take
some eight hours. Runs of the first seed at one number of samples are made by the plain sweep as
well, to see whether the engine is right at this width too.
"""

import numpy as np
import xarray as xr

from simplicity.boursier import linear_teacher
from simplicity.boursier.criteria import past_threshold
from simplicity.evidence.claims import Check
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs

CLAIMS = ("B2",)

UNALIGNED = 160  # samples of a start at scale 1, past the threshold of the small start


@config.settings
class Run(linear_teacher.Run):
    """A run by one of the two engines."""

    engine: str = config.param("cones", "what trains", choices=linear_teacher.ENGINES)


GRID = Grid(
    Run,
    groups={
        "small": {"engine": "cones", "law": ("gaussian", "margin"), "n": (20, 160)},
        "unaligned": {"scale": 1.0, "n": UNALIGNED, "seeds": 1},
        "plain": {"engine": "sweep", "n": 160, "seeds": 1},
    },
    quick={"width": 1000, "precision": "float64", "seeds": 1},
    full={"n": (10, 20, 40, 80, 160, 320, 640, 1280, 2560), "width": 100_000, "seeds": 3},
    tiny={"n": (10,), "unaligned_n": 10, "plain_n": 10, "width": 20, "steps": 300},
)


def measure(run: Run) -> xr.Dataset:
    return linear_teacher.end(run, run.engine)


def checks(runs: Runs) -> list[Check]:
    return [past_threshold(runs, "wider", runs["small"], at=f", m = {runs.settings.width:,}")]


def engine_gap(runs: Runs) -> dict[str, float]:
    """Law -> |train MSE by cones / by the plain sweep - 1|, largest of the runs made by both."""
    return {law: _gap(runs, law) for law in runs.settings.law}


def _gap(runs: Runs, law: str) -> float:
    plain = runs("plain", law=law).sortby("seed")
    both = {"n": tuple(plain.n.values), "seed": tuple(plain.seed.values)}
    same = runs("small", law=law, **both).sortby("seed")
    return float(np.abs(same.train_mse.values / plain.train_mse.values - 1).max())
