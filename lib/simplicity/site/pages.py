"""What becomes of a built page: files for download, provenance, HTML for every reader, no useless
script.
"""

import copy
import functools
import html
import itertools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from myst_nb.core.read import create_nb_reader
from sphinx.application import Sphinx

from simplicity.places import files
from simplicity.site import body, build, data_files, download, formulas, provenance, themes
from simplicity.site.evidence import Payload, state_of

# Jupyter Book always adds its live-code scripts; they would load from another site, and declare one
# constant twice.
_THEBE = re.compile(
    r"[ \t]*<script\b[^>]*thebe[^>]*>[^<]*</script>\n?"
    r"|[ \t]*<script\b[^>]*>[^<]*\bTHEBE_[^<]*</script>\n?"
    r"|[ \t]*<link\b[^>]*thebe[^>]*>\n?"
)
# The theme asks for its icon fonts ahead of time in a way that browsers refuse on file:// pages,
# with an error each; the style sheet loads the same fonts a moment later.
_PRELOAD = re.compile(r"[ \t]*<link\b[^>]*rel=\"preload\"[^>]*as=\"font\"[^>]*>\n?")
# The icons come from the theme's style sheet and fonts; its script of 1.5 MB would draw them a
# second time.
_ICONS = re.compile(r"[ \t]*<script\b[^>]*/fontawesome/[^>]*></script>\n?")
_KATEX = re.compile(
    r"[ \t]*<script\b[^>]*\b(?:katex/|formulas\.js)[^>]*></script>\n?"
    r"|[ \t]*<script>\s*window\.simplicityMacros\s*=[^<]*</script>\n?"
    r"|[ \t]*<link\b[^>]*\bkatex/[^>]*>\n?"
)
_FORMULA = re.compile(r'class="math notranslate')
_DOWNLOAD = re.compile(r'(<a href="[^"]*_sources/[^"]*") target="_blank"')
# A name that does not hold the words to be seen cannot be spoken by a reader who commands the page
# by voice.
_OTHER_NAME = re.compile(
    r'(<button class="[^"]*search-button-field[^"]*"[^>]*?) aria-label="[^"]*"'
    r'|(<summary\b[^>]*?) aria-label="[^"]*"'
)


# On paper folded code would be most of a chapter.
PAPER = (
    '<p class="simplicity-paper">Left out on paper: the code, which stands in '
    "<code>{source}</code> of the repository and under “Code” on the page itself, and each claim's "
    "checks, which are in the ledger.</p>"
)


@functools.cache
def reader(app: Sphinx) -> build.Reader:
    """Chapters exactly as MyST-NB will parse them, so that what we store under a key is found under
    it; each is parsed once.
    """
    env: Any = app.env

    @functools.cache
    def parsed(source: Path, text: str) -> nbformat.NotebookNode:
        found = create_nb_reader(str(source), env.myst_config, env.mystnb_config, text)
        assert found is not None, source
        return found.read(text)

    def read(source: Path) -> nbformat.NotebookNode:
        return copy.deepcopy(parsed(source, source.read_text("utf-8")))

    return read


