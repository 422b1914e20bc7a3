"""How a record behaves: its times, what it keeps after an error, what it leaves alone, what it
writes and draws.
"""

import gc
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from simplicity import lenses
from simplicity.lenses import times

X = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
Y = torch.arange(60) % 3
ALL = ("linear_explainability", "linear_gap", "bias_trajectory", "alignment")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.1), nn.Linear(5, 3)
    )


def all_lenses() -> list[lenses.Lens]:
    return [
        lenses.linear_explainability(),
        lenses.linear_gap(),
        lenses.bias_trajectory("0"),
        lenses.alignment("0"),
    ]


def watched(steps: int, **more: Any) -> lenses.Record:
    model = network()
    rule = torch.optim.SGD(model.parameters(), lr=0.1)
    options = {"data": (X, Y), "lenses": all_lenses()} | more
    with lenses.watch(model, **options) as record:
        for _ in range(steps):
            rule.zero_grad()
            nn.functional.cross_entropy(model(X[:20]), Y[:20]).backward()
            rule.step()
            record.step((X[:20], Y[:20]))
    return record


def test_without_a_list_of_lenses_all_that_fit_look_and_see_the_same() -> None:
    named, default = watched(3), watched(3, lenses=None)
    assert list(named.blind) == list(default.blind) and len(default.blind) == len(ALL)
    xr.testing.assert_identical(
        named.dataset.drop_attrs(deep=False), default.dataset.drop_attrs(deep=False)
    )


@pytest.mark.parametrize(
    ("model", "y", "expected"),
    [
        (nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1)), X[:, 0], ALL[1:]),
        (nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 3)), Y,
         ("linear_explainability", "linear_gap", "alignment")),
        (nn.Linear(6, 3), Y, ("linear_explainability", "linear_gap")),
    ],
)  # fmt: skip
def test_a_lens_that_has_nothing_to_look_at_is_left_out_of_the_default(
    model: nn.Module, y: Tensor, expected: tuple[str, ...]
) -> None:
    with lenses.watch(model, data=(X, y)) as record:
        record.step((X, y))
    assert tuple(name.partition("(")[0] for name in record.blind) == expected


def test_the_ladder_is_even_in_the_logarithm() -> None:
    found = [step for step in range(10_001) if times.ladder(step)]
    assert found[:15] == [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33]
    assert 40 <= len(found) <= 60
    assert all(
        1.18 < after / before < 1.23 for before, after in zip(found[20:], found[21:], strict=False)
    )


def looked(share: float, cost: int, batch: int, steps: int) -> list[int]:
    found = times.Times(None, share, cost)
    seen = []
    for step in range(steps + 1):
        if found.due(step, max(0, step - 1) * batch):
            found.looked()
            seen.append(step)
    return seen


def test_looks_cost_no_more_than_their_share_but_at_powers_of_two() -> None:
    seen = looked(1 / 16, 2000, 64, 4000)
    assert {0, *(2**k for k in range(12))} <= set(seen)
    assert all(times.ladder(step) or times.power(step) for step in seen)
    assert len(set(seen) - {0, *(2**k for k in range(12))}) >= 3
    assert 2000 * len(seen) <= 3 * 64 * 4000 / 16
    assert looked(1 / 16, 10**9, 64, 4000) == [0, *(2**k for k in range(12))]
    assert looked(1, 1, 64, 4000) == [s for s in range(4001) if times.ladder(s) or times.power(s)]


def test_one_time_axis_holds_all_lenses_and_the_last_step_is_seen() -> None:
    found = watched(7).dataset
    assert found.step.values.tolist() == [0, 1, 2, 4, 7]
    assert found.samples.values.tolist() == [0, 20, 40, 80, 140]
    assert {values.dims for values in found.data_vars.values()} == {("time",)}
    assert {values.attrs["lens"].partition("(")[0] for values in found.data_vars.values()} == set(
        ALL
    )


def test_the_schedule_is_the_one_that_is_given_with_the_last_step() -> None:
    assert watched(9, schedule=[2, 4, 30]).dataset.step.values.tolist() == [2, 4, 9]


