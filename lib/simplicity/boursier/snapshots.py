"""Whole networks on the way, for pictures of single neurons.

`two_layer.descend` itself keeps only numbers.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simplicity.boursier import two_layer
from simplicity.nets import TwoLayer
from simplicity.problems import Problem, training_doors

Array = NDArray[np.floating]


def snapshots(
    start: TwoLayer,
    x: Array,
    y: Array,
    *,
    step_size: float,
    schedule: Sequence[int],
    precision: str = "float64",
) -> tuple[Array, Array]:
    """a (p, m) and w (p, m, d) at the p steps of `schedule`, which starts at 0.

    Segments change no bit of the run.
    """
    networks, schedule = [TwoLayer(*training_doors.pair(start))], _from_the_start(schedule)
    for before, after in itertools.pairwise(schedule):
        end, _ = two_layer.descend(
            networks[-1], x, y, step_size=step_size, schedule=(0, after - before), probes={},
            precision=precision,
        )  # fmt: skip
        networks.append(end)
    a, w = (np.stack(parts) for parts in zip(*networks, strict=True))
    return a, w


def _from_the_start(schedule: Sequence[int]) -> tuple[int, ...]:
    """A schedule in order whose first step is 0."""
    found = training_doors.schedule(schedule)
    if found[0] != 0:
        raise Problem(
            f"schedule: got a first step of {found[0]}, allowed 0, since the start is seen"
        )
    return found
