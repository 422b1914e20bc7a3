"""The script for a card, at TINY size on the processor: what is broken off ends the same."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from simplicity.boursier import on_device
from simplicity.evidence import records
from simplicity.grid import store
from simplicity.grid.groups import preset, runs_of
from simplicity.grid.run import run
from simplicity.together import paper_sizes


def recorded(name, out):
    return store.open_bytes(paper_sizes.record(name, "cpu", out, "tiny", seconds=0.0).read_bytes())


@pytest.mark.parametrize("name", ["residual_staircase", "smooth_activation", "corrupted_images"])
def test_what_is_broken_off_goes_on_to_the_same_bits(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(on_device, "_WATCHED", 2)  # TINY has few steps between two looks
    whole = recorded(name, tmp_path / "whole")
    replace, states = Path.replace, []

    def broken(path, target):
        found = replace(path, target)
        if str(target).endswith(".state"):
            states.append(target)
            if len(states) == 3:
                raise KeyboardInterrupt
        return found

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(KeyboardInterrupt):
        recorded(name, tmp_path / "broken")
    assert states[-1].is_file()
    assert recorded(name, tmp_path / "broken").identical(whole)
    assert not list(tmp_path.rglob("*.state"))  # gone once the cell is measured
    plain = run(records.experiment(name), preset(records.experiment(name), "TINY"),
                store=tmp_path / "plain", progress=False)  # fmt: skip
    for variable in plain.data_vars:
        if plain[variable].dtype.kind == "f":
            np.testing.assert_allclose(
                whole[variable], plain[variable], rtol=2e-3, atol=1e-4, err_msg=variable
            )


@pytest.mark.parametrize("name", paper_sizes.SIZES)
def test_every_experiment_knows_its_settings(name):
    experiment, size = records.experiment(name), paper_sizes.SIZES[name]
    with paper_sizes.engines(name, "cpu", 60.0, size.constants):
        cells = runs_of(experiment, paper_sizes.settings(experiment, name, "paper"))
        assert {type(cell) for cell in cells} == {experiment.Run}
        if name == "linear_on_cifar":
            assert max(cell.n for cell in cells) == 10_000
    assert len(cells) >= len(runs_of(experiment, preset(experiment, "TINY")))


class Network(NamedTuple):
    w: np.ndarray


def state(fill: float) -> paper_sizes._State:
    return paper_sizes._State(
        Network(np.full(3, fill)), np.full((2, 2), fill), np.full(1, fill), {"loss": [fill]}
    )


def told(one: paper_sizes._State) -> list:
    return [*one.network.w, *one.values.ravel(), *one.before, *one.found["loss"]]


def without(path: Path, name: str) -> None:
    with np.load(path) as whole:
        rest = {part: whole[part] for part in whole if part != name}
    with open(path, "wb") as file:
        np.savez(file, **rest)


@pytest.mark.parametrize("lost", ["closed", "w", "probe loss", "before"])
def test_a_state_without_one_of_its_parts_changes_nothing(lost, tmp_path):
    place = tmp_path / "network.state"
    state(2.0).save(place, 5)
    fresh = state(1.0)
    assert fresh.resumed(place) == 5 and told(fresh) == told(state(2.0))
    without(place, lost)
    fresh = state(1.0)
    assert fresh.resumed(place) == 0 and told(fresh) == told(state(1.0))


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_nor_does_one_that_was_cut_off(share, tmp_path):
    place = tmp_path / "network.state"
    state(2.0).save(place, 5)
    content = place.read_bytes()
    place.write_bytes(content[: int(share * len(content))])
    fresh = state(1.0)
    assert fresh.resumed(place) == 0 and told(fresh) == told(state(1.0))


def test_a_device_that_is_not_there_is_one_sentence(capsys, tmp_path):
    assert paper_sizes.main(["--device", "cuda:99", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: device: got 'cuda:99', allowed one that")


def test_so_is_an_experiment_that_is_not_there(capsys, tmp_path):
    assert paper_sizes.main(["corrupted_imagse", "--out", str(tmp_path)]) == 2
    assert "corrupted_images" in capsys.readouterr().err
