"""A cluster of other Python versions is refused in one sentence, before any function is sent to
it.
"""

import platform
from collections.abc import Iterator
from typing import Any

import distributed
import pytest

import toy_experiment as toy
from simplicity.grid import cluster
from simplicity.problems import Problem

HERE = platform.python_version()
MINOR = ".".join(HERE.split(".")[:2])


def info(version: str | None) -> dict[str, Any]:
    return {
        "host": {"python": version},
        "packages": {} if version is None else {"python": f"{version}.final.0"},
    }


class Fake:
    """A client that tells versions and to which nothing may be sent."""

    def __init__(self, scheduler: Any, workers: dict[str, Any]) -> None:
        self.told = {"scheduler": scheduler, "workers": workers, "client": info(HERE)}

    def get_versions(self) -> dict[str, Any]:
        return self.told

    def wait_for_workers(self, *_: Any, **__: Any) -> None:
        pass

    def close(self, **_: Any) -> None:
        pass

    def run(self, *_: Any, **__: Any) -> None:
        raise AssertionError("a function was sent to the workers")

    def run_on_scheduler(self, *_: Any, **__: Any) -> None:
        raise AssertionError("a function was sent to the scheduler")


@pytest.mark.parametrize(
    ("scheduler", "workers", "line"),
    [
        ("3.98.1", [HERE], "python: got 3.98.1 at the scheduler, allowed {here} as here"),
        (HERE, [HERE, "3.98.1"], "python: got 3.98.1 at tcp://w:1, allowed {here} as here"),
        (
            "3.99.0",
            ["3.98.1", HERE],
            "python: got 3.99.0 at the scheduler, 3.98.1 at tcp://w:0, allowed {here} as here",
        ),
        (
            HERE,
            ["3.98.1"] * 5,
            "python: got 3.98.1 at tcp://w:0, tcp://w:1, tcp://w:2 and 2 more, allowed {here} as "
            "here",
        ),
        (None, [HERE], "python: got an unknown version at the scheduler, allowed {here} as here"),
    ],
)
def test_another_minor_version_is_refused_and_nothing_sent(
    monkeypatch: pytest.MonkeyPatch, scheduler: str, workers: list[str], line: str
) -> None:
    told = {f"tcp://w:{number}": info(version) for number, version in enumerate(workers)}
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: Fake(info(scheduler), told))
    with pytest.raises(Problem) as refused:
        with cluster.connected("tcp://10.0.0.1:8786", toy):
            raise AssertionError("it went on")
    assert str(refused.value) == line.format(here=MINOR)


def test_another_patch_version_is_no_matter_of_python_alone() -> None:
    """Whether results may differ is told afterwards, beside the other versions."""
    cluster._check_python(
        Fake(info(f"{MINOR}.99"), {"tcp://w:0": info(HERE)}), "tcp://10.0.0.1:8786"
    )


def test_a_scheduler_that_does_not_tell_is_one_line() -> None:
    class Silent(Fake):
        def get_versions(self) -> dict[str, Any]:
            raise OSError("closed\nby the other side")

    with pytest.raises(
        Problem, match=r"scheduler: got tcp://h:1 \(OSError: closed\), allowed one that answers"
    ):
        cluster._check_python(Silent(None, {}), "tcp://h:1")


@pytest.fixture
def real() -> Iterator[str]:
    """A scheduler and a worker as threads of this process."""
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
    ) as found:
        yield str(found.scheduler_address)


def test_a_real_cluster_is_asked_for_its_versions(
    real: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster.connected(real, toy) as executor:
        assert executor.submit(int, "7").result(timeout=60) == 7
    monkeypatch.setattr(platform, "python_version", lambda: "3.98.1")
    with pytest.raises(
        Problem,
        match=rf"python: got {HERE} at the scheduler, tcp://127.0.0.1:\d+, allowed 3.98 as here",
    ):
        with cluster.connected(real, toy):
            raise AssertionError("it went on")
