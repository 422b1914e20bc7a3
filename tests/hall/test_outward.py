"""Citations and descriptions of pages."""

from types import SimpleNamespace

from docutils import nodes
from docutils.utils import new_document

from simplicity.places import paths
from simplicity.site import outward


def test_every_entry_of_the_bibliography_is_found_whole() -> None:
    text = (paths.book() / "references.bib").read_text("utf-8")
    found = outward.entries(text)
    assert len(found) == text.count("\n@") + text.startswith("@")
    assert all(entry.count("{") == entry.count("}") for entry in found.values())


def test_the_book_is_cited_with_an_address_only_where_it_has_one() -> None:
    config = SimpleNamespace(
        html_title="A book", author="X", copyright="2026", html_theme_options={}, html_baseurl=""
    )
    assert (
        outward.own(config)
        == "@software{simplicity,\n  title = {{A book}},\n  author = {{X}},\n  year = {2026},\n}"
    )
    config.html_theme_options["repository_url"] = "https://example.org/book"
    assert "  url = {https://example.org/book},\n" in outward.own(config)


def test_a_description_is_the_first_paragraph_that_says_something_cut_at_a_word() -> None:
    document = new_document("page")
    document += [nodes.paragraph("", "short"), nodes.paragraph("", "word " * 100)]
    found = outward.description(document)
    assert (
        found.startswith("word word")
        and found.endswith("word …")
        and len(found) <= outward.LONGEST + 2
    )
    assert outward.description(new_document("empty")) == ""


def test_a_page_says_what_a_shared_link_shows() -> None:
    document = new_document("page")
    document += nodes.paragraph(
        "", "Networks learn something simple first, says <this> page about early training."
    )
    builder = SimpleNamespace(get_target_uri=lambda name: f"{name}.html")
    app = SimpleNamespace(
        config=SimpleNamespace(html_title="A book", html_baseurl="https://example.org"),
        builder=builder,
    )
    context: dict[str, str] = {"title": "Early <em>training</em>"}
    outward.add_meta(app, "book/a", "", context, document)  # type: ignore[arg-type]
    assert '<meta property="og:title" content="Early training">' in context["metatags"]
    assert "simple first, says &lt;this&gt; page" in context["metatags"]
    assert (
        '<meta property="og:url" content="https://example.org/book/a.html">' in context["metatags"]
    )
