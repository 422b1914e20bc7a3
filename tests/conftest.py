"""What a skipped test means: on a developer's machine, that something is missing; in the gate, a
failure.
"""

import os
import signal
from collections.abc import Generator

import pytest

# Before a test module loads numpy: the arithmetic is settled when a library is loaded.
from simplicity.grid import run
from simplicity.places import paths

STORES = (run.default_store(), paths.cache() / "store")
GATE = os.environ.get("SIMPLICITY_CI") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if (
        GATE
        and report.skipped
        and not hasattr(report, "wasxfail")
        and item.get_closest_marker("gpu") is None
    ):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not skip under SIMPLICITY_CI=1: {reason}"
    return report


# Files whose tests take long or wait, a line for each process that begins with them.
LONG = (
    {"test_site.py"},
    {"test_variants.py", "test_arithmetic.py"},
    {"test_build.py", "test_faults.py", "test_experiments.py"},
)


def _whose(item: pytest.Item) -> tuple[str, str]:
    """All tests of one experiment stand together: a process that has its runs judges them once."""
    several = getattr(item, "callspec", None) if item.path.name == "test_experiments.py" else None
    return str(item.path), str(several.params.get("name", "")) if several else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins, so that no process is left with it when the others are done.

    A process starts with a run of tests that stand together (`--dist worksteal`).
    """
    items.sort(key=_whose)
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first: list[list[pytest.Item]] = [[] for _ in range(count)]
    rest = []
    for item in items:
        lines = [line for line, names in enumerate(LONG) if item.path.name in names]
        (first[lines[0] % count] if lines else rest).append(item)
    ordered: list[pytest.Item] = []
    for number, part in enumerate(first, 1):
        room = max(0, number * len(items) // count - len(ordered) - len(part))
        ordered += [*part, *rest[:room]]
        rest = rest[room:]
    items[:] = ordered + rest


@pytest.fixture(autouse=True)
def no_word_about_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of processes is what a test says, not what the machine it runs on says."""
    monkeypatch.delenv("SIMPLICITY_WORKERS", raising=False)


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_as_in_a_terminal() -> None:
    """A shell's background job starts with Ctrl-C ignored, and all that it starts would go on
    ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _toy_cells() -> set[str]:
    """Cells of the tests' own experiment in the stores of whoever runs the tests."""
    return {str(path) for store in STORES for path in store.glob("toy_experiment/*")}


@pytest.fixture(autouse=True)
def nothing_in_the_users_store() -> Generator[None, None, None]:
    before = _toy_cells()
    yield
    assert _toy_cells() <= before, (
        "a test has written into the user's store: give it a folder of its own"
    )
