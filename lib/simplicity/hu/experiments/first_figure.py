"""Network and linear model over a whole run: together at first, then apart (claims H8, H9).

Hu et al. 2020, Figure 1a and 1b: Gaussian inputs, labels by a random erf network of width 5, an erf
network of which both layers are trained. The plateau is the time on which the model has converged
and the network has not left it, 1.25 to 5 times d log d / step. In four dimensions the input is not
high-dimensional; with independent neurons the network does not start at 0.
"""

from typing import Any

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, below, check, mean
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear, early_linear_checks
from simplicity.hu.early_linear_checks import on_plateau

CLAIMS = ("H8", "H9")

PROBES = 40
SAME = 0.05  # losses that differ by less are the same, and one that falls by more has improved
SHORT = 5.0
FIRST = (0, 1_000_000)  # the first seeds of QUICK and of FULL: their pictures are kept
SHOWN = 5  # fresh inputs whose outputs are kept
COMPONENTS = 50  # principal directions of the inputs of which the learned part is kept
PLACE, PLACES, INPUTS = "place", ("time", "place"), ("time", "input")
Given = dict[str, Any]  # what a check is judged under
Pictures = dict[str, tuple[Any, np.ndarray]]  # axes and values by name
ENOUGH_SAMPLES = 20_000  # with fewer the network may overfit before it generalises


@config.settings
class Run(early_linear.Run):
    """A run of which pictures may be kept."""

    test_samples: int = config.param(2000, "fresh samples", unit="samples", low=10, high=10**6)
    frames: bool = config.param(False, "whether pictures are kept")


GRID = Grid(
    Run,
    groups={
        "high": {"dim": 50, "horizon": 51.0, "frames": lambda run: run.seed in FIRST},
        "low": {"dim": 4, "horizon": SHORT},
        "independent": {"start": "independent", "horizon": SHORT},
        "spectrum": {"law": "linear spectrum", "seeds": 1, "frames": lambda run: True},
    },
    quick={"n": 4000, "width": 256, "step_size": early_linear.own_step, "seeds": 2},
    full={"n": ENOUGH_SAMPLES, "seeds": 8, "first_seed": 1_000_000},
    tiny={"dim": 10, "low_dim": 2, "n": 100, "test_samples": 50, "width": 32, "horizon": 6.0},
)


def measure(run: Run) -> xr.Dataset:
    """`early_linear.summary` at `PROBES` steps, even in their logarithm, and the `clock`.

    That counts d log d / step. Pictures, 0 where none are kept: `shown_*` (time, input) outputs at
    fresh inputs, `line_*` (time, place) along a line through input space, and `components`.
    """
    last = early_linear.horizon(run)
    steps = early_linear.schedule(last, PROBES, spaced=np.geomspace)
    drawn = early_linear.data(run, run.test_samples)
    places = line(drawn)
    train, fresh, along = early_linear.follow(run, drawn, steps, places)
    label = np.sign(early_linear.teacher_of(run)(places))
    pictures = components(run, drawn, train) | frames(fresh, along) | {"line_label": (PLACE, label)}
    found, kept = early_linear.summary(drawn, steps, train, fresh), 1.0 if run.frames else 0.0
    for name, (axes, values) in pictures.items():
        found[name] = (axes, (kept * values).astype(np.float32))
    return found.assign(clock=("time", np.asarray(steps) / (last / run.horizon)))


def line(drawn: early_linear.Data) -> np.ndarray:
    """Inputs on the line through a fresh one along which least squares changes most."""
    steepest = early_linear.least_squares(drawn)
    return early_linear.line(steepest / np.linalg.norm(steepest), drawn.fresh[0])


def frames(fresh: early_linear.Outputs, along: early_linear.Outputs) -> Pictures:
    """Outputs at a few fresh inputs and along the line."""
    shown = {f"shown_{name}": (INPUTS, part[:, :SHOWN]) for name, part in fresh._asdict().items()}
    return shown | {f"line_{name}": (PLACES, part) for name, part in along._asdict().items()}


def components(run: Run, drawn: early_linear.Data, train: early_linear.Outputs) -> Pictures:
    """Parts along the samples' principal directions: `wanted` of the labels, `learned_*` (time).

    u_i^T f / sqrt n with U the left singular vectors of X.
    """
    left = principal(drawn.x) if run.frames else np.zeros((run.n, 0))
    learned = {
        f"learned_{name}": (("time", "component"), padded(outputs @ left / np.sqrt(run.n)))
        for name, outputs in train._asdict().items()
    }
    return {"wanted": ("component", padded(left.T @ drawn.y / np.sqrt(run.n))), **learned}


