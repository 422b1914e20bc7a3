"""Ctrl-C: once stops a run cleanly, twice ends the process at once.

SIGTERM and SIGHUP where a command asks for the same.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended


@contextlib.contextmanager
def second_ends() -> Iterator[None]:
    """Inside, the second Ctrl-C ends the process.

    Also while a compiled loop keeps Python from seeing the first.

    The first raises KeyboardInterrupt, as ever. Where the process was started to ignore interrupts,
    as a shell's background job is, it goes on ignoring them. Workers end with the process (`pool`).
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # the system's handler writes here at once
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.close()
        watcher.join()
        reader.close()


@contextlib.contextmanager
def ends_like_ctrl_c() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise KeyboardInterrupt.

    So what was started is ended, and temporary folders are removed.
    """

    def stop() -> None:
        raise KeyboardInterrupt

    undo = _take((signal.SIGTERM, signal.SIGHUP), stop)
    try:
        yield
    finally:
        undo()


def leave(line: str) -> Callable[[], None]:
    """From now on Ctrl-C, SIGTERM and SIGHUP print `line` and leave with SystemExit(130).

    Returns the way back.

    For a program of somebody else's that would catch KeyboardInterrupt and go on.
    """

    def stop() -> None:
        _say(line)
        raise SystemExit(INTERRUPTED)

    return _take((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), stop)


def _take(signals: Iterable[signal.Signals], first: Callable[[], None]) -> Callable[[], None]:
    """The first of these signals calls `first`, the second ends the process at once.

    Returns the way back.

    A signal with another handler than the usual one keeps it: a process started to ignore it goes
    on ignoring it.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    usual = (signal.SIG_DFL, signal.default_int_handler)
    before = {
        number: signal.getsignal(number) for number in signals if signal.getsignal(number) in usual
    }

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
    """This process gets SIGTERM once nobody holds its standard input's other end.

    So it ends with the one who started it.
    """

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Processes and threads that are started inside never get Ctrl-C.

    A terminal sends it to all of a group.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(reader: socket.socket) -> None:
    seen = 0
    while received := reader.recv(1):
        seen += received[0] == signal.SIGINT
        if seen == 1:
            _say("interrupted: stopping, what is finished is kept; Ctrl-C again ends at once")
        elif seen == 2:
            _say("ended")
            os._exit(INTERRUPTED)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):
        # not through Python's buffers, which another thread may hold
        os.write(2, f"\n{line}\n".encode())
        sys.stderr.flush()
