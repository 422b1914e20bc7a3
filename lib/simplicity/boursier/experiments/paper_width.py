"""The threshold at the width of the paper's own figure, ten thousand neurons (claim B2).

Boursier & Flammarion 2025, Figure 1: d = 5, m = 10,000. The settings of `optimization_threshold`,
ten times as wide and up to more samples, with five seeds. A start at scale 1 is shown beside it at
one number of samples. Training is in single precision; a few runs of the first seed are made again
in double precision, to see what that changes.
"""

import numpy as np
import xarray as xr

from simplicity import nets
from simplicity.boursier import linear_teacher
from simplicity.boursier.criteria import past_threshold
from simplicity.boursier.linear_teacher import Run
from simplicity.evidence.claims import Check
from simplicity.grid.groups import Grid, Runs
from simplicity.nets.loop import log_schedule

CLAIMS = ("B2",)

PROBES = 25

GRID = Grid(
    Run,
    groups={
        "single": {"law": ("gaussian", "margin"), "n": (20, 160)},
        "unaligned": {"scale": 1.0, "n": (20,)},
        "double": {"precision": "float64", "n": (20,), "seeds": 1},
    },
    quick={"width": 10_000, "seeds": 1},
    full={
        "n": (10, 20, 40, 80, 160, 320, 640, 1280, 2560),
        "unaligned_n": (160,),
        "double_n": (20, 80, 320),
        "seeds": 5,
    },
    tiny={"n": (10,), "width": 20, "steps": 300},
)


def measure(run: Run) -> xr.Dataset:
    trained = linear_teacher.train(run, schedule=log_schedule(run.steps, PROBES))
    curve = trained.trajectory["train_curve"].astype("float32")  # to be drawn, never judged
    return trained.outcome().assign(train_curve=curve)


def checks(runs: Runs) -> list[Check]:
    return [past_threshold(runs, "wide", runs["single"], at=f", m = {runs.settings.width:,}")]


def precision_gap(runs: Runs) -> xr.Dataset:
    """The runs that were made in both precisions.

    With `gap` = |train MSE in float32 / train MSE in float64 - 1|, and `ended`: did the run in
    double precision stop by itself?
    """
    double = runs["double"]
    gap = np.abs(_in_single(runs, double).train_mse.values / double.train_mse.values - 1)
    return double.assign(gap=("cell", gap), ended=double.stopped_at < double.steps)


def _in_single(runs: Runs, double: xr.Dataset) -> xr.Dataset:
    """The same runs in single precision, in the same order."""
    made = zip(double.law.values, double.n.values, double.seed.values, strict=True)
    return xr.concat([runs("single", law=law, n=n, seed=seed) for law, n, seed in made], "cell")


def moved_by_start(run: Run, change: float) -> float:
    """By what part the train MSE at the end moves where a of the start is larger by `change`."""
    a, w = linear_teacher.initial(run)
    starts = [nets.TwoLayer(a, w), nets.TwoLayer(a * (1 + change), w)]
    one, other = (linear_teacher.train(run, start=start).outcome().train_mse for start in starts)
    return float(abs(other / one - 1))
