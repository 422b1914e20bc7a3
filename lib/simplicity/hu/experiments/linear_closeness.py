"""Early training of either layer follows a linear model, on the training samples and on fresh ones (claims H5, H6, H7).

Hu et al. 2020, the theorems on training the first and the second layer: up to T of the order of d log d / step the outputs
of the network and of gradient descent on the linear features stay close. Gaussian inputs, labels by a random erf teacher. The
controls are a linear model with another zeta, as few samples as dimensions, and a layer of 16 neurons.
"""

import dataclasses

import xarray as xr

from simplicity.evidence.claims import (
    Check,
    Control,
    above,
    at_least,
    below,
    between,
    cells_where,
    check,
    control,
    mean,
    settings_of,
    smallest,
)  # fmt: skip
from simplicity.grid import config
from simplicity.grid.config import seeds
from simplicity.hu import early_linear
from simplicity.hu.early_linear import Cell

CLAIMS = ("H5", "H6", "H7")

FACTORS = (0.7, 1.3)  # of zeta in the control
FIRST, SECOND = 0.02, 0.1  # what rel stays below at 512 neurons


@config.settings
class Config:
    dim: int = config.param(50, "input dimension", low=2, high=10**4)
    n: int = config.param(2000, "training samples", unit="samples", low=2, high=10**6)
    width: int = config.param(512, "hidden neurons", unit="neurons", low=2, high=10**5)
    narrow: int = config.param(16, "hidden neurons of the control of the second layer", unit="neurons", low=2, high=10**5)
    wide: int = config.param(0, "hidden neurons of second layers of the wider case, 0: none", unit="neurons", low=0, high=10**5)
    seeds: int = config.param(2, "teachers, each with its data and network", low=1, high=10**5)
    first_seed: int = config.param(0, "the first of them", low=0, high=2**31 - 1)


QUICK = Config()
TINY = dataclasses.replace(QUICK, dim=10, n=100, width=32, seeds=2)
FULL = dataclasses.replace(QUICK, wide=8192, seeds=5)


def cells(config: Config) -> list[Cell]:
    found = []
    for seed in seeds(config):
        erf, relu = (
            Cell(seed, config.dim, config.n, config.width, early_linear.step_size(name, config.dim), activation=name)
            for name in ("erf", "relu")
        )
        first = dataclasses.replace(erf, layers="first")
        second = dataclasses.replace(erf, layers="second")
        found += [first, dataclasses.replace(relu, layers="first"), dataclasses.replace(first, n=config.dim)]
        found += [second, dataclasses.replace(second, width=config.narrow)]
        wrong = (first, dataclasses.replace(relu, layers="first"), second)
        found += [dataclasses.replace(one, factor=factor) for one in wrong for factor in FACTORS]
        if config.wide:
            large = dataclasses.replace(second, width=config.wide)
            found += [large, *(dataclasses.replace(large, factor=factor) for factor in FACTORS)]
            found.append(dataclasses.replace(relu, layers="second", width=config.wide))
    return found


def measure(cell: Cell) -> xr.Dataset:
    return early_linear.compare(cell)


def checks(dataset: xr.Dataset) -> list[Check]:
    given = settings_of(dataset)
    if not early_linear.high(given["dim"]):
        return []
    plain = cells_where(dataset, width=given["width"], factor=1.0)
    many, few = cells_where(plain, n=given["n"]), cells_where(plain, n=given["dim"])
    wrong = cells_where(dataset, factor=FACTORS, width=given["width"])
    erf, relu = (cells_where(many, layers="first", activation=name) for name in ("erf", "relu"))
    second = cells_where(many, layers="second", activation="erf")
    narrow = cells_where(dataset, width=given["narrow"])
    found = []
    for name, part in (("erf", erf), ("ReLU", relu)):
        same = cells_where(wrong, activation=name.lower())
        found += [
            check(
                dataset, "H5", "theorem", f"first layer, {name}: rel on the training samples up to T", mean(part.rel_train),
                below(FIRST), times_larger(cells_where(same, layers="first"), part, "rel_train"),
            ),
            check(
                dataset, "H6", "theorem", f"first layer, {name}: rel on fresh samples up to T", mean(part.rel_test),
                below(FIRST), times_larger(cells_where(same, layers="first"), part, "rel_test"),
            ),
        ]  # fmt: skip
    found += [
        check(
            dataset, "H6", "theorem", "first layer, erf: rel on fresh samples over that on training samples",
            mean(erf.rel_test / erf.rel_train), between(0.8, 1.25),
            control("as few samples as dimensions: the same ratio", mean(few.rel_test / few.rel_train), above(1.5)),
        ),
        check(
            dataset, "H7", "theorem", "second layer, erf: rel on the training samples up to T", mean(second.rel_train),
            below(SECOND), times_larger(cells_where(wrong, layers="second"), second, "rel_train"),
        ),
        check(
            dataset, "H7", "theorem", "second layer, erf: rel on fresh samples up to T", mean(second.rel_test),
            below(SECOND), control("16 neurons: the same", mean(narrow.rel_test), above(SECOND)),
        ),
    ]  # fmt: skip
    return found + (_wide(dataset, narrow, given["wide"]) if given["wide"] else [])


def _wide(dataset: xr.Dataset, narrow: xr.Dataset, width: int) -> list[Check]:
    """The second layer at the width that the theorem asks for where phi has a mean."""
    wide = cells_where(dataset, width=width)
    right = cells_where(wide, factor=1.0)
    erf, relu = (cells_where(right, activation=name) for name in ("erf", "relu"))
    at = f"{width} neurons: rel on the training samples up to T"
    return [
        check(
            dataset, "H7", "theorem", f"second layer, erf, {at}", mean(erf.rel_train), below(SECOND),
            times_larger(cells_where(wide, factor=FACTORS), erf, "rel_train"),
        ),
        check(
            dataset, "H7", "theorem", f"second layer, ReLU, {at}", mean(relu.rel_train), below(SECOND),
            control("16 neurons, erf: the same", mean(narrow.rel_train), above(SECOND)),
        ),
    ]  # fmt: skip


def times_larger(wrong: xr.Dataset, right: xr.Dataset, name: str) -> Control:
    """The control of another zeta: the smallest ratio over factors and seeds."""
    ratios = [one for factor in FACTORS for one in early_linear.paired(cells_where(wrong, factor=factor), right, name)]
    return control("zeta times 0.7 and 1.3: smallest ratio to the right zeta", smallest(ratios), at_least(3))
