"""What leads out of the site: how to cite a page, what a shared link shows.

`repository.url` fills the links.
"""

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOG = logging.getLogger(__name__)
LONGEST = 200  # letters of a description
_ENTRY = re.compile(r"^@\w+\{(?P<key>[^,\s]+),.*?^\}", re.DOTALL | re.MULTILINE)


def entries(text: str) -> dict[str, str]:
    """Key -> entry of a BibTeX file."""
    return {found["key"]: found[0] for found in _ENTRY.finditer(text)}


def own(config: Any) -> str:
    """The book itself in BibTeX."""
    address = (config.html_theme_options or {}).get("repository_url") or config.html_baseurl
    lines = {
        "title": f"{{{config.html_title}}}",
        "author": f"{{{config.author}}}",
        "year": config.copyright,
    }
    lines |= {"url": address} if address else {}
    return (
        "@software{simplicity,\n"
        + "".join(f"  {name} = {{{value}}},\n" for name, value in lines.items())
        + "}"
    )


class CiteBox(SphinxDirective):
    """`{cite-box} hu2020`: BibTeX of the book and of papers, for copying."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        known: dict[str, str] = {}
        for name in self.config.bibtex_bibfiles:
            known |= entries((Path(self.env.srcdir) / name).read_text("utf-8"))
        found = [own(self.config)]
        for key in " ".join(self.arguments).split():
            if key not in known:
                LOG.warning(
                    "cite-box: got %r, allowed a key of the bibliography",
                    key,
                    location=self.get_location(),
                )
            found += [known[key]] if key in known else []
        text = "\n\n".join(found)
        return [nodes.literal_block(text, text, language="bibtex")]


def description(doctree: nodes.document) -> str:
    """The first paragraph of a page, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = re.sub(r"\s+", " ", paragraph.astext()).strip()
        if len(text) > 60 and "\\" not in text:
            return text if len(text) <= LONGEST else text[: text.rindex(" ", 0, LONGEST)] + " …"
    return ""


def add_meta(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """A description for searches, and what a shared link shows.

    Addresses only where the site's own is set.
    """
    if doctree is None:
        return
    shown = {
        "og:type": "article",
        "og:title": str(context.get("title", "")),
        "og:site_name": app.config.html_title,
    }
    told = description(doctree)
    tags = ""
    if told:
        tags += f'<meta name="description" content="{html.escape(told, quote=True)}">\n'
        shown["og:description"] = told
    if app.config.html_baseurl:
        base = app.config.html_baseurl.rstrip("/") + "/"
        shown["og:url"] = urljoin(base, app.builder.get_target_uri(pagename))
        shown["og:image"] = urljoin(base, "_static/threshold.png")
    shown["og:title"] = re.sub(r"<[^>]+>", "", shown["og:title"])
    tags += "".join(
        f'<meta property="{name}" content="{html.escape(text, quote=True)}">\n'
        for name, text in shown.items()
    )
    context["metatags"] = context.get("metatags", "") + tags
