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
from simplicity.hu import early_linear, early_linear_checks
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
PLACES = {"rel_train": "training", "rel_test": "fresh"}


def checks(runs: Runs) -> list[Check]:
    return [
        *(
            first_layer(runs, name, f"{claim}.{name.lower()}", of)
            for name in ("erf", "ReLU")
            for claim, of in (("H5", "rel_train"), ("H6", "rel_test"))
        ),
        *(
            second_layer(runs, name, f"H7.{name.lower()}{word}", of)
            for name in ("erf", "ReLU")
            for word, of in (("", "rel_train"), ("_fresh", "rel_test"))
        ),
    ]


def first_layer(runs: Runs, name: str, id: str, of: str) -> Check:
    """H5, H6: on the training samples and on fresh ones."""
    right, wrong = (runs(group, activation=name.lower()) for group in ("first", "first_wrong"))
    return check(
        runs, id, "theorem", f"first layer, {name}: rel_T, {PLACES[of]} samples", mean(right[of]),
        CLOSE, wrong_zeta(wrong[of]), unless=early_linear_checks.low(runs.settings.dim),
    )  # fmt: skip


def second_layer(runs: Runs, name: str, id: str, of: str) -> Check:
    """At the width of the theorem."""
    given, wide = runs.settings, runs("wide", activation=name.lower())
    return check(
        runs, id, "theorem",
        f"second layer, {name}, {max(given.wide_width, default=WIDE)} neurons: rel_T, "
        f"{PLACES[of]} samples",
        mean(wide[of]), CLOSE, unlike_wide(runs, name, of),
        unless=early_linear_checks.low(given.dim) or ("" if given.wide_width else "no run so wide"),
    )  # fmt: skip


def unlike_wide(runs: Runs, name: str, of: str) -> Other:
    """The control: another zeta on the training samples, fewer neurons on fresh ones."""
    if of == "rel_train":
        return wrong_zeta(runs("wide_wrong", activation=name.lower()).rel_train)
    fewer = runs("second", activation=name.lower())
    return f"{runs.settings.width} neurons: the same", mean(fewer.rel_test)


def wrong_zeta(values: xr.DataArray) -> Other:
    """The control of another zeta: the smallest rel_T over factors and seeds must not be close."""
    return "zeta times 0.7 or 1.3: the smallest rel_T", smallest(values)
