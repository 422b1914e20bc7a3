"""The built site: complete, light, self-contained; every page loads in a browser with nothing amiss."""

import contextlib
import csv
import functools
import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import nbformat
import pytest

import browser
from simplicity.book import build

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
PAGE_LIMIT = 1_000_000
pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(not (SITE / "claims.json").is_file(), reason="the site is not built: make book"),
]
needs_browser = pytest.mark.skipif(not browser.available(), reason="chromium is not installed")


class Links(HTMLParser):
    """What a page loads by itself, what it links to, and which anchors it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "author"):
            self.loads.append(given.get("href", ""))
        elif tag in ("script", "img", "iframe", "source", "video", "audio", "embed", "object", "image", "use"):
            self.loads += [given[name] for name in ("src", "href", "xlink:href", "data", "srcset") if given.get(name)]
        self.loads += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style", ""))


@functools.cache
def parsed(path: Path) -> Links:
    return Links(path)


def pages() -> list[Path]:
    """All but the start page, which only leads to the first one."""
    found = sorted(path for path in SITE.rglob("*.html") if "_static" not in path.relative_to(SITE).parts)
    return [path for path in found if path != SITE / "index.html"]


def executed_pages() -> list[Path]:
    return [SITE / "book" / f"{chapter}.html" for chapter in build.chapters(ROOT)]


def local_target(page: Path, address: str) -> Path:
    return (page.parent / unquote(urlsplit(address).path)).resolve() if urlsplit(address).path else page


def is_outside(address: str) -> bool:
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme not in ("", "data", "mailto")


def test_every_page_of_the_table_of_contents_is_there() -> None:
    assert (SITE / "index.html").is_file()
    assert [name for name in build.toc(ROOT) if not (SITE / f"{name}.html").is_file()] == []


def test_claims_json_has_one_row_for_each_claim_in_order() -> None:
    with (ROOT / "book" / "claims.csv").open(encoding="utf-8", newline="") as file:
        known = [row["id"] for row in csv.DictReader(file)]
    rows = json.loads((SITE / "claims.json").read_text("utf-8"))
    assert len(known) == 101
    assert [row["id"] for row in rows] == known


def test_every_fresh_run_of_a_page_is_a_preset_whose_outcome_is_asserted() -> None:
    rows = json.loads((SITE / "claims.json").read_text("utf-8"))
    others = {(row["id"], one["statistic"]) for row in rows for one in row["checks"] if one["preset"] not in ("QUICK", "FULL")}
    assert others == set()


def test_each_chapter_has_its_provenance_on_the_page_and_in_the_file() -> None:
    runs = json.loads((SITE / "provenance.json").read_text("utf-8"))
    assert set(runs) == set(build.chapters(ROOT))
    for page in executed_pages():
        line = re.search(r'<p class="simplicity-provenance">(.*?)</p>', page.read_text("utf-8"))
        assert line is not None, page.name
        for part in (runs[page.stem]["library"][:12], runs[page.stem]["python"], "preset", "seeds", "commit", "cores"):
            assert part in line[1], page.name


def test_executed_notebooks_can_be_downloaded_with_their_outputs() -> None:
    for page in executed_pages():
        found = re.search(r'<a href="([^"]+\.ipynb)" download', page.read_text("utf-8"))
        assert found is not None, page.name
        notebook = nbformat.read(local_target(page, found[1]), as_version=4)
        nbformat.validate(notebook)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in cells)
        assert any(cell.outputs for cell in cells), page.name


def test_no_page_loads_anything_from_outside() -> None:
    loads = [(page.name, address) for page in pages() for address in parsed(page).loads]
    assert [entry for entry in loads if is_outside(entry[1])] == []
    for sheet in SITE.glob("_static/**/*.css"):
        text = sheet.read_text("utf-8")
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import\s+['\"](https?:)?//", text), sheet


def test_links_within_the_site_lead_somewhere() -> None:
    broken = []
    for page in pages():
        for address in (*parsed(page).links, *parsed(page).loads):
            if is_outside(address) or urlsplit(address).scheme or address == "#":
                continue
            target, fragment = local_target(page, address), urldefrag(address).fragment
            if not target.exists():
                broken.append(f"{page.name}: {address}")
            elif fragment and target.suffix == ".html" and unquote(fragment) not in parsed(target).anchors:
                broken.append(f"{page.name}: no anchor {address}")
    assert broken == []


def test_each_page_weighs_less_than_a_megabyte() -> None:
    for page in pages():
        own = {local_target(page, address) for address in parsed(page).loads if not is_outside(address)}
        images = {path for path in own if path.suffix in (".png", ".svg", ".jpg", ".webp", ".gif")}
        downloads = {local_target(page, link) for link in parsed(page).links if link.endswith((".ipynb", ".csv"))}
        weight = sum(path.stat().st_size for path in {page, *images, *downloads} if path.is_file())
        assert weight <= PAGE_LIMIT, f"{page.name}: {weight} bytes"


def from_disk() -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext(SITE.as_uri())


@contextlib.contextmanager
def from_server() -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("source", [from_disk, from_server], ids=["from disk", "from a server"])
def test_a_browser_loads_every_page_from_the_site_alone_and_without_an_error(
    source: Callable[[], contextlib.AbstractContextManager[str]],
) -> None:
    with source() as base, browser.open_page() as page:
        assert page.follow(f"{base}/index.html") == f"{base}/book/index.html"
        for path in pages():
            seen = page.load(f"{base}/{path.relative_to(SITE).as_posix()}")
            foreign = [url for url in seen.requests if not url.startswith((base, "data:", "blob:", "about:"))]
            assert foreign == [], path.name
            assert seen.errors == (), path.name
            if 'class="math' in path.read_text("utf-8"):
                assert page.ask("document.querySelectorAll('mjx-container').length") > 0, path.name
                assert page.ask("document.querySelectorAll('mjx-merror').length") == 0, path.name


@needs_browser
@pytest.mark.browser
def test_pages_fit_a_window_of_400_pixels_and_the_dark_page_is_dark() -> None:
    with browser.open_page() as page:
        page.look(400, 800, dark=True)
        for path in pages():
            page.load(path.as_uri())
            assert page.ask("document.documentElement.scrollWidth") <= 400, path.name
            assert page.ask("document.documentElement.dataset.theme") == "dark", path.name
