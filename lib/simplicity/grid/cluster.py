"""A dask cluster as an executor.

Workers are checked before any cell runs, and a cell that kills workers is given up.

The scheduler and its workers run wherever there is a network between them and this process; results
travel back here, where they are stored, so no shared disk is needed. `distributed` is the optional
extra `cluster`.
"""

import contextlib
import importlib
import logging
import platform
import re
import sys
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future
from functools import partial
from types import ModuleType
from typing import Any

from simplicity.grid import store
from simplicity.problems import Problem, shown
from simplicity.process import threads
from simplicity.process.pool import LIMIT_SECONDS, Submits

RETRIES = 2  # of a cell whose worker died
PATIENCE_SECONDS = 30.0  # for the scheduler's answer, and for a first worker
# for the word that a cell's time is over to reach the scheduler before its worker ends
GRACE_SECONDS = 2.0
WATCH_SECONDS = 5.0
OVERDUE = "simplicity-overdue"
_DASK = re.compile(r"(distributed|tornado)\b")  # its loggers
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}", re.ASCII)


def address_from(text: str) -> str:
    """The address of a scheduler, or a `Problem`."""
    if not _ADDRESS.fullmatch(text) or not 0 < int(text.rpartition(":")[2]) < 2**16:
        raise Problem(f"scheduler: got {shown(text)}, allowed tcp://HOST:PORT")
    return text


@contextlib.contextmanager
def connected(
    address: str,
    experiment: ModuleType,
    limit_seconds: float | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Iterator[Submits]:
    """An executor on the cluster whose scheduler is at `address`.

    Every worker has this code and these versions.

    A cell whose worker dies is tried again, `RETRIES` times at most: the scheduler's own limit is
    lowered to that. A cell that takes longer than `limit_seconds` fails, and its worker ends (a
    worker's nanny starts another).
    """
    _require_distributed()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        client = _client(address, patience)
        stack.callback(_close, client)
        _await_worker(client, address, patience)
        _check_python(client, address)
        _compare(client, experiment)
        client.run_on_scheduler(_lower_limit())
        found = _Cluster(client, address, limit_seconds or LIMIT_SECONDS)
        stack.callback(found.ended.set)
        yield found


def _require_distributed() -> None:
    try:
        import distributed  # noqa: F401
    except ModuleNotFoundError:
        raise Problem(
            "scheduler: the package distributed is missing, allowed with `pip install distributed`"
        ) from None


def _client(address: str, patience: float) -> Any:
    import distributed

    try:
        return distributed.Client(address_from(address), timeout=patience, set_as_default=False)
    except (OSError, ValueError) as reason:  # nothing there, or something else
        raise _no_answer(address, reason) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What goes wrong between dask's parts ends in one line of ours, not in a log of theirs."""
    names = [name for name in logging.root.manager.loggerDict if _DASK.match(name)]
    before = {logger: logger.level for logger in map(logging.getLogger, names)}
    for logger in before:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)


def _close(client: Any) -> None:
    with contextlib.suppress(Exception):  # a scheduler that is gone cannot be told goodbye
        client.close(timeout=GRACE_SECONDS)


def identity(module: str) -> dict[str, str]:
    """What must be equal here and on each worker: library, experiment's code, versions."""
    experiment = importlib.import_module(module)
    code = {
        "library": threads.library_digest()[:12],
        "fingerprint": store.fingerprint(experiment)[:12],
    }
    return {**store.versions(), "arithmetic": threads.label(), **code}


def _no_answer(address: str, reason: Exception) -> Problem:
    told = f"{type(reason).__name__}: {reason}".splitlines()[0]
    return Problem(f"scheduler: got {address} ({told}), allowed one that answers")


def _await_worker(client: Any, address: str, patience: float) -> None:
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError:
        raise Problem(f"scheduler: got {address} without a worker, allowed at least one") from None


def _check_python(client: Any, address: str) -> None:
    """A `Problem` where the scheduler's or a worker's Python is of another minor version than ours.

    A function that is pickled by its code ends another Python in a segmentation fault. dask's own
    question for the versions is answered without any such function.
    """
    here = _minor(platform.python_version())
    other = _others(_pythons(client, address), here)
    if other:
        got = ", ".join(f"{version} at {_some(places)}" for version, places in other.items())
        raise Problem(f"python: got {got}, allowed {here} as here")


def _others(pythons: Iterable[tuple[str, str]], here: str) -> dict[str, list[str]]:
    """The places of each version that is not the one here."""
    other: dict[str, list[str]] = {}
    for place, version in pythons:
        if _minor(version) != here:
            other.setdefault(version, []).append(place)
    return other


def _pythons(client: Any, address: str) -> list[tuple[str, str]]:
    """The scheduler and the workers, each with its version of Python."""
    try:
        told = client.get_versions()
    except (OSError, ValueError, TimeoutError) as reason:
        raise _no_answer(address, reason) from None
    places = [("the scheduler", told["scheduler"]), *sorted(told["workers"].items())]
    return [(place, _python_of(info)) for place, info in places]


def _python_of(info: Mapping[str, Any] | None) -> str:
    version = ((info or {}).get("packages") or {}).get("python")
    return ".".join(str(version).split(".")[:3]) if version else "an unknown version"


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _some(places: list[str], most: int = 3) -> str:
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return ", ".join(places[:most]) + more


