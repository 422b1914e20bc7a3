"""Statistics seed by seed, against cases done by hand."""

import numpy as np
import xarray as xr

from simplicity.evidence import over_seeds


def cells(**fields: list[float]) -> xr.Dataset:
    return xr.Dataset(
        {name: ("cell", np.array(values)) for name, values in fields.items()}
    ).set_coords("seed")


def test_each_seed_is_one_number_in_the_order_of_the_seeds() -> None:
    found = over_seeds.each(cells(seed=[7, 2, 7], x=[1.0, 5.0, 3.0]), lambda part: part.x.mean())
    assert found.tolist() == [5.0, 2.0]


def test_a_power_law_has_its_exponent_as_slope_and_one_cell_has_none() -> None:
    d = np.array([10.0, 20.0, 40.0])
    made = cells(seed=[0, 0, 0, 1], d=[*d, 10.0], gap=[*(3 * d**-1.5), 1.0])
    found = over_seeds.slopes(made, "gap", "d")
    assert abs(found[0] + 1.5) < 1e-12
    assert np.isnan(found[1])


def test_pairs_are_of_the_same_seed_whatever_the_order_and_lone_seeds_are_left_out() -> None:
    one, other = cells(seed=[1, 0, 2], x=[6.0, 8.0, 1.0]), cells(seed=[0, 1, 3], x=[2.0, 3.0, 1.0])
    assert over_seeds.paired(one, other, "x").tolist() == [4.0, 2.0]
    assert over_seeds.paired(one, other, "x", np.subtract).tolist() == [6.0, 3.0]
    assert over_seeds.paired(one, other.isel(cell=[]), "x").tolist() == []
