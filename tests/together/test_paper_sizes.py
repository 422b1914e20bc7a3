"""The script for a card, at TINY size on the processor: what is broken off ends the same."""

from pathlib import Path

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


def test_a_device_that_is_not_there_is_one_sentence(capsys, tmp_path):
    assert paper_sizes.main(["--device", "cuda:99", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: device: got 'cuda:99', allowed one that")


def test_so_is_an_experiment_that_is_not_there(capsys, tmp_path):
    assert paper_sizes.main(["corrupted_imagse", "--out", str(tmp_path)]) == 2
    assert "corrupted_images" in capsys.readouterr().err
