"""The built site as one PDF: `python -m simplicity.site pdf [FILE]`, or `make pdf`.

Chromium prints each page of the table of contents, pypdf joins them: an outline by part, chapter
and section, and links from page to page that lead within the file.
"""

import html
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

from simplicity.places import files
from simplicity.problems import Problem
from simplicity.site import build, chromium

Parts = list[tuple[str, list[str]]]  # a caption, and the pages below it


def parts(root: Path) -> Parts:
    """The table of contents as the site's sidebar shows it; the first page has no caption."""
    first = build.contents(root).root
    below = [(part.caption or "", [str(one) for one in part.items]) for part in first.subtrees]
    return [("", [first.docname]), *below]


def write(site: Path, contents: Parts, target: Path) -> int:
    """Print the pages of `site` into `target`; the number of sheets."""
    try:
        import pypdf  # noqa: F401
    except ImportError:
        told = "pdf: pypdf is not installed, allowed after `pip install -e .[pdf]`"
        raise Problem(told) from None
    pages = _pages(site, contents)
    with chromium.printer() as printer:
        printed = {name: printer.pdf(page.as_uri()) for name, page in pages.items()}
    content, sheets = joined(site, contents, printed)
    files.write(target, content)
    return sheets


def _pages(site: Path, contents: Parts) -> dict[str, Path]:
    """The files of all pages; a `Problem` where one is not built."""
    found = {name: site / f"{name}.html" for _, names in contents for name in names}
    for name, page in found.items():
        if not page.is_file():
            raise Problem(f"pdf: {site} has no page {name}, allowed a site that `make book` built")
    return found


def joined(site: Path, contents: Parts, printed: Mapping[str, bytes]) -> tuple[bytes, int]:
    """One file of the printed pages, and how many sheets it has."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter()
    places: dict[str, int] = {}
    for caption, names in contents:
        part = None
        for name in names:
            reader, page = PdfReader(io.BytesIO(printed[name])), site / f"{name}.html"
            start = len(writer.pages)
            places |= _places(reader, unquote(page.as_uri()), start)
            writer.append(reader, import_outline=False)
            if caption and part is None:
                part = writer.add_outline_item(title=caption, page_number=start)
            title, sections = _outline(reader, _headings(page))
            chapter = title or name, start
            _add_outline(writer, chapter, sections, part)
    _lead_within(writer, places)
    return _written(writer), len(writer.pages)


def _written(writer: Any) -> bytes:
    """The whole file."""
    writer.add_metadata({"/Title": "Simple First: an executable companion"})
    writer.compress_identical_objects(remove_duplicates=True, remove_unreferenced=True)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _add_outline(
    writer: Any, chapter: tuple[str, int], sections: list[tuple[str, int]], part: Any
) -> None:
    """A chapter with its title and its first sheet, and its sections below it."""
    title, start = chapter
    above = writer.add_outline_item(title=title, page_number=start, parent=part, is_open=False)
    for heading, number in sections:
        writer.add_outline_item(title=heading, page_number=start + number, parent=above)


def _places(reader: Any, address: str, start: int) -> dict[str, int]:
    """The sheets of a page that begins at `start`, and of what is named on it, by address."""
    found = {address: start}
    for target, place in reader.named_destinations.items():
        number = reader.get_destination_page_number(place)
        if number is not None:
            found[f"{address}#{target.lstrip('/')}"] = start + number
    return found


def _headings(page: Path) -> dict[str, str]:
    """A page's headings by their letters: Chromium's outline joins the words of two lines."""
    found = re.findall(r"<h[1-3]\b[^>]*>(.*?)</h[1-3]>", page.read_text("utf-8"), re.DOTALL)
    return {re.sub(r"\s", "", one): one for one in map(_words, found)}


def _words(heading: str) -> str:
    plain = re.sub(r'<a class="headerlink".*?</a>|<[^>]+>', "", heading)
    return " ".join(html.unescape(plain).split())


def _outline(reader: Any, headings: Mapping[str, str]) -> tuple[str, list[tuple[str, int]]]:
    """The title of a printed page, and its sections with the sheets on which they begin."""
    title, sections = "", []
    for depth, entry in flat(reader.outline):
        number, said = reader.get_destination_page_number(entry), _heading(entry, headings)
        if depth == 0 and not title:
            title = said
        elif depth == 1 and number is not None:
            sections.append((said, number))
    return title, sections


def _heading(entry: Any, headings: Mapping[str, str]) -> str:
    """The words of an entry of an outline, with the spaces that the page has between them."""
    printed = str(entry.title)
    return headings.get(re.sub(r"\s", "", printed), printed)


def flat(entries: Iterable[Any], depth: int = 0) -> Iterable[tuple[int, Any]]:
    """Entries of an outline in their order, each with its depth."""
    for entry in entries:
        if isinstance(entry, list):
            yield from flat(entry, depth + 1)
        else:
            yield depth, entry


def _lead_within(writer: Any, places: Mapping[str, int]) -> None:
    """Links to pages of the site lead to sheets of the file; other links to its files are none,
    for they would name a folder of whoever printed it.
    """
    from pypdf.generic import ArrayObject, NameObject

    for sheet in writer.pages:
        kept = ArrayObject()
        for reference in sheet.get("/Annots", ()):
            link = reference.get_object()
            address = unquote(str(link.get("/A", {}).get("/URI", "")))
            number = places.get(address, places.get(urldefrag(address).url))
            if number is not None:
                _lead_to(link, writer.pages[number])
            if number is not None or not address.startswith("file:"):
                kept.append(reference)
        if "/Annots" in sheet:
            sheet[NameObject("/Annots")] = kept


def _lead_to(link: Any, sheet: Any) -> None:
    """To the top of the sheet, at the reader's own magnification."""
    from pypdf.generic import ArrayObject, NameObject, NullObject

    del link["/A"]
    at = [sheet.indirect_reference, NameObject("/XYZ")]
    link[NameObject("/Dest")] = ArrayObject(at + [NullObject()] * 3)
