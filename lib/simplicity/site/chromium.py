"""A headless Chromium that prints pages: one process for all of them, spoken to over a pipe.

Only what a printer needs; the tests have a driver of their own, which looks at pages.
"""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from simplicity.problems import Problem, Stopped

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-pipe"
).split()
PATIENCE = 120  # seconds for one page
# Chromium reads its orders from descriptor 3 and answers on descriptor 4.
_START = (
    "import os, sys; given = list(map(int, sys.argv[1:3])); os.dup2(given[0], 3); "
    "os.dup2(given[1], 4); os.execv(sys.argv[3], sys.argv[3:])"
)
# A4 in inches, and margins that leave the text 18 cm.
PAPER = {
    "paperWidth": 8.27,
    "paperHeight": 11.69,
    "marginTop": 0.55,
    "marginBottom": 0.65,
    "marginLeft": 0.55,
    "marginRight": 0.55,
    "scale": 0.85,
    "printBackground": True,
    "generateDocumentOutline": True,
    "generateTaggedPDF": True,
    "displayHeaderFooter": True,
    "headerTemplate": "<span></span>",
}
_FOOT = (
    '<div style="font-size: 8px; width: 100%; padding: 0 1.4cm; display: flex; '
    'justify-content: space-between"><span class="title"></span>'
    '<span class="pageNumber"></span></div>'
)


def program() -> str:
    """Where Chromium is, or one plain sentence."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise Problem("pdf: no Chromium was found, allowed one of " + ", ".join(NAMES))
    return found


class Printer:
    """A tab that loads pages and gives them back as PDF."""

    def __init__(self, orders: int, answers: int) -> None:
        self._orders, self._answers = orders, answers
        self._rest, self._numbers, self._tab = b"", itertools.count(1), ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._tab = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def pdf(self, url: str) -> bytes:
        """The page at `url` on sheets of A4, once its fonts are there."""
        self._call("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            pass
        self._call("Runtime.evaluate", expression="document.fonts.ready", awaitPromise=True)
        printed = self._call("Page.printToPDF", footerTemplate=_FOOT, **PAPER)
        return base64.b64decode(printed["data"])

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        order = {"id": number, "method": method, "params": params}
        if self._tab:
            order["sessionId"] = self._tab
        _write(self._orders, json.dumps(order).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            pass
        if "error" in answer:
            raise Stopped(f"pdf: Chromium refused {method}: {answer['error']['message']}")
        return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        """The next whole message, which a zero ends."""
        parts, until = [self._rest], time.monotonic() + PATIENCE
        while b"\0" not in parts[-1]:
            parts.append(_read(self._answers, until - time.monotonic()))
        message, _, self._rest = b"".join(parts).partition(b"\0")
        return dict(json.loads(message))


def _read(descriptor: int, seconds: float) -> bytes:
    """What comes next, within that time."""
    ready = select.select([descriptor], [], [], max(0, seconds))[0]
    part = os.read(descriptor, 1 << 20) if ready else b""
    if not part:
        raise Stopped("pdf: Chromium did not answer, run the command again")
    return part


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _pipe() -> tuple[int, int]:
    """Both ends, above the two numbers that Chromium takes for itself."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


@contextlib.contextmanager
def printer() -> Iterator[Printer]:
    """One Chromium, which ends with the block."""
    found = program()
    (its_orders, orders), (answers, its_answers) = _pipe(), _pipe()
    with tempfile.TemporaryDirectory(prefix="simplicity-pdf-", ignore_cleanup_errors=True) as home:
        process = _started(found, home, (its_orders, its_answers))
        try:
            yield Printer(orders, answers)
        finally:
            os.close(orders)
            os.close(answers)
            process.terminate()
            process.wait(30)


def _started(program: str, home: str, ends: tuple[int, int]) -> subprocess.Popen[bytes]:
    """Chromium with its settings in `home`; its ends of the pipes are its alone."""
    # A superuser, as in containers, has no sandbox.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    start = (sys.executable, "-c", _START, *map(str, ends))
    process = subprocess.Popen(
        [*start, program, *FLAGS, *sandbox, f"--user-data-dir={home}"],
        pass_fds=ends,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in ends:
        os.close(end)
    return process
