"""The built site: complete, light, self-contained; every page loads in a browser with nothing
amiss.
"""

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
import firefox
import page_table
from simplicity.site import build

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
pytestmark = [
    pytest.mark.site,
    pytest.mark.skipif(
        not (SITE / "claims.json").is_file(), reason="the site is not built: make book"
    ),
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
        elif tag in (
            "script",
            "img",
            "iframe",
            "source",
            "video",
            "audio",
            "embed",
            "object",
            "image",
            "use",
        ):
            self.loads += [
                given[name]
                for name in ("src", "href", "xlink:href", "data", "srcset")
                if given.get(name)
            ]
        self.loads += re.findall(r"url\(['\"]?([^'\")]+)", given.get("style", ""))


@functools.cache
def parsed(path: Path) -> Links:
    return Links(path)


def pages() -> list[Path]:
    """All but the start page, which only leads to the first one."""
    found = sorted(
        path for path in SITE.rglob("*.html") if "_static" not in path.relative_to(SITE).parts
    )
    return [path for path in found if path != SITE / "index.html"]


def executed_pages() -> list[Path]:
    """The chapters: pages that run code and judge claims."""
    found = [SITE / "book" / f"{chapter}.html" for chapter in build.chapters(ROOT)]
    return [
        page
        for page in found
        if "verdict-strip" in (ROOT / "book" / f"{page.stem}.md").read_text("utf-8")
    ]


def local_target(page: Path, address: str) -> Path:
    return (
        (page.parent / unquote(urlsplit(address).path)).resolve()
        if urlsplit(address).path
        else page
    )


def is_outside(address: str) -> bool:
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme not in ("", "data", "mailto")


def test_every_page_of_the_table_of_contents_is_there() -> None:
    assert (SITE / "index.html").is_file()
    assert [name for name in build.toc(ROOT) if not (SITE / f"{name}.html").is_file()] == []


def test_claims_json_has_one_row_for_each_claim_in_order() -> None:
    with (ROOT / "book" / "claims.csv").open(encoding="utf-8", newline="") as file:
        known = [row["id"] for row in csv.DictReader(file)]
    rows = json.loads((SITE / "claims.json").read_text("utf-8"))
    assert [row["id"] for row in rows] == known


def test_every_fresh_run_of_a_page_is_a_preset_whose_outcome_is_asserted() -> None:
    rows = json.loads((SITE / "claims.json").read_text("utf-8"))
    others = {
        (row["id"], one["statistic"])
        for row in rows
        for one in row["checks"]
        if one["preset"] not in ("QUICK", "FULL")
    }
    assert others == set()


def test_each_chapter_has_its_provenance_on_the_page_and_in_the_file() -> None:
    runs = json.loads((SITE / "provenance.json").read_text("utf-8"))
    assert set(runs) == set(build.chapters(ROOT))
    for page in executed_pages():
        line = re.search(r'<p class="simplicity-provenance">(.*?)</p>', page.read_text("utf-8"))
        assert line is not None, page.name
        for part in (
            runs[page.stem]["library"][:12],
            runs[page.stem]["python"],
            "preset",
            "seeds",
            "commit",
            "cores",
        ):
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
            elif (
                fragment
                and target.suffix == ".html"
                and unquote(fragment) not in parsed(target).anchors
            ):
                broken.append(f"{page.name}: no anchor {address}")
    assert broken == []


# bytes of a page with its pictures and its notebook; its tables of recorded runs are data, which
# the limits on records hold small
PAGE_LIMIT = 1_000_000


def test_each_page_weighs_less_than_a_megabyte() -> None:
    for page in pages():
        own = {local_target(page, url) for url in parsed(page).loads if not is_outside(url)}
        images = {path for path in own if path.suffix in (".png", ".svg", ".jpg", ".webp", ".gif")}
        notebooks = {
            local_target(page, link) for link in parsed(page).links if link.endswith(".ipynb")
        }
        weight = sum(path.stat().st_size for path in {page, *images, *notebooks} if path.is_file())
        assert weight <= PAGE_LIMIT, f"{page.name}: {weight} bytes"


# of all files of a first visit: without and with formulas
MOST_BYTES = {False: 1_200_000, True: 2_400_000}
LATEST_PICTURE = 1.2  # windows of 1280 by 800
PARTS = 6  # so that several processes share what takes a minute


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
def test_the_address_of_the_site_leads_to_its_first_page(
    source: Callable[[], contextlib.AbstractContextManager[str]],
) -> None:
    with source() as base, browser.open_page() as page:
        assert page.follow(f"{base}/index.html") == f"{base}/book/index.html"


@needs_browser
@pytest.mark.browser
def test_a_browser_loads_every_page_from_a_server_alone_and_without_an_error() -> None:
    with from_server() as base, browser.open_page() as page:
        for path in pages():
            seen = page.load(f"{base}/{path.relative_to(SITE).as_posix()}")
            foreign = [
                url
                for url in seen.requests
                if not url.startswith((base, "data:", "blob:", "about:"))
            ]
            assert foreign == [], path.name
            assert seen.errors == (), path.name
            formulas = page.ask("document.querySelectorAll('.math.notranslate').length")
            set_ = "document.querySelectorAll('.math.notranslate .katex-html').length"
            assert page.ask(set_) == formulas, path.name


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("part", range(PARTS))
def test_assistive_technology_finds_nothing_serious_amiss_also_in_what_is_folded(part: int) -> None:
    unfold = "document.querySelectorAll('.bd-article details').forEach((one) => (one.open = true))"
    settled = "new Promise((done) => setTimeout(done, 300))"  # what scrolls gets its name
    with browser.open_page() as page:
        page.look(1280, 900)
        for path in pages()[part::PARTS]:
            page.load(path.as_uri())
            page.ask(unfold)
            page.ask(settled)
            assert page.findings() == [], path.name
            page.ask("document.documentElement.dataset.theme = 'dark'")
            page.ask(settled)
            assert page.findings("color-contrast") == [], path.name
        pale = "<p style='background: #fff; color: #ccc'>pale</p><img src='data:,'>"
        page.ask(f"document.querySelector('main').insertAdjacentHTML('beforeend', {pale!r})")
        rules = {found.partition(":")[0] for found in page.findings()}
        assert rules == {"color-contrast", "image-alt"}  # it would have found something


needs_firefox = pytest.mark.skipif(firefox.program() is None, reason="firefox is not installed")


@needs_firefox
@pytest.mark.firefox
def test_firefox_loads_every_page_from_a_disk_without_an_error() -> None:
    with firefox.open_page() as page:
        for path in pages():
            assert page.load(path.as_uri()) == (), path.name
            formulas = page.ask("document.querySelectorAll('.math.notranslate').length")
            set_ = "document.querySelectorAll('.math.notranslate .katex-html').length"
            assert page.ask(set_) == formulas, path.name


def test_downloaded_notebooks_are_plain_markdown_and_say_first_what_they_need() -> None:
    for chapter in build.chapters(ROOT):
        notebook = nbformat.read(SITE / "_sources" / "book" / f"{chapter}.ipynb", as_version=4)
        texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        assert "`make env`" in texts[0] and "`.venv/bin/jupyter lab`" in texts[0]
        for text in texts:
            prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
            assert not re.search(r"\{[\w:-]+\}`|^\([\w.:-]+\)=|^[`:]{3,}\{", prose, re.MULTILINE), (
                f"{chapter}: {text}"
            )
        source = build.read(ROOT / "book" / f"{chapter}.md")
        code, ours = (
            [cell.source for cell in one.cells if cell.cell_type == "code"]
            for one in (notebook, source)
        )
        assert code == ours
        captions = [cell for cell in notebook.cells if cell.source.startswith("**Fig. ")]
        assert len(captions) == sum(
            "figure" in cell.metadata.get("mystnb", {}) for cell in notebook.cells
        ), chapter


def test_every_file_for_download_has_a_script_for_pages_on_a_disk() -> None:
    links = {
        (page, link) for page in pages() for link in parsed(page).links if "/_sources/" in link
    }
    assert links
    for page, link in links:
        assert f'<a href="{link}" download' in page.read_text("utf-8")
        path = local_target(page, link)
        said = re.fullmatch(
            r"simplicityFile\((.*)\);\n", path.with_name(f"{path.name}.js").read_text("utf-8")
        )
        assert said is not None
        assert json.loads(f"[{said[1]}]") == [path.name, path.read_text("utf-8")]


def test_no_id_stands_twice_no_header_is_empty_and_lists_hold_items() -> None:
    for page in pages():
        text = re.sub(r"<(script|noscript)\b.*?</\1>", "", page.read_text("utf-8"), flags=re.DOTALL)
        article = (
            text[text.index("<article") : text.index("</article>")] if "<article" in text else ""
        )
        ids = re.findall(r'<[^>]*\sid="([^"]+)"', article)
        assert [name for name in set(ids) if ids.count(name) > 1] == [], page.name
        assert not re.search(r"<th\b[^>]*>(\s|<p>|</p>)*</th>", article), page.name
        assert "doc-biblioentry" not in article, page.name


def test_a_name_for_screen_readers_holds_the_words_that_are_seen() -> None:
    for page in pages():
        for tag in re.findall(r"<(?:summary|button)\b[^>]*>", page.read_text("utf-8")):
            assert not ("<summary" in tag and "aria-label" in tag), page.name
            assert not ("search-button-field" in tag and "aria-label" in tag), page.name


def test_each_formula_has_mathml_for_browsers_without_javascript() -> None:
    for page in pages():
        text = page.read_text("utf-8")
        formulas = re.findall(r'<(?:span|div) class="math notranslate', text)
        drawn = re.findall(r'</(?:span|div)><noscript>(?:<div class="mathml">)?<math', text)
        assert len(formulas) == len(drawn), page.name


def _channels(colour: str) -> list[float]:
    return [float(one) for one in re.findall(r"[\d.]+", colour)[:3]]


def _contrast(one: str, other: str) -> float:
    """The ratio that WCAG 2 defines for two sRGB colours."""

    def luminance(colour: str) -> float:
        linear = [
            c / 12.92 if (c := v / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for v in _channels(colour)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _colours(page: browser.Page, selector: str) -> tuple[str, str]:
    """Of the text of the first such element, and of the nearest ground below it."""
    return tuple(
        page.ask(
            f"""(() => {{ const element = document.querySelector({selector!r});
            let ground = element;
            const filled = (one) => getComputedStyle(one).backgroundColor;
            while (/, 0\\)|transparent/.test(filled(ground)) && ground.parentElement)
              ground = ground.parentElement;
            return [getComputedStyle(element).color, filled(ground)]; }})()"""
        )
    )


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_without_javascript_formulas_are_drawn_and_verdicts_are_coloured(dark: bool) -> None:
    chapter = executed_pages()[0]
    with browser.open_page() as page:
        page.call("Emulation.setScriptExecutionDisabled", value=True)
        page.look(360, 800, dark=dark)
        page.load(chapter.as_uri())
        assert page.ask("document.documentElement.dataset.theme") == "auto"
        assert page.ask("document.querySelector('math').getBoundingClientRect().width") > 0
        assert (
            page.ask("document.querySelector('.math.notranslate').getBoundingClientRect().width")
            == 0
        )
        assert page.ask("document.documentElement.scrollWidth") <= 360
        text, ground = _colours(page, ".verdict-strip .verdict-holds")
        assert _contrast(text, ground) >= 4.5
        assert len(set(_channels(ground))) > 1  # a colour, not a grey
        text, ground = _colours(page, ".bd-article p")
        assert _contrast(text, ground) >= 4.5
        assert (sum(_channels(ground)) < 384) == dark


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
def test_links_in_verdict_strips_stand_out_from_their_ground(dark: bool) -> None:
    with browser.open_page() as page:
        page.look(1280, 900, dark=dark)
        page.load(executed_pages()[0].as_uri())
        assert _contrast(*_colours(page, ".verdict-strip a")) >= 4.5


def _soon(page: browser.Page, expression: str) -> bool:
    """Whether it comes true within three seconds: pages scroll smoothly."""
    wait = "new Promise((done) => setTimeout(done, 100))"
    return any(page.ask(expression) or page.ask(wait) for _ in range(30))


@needs_browser
@pytest.mark.browser
def test_a_link_into_something_folded_opens_it() -> None:
    ledger = SITE / "book" / "ledger.html"
    there = (
        "(row => row.open && row.getBoundingClientRect().top >= 0"
        " && row.getBoundingClientRect().top < innerHeight)(document.getElementById('claim-{}'))"
    )
    with browser.open_page() as page:
        page.look(1280, 900)
        for anchor, claim in (("claim-B10", "B10"), ("N3", "N3")):
            page.load("about:blank")
            page.load(f"{ledger.as_uri()}#{anchor}")
            assert _soon(page, there.format(claim)), anchor
            assert page.ask("document.querySelectorAll('.bd-article details[open]').length") == 1
        page.ask("location.hash = '#claim-H5'")
        assert _soon(page, there.format("H5"))
        # The reader closes it, goes away and follows the same link again.
        page.ask(
            "document.getElementById('claim-H5').open = false; scrollTo(0, 0);"
            "document.body.insertAdjacentHTML('beforeend', '<a id=again "
            'href="#claim-H5">again</a>\');'
            "document.getElementById('again').click()"
        )
        assert _soon(page, there.format("H5"))
        page.load(executed_pages()[0].as_uri())
        page.ask(
            "document.querySelector('.bd-article details:not([open]) > :not(summary)').id = "
            "'inside'"
        )
        page.ask("location.hash = '#inside'")
        assert _soon(page, "document.getElementById('inside').closest('details').open")


# What lies right of the sheet, and what is cut by its frame. Text for screen readers is one pixel
# wide, and KaTeX draws the line of a root far longer than it shows it.
CUT = """Array.from(document.querySelectorAll('.bd-article *')).filter(function (element) {
  const box = element.getBoundingClientRect();
  const unseen = 'defs, clipPath, svg.entry, .katex svg, .katex-mathml';
  if (box.width <= 1 || element.closest(unseen)) return false;
  const frame = getComputedStyle(element).overflowX;
  const hides = frame !== 'visible' && !element.closest('svg, .katex');
  return box.right > innerWidth + 1 || (hides && element.scrollWidth > element.clientWidth + 1);
}).map((one) => [one.closest('.katex') ? 'FORMULA' : one.tagName, one.getAttribute('class'),
  one.textContent.trim().slice(0, 60)].join(' '))"""
DARK = [{"name": "prefers-color-scheme", "value": "dark"}]
# Words in small print that are larger than those around them.
LARGER_SMALL = """Array.from(document.querySelectorAll('.bd-article small')).filter(
  (small) => parseFloat(getComputedStyle(small).fontSize)
    >= parseFloat(getComputedStyle(small.parentElement).fontSize)
).length"""
# Code and the checks of single claims are left out on paper.
FOLDED = """Array.from(document.querySelectorAll('.bd-article details > :not(summary)')).filter(
  (element) => !element.closest('.above-input, .claim-screen > details')
    && (element.getBoundingClientRect().height === 0
      || !element.checkVisibility({contentVisibilityAuto: true, opacityProperty: true}))
).length"""


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("event", [True, False], ids=["the browser tells of it", "by style alone"])
def test_paper_shows_what_is_folded_but_code_cuts_nothing_and_is_black_on_white(
    event: bool,
) -> None:
    with browser.open_page() as page:
        others = [SITE / "book" / f"{name}.html" for name in ("ledger", "cost", "notation")]
        for path in (*executed_pages()[:3], *others):
            page.look(718, 1000, dark=True)  # A4 less its margins
            page.load(path.as_uri())
            assert page.ask("document.documentElement.dataset.theme") == "dark"
            page.call("Emulation.setEmulatedMedia", media="print", features=DARK)
            if event:
                page.ask(
                    "window.dispatchEvent(new Event('beforeprint')); new Promise((done) => "
                    "setTimeout(done, 100))"
                )
            assert page.ask(FOLDED) == 0, path.name
            assert page.ask("document.documentElement.scrollWidth") <= 718, path.name
            # A script makes wide formulas smaller.
            cut = [one for one in page.ask(CUT) if event or not one.startswith("FORMULA")]
            assert cut == [], path.name
            for selector in (".bd-article p", ".bd-article td", ".bd-article pre, .bd-article th"):
                if not page.ask(f"!!document.querySelector({selector!r})"):
                    continue  # the ledger has no table
                text, ground = _colours(page, selector)
                assert sum(_channels(text)) < 250 and sum(_channels(ground)) > 700, (
                    path.name,
                    selector,
                )
            assert (
                page.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            )
            assert page.ask(LARGER_SMALL) == 0, path.name
            players = "Array.from(document.querySelectorAll('.simplicity-player .controls'))"
            assert page.ask(f"{players}.every((one) => getComputedStyle(one).display === 'none')")
            page.call("Emulation.setEmulatedMedia", media="", features=DARK)
            if event:
                page.ask("window.dispatchEvent(new Event('afterprint'))")
                assert page.ask("document.documentElement.dataset.theme") == "dark"
                assert (
                    page.ask("document.querySelectorAll('.bd-article details[open]').length") == 0
                )


ROWS = """Array.from(document.querySelectorAll('.simplicity-figure')).map(function (figure) {
  const break_ = Array.from(figure.children).findIndex((one) => one.classList.contains('break'));
  const row = Array.from(figure.children).slice(0, break_);
  return row.map((one) => Math.round(one.getBoundingClientRect().top));
}).filter((tops) => tops.length === 3)"""


@needs_browser
@pytest.mark.browser
def test_three_panels_stay_in_one_row_on_paper() -> None:
    with browser.open_page() as page:
        page.look(718, 1000)
        page.load((SITE / "book" / "label-corruption.html").as_uri())
        page.call("Emulation.setEmulatedMedia", media="print", features=[])
        rows = page.ask(ROWS)
        assert len(rows) == 3 and all(len(set(tops)) == 1 for tops in rows)


# What scrolls: the same question as the page asks itself, of every element.
STOPS = """Array.from(document.querySelectorAll('.bd-article *')).map(function (element) {
  const style = getComputedStyle(element);
  const wide = element.scrollWidth > element.clientWidth + 1
    && /auto|scroll/.test(style.overflowX);
  const high = element.scrollHeight > element.clientHeight + 1
    && /auto|scroll/.test(style.overflowY);
  const region = element.getAttribute('role') === 'region';
  if (!wide && !high && !region) return null;
  const name = element.getAttribute('aria-label');
  return [wide || high, region && element.tabIndex === 0, name,
          element.tagName + ' ' + element.className];
}).filter(Boolean)"""


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("part", range(PARTS))
def test_each_page_keeps_to_the_books_limits_and_fits_narrow_dark_windows(part: int) -> None:
    """Wide and narrow, unfolded; the keyboard reaches what scrolls."""
    chapters = {page.stem for page in executed_pages()}
    with browser.open_page() as page:
        for path in pages()[part::PARTS]:
            name = path.relative_to(SITE).as_posix()
            one = page_table.measure(page, name, dark=True)
            assert (one.outside, one.errors, one.cut_code, one.overflow) == (0, 0, 0, 0), one
            # what is searched for is as long as the book
            searched = (SITE / "searchindex.js").stat().st_size if one.name == "search" else 0
            assert one.bytes - searched <= MOST_BYTES[one.formulas], one
            if one.name in chapters:
                assert one.first_picture is not None and one.first_picture <= LATEST_PICTURE, one
            assert page.ask("document.documentElement.dataset.theme") == "dark", name
            for width in (320, 360, 400):
                page.look(width, 800, dark=True)
                page.ask("new Promise((done) => setTimeout(done, 300))")
                assert page.ask("document.documentElement.scrollWidth") <= width, (name, width)
                stops = page.ask(STOPS)
                assert [stop for stop in stops if stop[0] != stop[1]] == [], name
                names = [stop[2] for stop in stops]
                assert all(names) and len(set(names)) == len(names), name


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("source", [from_disk, from_server], ids=["from disk", "from a server"])
def test_a_download_is_a_file_and_no_page(
    source: Callable[[], contextlib.AbstractContextManager[str]], tmp_path: Path
) -> None:
    chapter = executed_pages()[0]
    with source() as base, browser.open_page() as page:
        page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.load(f"{base}/book/{chapter.name}")
        here = page.ask("location.href")
        for suffix in (".ipynb", ".md"):
            page.ask(f"document.querySelector('a[download][href$=\"{suffix}\"]').click()")
            wanted = (SITE / "_sources" / "book" / f"{chapter.stem}{suffix}").read_bytes()
            saved = tmp_path / f"{chapter.stem}{suffix}"
            for _ in range(100):
                if saved.is_file() and saved.read_bytes() == wanted:
                    break
                page.ask("new Promise((done) => setTimeout(done, 100))")
            assert saved.read_bytes() == wanted
        assert page.ask("location.href") == here