def test_each_lens_says_where_it_is_blind() -> None:
    record = watched(1)
    for name in ALL:
        told = record.dataset.attrs[f"blind_{name}"]
        assert told in record.blind.values() and told in record.summary()
        assert told.endswith(".") and "\n" not in told


def test_without_test_rows_the_dataset_says_so() -> None:
    assert watched(1).dataset.attrs["fresh_rows"] == "those of data, as no test was given"
    assert watched(1, test=(X, Y)).dataset.attrs["fresh_rows"] == "test"


def test_an_error_in_the_loop_goes_on_and_loses_nothing() -> None:
    model = network()
    with (
        pytest.raises(KeyError, match="mine"),
        lenses.watch(model, data=(X, Y), lenses=all_lenses()) as record,
    ):
        record.step()
        record.step()
        raise KeyError("mine")
    assert record.dataset.step.values.tolist() == [0, 1, 2]


def test_a_look_that_fails_is_told_and_does_not_end_the_loop() -> None:
    model = network()
    with lenses.watch(model, data=(X, Y), lenses=all_lenses()) as record:
        model[4] = nn.Linear(5, 4)
        with pytest.warns(RuntimeWarning, match="another shape of 4.weight"):
            record.step()
        model[4] = nn.Linear(5, 3)
        record.step()
    assert np.isnan(record.dataset.alignment[1]) and np.isfinite(record.dataset.alignment[2])


def test_a_run_that_diverges_gives_nan_and_no_error() -> None:
    model = network()
    with lenses.watch(model, data=(X, Y), lenses=all_lenses()) as record:
        with torch.no_grad():
            model[0].weight.fill_(torch.nan)
        record.step()
    last = record.dataset.isel(time=-1)
    assert all(
        np.isnan(last[name]) for name in ("information", "nonlinear", "lipschitz", "alignment")
    )


def test_modes_hooks_and_grad_mode_are_left_alone() -> None:
    model, calls = network(), []
    model[3].eval()
    model.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad(), lenses.watch(model, data=(X, Y), lenses=all_lenses()) as record:
        record.step()
        assert not torch.is_grad_enabled()
    assert not calls
    assert [one.training for one in model] == [True, True, True, False, True]
    assert all(one.grad is None for one in model.parameters())


def test_evaluation_mode_is_what_is_looked_at() -> None:
    model = network()
    found = watched(1, schedule=[0], lenses=[lenses.linear_gap()]).dataset.output_power[0]
    with torch.no_grad():
        wanted = float((model.eval()(X) ** 2).mean())
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_autocast_and_inference_mode_around_the_loop_change_no_look() -> None:
    plain = watched(1, schedule=[0]).dataset.isel(time=0)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        with lenses.watch(network(), data=(X, Y), lenses=all_lenses(), schedule=[0]) as record:
            pass
    assert plain.drop_vars("samples").identical(record.dataset.isel(time=0).drop_vars("samples"))


