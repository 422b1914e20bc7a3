"""The site as one PDF: sheets, outline, links within the file, stills in place of players."""

from pathlib import Path

import pytest

import browser
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.site import chromium, pdf

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>.new {{ break-before: page; width: 5em }}</style></head><body>
<h1>{title}</h1><p>{link}</p><h2 class="new" id="more">More of {title}</h2><p>The end.</p>
</body></html>"""
CONTENTS = [("", ["start"]), ("Part one", ["book/a", "book/b"])]


def small_site(folder: Path) -> Path:
    (folder / "book").mkdir(parents=True)
    links = {
        "start": '<a href="book/b.html#more">there</a> <a href="data.csv">a file of the site</a>',
        "book/a": '<a href="https://example.org/">outside</a> <a href="b.html">beside</a>',
        "book/b": "",
    }
    for name, link in links.items():
        text = PAGE.format(title=f"Page {name[-1].upper()}", link=link)
        (folder / f"{name}.html").write_text(text, "utf-8")
    return folder


@pytest.mark.browser
@pytest.mark.skipif(not browser.available(), reason="chromium is not installed")
def test_a_site_becomes_one_file_with_an_outline_and_links_within_it(tmp_path: Path) -> None:
    pypdf = pytest.importorskip("pypdf")
    target = tmp_path / "book.pdf"
    assert pdf.write(small_site(tmp_path / "site"), CONTENTS, target) == 6
    reader = pypdf.PdfReader(target)
    assert len(reader.pages) == 6
    outline = [(depth, one.title) for depth, one in pdf.flat(reader.outline)]
    assert outline == [
        *[(0, "Page T"), (1, "More of Page T"), (0, "Part one")],
        *[(1, "Page A"), (2, "More of Page A"), (1, "Page B"), (2, "More of Page B")],
    ]
    assert "Page A" in reader.pages[2].extract_text()
    links = [[one.get_object() for one in sheet.get("/Annots", ())] for sheet in reader.pages]
    inside = [link["/Dest"][0].get_object() for sheet in links for link in sheet if "/Dest" in link]
    assert inside[0] in (reader.pages[4], reader.pages[5])
    assert [link["/A"]["/URI"] for sheet in links for link in sheet if "/A" in link] == [
        "https://example.org/"
    ]
    assert b"file:" not in target.read_bytes()


def test_the_parts_of_the_pdf_are_those_of_the_table_of_contents() -> None:
    first, *others = pdf.parts(paths.root())
    assert first == ("", ["book/index"])
    assert all(caption and pages for caption, pages in others)


def test_without_chromium_or_a_site_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium, "NAMES", ("no-such-browser",))
    with pytest.raises(Problem, match="no Chromium was found, allowed one of no-such-browser"):
        chromium.program()
    pytest.importorskip("pypdf")
    with pytest.raises(Problem, match="has no page start"):
        pdf.write(tmp_path, CONTENTS, tmp_path / "out.pdf")
