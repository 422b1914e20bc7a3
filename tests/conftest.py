"""What a skipped test means: on a developer's machine, that something is missing; in the gate, a failure."""

import os
from collections.abc import Generator

import pytest

import simplicity  # noqa: F401  (before a test module loads numpy: the arithmetic is settled when a library is loaded)

GATE = os.environ.get("SIMPLICITY_CI") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if GATE and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("gpu") is None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not skip under SIMPLICITY_CI=1: {reason}"
    return report


@pytest.fixture(autouse=True)
def no_word_about_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of processes is what a test says, not what the machine it runs on says."""
    monkeypatch.delenv("SIMPLICITY_WORKERS", raising=False)
