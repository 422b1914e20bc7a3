"""Early training of either layer follows a linear model (claims H5, H6, H7).

Hu et al. 2020, the theorems on training the first and the second layer: up to T of the order of
d log d / step the outputs of the network and of gradient descent on the linear features stay close,
on the training samples and on fresh ones. Gaussian inputs, labels by a random erf teacher. Controls
are a linear model with another zeta, as few samples as dimensions, and a layer of 16 neurons.
"""

import xarray as xr

from simplicity.evidence import claims
from simplicity.evidence.claims import Check, Control, above, below, control, mean
from simplicity.evidence.over_seeds import paired
from simplicity.grid.groups import Grid, Runs
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Run

CLAIMS = ("H5", "H6", "H7")

FIRST, SECOND = below(0.02), below(0.1)  # rel at 512 neurons
WRONG = (0.7, 1.3)  # of zeta in the control
WIDE = 8192  # what the theorem asks for where phi has a mean

GRID = Grid(
    Run,
    groups={
        "first": {"layers": "first", "activation": ("erf", "relu")},
        "first_wrong": {"layers": "first", "activation": ("erf", "relu"), "factor": WRONG},
        "few": {"layers": "first", "activation": "erf", "n": lambda run: run.dim},
        "second": {"layers": "second", "activation": "erf"},
        "second_wrong": {"layers": "second", "activation": "erf", "factor": WRONG},
        "narrow": {"layers": "second", "activation": "erf", "width": 16},
        "wide": {
            "layers": "second",
            "width": (),
            ("activation", "factor"): (("erf", 1.0), ("relu", 1.0), ("erf", 0.7), ("erf", 1.3)),
        },
    },
    quick={"step_size": early_linear.own_step, "seeds": 2},
    full={"wide_width": WIDE, "seeds": 5},
    tiny={"dim": 10, "n": 100, "width": 32},
)
measure = early_linear.compare
TRAIN, FRESH = "rel on the training samples up to T", "rel on fresh samples up to T"


def checks(runs: Runs) -> list[Check]:
    judge = early_linear.judge(runs, runs.settings.dim)
    found = []
    for name in ("erf", "ReLU"):
        right = runs("first", activation=name.lower())
        wrong = runs("first_wrong", activation=name.lower())
        for claim, of, what in (("H5", "rel_train", TRAIN), ("H6", "rel_test", FRESH)):
            id, statistic = f"{claim}.{name.lower()}", f"first layer, {name}: {what}"
            larger = times_larger(wrong, right, of)
            found.append(judge(id, "theorem", statistic, mean(right[of]), FIRST, larger))
    erf, few = (
        mean(cells.rel_test / cells.rel_train)
        for cells in (runs("first", activation="erf"), runs["few"])
    )
    ratio = "first layer, erf: rel on fresh samples over that on training samples"
    same = control("as few samples as dimensions: the same ratio", few, above(1.5))
    second, narrow = runs["second"], runs["narrow"]
    larger = times_larger(runs["second_wrong"], second, "rel_train")
    on_fresh = control("16 neurons: the same", mean(narrow.rel_test), above(0.1))
    return [
        *found,
        judge("H6.ratio", "theorem", ratio, erf, claims.between(0.8, 1.25), same),
        judge(
            "H7.train", "theorem", f"second layer, erf: {TRAIN}",
            mean(second.rel_train), SECOND, larger,
        ),
        judge(
            "H7.fresh", "theorem", f"second layer, erf: {FRESH}",
            mean(second.rel_test), SECOND, on_fresh,
        ),
        *wide(runs),
    ]  # fmt: skip


def wide(runs: Runs) -> list[Check]:
    """The second layer at the width of the theorem."""
    given = runs.settings
    unless = early_linear.low(given.dim) or ("" if given.wide_width else "no run so wide")
    at = f"{max(given.wide_width, default=WIDE)} neurons: {TRAIN}"
    erf, relu = (runs("wide", activation=name, factor=1.0) for name in ("erf", "relu"))
    larger = times_larger(runs("wide", factor=WRONG), erf, "rel_train")
    narrow = control("16 neurons, erf: the same", mean(runs["narrow"].rel_train), above(0.1))
    return [
        claims.check(
            runs, id, "theorem", f"second layer, {name}, {at}", mean(cells.rel_train), SECOND,
            against, unless=unless,
        )
        for id, name, cells, against in (
            ("H7.wide", "erf", erf, larger),
            ("H7.relu", "ReLU", relu, narrow),
        )
    ]  # fmt: skip


def times_larger(wrong: xr.Dataset, right: xr.Dataset, name: str) -> Control:
    """The control of another zeta: the smallest ratio over factors and seeds."""
    parts = (wrong.isel(cell=wrong.factor.values == factor) for factor in WRONG)
    ratios = [ratio for part in parts for ratio in paired(part, right, name)]
    what = "zeta times 0.7 and 1.3: smallest ratio to the right zeta"
    return control(what, claims.smallest(ratios), claims.at_least(3))
