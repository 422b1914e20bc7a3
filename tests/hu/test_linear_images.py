"""Networks on images beside the linear model: the split on a span, the model's clock, the descent,
the criteria.
"""

import collections

import numpy as np
import pytest
import torch
import xarray as xr

from simplicity.grid import groups, run
from simplicity.hu import early_window, full_batch, linear_images
from simplicity.hu.experiments import linear_on_cifar, linear_on_digits
from simplicity.hu.linear_images import Matching, Sample
from simplicity.hu.linear_images_checks import Case
from simplicity.hu.spans import Span, correlation, relative_error
from simplicity.nets import ntk_modules
from simplicity.nets.loop import Diverged
from simplicity.nets.train import train


def test_a_vector_is_split_as_by_hand() -> None:
    """Two inputs in the plane of the first two coordinates of R^3, the second of them twice the
    first in one column.
    """
    # rank 2: columns 1 and 2 are parallel
    span = Span(np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 1.0], [0.0, 0.0, 0.0]]))
    v = np.array([[3.0, 4.0, 12.0], [0.0, 0.0, 2.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert span.rest == pytest.approx(1 / 3)
    assert span.inside(v) == pytest.approx([25, 0, 2, 0])
    assert span.outside(v) == pytest.approx([144, 4, 0, 0])
    assert span.share(v) == pytest.approx([144 / 169, 1, 0, 0])


def test_a_span_is_that_of_least_squares_for_many_and_for_few_inputs() -> None:
    rng = np.random.default_rng(0)
    for rows, columns in ((12, 5), (5, 12)):
        x, y = rng.standard_normal((rows, columns)), rng.standard_normal(rows)
        residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        assert Span(x).outside(y) == pytest.approx(residual @ residual, abs=1e-12)
    assert Span(x).rest == 0


def test_outputs_of_any_linear_model_are_in_the_span_and_their_squares_are_not() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((200, 6))
    f = x @ rng.standard_normal(6)
    assert Span(x).share(f) < 1e-20 and Span(x).share(f**2) > 0.7
    assert Span(x).share(rng.standard_normal(200)) == pytest.approx(Span(x).rest, abs=0.05)


def test_correlation_is_blind_to_scale_and_relative_error_is_not() -> None:
    a = np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]])
    assert correlation(3 * a + 1, a) == pytest.approx([1, 0])
    assert correlation(-a, a) == pytest.approx([-1, 0])
    assert correlation(a[:1], a[:1, ::-1]) == pytest.approx(
        [np.corrcoef([1, 2, 4], [4, 2, 1])[0, 1]]
    )
    assert relative_error(1.5 * a, a) == pytest.approx([0.5, 0])
    assert relative_error(a, 0 * a).tolist() == [np.inf, 0]


def digits(n: int = 80) -> Sample:
    return linear_on_digits.sample(0, n)


def test_images_are_centred_and_the_trace_is_their_dimension() -> None:
    one = digits(300)
    flat = one.x.reshape(300, -1)
    assert np.abs(flat.mean(axis=0)).max() < 1e-12
    assert np.trace(flat.T @ flat / 300) == pytest.approx(64)
    assert set(one.y.tolist()) == {-1.0, 1.0} and len(one.y_test) == 397


def test_the_matching_model_takes_the_steps_of_plain_descent() -> None:
    one = digits()
    model = Matching(one, 0.3, np.random.default_rng(0))
    psi = model.slope * model.flat
    assert model.step_size * np.linalg.eigvalsh(psi.T @ psi / len(psi))[-1] == pytest.approx(0.3)
    beta = np.zeros(64)
    for _ in range(25):
        beta -= model.step_size / len(psi) * psi.T @ (psi @ beta - one.y)
    assert model.on_test([25])[0] == pytest.approx(model.slope * model.flat_test @ beta)
    assert model.placebo_correlation(model.on_test([25]), [25]) < 0.9


def test_the_half_time_is_the_first_step_with_half_of_the_best_gain() -> None:
    model = Matching(digits(200), 0.05, np.random.default_rng(0))
    half = model.half_time()
    losses = np.mean((model.on_test(range(3000)) - model.y_test) ** 2, axis=1) / 2
    wanted = (losses[0] + losses.min()) / 2
    assert losses[half] <= wanted + 1e-6 and losses[half - 1] > wanted - 1e-4
    assert half > 3


