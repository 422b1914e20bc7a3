"""What a skipped test means: on a developer's machine, that something is missing; in the gate, a failure."""

import os
from collections.abc import Generator

import pytest

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