def offer_notebook(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """An entry for the executed notebook in the download menu: the theme has one only beside launch
    buttons.
    """
    if _chapter(app, pagename):
        context["ipynb_source"] = f"{pagename}.ipynb"


def add_provenance(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """The provenance line under each page: of its run, or of the build where nothing is run."""
    chapter, state = _chapter(app, pagename), state_of(app.env)
    if chapter:
        payloads = state.payloads[chapter]
        context["body"] += PAPER.format(source=html.escape(f"{pagename}.md"))
        context["body"] += _data(payloads)
        context["body"] += provenance.line(state.runs[chapter], payloads)
    elif pagename in state.pages:
        context["body"] += provenance.built(Path(app.srcdir))


def _data(payloads: list[Payload]) -> str:
    """The line that leads to the recorded data, where a page has any."""
    named = (payload.get("experiments", ()) for payload in payloads)
    experiments = list(dict.fromkeys(itertools.chain.from_iterable(named)))
    return data_files.links(experiments) if experiments else ""


def mend_body(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """The page's own HTML for every reader, once it is complete."""
    if "body" in context:
        context["body"] = body.mended(context["body"])
        context["metatags"] = context.get("metatags", "") + body.NO_SCRIPT


def _chapter(app: Sphinx, pagename: str) -> str | None:
    name = pagename.removeprefix("book/")
    return name if name in state_of(app.env).runs else None


def write(app: Sphinx) -> None:
    """Mend all pages, and write what they lead to."""
    site = Path(app.outdir)
    macros = formulas.macros(app.config)
    for path in site.rglob("*.html"):
        _rewrite(path, mended(path.read_text("utf-8"), macros))
    _write_notebooks(app, site / "_sources" / "book")
    _write_twins(site / "_sources")
    _write_static(site / "_static")
    title, first = (html.escape(text) for text in (app.config.html_title, app.config.root_doc))
    files.write_text(site / "index.html", START.format(title=title, first=first))
    data_files.write(site)


def _write_static(folder: Path) -> None:
    """The colours where no script chooses them, and on paper; the search without an error."""
    files.write_text(folder / themes.NAME, themes.of(folder))
    search = folder / "searchtools.js"
    _rewrite(search, search.read_text("utf-8").replace(_EXCERPT, _EXCERPT_OF_A_SERVER))


def _rewrite(path: Path, text: str) -> None:
    """A file that is already right keeps its time stamp."""
    if not path.is_file() or path.read_bytes() != text.encode():
        files.write_text(path, text)


def _write_notebooks(app: Sphinx, folder: Path) -> None:
    """The source's cells with the run's outputs, where the download menu points; the same bytes for
    the same run.
    """
    read = reader(app)
    # Sphinx would read the page of a figure from the disk for every reference to the figure.
    app.env.get_doctree = functools.cache(app.env.get_doctree)  # type: ignore[method-assign]
    for chapter in state_of(app.env).runs:
        notebook = build.merged(Path(app.srcdir), chapter, read)
        notebook.metadata.pop("source_map", None)
        _drop_drawings(notebook)
        plain = download.notebook(app, f"book/{chapter}", notebook)
        files.write_text(folder / f"{chapter}.ipynb", nbformat.writes(plain))


def _drop_drawings(notebook: nbformat.NotebookNode) -> None:
    """A picture stands in the run twice. Jupyter cleans the HTML of a notebook that somebody else
    has executed, drawings included, and then shows nothing; the PNG is always shown.
    """
    for output in build.outputs(notebook):
        if "image/png" in output.get("data", {}):
            output["data"].pop("text/html", None)


def _write_twins(folder: Path) -> None:
    """Beside each file for download a script that holds its text: a page on a disk may load a
    script, but save no file.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".js":
            said = f"{json.dumps(path.name)}, {json.dumps(path.read_text('utf-8'))}"
            _rewrite(path.with_name(f"{path.name}.js"), f"simplicityFile({said});\n")


# A page on a disk may not read another one: its search shows titles without excerpts, and no error.
_EXCERPT = "else if (showSearchSummary)"
_EXCERPT_OF_A_SERVER = 'else if (showSearchSummary && location.protocol !== "file:")'
# The page at the top of the site only leads to the first one; the usual one has no icon.
START = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="_static/favicon.svg">
<meta http-equiv="refresh" content="0; url={first}.html">
</head>
<body><p><a href="{first}.html">{title}</a></p></body>
</html>
"""


def mended(text: str, macros: Mapping[str, Any]) -> str:
    """A page without what it cannot use; a page that is already right stays as it is."""
    text = _PRELOAD.sub("", _ICONS.sub("", _THEBE.sub("", text)))
    if not _FORMULA.search(text):
        text = _KATEX.sub("", text)
    text = _OTHER_NAME.sub(lambda found: found[1] or found[2], text)
    return body.with_mathml(_DOWNLOAD.sub(r"\1 download", text), macros)
