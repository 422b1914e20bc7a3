"""Ctrl-C, SIGTERM, SIGHUP: one stops a run cleanly, a second one ends the process at once."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator

INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended


_USUAL = (signal.SIG_DFL, signal.default_int_handler)
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt; a second one ends the process.

    So what was started is ended, and temporary folders are removed. The second counts also while a
    compiled loop keeps Python from seeing the first. Where the process was started to ignore one of
    them, as a shell's background job is, it goes on ignoring that. Workers end with the process
    (`pool`).
    """
    watched = {one for one in _STOPS if signal.getsignal(one) in _USUAL}
    if threading.current_thread() is not threading.main_thread() or not watched:
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # the system's handler writes here at once
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader, watched), daemon=True)
    watcher.start()
    undo = _take((signal.SIGTERM, signal.SIGHUP), _interrupt)
    try:
        yield
    finally:
        undo()
        signal.set_wakeup_fd(before)
        writer.close()
        watcher.join()
        reader.close()


def _interrupt() -> None:
    raise KeyboardInterrupt


def leave(line: str) -> Callable[[], None]:
    """From now on Ctrl-C, SIGTERM and SIGHUP print `line` and leave with SystemExit(130).

    For a program of somebody else's that would catch KeyboardInterrupt and go on. Returns the way
    back.
    """

    def stop() -> None:
        _say(line)
        raise SystemExit(INTERRUPTED)

    return _take(_STOPS, stop)


def _take(signals: Iterable[signal.Signals], first: Callable[[], None]) -> Callable[[], None]:
    """The first of these signals calls `first`, the second ends the process at once.

    A signal with another handler than the usual one keeps it: a process started to ignore it goes
    on ignoring it. Returns the way back.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    handlers = {number: signal.getsignal(number) for number in signals}
    before = {number: handler for number, handler in handlers.items() if handler in _USUAL}

    def stop(number: int, frame: object) -> None:
        for taken in before:
            signal.signal(taken, lambda number, frame: os._exit(INTERRUPTED))
        first()

    def undo() -> None:
        for taken, handler in before.items():
            signal.signal(taken, handler)

    for taken in before:
        signal.signal(taken, stop)
    return undo


def end_with_stdin() -> None:
    """SIGTERM to this process once nobody holds its standard input's other end: it ends with the
    one who started it.
    """

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Processes and threads started inside never get Ctrl-C, which a terminal sends to a group."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(reader: socket.socket, watched: Collection[int]) -> None:
    seen = 0
    while received := reader.recv(1):
        if received[0] not in watched:
            continue
        seen += 1
        if seen == 1:
            again = "Ctrl-C again" if received[0] == signal.SIGINT else "a second signal"
            _say(f"interrupted: stopping, what is finished is kept; {again} ends at once")
        elif seen == 2:
            _say("ended")
            os._exit(INTERRUPTED)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        # not through Python's buffers, which another thread may hold
        os.write(2, f"\n{line}\n".encode())
        sys.stderr.flush()