def test_looks_are_as_many_whatever_the_half_time() -> None:
    for half, steps in ((1, 10), (3, 60), (20, 400), (50, 60)):
        looks = linear_images.schedule(half, steps, 9)
        assert len(looks) == 1 + 9 + linear_images.WINDOW
        assert looks[0] == 0 and looks[-1] == steps and np.all(np.diff(looks) >= 0)


def test_blocks_change_nothing_and_the_general_loop_goes_the_same_way() -> None:
    one = digits()

    def start() -> torch.nn.Module:
        return ntk_modules.difference(
            lambda: ntk_modules.fully_connected((64, 16), "erf", np.random.default_rng(2))
        ).double()

    way = {"step_size": 0.4, "schedule": (0, 5, 9)}
    losses, outputs = full_batch.descend(start(), one.x, one.y, one.x_test, **way)
    again, few = full_batch.descend(start(), one.x, one.y, one.x_test, block=7, **way)
    assert (
        again == pytest.approx(losses)
        and few == pytest.approx(outputs)
        and outputs.shape == (3, 397)
    )
    test = torch.from_numpy(one.x_test)
    _, table = train(
        start(), one.x, one.y, optimiser=lambda p: torch.optim.SGD(p, lr=0.4), schedule=(0, 5, 9),
        probes={"f": lambda module: module(test).numpy()}, dims={"f": ("point",)},
    )  # fmt: skip
    assert table.f.values == pytest.approx(outputs)
    assert losses[0] == pytest.approx(0.5) and losses[9] < losses[5]
    with pytest.raises(Diverged, match="step"):
        full_batch.descend(start(), one.x, 1e200 * one.y, one.x_test, step_size=1e9, schedule=(50,))


def test_the_infinitely_wide_network_is_what_a_wide_one_comes_near() -> None:
    outputs = {}
    for network, width in (("infinite", 1), ("connected", 64), ("wide", 1024)):
        table = linear_images.follow(
            digits(60), "connected" if network == "wide" else network, width=width, rate=0.2,
            steps=8, points=4, shown=397, rng=np.random.default_rng(0),
            shuffle=np.random.default_rng(1),
        )  # fmt: skip
        outputs[network] = table.output.values[-1]
    far, near = (
        float(relative_error(outputs[one], outputs["infinite"])) for one in ("connected", "wide")
    )
    assert near < 0.15 and near < far / 2


def made(**changes: object) -> xr.Dataset:
    """Two runs that behave as the claims say: half-time 4, window 2 to 8, four looks.

    On V_lin the models at 1/4, 1/2, 1 and 2 times the rate are 0.1, 0.05, 0.01 and 0.04 from the
    network.
    """
    table = {
        "step": [[0.0, 2, 8, 100]] * 2,
        "correlation": [[0.0, 0.97, 0.96, 0.8]] * 2,
        "permuted_correlation": [[0.0, 0.2, 0.3, 0.9]] * 2,
        "share": [[0.0, 0.1, 0.2, 0.5]] * 2,
        "random_share": [[0.0, 0.8, 0.9, 0.9]] * 2,
        "inside": [[0.4, 0.3, 0.2, 0.1]] * 2,
        "outside": [[0.2, 0.19, 0.18, 0.1]] * 2,
        "random_inside": [[0.4, 0.35, 0.3, 0.2]] * 2,
        "random_outside": [[0.2, 0.175, 0.15, 0.1]] * 2,
        "placebo_outside": [[0.2, 0.2, 0.21, 0.3]] * 2,
        "own": [0.9, 0.8],
        "placebo_own": [0.5, 0.52],
    } | changes
    rates = {
        "rate_inside": [
            [
                [0.4, 0.4, 0.3, 0.1],
                [0.4, 0.35, 0.25, 0.1],
                [0.4, 0.31, 0.2, 0.9],
                [0.4, 0.3, 0.16, 0.1],
            ]
        ]
        * 2,
        "rate_relative": [
            [[0, 3.0, 3.0, 0.1], [0, 0.9, 0.8, 0.1], [0, 0.2, 0.3, 0.8], [0, 0.6, 0.4, 0.2]]
        ]
        * 2,
    }
    alone = {name: values for name, values in table.items() if np.ndim(values) == 1}
    return xr.Dataset(
        {
            name: (("cell", "probe"), np.array(table[name], dtype=float))
            for name in table.keys() - alone.keys() - rates.keys()
        }
        | {
            name: (("cell", "times", "probe"), np.array(table.get(name, values)))
            for name, values in rates.items()
        }
        | {name: ("cell", values) for name, values in alone.items()}
        | {"half_time": ("cell", [4.0, 4.0])},
        coords={"times": list(linear_images.RATES), "seed": ("cell", [0, 1])},
        attrs={"preset": "custom"},
    )


