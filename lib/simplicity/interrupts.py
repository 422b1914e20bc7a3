"""Ctrl-C: once stops a run cleanly, twice ends the process at once."""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator

INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended


@contextlib.contextmanager
def second_ends() -> Iterator[None]:
    """Inside, the second Ctrl-C ends the process, also while a compiled loop keeps Python from seeing the first.

    The first raises KeyboardInterrupt, as ever. Where the process was started to ignore interrupts, as a shell's background
    job is, it goes on ignoring them. Workers end with the process (`pool`).
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)  # the system's handler writes here at once
    watcher = threading.Thread(target=_watch, args=(reader,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writer.close()
        watcher.join()
        reader.close()


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
        os.write(2, f"\n{line}\n".encode())  # not through Python's buffers, which another thread may hold
        sys.stderr.flush()