def _compare(client: Any, experiment: ModuleType) -> None:
    """One `Problem` that names each worker's differences, if any; nothing has been run yet."""
    name = experiment.__name__

    # pickled by its code, so that a worker without our package can say so
    def look() -> dict[str, str]:
        from simplicity.grid.cluster import identity

        return identity(name)

    different = _different(identity(name), client.run(look, on_error="return"))
    if different:
        raise Problem(f"workers: {different}, allowed the same code and versions as here")


def _different(ours: Mapping[str, str], told: Mapping[str, Any]) -> str:
    """Each worker that differs, and in what."""
    lines = {worker: _difference(ours, theirs) for worker, theirs in sorted(told.items())}
    return "; ".join(f"{worker}: {line}" for worker, line in lines.items() if line)


def _difference(ours: Mapping[str, str], theirs: Mapping[str, str] | BaseException) -> str:
    if isinstance(theirs, BaseException):
        return f"{type(theirs).__name__}: {theirs}"
    unequal = {key: here for key, here in ours.items() if theirs.get(key) != here}
    return ", ".join(f"{key} {theirs.get(key)} (here {here})" for key, here in unequal.items())


def _lower_limit() -> Callable[..., None]:
    most = RETRIES

    # pickled by its code: the scheduler needs no package of ours
    def lower(dask_scheduler: Any = None) -> None:
        dask_scheduler.allowed_failures = min(dask_scheduler.allowed_failures, most)

    return lower


class _Cluster:
    """dask's own executor, given one cell a thread of its workers at a time.

    Each cell has a limit to its time.

    When a worker dies dask suspects every cell that it had been given, those not begun too: with a
    queue on each worker, one cell that kills its workers would take innocent ones with it.
    """

    def __init__(self, client: Any, address: str, limit_seconds: float) -> None:
        self._client, self._address, self._limit = client, address, limit_seconds
        self._executor = client.get_executor(pure=False)
        self._queue: deque[tuple[Future, tuple[Any, ...]]] = deque()
        self._running: dict[str, tuple[Future, Future]] = {}
        self._lock = threading.RLock()
        self._threads = sum(client.nthreads().values())
        self.ended = threading.Event()
        client.subscribe_topic(OVERDUE, self._overdue)
        threading.Thread(target=self._watch, daemon=True).start()

    def submit(self, fn: Any, /, *args: Any) -> Future:
        told: Future = Future()
        self._queue.append((told, (fn, *args)))
        self._fill()
        return told

    def _fill(self) -> None:
        with self._lock:
            while self._queue and len(self._running) < self._threads and not self.ended.is_set():
                self._start(*self._queue.popleft())

    def _start(self, told: Future, work: tuple[Any, ...]) -> None:
        token = uuid.uuid4().hex
        inner = self._executor.submit(_limited, self._limit, token, *work)
        self._running[token] = inner, told
        inner.add_done_callback(partial(self._pass_on, token, told))

    def _pass_on(self, token: str, told: Future, done: Future) -> None:
        with self._lock:
            mine = self._running.pop(token, None) is not None
        if mine:
            self._settle(told, done)
        self._fill()

    def _settle(self, told: Future, done: Future) -> None:
        """What a cell came to, in our words."""
        if done.cancelled():  # by dask, when the connection ends
            self.ended.set()
            told.set_exception(BrokenExecutor(f"the scheduler at {self._address} is gone"))
        # whose text is long and speaks of tasks
        elif type(done.exception()).__name__ == "KilledWorker":
            told.set_exception(RuntimeError(f"its worker died, {RETRIES + 1} times in all"))
        elif done.exception() is not None:
            told.set_exception(done.exception())
        else:
            told.set_result(done.result())

    def _overdue(self, event: Any) -> None:
        with self._lock:
            inner, told = self._running.pop(event[1], (None, None))
        if inner is not None and told is not None:
            told.set_exception(TimeoutError(f"more than {self._limit:g} s"))
            # Or the scheduler would try it again elsewhere. Not from here: this is the loop that
            # would have to do it.
            threading.Thread(target=inner.cancel, daemon=True).start()

    def _watch(self) -> None:
        """Workers come and go; without any a run waits, and a line says so.

        One may come: a queue, a restart.
        """
        alone = 0
        while not self.ended.wait(WATCH_SECONDS):
            with contextlib.suppress(Exception):  # a lost scheduler is told elsewhere
                self._threads = sum(self._client.nthreads().values())
                alone = 0 if self._threads else alone + 1
                if alone == 2:
                    print(
                        f"no worker is left at {self._address}; waiting for one",
                        file=sys.stderr,
                        flush=True,
                    )
                self._fill()


def _limited(limit: float, token: str, fn: Any, *args: Any) -> Any:
    """On a worker: `fn`, and an end of the process where it takes too long.

    A compiled loop cannot be ended otherwise.
    """
    import os
    import time

    from distributed import get_worker

    worker = get_worker()

    def end() -> None:
        worker.log_event(OVERDUE, token)
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    timer = threading.Timer(limit, end)
    timer.daemon = True
    timer.start()
    try:
        return fn(*args)
    finally:
        timer.cancel()