def case(runs: xr.Dataset, claim: str = "H22") -> Case:
    return Case(runs, "word", "where", claim, runs)


def judged(runs: xr.Dataset, control: xr.Dataset | None = None) -> list[bool | None]:
    one = case(runs, "H23" if control is not None else "H22")
    found = [one.moves(control), one.near(control), one.own(control), one.sized(), one.split()]
    assert [check.claim for check in found] == [one.claim, "H42", "H24", "H25", one.claim]
    return [check.holds for check in found]


def pooled() -> xr.Dataset:
    """It hardly moves on V_lin, so that the model at half the rate is nearer than the model."""
    return made(
        correlation=[[0, 0.3, 0.4, 0.9]] * 2, inside=[[0.4, 0.4, 0.39, 0.1]] * 2, own=[0.5, 0.6]
    )


def test_criteria_look_at_the_window_alone_and_at_its_worst() -> None:
    runs = made()
    assert early_window.worst(runs, "correlation", "min").tolist() == [0.96, 0.96]
    assert early_window.worst(runs, "share", "max").tolist() == [0.2, 0.2]
    assert early_window.largest_error(runs, 1.0).tolist() == [0.3, 0.3]
    assert early_window.nearest(runs, 1.0) == pytest.approx(np.log([0.01 / 0.04] * 2))
    assert early_window.nearest(runs, 0.5) == pytest.approx(np.log([0.05 / 0.01] * 2))
    assert judged(runs) == judged(runs, pooled()) == [True] * 5


def errors(model: list[float], fast: list[float]) -> dict:
    """Relative errors against the model and against that of twice the rate."""
    return {
        "rate_relative": [[[0, 3, 3, 0.1], [0, 0.9, 0.8, 0.1], [0, *model, 0.1], [0, *fast, 0.2]]]
        * 2
    }


@pytest.mark.parametrize(
    ("changes", "outcomes"),
    [
        # that of half the rate
        ({"inside": [[0.4, 0.351, 0.251, 0.1]] * 2}, [False, True, True, True, True]),
        ({"correlation": [[0, 0.97, 0.94, 0.99]] * 2}, [True, False, True, True, True]),
        ({"own": [0.7, 0.9]}, [True, True, False, True, True]),  # the range reaches below 3/4
        (errors([0.2, 0.6], [0.6, 0.4]), [True, True, True, False, True]),
        (errors([0.2, 0.3], [0.4, 0.4]), [True, True, True, False, True]),
        ({"share": [[0, 0.1, 0.3, 0]] * 2}, [True, True, True, True, False]),
        ({"random_share": [[0, 0.1, 0.2, 0.9]] * 2}, [True, True, True, True, False]),
        ({"permuted_correlation": [[0, 0.2, 0.96, 0.1]] * 2}, [True, False, True, True, True]),
        ({"placebo_own": [0.9, 0.9]}, [True, True, False, True, True]),
    ],
)  # fmt: skip
def test_criteria_and_controls_fail_when_they_should(changes: dict, outcomes: list[bool]) -> None:
    assert judged(made(**changes)) == outcomes


def test_pooling_that_behaves_as_the_flattened_network_fails_the_controls() -> None:
    assert judged(made(), made()) == [False, False, False, True, True]


def test_later_is_after_the_window_and_asks_for_a_fall() -> None:
    runs = made()
    assert early_window.after(runs, "inside") == pytest.approx([1 / 3] * 2)
    assert early_window.after(runs, "outside") == pytest.approx([0.8] * 2)
    assert [one.holds for one in case(runs).later()] == [True, True]
    early = made(outside=[[0.2, 0.11, 0.1, 0.1]] * 2)
    assert [one.holds for one in case(early).later()] == [True, False]
    worse = made(outside=[[0.2, 0.19, 0.2, 0.3]] * 2)
    assert [one.holds for one in case(worse).later()] == [False, None]
    lucky = made(placebo_outside=[[0.2, 0.2, 0.2, 0.1]] * 2)
    assert case(lucky).later()[0].holds is False
    anywhere = made(random_outside=[[0.2, 0.199, 0.198, 0.1]] * 2)  # a random span sees a delay too
    assert [one.holds for one in case(anywhere).later()] == [True, False]


