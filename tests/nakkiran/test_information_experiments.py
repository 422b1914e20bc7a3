"""The measure's own experiments.

Laws by hand, draws against laws, the bias formula, shuffles that keep what they should.
"""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import stats

from simplicity.data import images, streams
from simplicity.evidence import claims
from simplicity.grid import groups, run
from simplicity.nakkiran import information
from simplicity.nakkiran import laws as laws_of
from simplicity.nakkiran.experiments import information_estimator as estimator
from simplicity.nakkiran.experiments import information_tables as tables
from simplicity.nakkiran.experiments import multiclass
from simplicity.nakkiran.pictures import information as plot
from simplicity.problems import Problem


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def laws(shelf: Path) -> xr.Dataset:
    return run.run(tables, tables.GRID.presets["TINY"], store=shelf, progress=False)


@pytest.fixture(scope="module")
def simulated(shelf: Path) -> xr.Dataset:
    return run.run(estimator, estimator.GRID.presets["TINY"], store=shelf, progress=False)


@pytest.fixture(scope="module")
def digits(shelf: Path) -> xr.Dataset:
    return run.run(multiclass, multiclass.GRID.presets["TINY"], store=shelf, progress=False)


def rng(stream: int = streams.TEST) -> np.random.Generator:
    return streams.generator(0, stream)


# --- reference laws


def law_of(case: str, accuracy: float = 0.5, share: float = 0.0) -> np.ndarray:
    return laws_of.law(laws_of.rule(case, accuracy, share, 0.8, 0.2))


# Typed from a table of reference values: I(F;Y), I(L;Y), I(F;Y|L), mu; F right with 0.8 where not
# said otherwise, and so is L.
BY_HAND = {
    ("equal", 0.8, 1.0): (0.278072, 0.278072, 0, 0.278072),
    ("mixture", 0.74, 0.8): (0.173254, 0.278072, 0, 0.173254),
    ("symmetric", 0.8, 0.0): (0.278072, 0.278072, 0.182453, 0.095619),
    ("exclusive or", 0.5, 0.0): (0, 0, 1, -1),
    ("perfect", 1.0, 0.0): (1, 0.278072, 0.721928, 0.278072),
    ("coin", 0.5, 0.0): (0, 0.278072, 0, 0),
}


@pytest.mark.parametrize("setting", BY_HAND, ids=lambda setting: setting[0])
def test_a_law_has_the_informations_that_were_worked_out_by_hand(setting):
    found = information.information(law_of(*setting))
    known = found.network, found.simple, found.beyond, found.mu
    assert known == pytest.approx(BY_HAND[setting], abs=1e-6)


@pytest.mark.parametrize("case", laws_of.CLOSED_FORMS)
def test_closed_forms_are_the_sums_over_all_eight_cells(case):
    q = {"equal": 1.0, "mixture": 0.3}.get(case, 0.0)
    a = {"perfect": 1.0, "equal": 0.8, "exclusive or": 0.5, "mixture": 0.59}.get(case, 0.7)
    p = law_of(case, a, q)
    shared = sum(
        p[f, :, s].sum() * np.log2(p[f, :, s].sum() / (p[f].sum() * p[:, :, s].sum()))
        for f, s in itertools.product((0, 1), repeat=2)
        if p[f, :, s].sum() > 0
    )
    found = laws_of.CLOSED_FORMS[case](a, 0.8, q)
    assert found[2] == pytest.approx(shared, abs=1e-12)
    assert found == pytest.approx([float(value) for value in information.information(p)], abs=1e-12)


def test_a_law_is_a_probability_with_the_accuracies_it_says():
    for case, balance in (("symmetric", 0.5), ("one-sided", 0.5), ("unbalanced", 0.2)):
        p = law_of(case, 0.7)
        assert p.sum() == pytest.approx(1) and p[:, 1].sum() == pytest.approx(balance)
        assert information.accuracies(p) == pytest.approx((0.7, 0.8))
    one_sided = law_of("one-sided", 0.7)
    assert one_sided[1, 0].sum() == 0 and one_sided[0, 1].sum() == pytest.approx(0.3)


@pytest.mark.parametrize(
    "setting", [("symmetric", 0.7, 0.0), ("mixture", 0.65, 0.5), ("unbalanced", 0.9, 0.0)]
)
def test_samples_have_the_shares_of_their_law(setting):
    of = laws_of.rule(*setting, 0.8, 0.2)
    counts = laws_of.sample(of, 5, 20_000, rng())
    assert (counts.sum(axis=(1, 2, 3)) == 20_000).all()
    expected = 100_000 * laws_of.law(of).ravel()
    assert stats.chisquare(counts.sum(axis=0).ravel(), expected).pvalue > 1e-3
    assert len({one.tobytes() for one in counts}) == 5