def principal(x: np.ndarray) -> np.ndarray:
    """The samples' first left singular vectors, `COMPONENTS` at most."""
    return np.linalg.svd(x, full_matrices=False)[0][:, :COMPONENTS]


def padded(parts: np.ndarray) -> np.ndarray:
    """With 0 for the directions that there are not."""
    found = np.zeros((*parts.shape[:-1], COMPONENTS))
    found[..., : parts.shape[-1]] = parts
    return found


def checks(runs: Runs) -> list[Check]:
    given, stricter = lenient(runs), strict(runs)
    return [
        same_loss(runs, "losses", "test", given),
        same_loss(runs, "training", "train", stricter),
        falls_further(runs, "train", given),
        falls_further(runs, "test", stricter),
        same_on_plateau(runs),
        same_at_points(runs),
    ]


def strict(runs: Runs) -> Given:
    """For what two seeds or few samples do not decide.

    Of two seeds, the gap at single inputs differs in one or two of ten blocks; with few samples the
    network fits single samples early.
    """
    few = "" if runs.settings.n >= ENOUGH_SAMPLES else "too few samples"
    return {"needs": 5, "unless": early_linear_checks.low(runs.settings.dim) or few}


def lenient(runs: Runs) -> Given:
    """For what two seeds and few samples decide."""
    return {"unless": early_linear_checks.low(runs.settings.dim)}


def same_loss(runs: Runs, id: str, name: str, given: Given) -> Check:
    """H8: on the plateau the loss is the model's."""
    high, low = (mean(losses_apart(runs[group], name)) for group in ("high", "low"))
    return check(
        runs, f"H8.{id}", "empirical",
        f"plateau: |{name} loss of the network over the model's - 1|",
        high, below(SAME), (low_too(runs), low), **given,
    )  # fmt: skip


def falls_further(runs: Runs, name: str, given: Given) -> Check:
    """H8: at the end the loss is lower than on the plateau."""
    found, model = (mean(later(runs["high"], loss)) for loss in (name, f"{name}_linear"))
    return check(
        runs, f"H8.{name}", "empirical", f"{name} loss at the end over that on the plateau",
        found, below(1 - SAME), ("the linear model: the same", model), **given,
    )  # fmt: skip


def low_too(runs: Runs) -> str:
    """What the control in few dimensions is called."""
    return f"d = {runs.settings.low_dim}: the same"


def same_on_plateau(runs: Runs) -> Check:
    """H8: on the plateau the outputs are the model's."""
    high, low = (mean(on_plateau(cells, rel(cells))) for cells in (runs["high"], runs["low"]))
    return check(
        runs, "H8.plateau", "empirical", "fresh samples, plateau: median of rel(t)",
        high, below(0.02), (low_too(runs), low), **strict(runs),
    )  # fmt: skip


def same_at_points(runs: Runs) -> Check:
    """H9: up to T they are so at single inputs."""
    paired, independent = (mean(point_gap(runs[group])) for group in ("high", "independent"))
    return check(
        runs, "H9.points", "empirical",
        "rms gap over fresh inputs up to T over rms of the model at T",
        paired, below(0.15), ("independent neurons: the same", independent), **strict(runs),
    )  # fmt: skip


def ratio(cells: xr.Dataset, name: str) -> np.ndarray:
    """Loss of the network over the model's, `train` or `test`, (cell, time)."""
    return (cells[name] / cells[f"{name}_linear"]).values


def rel(cells: xr.Dataset) -> np.ndarray:
    """rel(t) = D(t) / mean f_lin,t^2 on fresh samples, (cell, time)."""
    return (cells.gap_test / cells.power_test).values


def losses_apart(cells: xr.Dataset, name: str) -> np.ndarray:
    """How far the ratio of losses, `train` or `test`, is from 1 on the plateau, (cell,)."""
    return on_plateau(cells, np.abs(ratio(cells, name) - 1))


def later(cells: xr.Dataset, name: str) -> np.ndarray:
    """A loss at the end over its median on the plateau, (cell,)."""
    losses = cells[name].values
    return losses[:, -1] / on_plateau(cells, losses)


def point_gap(cells: xr.Dataset) -> np.ndarray:
    """max_{t <= T} sqrt(D(t)) over sqrt(mean f_lin,T^2) on fresh samples, (cell,)."""
    before = cells.clock.values <= early_linear.HORIZON
    gaps = np.where(before, cells.gap_test.values, 0).max(axis=1)
    pairs = zip(cells.power_test.values, before, strict=True)
    return np.sqrt(gaps / np.array([powers[there][-1] for powers, there in pairs]))
