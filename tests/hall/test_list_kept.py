"""What `simplicity list` says is kept for as long as the library stays as it is."""

import pytest

from simplicity.cli import main
from simplicity.evidence import records
from simplicity.places import paths
from simplicity.process import threads


def test_the_list_is_asked_for_once_in_each_state_of_the_library(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "cache", lambda: tmp_path)
    few, asked, experiment = records.names()[:2], [], records.experiment
    monkeypatch.setattr(records, "names", lambda: few)
    monkeypatch.setattr(records, "experiment", lambda name: asked.append(name) or experiment(name))

    def listed():
        assert main(["list", "--json"]) == 0
        return capsys.readouterr().out

    first = listed()
    assert few[0] in first and asked == few
    assert listed() == first and asked == few
    monkeypatch.setattr(threads, "library_digest", lambda: "another")
    assert listed() == first and asked == 2 * few
    assert [path.name for path in (tmp_path / "list").iterdir()] == ["another.json"]


@pytest.mark.parametrize("left", ["", "{", "no json"])
def test_a_list_that_cannot_be_read_is_made_anew(left, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "cache", lambda: tmp_path)
    monkeypatch.setattr(records, "names", lambda: records.modules()[:0])
    kept = tmp_path / "list" / f"{threads.library_digest()}.json"
    kept.parent.mkdir()
    kept.write_text(left, "utf-8")
    assert main(["list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n" and kept.read_text("utf-8") == "[]"