def test_errors_on_one_class_lie_above_the_curve_and_unbalanced_labels_below():
    curve = float(information.from_accuracy(0.8))
    # by hand: h(0.3) - h(0.4) / 2 and h(0.32) - h(0.2)
    by_hand_of = {"one-sided": 0.881291 - 0.970951 / 2, "unbalanced": 0.904381 - 0.721928}
    for case, by_hand in by_hand_of.items():
        network = information.information(law_of(case, 0.8)).network
        assert network == pytest.approx(by_hand, abs=1e-5)
        assert bool(network > curve) is (case == "one-sided")


def test_random_laws_cover_sparse_and_dense_ones_and_are_balanced_where_they_should_be():
    free, balanced = (laws_of.random_laws(400, one, rng()) for one in (False, True))
    for p in (free, balanced):
        np.testing.assert_allclose(p.sum(axis=(1, 2, 3)), 1)
        least = p.min(axis=(1, 2, 3))
        assert p.max() > 0.45 and np.median(least) < 0.01 < least.max()
    np.testing.assert_allclose(balanced.sum(axis=(1, 3)), 0.5)
    assert np.ptp(free.sum(axis=(1, 3))[:, 0]) > 0.5


def test_mu_alone_is_blind_to_the_order_of_its_three_variables():
    p = laws_of.random_laws(20, False, rng())
    assert tables.unlike(p, "mu").max() < 1e-12
    assert tables.unlike(p, "beyond").max() > 0.01
    orders = itertools.permutations(range(3))
    by_hand = [information.information(p[0].transpose(order)).beyond for order in orders]
    assert tables.unlike(p, "beyond")[0] == pytest.approx(max(by_hand) - min(by_hand))


def test_the_error_of_the_information_of_the_network_is_the_spread_over_samples(laws):
    counts = laws_of.sample(laws_of.rule("symmetric", 0.8, 0.0, 0.8, 0.2), 400, 2000, rng())
    spread = information.information(counts).network.std()
    errors = information.standard_error(tables.with_label_as_simple(counts))
    assert errors.mean() == pytest.approx(spread, rel=0.12)


def test_settings_of_one_seed_do_not_share_their_random_numbers(laws):
    part = groups.cells_where(laws, case=("symmetric", "mixture"), seed=0)
    orders = {tuple(row) for row in part.hits.values.argsort(axis=1).tolist()}
    assert len(orders) > 1


def test_checks_of_the_laws_fail_where_the_estimate_is_spoilt(laws):
    spoilt = laws.copy(deep=True)
    spoilt["exact"] = spoilt.exact + 1e-5
    spoilt["shown"] = spoilt.shown + 1e-5
    whole, broken = (
        {one.statistic: one.passed for one in groups.checks_of(tables, data)}
        for data in (laws, spoilt)
    )
    exact = [name for name in whole if "exact law" in name or "worked table of" in name]
    assert len(exact) == 4 and all(whole[name] for name in exact)
    assert [broken[name] for name in exact] == [False, False, False, broken[exact[-1]]]


def test_counts_over_draws_are_a_share_of_all_draws(laws):
    part = groups.cells_where(laws, case="symmetric")
    found, draws = tables.on_curve(part), tables.GRID.presets["TINY"].draws
    assert found.seeds == draws * part.sizes["cell"]
    assert found.value == pytest.approx(part.within.values.mean() / draws)
    assert tables.on_curve(part.isel(cell=slice(0))).seeds == 0


def test_percentile_intervals_of_the_share_explained_never_reach_one(laws):
    ends = groups.cells_where(laws, case="mixture").ratio_high.values
    assert np.isfinite(ends).all() and (ends < 1).all()


# --- bias and coverage


@pytest.mark.parametrize("classes", [2, 10])
def test_simulated_laws_are_what_they_are_called(classes):
    p = laws_of.copying(classes, 0.9, 0.8)
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p.sum(axis=(0, 2)), 1 / classes)
    first, second = information.accuracies(p)
    assert (first, second) == pytest.approx((0.9, 0.8))
    together = np.einsum("fyf->", p)
    alone = (0.9 - 0.25 * 0.8) / 0.75
    wrong = (1 - alone) / (classes - 1)
    assert together == pytest.approx(0.25 + 0.75 * (0.8 * alone + 0.2 * wrong))


