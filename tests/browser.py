"""A headless Chromium for the site's tests, driven over its debugging protocol: what it requested,
what it complained of.

Not a general driver: one page at a time, loaded to the end (its fonts included), then
questions to it.
"""

import base64
import contextlib
import dataclasses
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import websocket

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-port=0"
).split()
AXE = Path(__file__).with_name("axe") / "axe.min.js"
# What assistive technology would stumble over; of lesser findings the theme has some. Drawings have
# thousands of pieces and one name, formulas a text of their own beside what is drawn.
FINDINGS = """axe.run({exclude: [['svg > *'], ['.katex']]}, {resultTypes: ['violations'], %s})
  .then((found) => found.violations
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .flatMap((one) => one.nodes.map((node) => one.id + ': ' + node.html.slice(0, 200))))"""
# axe-core walks through what it is told to leave out, which is most of its time.
UNDRAWN = "document.querySelectorAll('svg > *:not(title, desc)').forEach((one) => one.remove())"
READY = "document.fonts.ready.then(() => document.readyState)"


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one page load did."""

    requests: tuple[str, ...]
    errors: tuple[str, ...]


class Page:
    """One tab."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self._socket, self._ids, self._events = socket, itertools.count(1), []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._events.append(message)

    def load(self, url: str) -> Seen:
        self._events.clear()
        loader = self.call("Page.navigate", url=url)["loaderId"]
        while not any(_is_loaded(event, loader) for event in self._events):
            self._events.append(json.loads(self._socket.recv()))
        self.ask(READY)
        time.sleep(0.2)  # for requests that the page's scripts make after everything else
        self.ask("document.title")
        methods = [(event.get("method"), event.get("params", {})) for event in self._events]
        urls = tuple(
            params["request"]["url"]
            for method, params in methods
            if method == "Network.requestWillBeSent"
        )
        return Seen(
            urls, tuple(text for method, params in methods for text in _complaint(method, params))
        )

    def follow(self, url: str) -> str:
        """Where a page that only leads on ends up, at most five seconds later."""
        self.call("Page.navigate", url=url)
        here = url
        for _ in range(50):
            with contextlib.suppress(RuntimeError):  # asked while one document replaces the other
                here = self.ask("location.href")
            if here != url:
                break
            time.sleep(0.1)
        return here

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression (or of the promise that it is)."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value")

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """The size of the window, and whether the reader's system prefers dark pages."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def findings(self, rule: str = "") -> list[str]:
        """What axe-core, or one rule of it, finds of serious or critical impact, with the place.

        The page's drawings are empty after it.
        """
        self.ask(UNDRAWN)
        if not self.ask("!!window.axe"):
            self.call("Runtime.evaluate", expression=AXE.read_text("utf-8"))
        found: list[str] = self.ask(FINDINGS % (f"runOnly: ['{rule}']" if rule else ""))
        return found

    def screenshot(self, path: Path) -> None:
        path.write_bytes(
            base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        )


def _is_loaded(event: dict[str, Any], loader: str) -> bool:
    params = event.get("params", {})
    return event.get("method") == "Page.lifecycleEvent" and (
        params["name"],
        params["loaderId"],
    ) == ("load", loader)


def _complaint(method: str | None, params: dict[str, Any]) -> Iterator[str]:
    if method == "Runtime.exceptionThrown":
        details = params["exceptionDetails"]
        yield details.get("exception", {}).get("description", details["text"])
    elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert"):
        yield " ".join(str(part.get("value", part.get("description"))) for part in params["args"])
    elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
        yield f"{params['entry']['text']} {params['entry'].get('url', '')}"


def available() -> bool:
    return shutil.which("chromium") is not None


@contextlib.contextmanager
def open_page() -> Iterator[Page]:
    with tempfile.TemporaryDirectory(
        prefix="simplicity-browser-", ignore_cleanup_errors=True
    ) as profile:
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _port(Path(profile) / "DevToolsActivePort")
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT"
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                address = json.load(answer)["webSocketDebuggerUrl"]
            socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
            try:
                yield Page(socket)
            finally:
                socket.close()
        finally:
            process.terminate()
            process.wait(30)


def _port(file: Path) -> int:
    for _ in range(600):
        if file.is_file() and file.read_text("utf-8").strip():
            return int(file.read_text("utf-8").split()[0])
        time.sleep(0.1)
    raise RuntimeError("Chromium did not open its debugging port within a minute")
