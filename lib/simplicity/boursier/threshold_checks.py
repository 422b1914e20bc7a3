"""How claims B1 and B2 are judged past the threshold, at whatever width the networks have."""

import numpy as np
import xarray as xr

from simplicity.evidence.claims import Check, cells_where, check, control, every_seed, share

PAST = 640  # samples at which every seed is past the threshold, Gaussian inputs, d = 5


def past_threshold(
    dataset: xr.Dataset, small: xr.Dataset, unaligned: xr.Dataset, middle: xr.Dataset, at: str = ""
) -> list[Check]:
    """B1 and B2 on Gaussian inputs at n = 640, `small` being the small starts.

    The controls start at scale 1: for B1 `unaligned`, for B2 `middle`, which has margin inputs. `at` says in the statistics
    which networks these are.
    """
    many = cells_where(small, law="gaussian", n=PAST)
    noise = many.noise_variance
    return [
        check(
            dataset, "B1", "empirical", f"share of seeds with train MSE > 0.1 sigma^2, Gaussian, n = {PAST}{at}",
            share((many.train_mse > 0.1 * noise).values), every_seed(),
            control(
                f"scale 1, n = {_ns(unaligned)}: share of runs with rho < 0.5",
                share((unaligned.rho < 0.5).values), every_seed(),
            ),
        ),
        check(
            dataset, "B2", "empirical",
            f"share of seeds with excess risk < 0.15 sigma^2 and rho > 0.8, Gaussian, n = {PAST}{at}",
            share((many.excess_risk < 0.15 * noise).values & (many.rho > 0.8).values), every_seed(),
            control(
                f"scale 1, margin, n = {_ns(middle)}: share of runs with excess risk > 0.5 sigma^2",
                share((middle.excess_risk > 0.5 * middle.noise_variance).values), every_seed(),
            ),
        ),
    ]  # fmt: skip


def _ns(cells: xr.Dataset) -> str:
    return ", ".join(str(n) for n in np.unique(cells.n.values)) or "none"
