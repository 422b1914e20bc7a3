"""What each page of the built site costs and shows, measured in headless Chromium.

`python tests/page_table.py` (or `make pages`) prints the table; `tests/hall/test_site.py` holds the
same numbers against the book's limits.
"""

import dataclasses
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
WIDTH, HEIGHT, NARROW = 1280, 800, 360

# Where the first drawing begins, in windows; null without one.
FIRST_PICTURE = """(function () {
  const drawn = 'figure, .simplicity-player, .simplicity-figure, .explorable, iframe, img';
  const found = document.querySelector(`.bd-article :is(${drawn})`);
  return found && (found.getBoundingClientRect().top + scrollY) / innerHeight;
})()"""
# Code that is wider than its box, folded code included.
CUT_CODE = """(function () {
  document.querySelectorAll('.bd-article details').forEach((one) => { one.open = true; });
  const blocks = Array.from(document.querySelectorAll('.bd-article pre'));
  return blocks.filter((one) => one.scrollWidth > one.clientWidth + 1).length;
})()"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclasses.dataclass(frozen=True)
class Measured:
    """One page. Bytes are those of all files that a first visit loads."""

    name: str
    bytes: int
    requests: int
    outside: int
    errors: int
    first_picture: float | None
    cut_code: int
    overflow: int
    formulas: bool


def names() -> list[str]:
    """The pages of the table of contents, as files below the site."""
    return sorted(path.relative_to(SITE).as_posix() for path in (SITE / "book").glob("*.html"))


def measure(page: browser.Page, name: str, dark: bool = False) -> Measured:
    """Load a page from the disk, look at it, unfold it, and make the window narrow."""
    page.look(WIDTH, HEIGHT, dark)
    seen = page.load((SITE / name).as_uri())
    local = [url for url in dict.fromkeys(seen.requests) if url.startswith("file:")]
    files = [Path(unquote(urlsplit(url).path)) for url in local]
    outside = [
        url for url in seen.requests if not url.startswith(("file:", "data:", "blob:", "about:"))
    ]
    first, cut = page.ask(FIRST_PICTURE), page.ask(CUT_CODE)
    page.look(NARROW, HEIGHT, dark)
    page.ask("new Promise((done) => setTimeout(done, 200))")
    return Measured(
        Path(name).stem, sum(path.stat().st_size for path in files if path.is_file()), len(local),
        len(outside), len(seen.errors), first, cut, page.ask(TOO_WIDE),
        any("katex" in url for url in local),
    )  # fmt: skip


def table() -> list[Measured]:
    """All pages."""
    with browser.open_page() as page:
        return [measure(page, name) for name in names()]


def main() -> None:
    heads = ("page", "KB", "requests", "outside", "errors", "first picture", "cut code", "overflow")
    print(("{:26}" + "{:>9}" * 4 + "{:>15}" + "{:>10}" * 2).format(*heads))
    for one in table():
        first = "none" if one.first_picture is None else f"{one.first_picture:.2f}"
        numbers = (one.bytes // 1000, one.requests, one.outside, one.errors)
        print(
            f"{one.name:26}"
            + "".join(f"{n:9}" for n in numbers)
            + f"{first:>15}{one.cut_code:10}{one.overflow:10}"
        )


if __name__ == "__main__":
    if not browser.available():
        sys.exit("error: Chromium is not installed")
    main()
