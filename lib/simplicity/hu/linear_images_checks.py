"""Checks of experiments on images: one network's runs beside the linear model (`linear_images`)."""

import functools
import operator
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from simplicity.evidence.claims import (
    Check,
    Criterion,
    Judged,
    above,
    below,
    check,
    interval_above,
    interval_below,
    mean,
)
from simplicity.hu.early_window import (
    Array,
    after,
    for_want_of_width,
    largest_error,
    nearest,
    progress,
    reached,
    worst,
)

CLOSE = 0.95  # correlation
LITTLE = 0.25  # share of the complement
FAR = 0.5  # relative error
MOST = 0.75  # of pairs of images, half-way between chance and all
# Controls.
POOLING = "global average pooling"
PERMUTED = "linear models of permuted labels"
BLIND = "a random span of as many dimensions"


class Case(NamedTuple):
    """The runs of one network, and what its checks have in common.

    `word` goes into their ids, `where` into their statistics; `claim` is the network's own, H22 or
    H23. A run counts where it goes on to the window's end. Statistics are the worst of the window,
    averaged over seeds.
    """

    runs: Judged
    word: str
    where: str
    claim: str
    cells: xr.Dataset
    unless: str = ""
    needs: int = 0

    @property
    def early(self) -> xr.Dataset:
        """The runs that count."""
        return reached(self.cells)

    def moves(self, pooled: xr.Dataset | None = None) -> Check:
        """The losses on V_lin fall as the model's do, nearer than a model of another rate falls.

        The control is `pooled`, or else the model at half the rate in the place of the model.
        """
        half = "the model at half its rate in its place", nearest(self.early, 0.5)
        control = _of_pooled(pooled, functools.partial(nearest, times=1.0)) or half
        return self._check(
            f"{self.claim}.inside",
            "largest difference of the losses on V_lin in the window, to the model over the "
            "smaller one to the models of half and of twice the rate, logarithm",
            nearest(self.early, 1.0), interval_below(0), *control,
        )  # fmt: skip

    def near(self, pooled: xr.Dataset | None = None) -> Check:
        """H42: correlation with the model; the control is `pooled`, or else permuted labels."""
        permuted = PERMUTED, worst(self.early, "permuted_correlation", "max")
        highest = functools.partial(worst, name="correlation", side="max")
        control = _of_pooled(pooled, highest) or permuted
        return self._check(
            "H42.near", "smallest correlation with the linear model in the window",
            worst(self.early, "correlation", "min"), above(CLOSE), *control,
        )  # fmt: skip

    def own(self, pooled: xr.Dataset | None = None) -> Check:
        """H24: each image's curve is nearer to its own of the model than to another image's."""
        permuted = PERMUTED, self.early.placebo_own.values
        control = _of_pooled(pooled, operator.attrgetter("own.values")) or permuted
        return self._check(
            "H24.own",
            "share of pairs of test images of which the network's curve, up to the window's end, "
            "is nearer to the model's of the same image than to that of the other",
            self.early.own.values, interval_above(MOST), *control,
        )  # fmt: skip

    def sized(self) -> Check:
        """H25: relative error."""
        found, slow, fast = (largest_error(self.early, rate) for rate in (1.0, 0.5, 2.0))
        return self._check(
            "H25.size", "largest relative error in the window", found, below(FAR),
            "the model at half or twice its rate, the nearer", np.minimum(slow, fast),
        )  # fmt: skip

    def split(self) -> Check:
        """How much of the network's output is outside V_lin early."""
        found, blind = (worst(self.early, name, "max") for name in ("share", "random_share"))
        return self._check(
            f"{self.claim}.share", "largest share of the complement in the window", found,
            below(LITTLE), BLIND, blind,
        )  # fmt: skip

    def later(self) -> list[Check]:
        """Does the network learn on the complement, and later than on V_lin?"""
        return [self._gone(), self._delayed()]

    def _gone(self) -> Check:
        gone, blind = progress(self.early, "outside"), progress(self.early, "placebo_outside")
        return self._check(
            f"{self.claim}.gone", "part of the complement's loss that is gone at the end",
            gone[:, -1], interval_above(0), "permuted test labels: the same", blind[:, -1],
        )  # fmt: skip

    def _delayed(self) -> Check:
        delay, blind = (_delay(self.early, span) for span in ("", "random_"))
        return self._check(
            f"{self.claim}.later",
            "part of its final fall after the window, complement less V_lin",
            delay, interval_above(0), BLIND, blind,
        )  # fmt: skip

    def limited(self, id: str, narrow: xr.Dataset, infinite: xr.Dataset) -> Check:
        """H40, H41: more of what the correlation lacks is lacking at infinite width than is not.

        The control is a narrower network on the same images.
        """
        found, other = (
            for_want_of_width(reached(one), reached(infinite)) for one in (self.cells, narrow)
        )
        return self._check(
            id,
            "part of 1 - correlation, smallest in the window, that infinite width would not have",
            found, interval_below(0.5), "the same of a network narrower by eight times or more",
            other,
        )  # fmt: skip

    def _check(
        self, id: str, what: str, found: Array, rule: Criterion, changed: str, other: Array
    ) -> Check:
        return check(
            self.runs, f"{id}_{self.word}", "empirical", f"{self.where}: {what}", mean(found), rule,
            (changed, mean(other)), needs=self.needs, unless=self.unless,
        )  # fmt: skip


def _of_pooled(
    pooled: xr.Dataset | None, of: Callable[[xr.Dataset], Array]
) -> tuple[str, Array] | None:
    """The control where there are runs with pooling: the same of these."""
    return None if pooled is None else (POOLING, of(reached(pooled)))


def _delay(runs: xr.Dataset, span: str) -> Array:
    """How much more of its fall the complement's loss has after the window, (cell,)."""
    return after(runs, f"{span}outside") - after(runs, f"{span}inside")
