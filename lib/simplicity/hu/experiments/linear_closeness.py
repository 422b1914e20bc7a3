"""Early training of either layer follows a linear model (claims H5, H6, H7).

Hu et al. 2020, the theorems on training the first and the second layer: up to T of the order of
d log d / step the outputs of the network and of gradient descent on the linear features stay close,
on the training samples and on fresh ones. Gaussian inputs, labels by a random erf teacher. The
second layer is judged at a width beyond d^2, which the theorem asks for where phi has a mean.
Controls are a linear model with another zeta, and a second layer of 512 neurons.
"""

import xarray as xr

from simplicity.evidence.claims import Check, Other, below, check, mean, smallest
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Run

CLAIMS = ("H5", "H6", "H7")

CLOSE = below(0.02)  # rel_T
WRONG = (0.7, 1.3)  # of zeta in the control
WIDE = 8192  # what the theorem asks for where phi has a mean

GRID = Grid(
    Run,
    groups={
        "first": {"layers": "first", "activation": ("erf", "relu")},
        "first_wrong": {"layers": "first", "activation": ("erf", "relu"), "factor": WRONG},
        "second": {"layers": "second", "activation": ("erf", "relu")},
        "narrow": {"layers": "second", "activation": "erf", "width": 16},
        "wide": {"layers": "second", "activation": ("erf", "relu"), "width": ()},
        "wide_wrong": {
            "layers": "second", "activation": ("erf", "relu"), "factor": WRONG, "width": (),
        },
    },
    quick={"step_size": early_linear.own_step, "seeds": 2},
    full={
        "wide_width": WIDE, "wide_wrong_width": WIDE, "seeds": 5, "first_seed": 1_000_000,
    },
    tiny={"dim": 10, "n": 100, "width": 32},
)  # fmt: skip
measure = early_linear.compare
PLACES = (("rel_train", "training"), ("rel_test", "fresh"))


def checks(runs: Runs) -> list[Check]:
    judge = early_linear.judge(runs, runs.settings.dim)
    found = []
    for name in ("erf", "ReLU"):
        right, wrong = (runs(group, activation=name.lower()) for group in ("first", "first_wrong"))
        for claim, (of, place) in zip(("H5", "H6"), PLACES, strict=True):
            id = f"{claim}.{name.lower()}"
            statistic = f"first layer, {name}: rel_T, {place} samples"
            other = wrong_zeta(wrong[of])
            found.append(judge(id, "theorem", statistic, mean(right[of]), CLOSE, other))
    return [*found, *wide(runs)]


def wide(runs: Runs) -> list[Check]:
    """The second layer at the width of the theorem."""
    given = runs.settings
    unless = early_linear.low(given.dim) or ("" if given.wide_width else "no run so wide")
    width, found = max(given.wide_width, default=WIDE), []
    for name in ("erf", "ReLU"):
        right, wrong, less = (
            runs(group, activation=name.lower()) for group in ("wide", "wide_wrong", "second")
        )
        narrower = f"{given.width} neurons: the same", mean(less.rel_test)
        others = {"": wrong_zeta(wrong.rel_train), "_fresh": narrower}
        for (of, place), (word, other) in zip(PLACES, others.items(), strict=True):
            found.append(
                check(
                    runs, f"H7.{name.lower()}{word}", "theorem",
                    f"second layer, {name}, {width} neurons: rel_T, {place} samples",
                    mean(right[of]), CLOSE, other, unless=unless,
                )
            )  # fmt: skip
    return found


def wrong_zeta(values: xr.DataArray) -> Other:
    """The control of another zeta: the smallest rel_T over factors and seeds must not be close."""
    return "zeta times 0.7 or 1.3: the smallest rel_T", smallest(values)