def test_the_filled_law_has_every_cell():
    p = laws_of.filled(10)
    assert p.sum() == pytest.approx(1) and p.min() == pytest.approx(0.8 / 1000)
    assert np.einsum("fff->", p) == pytest.approx(0.2 + 0.8 / 100)


def test_the_bias_is_k_for_two_classes_and_large_for_ten():
    assert estimator.expected_bias(10_000, 2) == pytest.approx(-7.2e-5, abs=5e-7)
    assert estimator.expected_bias(10_000, 10) == pytest.approx(-0.0526, abs=5e-5)


def test_weights_are_the_derivative_of_mu_and_average_to_it():
    p, step = laws_of.copying(2, 0.9, 0.7), 1e-6
    g = estimator.weights(p)
    assert float((p * g).sum()) == pytest.approx(float(information.information(p).mu), abs=1e-12)
    direction = rng().standard_normal(p.shape)
    direction -= direction.mean()
    ahead, behind = (information.information(p + a * direction).mu for a in (step, -step))
    slope = float(ahead - behind) / (2 * step)
    assert float((g * direction).sum()) == pytest.approx(slope, rel=1e-6)


def test_the_steadied_mean_has_the_bias_of_the_plain_one_and_far_less_noise():
    cell = estimator.Run(n=500)
    found = estimator.measure(cell)
    plain = found.sel(estimator="plug-in", quantity="mu")
    steadied, error = float(found.steadied), float(found.steadied_error)
    noise = float(plain.deviation) / np.sqrt(cell.tables)
    assert error < noise / 5
    assert steadied == pytest.approx(float(plain.bias), abs=4 * noise)
    expected = estimator.expected_bias(500, 2)
    assert steadied == pytest.approx(expected, abs=4 * error + 0.1 * abs(expected))


def test_tables_in_blocks_are_all_drawn():
    assert estimator._blocks(10, 2**30) == [1] * 10
    blocks = estimator._blocks(4000, 8000)
    assert sum(blocks) == 4000 and max(blocks) <= 2**22 // 8000


def test_bootstrap_intervals_hold_the_truth_about_as_often_as_they_say_and_miss_what_is_not_it():
    p = laws_of.copying(2, 0.9, 0.8)
    counts = rng().multinomial(2000, p.ravel(), size=300).reshape(300, 2, 2, 2)
    truth = np.array(information.information(p))
    held, missed = (
        estimator._bootstrap_holds(counts, one, 200, rng(streams.BATCHES)).mean(axis=0)
        for one in (truth, truth + 0.2)
    )
    assert (held > 0.88).all() and (missed < 0.1).all()


def test_a_bias_is_told_in_units_of_k_and_what_corrects_it_leaves_none():
    """Made up: noise that the steadied mean lacks is common to both estimators."""
    k = -estimator.expected_bias(500, 2)
    noisy = np.array([[[0.3 * k], [1.3 * k]], [[-2 * k], [-k]]])  # (cell, estimator, quantity)
    made_up = xr.Dataset(
        {"bias": (("cell", "estimator", "quantity"), noisy), "steadied": ("cell", [-k, -1.5 * k])},
        {
            "estimator": ["plug-in", "miller-madow"], "quantity": ["mu"],
            "n": ("cell", [500, 500]),
        },
    )  # fmt: skip
    assert estimator.relative_bias(made_up, "plug-in") == pytest.approx([1, 1.5])
    assert estimator.relative_bias(made_up, "miller-madow") == pytest.approx([0, 0.5])


def test_the_worst_coverage_is_the_one_furthest_from_its_name_on_either_side():
    def coverage(values):
        return xr.Dataset(
            {"coverage": (("cell", "interval"), np.array(values)[:, None])}, {"interval": ["delta"]}
        )

    assert estimator.worst(coverage([0.94, 0.952, 0.965]), "delta").value == 0.965
    assert estimator.worst(coverage([0.92, 0.952, 0.965]), "delta").value == 0.92


