"""The small picture of a check: its marks stand where its numbers are."""

import re

import pytest

from simplicity.evidence import check_rows, claims, ledger
from simplicity.site import check_picture


class Run:
    attrs = {"preset": "FULL"}


def drawn(value: claims.Estimate, rule: claims.Criterion, control: claims.Control) -> str:
    return check_picture.picture(
        check_rows.row_of(claims.check(Run(), "B1.x", "theorem", "s", value, rule, control))
    )


def number(svg: str, mark: str, name: str) -> float:
    found = re.search(rf'class="{mark}"[^>]* {name}="([^"]+)"', svg)
    assert found
    return float(found[1])


@pytest.mark.parametrize("value", [0.5, 2.0])
def test_a_value_lies_in_the_band_just_where_the_criterion_holds(value: float) -> None:
    svg = drawn(
        claims.exact(value),
        claims.below(1),
        claims.control("other", claims.exact(3.0), claims.above(1)),
    )
    right = number(svg, "criterion", "x") + number(svg, "criterion", "width")
    assert (number(svg, "value", "cx") < right) is (value < 1)
    assert number(svg, "control", "cx") > right
    assert number(svg, "wanted", "x") == pytest.approx(right, abs=0.2)


def test_an_interval_spans_its_value_and_far_numbers_are_on_a_logarithmic_axis() -> None:
    estimate = claims.Estimate(1e-3, (1e-4, 1e-2), "range", 3)
    svg = drawn(estimate, claims.interval_below(1.0), claims.no_control("none"))
    left, middle, right = (
        number(svg, "interval", "x1"),
        number(svg, "value", "cx"),
        number(svg, "interval", "x2"),
    )
    assert middle - left == pytest.approx(right - middle, abs=0.3)


def test_without_a_bound_or_a_value_there_is_no_picture() -> None:
    assert drawn(claims.exact(1.0), claims.sign_test(), claims.no_control("none")) == ""
    assert drawn(claims.mean([]), claims.below(1), claims.no_control("none")) == ""


def test_every_recorded_check_is_drawn_within_its_frame() -> None:
    for one in ledger.full_checks():
        svg = check_picture.picture(check_rows.row_of(one))
        places = [float(found) for found in re.findall(r' (?:cx|x1|x2)="([^"]+)"', svg)]
        assert all(0 <= place <= check_picture.WIDTH for place in places), one.id