class Light(nn.Module):
    """As written for Lightning: the step is a method of the network, which keeps its trainer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = network()
        self.trainer = SimpleNamespace(callback_metrics={}, log_every=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        x, y = batch
        self.trainer.callback_metrics["loss"] = index
        return nn.functional.cross_entropy(self(x), y)

    def on_train_batch_end(self, record: lenses.Record, batch: tuple[Tensor, Tensor]) -> None:
        record.step(batch)


def test_a_loop_with_callbacks_is_watched_from_its_hook() -> None:
    model = Light()
    rule = torch.optim.Adam(model.parameters())
    chosen = [lenses.linear_gap(), lenses.alignment("body.0", outgoing="body.4")]
    with lenses.watch(model, data=(X, Y), lenses=chosen) as record:
        for index in range(3):
            batch = X[20 * index :][:20], Y[20 * index :][:20]
            model.training_step(batch, index).backward()
            rule.step(), rule.zero_grad()
            model.on_train_batch_end(record, batch)
    assert record.dataset.samples.values.tolist() == [0, 20, 40, 60]


def test_wrapped_networks_are_looked_at_inside_their_wrapper() -> None:
    found = []
    for model in (network(), nn.DataParallel(network()), torch.compile(network(), backend="eager")):
        with lenses.watch(
            model, data=(X, Y), lenses=[lenses.alignment("0", outgoing="4")]
        ) as record:
            pass
        found.append(record.dataset)
    assert found[0].identical(found[1]) and found[0].identical(found[2])


def test_a_weight_that_is_normalised_by_torch_is_seen() -> None:
    inner = nn.utils.parametrizations.weight_norm(nn.Linear(6, 5))
    model = nn.Sequential(inner, nn.ReLU(), nn.Linear(5, 3))
    plain = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    with torch.no_grad():
        plain[0].weight.copy_(inner.weight), plain[0].bias.copy_(inner.bias)
        plain[2].load_state_dict(model[2].state_dict())
    found = []
    for one in (model, plain):
        with lenses.watch(
            one, data=(X, Y), lenses=[lenses.alignment("0"), lenses.bias_trajectory("0")]
        ) as record:
            pass
        found.append(record.dataset)
    xr.testing.assert_allclose(*found, rtol=1e-5)


def test_half_precision_is_looked_at_in_single_precision() -> None:
    model = network().to(torch.bfloat16)
    single = network()
    single.load_state_dict({name: one.float() for name, one in model.state_dict().items()})
    found = []
    for one in (model, single):
        with lenses.watch(one, data=(X, Y), lenses=all_lenses()) as record:
            pass
        found.append(record.dataset.isel(time=-1))
    assert found[0].identical(found[1])


def test_the_same_kind_of_lens_on_two_layers_has_two_names() -> None:
    chosen = [lenses.bias_trajectory("0"), lenses.bias_trajectory("4")]
    record = watched(2, lenses=chosen)
    assert {"lipschitz_0", "lipschitz_4", "bias_slope_0"} <= set(record.dataset)
    assert "blind_bias_trajectory_4" in record.dataset.attrs
    assert record.plot().png


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_panel_for_each_lens_is_drawn(count: int) -> None:
    picture = watched(12, lenses=all_lenses()[:count]).plot()
    titles = (
        "bits known of the label",
        "share that is not linear",
        "slopes",
        "alignment of neurons",
    )
    assert [title in picture.svg for title in titles] == [number < count for number in range(4)]
    assert picture.description.startswith("Over the steps of training")


def test_a_file_holds_the_dataset(tmp_path: Path) -> None:
    record = watched(3)
    record.to_netcdf(tmp_path / "record.nc")
    with xr.open_dataset(tmp_path / "record.nc", engine="scipy") as found:
        xr.testing.assert_equal(found.load(), record.dataset)
        assert found.attrs == record.dataset.attrs
        assert lenses.plot(found).svg == record.plot().svg


def test_the_copy_is_freed_with_the_block() -> None:
    record = lenses.watch(network(), data=(X, Y), lenses=all_lenses())
    mirror = weakref.ref(record._mirror)
    with record:
        record.step()
    gc.collect()
    assert mirror() is None and record.dataset.sizes["time"] == 2


def test_rows_are_capped_and_drawn_once() -> None:
    chosen = [lenses.linear_gap(rows=20), lenses.alignment("0", outgoing="4", rows=10)]
    first, second = (watched(1, lenses=chosen).dataset for _ in range(2))
    assert first.identical(second)
    assert first.attrs["linear_gap_rows"] == 20 and first.attrs["alignment_rows"] == 10


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_on_another_device_takes_data_from_any() -> None:
    found = []
    for device in ("cpu", "cuda"):
        with lenses.watch(
            network().to(device), data=(X, Y), test=(X.numpy(), Y.to(device)), lenses=all_lenses()
        ) as record:
            state = torch.cuda.get_rng_state()
            record.step((X, Y))
            assert torch.equal(state, torch.cuda.get_rng_state())
        found.append(record.dataset)
    xr.testing.assert_allclose(*found, rtol=1e-3)
