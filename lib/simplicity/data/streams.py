"""Independent random streams from one seed.

So cells that differ in width or scale share their data.
"""

import numpy as np

from simplicity.problems import doors

DATA, INITIALISATION, BATCHES, TEST, NOISE = range(5)
SIMPLE, OTHER = 5, 6  # a simple classifier's own, and that of a second network on the same data


def generator(seed: int, stream: int) -> np.random.Generator:
    """`default_rng([seed, stream])`: the same numbers everywhere, whatever was drawn before."""
    doors.seed("seed", seed)
    doors.whole("stream", stream, 0)
    return np.random.default_rng([seed, stream])