def test_what_width_lacks_is_paired_by_seed() -> None:
    """1 - c = 0.1 and 0.2, of which infinite width would not have 0.02 and 0.08: 0.2 and 0.4."""
    runs = made(correlation=[[0, 0.9, 0.9, 0]] * 1 + [[0, 0.8, 0.9, 0]])
    infinite = made(correlation=[[0, 0.95, 0.92, 0], [0, 0.88, 0.9, 0]]).isel(cell=[1, 0])
    narrow = made(correlation=[[0, 0.5, 0.6, 0]] * 2)
    assert early_window.for_want_of_width(runs, infinite) == pytest.approx([0.2, 0.4])
    assert case(runs).limited("H40.limit", narrow, infinite).holds
    assert case(runs).limited("H40.limit", runs, infinite).holds is False  # nothing narrower
    assert case(narrow).limited("H40.limit", narrow, infinite).holds is False


def test_curves_are_told_apart_as_counted_by_hand_and_by_a_loop() -> None:
    linear = np.array([[0.0, 1, 3], [0, 1, 3]])
    assert linear_images.told_apart(linear, linear) == 1
    # Image 1 at 0.2 is nearer to image 0, not to image 2: one pair of six is lost.
    assert linear_images.told_apart(np.array([[0.0, 0.2, 3]] * 2), linear) == pytest.approx(5 / 6)
    rng = np.random.default_rng(0)
    f, g = rng.standard_normal((2, 4, 30))
    count = sum(
        np.sum((f[:, i] - g[:, i]) ** 2) < np.sum((f[:, i] - g[:, j]) ** 2)
        for i in range(30)
        for j in range(30)
        if i != j
    )
    assert linear_images.told_apart(f, g) == pytest.approx(count / 870)
    assert linear_images.told_apart(0 * f, 0 * g) == 0.5


def test_models_of_other_rates_take_the_steps_of_descent_at_these_rates() -> None:
    model = Matching(digits(), 0.3, np.random.default_rng(0))
    found = model.at_rates([0, 7])
    for rate in linear_images.RATES:
        other = Matching(digits(), 0.3 * rate, np.random.default_rng(0))
        assert found[rate] == pytest.approx(other.on_test([0, 7]))
    assert found[1.0] == pytest.approx(model.on_test([0, 7]))


def test_a_run_that_ends_before_the_window_does_is_not_judged() -> None:
    short = made(step=[[0, 2, 4, 7]] * 2)
    assert judged(short) == [None] * 5


def test_pixels_are_means_over_squares() -> None:
    x = np.zeros((1, 3, 32, 32), dtype=np.uint8)
    x[0, 1, :4, 4:8] = 255
    x[0, 2, 0, 0] = 255
    found = linear_on_cifar.pixels(x, 255, 8)
    wanted = np.full((3, 8, 8), -1.0)
    wanted[1, 0, 1], wanted[2, 0, 0] = 1, -1 + 2 / 16
    assert found[0] == pytest.approx(wanted)
    assert linear_on_cifar.pixels(x, 255, 32).shape == (1, 3, 32, 32)


def test_the_checks_of_a_small_run_name_each_claim() -> None:
    found = run.run(linear_on_cifar, linear_on_cifar.GRID.presets["TINY"], progress=False)
    checks = groups.checks_of(linear_on_cifar, found)
    assert {one.claim for one in checks} == set(linear_on_cifar.CLAIMS)
    assert {one.control.why for one in checks} == {"the criteria are of CIFAR-10"}


def test_a_setting_says_what_is_run_and_how_often() -> None:
    grid = linear_on_cifar.GRID
    cells = grid.runs(grid.presets["FULL"])
    for name, setting in linear_on_cifar.SETTINGS.items():
        of_it = [one for one in cells if one.setting == name]
        assert {
            (one.network, one.side, one.n, one.tests, one.width, one.steps) for one in of_it
        } == {setting[1:]}
    counts = collections.Counter(one.setting for one in cells)
    assert counts["infinite 8"] == 5 and counts["pooled 8"] == 3 and counts["long 8"] == 3
    assert {
        one.n for one in cells if one.setting in ("narrow 8", "connected 8", "wide 8", "infinite 8")
    } == {2000}
    assert min(one.seed for one in cells) == 1_000_000