def test_coverage_is_judged_with_enough_tables_and_the_bootstrap_with_enough_draws(simulated):
    grid = estimator.GRID
    few = dataclasses.replace(grid.presets["TINY"], n=(500,))
    for settings, why in (
        (few, ["fewer than 2000 tables"] * 3),
        (dataclasses.replace(few, tables=2000), ["", *["fewer than 1000 bootstrap draws"] * 2]),
    ):
        found = groups.checks_of(estimator, run.run(estimator, settings, progress=False))
        assert [one.control.why for one in found if "coverage" in one.statistic] == why
    cells = grid.runs(grid.presets["FULL"])
    assert {cell.resamples for cell in cells if cell.kind == "binary"} == {1000}
    ten = [cell for cell in cells if cell.kind != "binary" and cell.resamples]
    assert {(cell.kind, cell.n, cell.resamples) for cell in ten} == {("ten, filled", 10_000, 1000)}


# --- ten classes


def test_a_shuffle_within_groups_keeps_each_group_and_mixes_it():
    group = np.array([0, 1, 0, 1, 1, 2, 0])
    f = np.array([1, 5, 2, 6, 7, 9, 3])
    found = multiclass.permuted(group, f, 200, rng())
    for value in range(3):
        np.testing.assert_array_equal(
            np.sort(found[:, group == value], axis=1), np.tile(np.sort(f[group == value]), (200, 1))
        )
    orders = {tuple(row) for row in found[:, group == 1].tolist()}
    assert len(orders) == 6
    everywhere = multiclass.permuted(np.zeros(7, dtype=int), f, 500, rng())
    assert all(len(set(column)) == 7 for column in everywhere.T.tolist())


def test_the_three_shuffles_keep_what_they_are_named_for():
    draw = rng()
    y = draw.integers(0, 10, 900)
    f, other = (np.where(draw.random(900) < 0.8, y, draw.integers(0, 10, 900)) for _ in range(2))
    plain = information.information(information.table(f, y, other, 10))
    shuffles = (multiclass.permuted(group, f, 20, draw) for group in (np.zeros_like(y), y, other))
    found = [information.information(information.table(one, y, other, 10)) for one in shuffles]
    # wrong labels all over the table: bias of the size that counts
    assert (found[0].mu < -0.2).all() and plain.mu > 1
    np.testing.assert_allclose(found[1].network, plain.network)
    np.testing.assert_allclose(found[2].shared, plain.shared)
    assert (found[2].beyond < plain.beyond).all()


def test_layers_have_the_range_of_their_start_and_no_bias():
    module = multiclass.layers((64, 30, 10), rng(streams.INITIALISATION))
    linear = [part for part in module if isinstance(part, torch.nn.Linear)]
    assert [tuple(part.weight.shape) for part in linear] == [(30, 64), (10, 30)]
    assert len(module) == 3
    for part in linear:
        bound = np.sqrt(6 / sum(part.weight.shape))
        largest = float(part.weight.detach().abs().max())
        assert 0.9 * bound < largest <= bound and float(part.bias.detach().abs().max()) == 0


def test_two_classes_are_the_ten_merged_in_halves():
    labels = np.arange(10)
    np.testing.assert_array_equal(multiclass._merged(labels, 2), [0] * 5 + [1] * 5)
    np.testing.assert_array_equal(multiclass._merged(labels, 10), labels)


def faked(
    network: list[float], simple: float, beyond: float, corrected: float, data: str = "digits"
) -> xr.Dataset:
    """One split of ten classes with given I(F;Y) over probes, I(L;Y), and I(F;Y|L) by both
    estimators.
    """
    known, other = np.array(network), np.full(len(network), simple)
    values = np.array(
        [[known, other, known, left + 0 * known, known - left] for left in (beyond, corrected)]
    )  # (estimator, quantity, probe)
    found = values.transpose(2, 0, 1)[None, None]
    shuffled = np.repeat(np.repeat(found[:, :, :, None, None], 3, axis=3), 4, axis=4) * 0.9
    full = multiclass.GRID.presets["FULL"]
    run_ = next(one for one in multiclass.GRID.runs(full) if one.data == data)
    axes = ("cell", "classes", "probe", "baseline", "statistic", "estimator", "quantity")
    return xr.Dataset(
        {
            "found": (("cell", "classes", "probe", "estimator", "quantity"), found),
            "shuffled": (axes, shuffled),
            "accuracy": (("cell", "model", "probe"), np.full((1, 2, len(network)), 0.9)),
        },
        {
            "classes": [10],
            "estimator": ["plug-in", "miller-madow"],
            "quantity": list(information.Information._fields),
            "baseline": list(multiclass.BASELINES),
            "statistic": list(multiclass.STATISTICS),
            "model": ["network", "linear"],
        },
        {"preset": "FULL", "config": json.dumps(dataclasses.asdict(full))},
    ).assign_coords({name: ("cell", [value]) for name, value in dataclasses.asdict(run_).items()})


