"""A headless Firefox for the site's tests, driven over WebDriver BiDi, which it speaks by itself:
what a page complained of.
"""

import contextlib
import itertools
import json
import queue
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import websocket

NAMES = ("firefox-esr", "firefox")
_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
START_SECONDS = 120


def program() -> str | None:
    """The Firefox of this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(
            f"{address}/session", timeout=60, suppress_origin=True
        )
        self._ids, self._events = itertools.count(1), []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded", "network.fetchError"])
        self._tab = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                if message["type"] == "error":
                    raise RuntimeError(f"{method}: {message['message']}")
                return message["result"]
            self._events.append(message)

    def load(self, url: str) -> tuple[str, ...]:
        """The errors that the page's scripts, its console and its requests had."""
        self._events.clear()
        self.call("browsingContext.navigate", context=self._tab, url=url, wait="complete")
        time.sleep(0.2)  # for what the page's scripts do after everything else
        self.ask("document.title")
        return tuple(text for event in self._events for text in _complaint(event))

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, or of the promise that it is: a text or number."""
        answer = self.call(
            "script.evaluate",
            expression=expression,
            target={"context": self._tab},
            awaitPromise=True,
        )
        return answer["result"].get("value")

    def close(self) -> None:
        self.call("browser.close")
        self._socket.close()


def _complaint(event: dict[str, Any]) -> Iterator[str]:
    params = event.get("params", {})
    if event.get("method") == "log.entryAdded" and params["level"] == "error":
        yield str(params["text"])
    elif event.get("method") == "network.fetchError":
        yield f"{params['errorText']} {params['request']['url']}"


@contextlib.contextmanager
def open_page() -> Iterator[Page]:
    """A tab of a Firefox with a profile of its own."""
    name = program()
    assert name is not None
    with tempfile.TemporaryDirectory(
        prefix="simplicity-firefox-", ignore_cleanup_errors=True
    ) as profile:
        process = subprocess.Popen(
            [name, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        try:
            page = Page(_address(process))
            yield page
            page.close()
        finally:
            process.terminate()
            process.wait(30)


def _address(process: subprocess.Popen[str]) -> str:
    """Where it listens, which it tells on its stderr. What else it says is read and dropped, lest
    it wait.
    """
    lines: queue.Queue[str] = queue.Queue()
    assert process.stderr is not None
    stream = process.stderr

    def drop() -> None:
        with stream:
            for one in stream:
                lines.put(one)

    threading.Thread(target=drop, daemon=True).start()
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(queue.Empty):
            if found := _LISTENS.search(lines.get(timeout=1)):
                return found[1]
    raise RuntimeError("Firefox did not open its debugging port")
