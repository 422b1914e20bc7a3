"""A process beside this one that computes cells, where this one cannot.

Numpy takes its instruction set when it is loaded. A notebook or a dask worker that loaded numpy
before this package, on a processor with more than AVX2, can no longer be given portable arithmetic
(`threads.in_force`). Its cells then go to one other process, which is started once and lives as
long as this one.
"""

import atexit
import contextlib
import functools
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

WATCH_SECONDS = 1.0
_BEGIN = (
    "import sys; from multiprocessing.connection import Connection;"
    "pipe = Connection(int(sys.argv[1])); sys.path[:] = pipe.recv();"
    "from simplicity.process import companion; companion.serve(pipe)"
)


class Died(RuntimeError):
    """The companion ended in the middle of a cell; `exitcode` is negative if by a signal."""

    def __init__(self, exitcode: int) -> None:
        super().__init__("the process that computed it died")
        self.exitcode = exitcode


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """What an importable function gives, called in the companion, or its exception raised here."""
    return _companion().call(function, arguments)


class _Companion:
    """One process and the pipe to it; one cell at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # A pipe of its own: what a start-up file of the user's prints is no answer.
        self._pipe, own = multiprocessing.Pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BEGIN, str(own.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[own.fileno()],
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        own.close()
        self._pipe.send(sys.path)
        atexit.register(self.end)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        with self._lock:
            try:
                self._pipe.send((function, arguments))
                succeeded, value = self._pipe.recv()
            except (EOFError, ConnectionError):
                _companion.cache_clear()  # the next cell gets a new one
                raise Died(self._closed()) from None
        if succeeded:
            return value
        raise value

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._closed()

    def _closed(self) -> int:
        """The exit code, once it has ended; its pipe is closed."""
        code = self._process.wait()
        atexit.unregister(self.end)
        self._pipe.close()
        return code


@functools.cache
def _companion() -> _Companion:
    return _Companion()


def serve(pipe: Connection) -> None:
    """In the companion: call what comes in until nobody asks any more."""
    os.set_inheritable(pipe.fileno(), False)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # so that what a cell prints is seen
    threading.Thread(target=_follow, args=[os.getppid()], daemon=True).start()
    with contextlib.suppress(EOFError):
        while True:
            function, arguments = pipe.recv()
            try:
                pipe.send((True, function(*arguments)))
            except Exception as reason:
                pipe.send((False, _portable(reason)))


def _portable(reason: Exception) -> Exception:
    """The exception itself, or where it cannot travel a plain one with its words."""
    try:
        pickle.loads(pickle.dumps(reason))
        return reason
    except Exception:
        plain = RuntimeError(f"{type(reason).__name__}: {reason}")
        for note in getattr(reason, "__notes__", ()):
            plain.add_note(note)
        return plain


def _follow(parent: int) -> None:
    """End when the parent has: a companion in the middle of a cell would compute for nobody."""
    while os.getppid() == parent:
        threading.Event().wait(WATCH_SECONDS)
    os._exit(1)