def test_early_ends_with_the_first_probe_at_which_the_network_has_matched_the_linear_classifier():
    data = faked([1.0, 2.0, 2.9, 3.1, 2.0], 2.9, 0.1, 0.1)
    np.testing.assert_array_equal(multiclass.early(data), [[True, True, True, False, False]])
    data["accuracy"][0, 0, 0] = 0.15
    np.testing.assert_array_equal(multiclass.early(data), [[False, True, True, False, False]])


@pytest.mark.parametrize(("corrected", "judged"), [(0.06, True), (0.049, False)])
def test_what_is_left_is_judged_only_where_the_correction_is_smaller_than_half_of_it(
    corrected, judged
):
    data = faked([1.0, 2.0], 2.9, 0.1, corrected, "cifar10")
    assert multiclass.correction(data).value == pytest.approx((0.1 - corrected) / 0.1)
    ratio = judged_of(data)["N12.ratio"]
    assert (ratio.passed is not None) is judged
    assert judged or "of its plug-in value" in ratio.control.why


def judged_of(data: xr.Dataset) -> dict[str, claims.Check]:
    return {one.id: one for one in groups.checks_of(multiclass, data)}


def test_mu_within_the_band_of_shuffled_predictions_does_not_hold():
    data = faked([1.0, 2.0], 2.9, 0.1, 0.1)
    assert judged_of(data)["N12.band"].passed is True
    data["shuffled"] = data.shuffled * 2
    assert judged_of(data)["N12.band"].passed is False


def test_each_data_set_is_judged_by_its_own_splits():
    digits, cifar = (faked([1.0, 2.0], 2.9, 0.1, 0.09, name) for name in ("digits", "cifar10"))
    judged = [
        {name for name, one in judged_of(data).items() if one.passed is not None}
        for data in (digits, cifar)
    ]
    assert judged == [{"N12.band", "N12.difference"}, {"N12.ratio", "N12.cifar10"}]


@pytest.mark.parametrize("share", [0.74, 0.76])
def test_independent_errors_are_judged_by_the_criterion_of_the_network(share):
    data = faked([1.0, 2.0], 2.9, 0.1, 0.09, "cifar10")
    names = {"baseline": "within the class", "estimator": "miller-madow"}
    network = data.shuffled.sel(**names, quantity="network").values
    data.shuffled.loc[{**names, "quantity": "mu"}] = share * network
    assert judged_of(data)["N12.ratio"].control.passed is (share < 0.75)


def test_splits_take_disjoint_images_and_refuse_what_leaves_too_few(monkeypatch):
    x = np.arange(500, dtype=np.uint8)[:, None, None].repeat(2, axis=1)
    y = np.arange(500)
    whole = images.Split(images.Images(x, y, 255), images.Images(x, y, 255))
    monkeypatch.setattr(images, "load", lambda name, rng: whole)
    run_ = multiclass.Run(data="cifar10", train=300, test=150)
    train, test, _ = multiclass._split(run_)
    assert (len(train.y), len(test.y)) == (300, 150) and not set(train.y) & set(test.y)
    assert len(multiclass._split(dataclasses.replace(run_, train=410)).test.y) == 90
    with pytest.raises(Problem, match="train: got 411, allowed at most 410 of cifar10"):
        multiclass._split(dataclasses.replace(run_, train=411))


def test_a_network_of_another_size_or_barely_trained_is_not_judged(digits):
    assert [one.holds for one in groups.checks_of(multiclass, digits)] == [None] * 4


def test_the_digits_are_scored_twice_with_the_same_predictions(digits):
    two, ten = (
        digits.found.sel(classes=classes, quantity="network", estimator="plug-in").values
        for classes in (2, 10)
    )
    assert (two <= ten + 1e-12).all() and two.max() <= 1
    least = digits.accuracy.sel(model="network").min("cell")
    assert least[-1] > least[0]


# --- pictures


def test_pictures_of_small_runs_say_what_they_show(laws, simulated, digits):
    for picture, words in (
        (plot.laws(laws, laws), ("1 − h(a)", "unbalanced labels", "recorded")),
        (plot.estimator(simulated, simulated), ("coverage", "test points N", "this page")),
        (plot.multiclass(digits, simulated), ("ten digits", "independent errors", "sampling")),
    ):
        assert all(word in picture.svg for word in words)
        assert picture == picture and len(picture.svg) < 200_000
