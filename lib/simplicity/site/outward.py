"""What leads out of the site: how to cite a page, what a shared link shows; `repository.url` fills
the links.
"""

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from simplicity.site import directives

LONGEST = 200  # letters of a description
_ENTRY = re.compile(r"^@\w+\{(?P<key>[^,\s]+),.*?^\}", re.DOTALL | re.MULTILINE)


def entries(text: str) -> dict[str, str]:
    """Key -> entry of a BibTeX file."""
    return {found["key"]: found[0] for found in _ENTRY.finditer(text)}


def address(app: Sphinx, path: str) -> str:
    """Where a file of the site is for everybody; empty where the site has no address of its own."""
    base = app.config.html_baseurl
    return urljoin(base.rstrip("/") + "/", path) if base else ""


def own(config: Any) -> str:
    """The book itself in BibTeX."""
    lines = {
        "title": f"{{{config.html_title}}}",
        "author": f"{{{config.author}}}",
        "year": config.copyright,
        "url": (config.html_theme_options or {}).get("repository_url") or config.html_baseurl,
    }
    told = "".join(f"  {name} = {{{value}}},\n" for name, value in lines.items() if value)
    return f"@software{{simplicity,\n{told}}}"


class CiteBox(SphinxDirective):
    """`{cite-box} hu2020`: BibTeX of the book and of papers, for copying."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        known, keys = self._bibliography(), " ".join(self.arguments).split()
        for key in keys:
            if key not in known:
                directives.warn(self, "cite-box", key, "a key of the bibliography")
        text = "\n\n".join([own(self.config), *(known[key] for key in keys if key in known)])
        return [nodes.literal_block(text, text, language="bibtex")]

    def _bibliography(self) -> dict[str, str]:
        known: dict[str, str] = {}
        for name in self.config.bibtex_bibfiles:
            known |= entries((Path(self.env.srcdir) / name).read_text("utf-8"))
        return known


def description(doctree: nodes.document) -> str:
    """The first paragraph of a page, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = re.sub(r"\s+", " ", paragraph.astext()).strip()
        if len(text) > 60 and "\\" not in text:
            return _cut(text)
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: text.rindex(" ", 0, LONGEST)] + " …"


def add_meta(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """A description for searches, and what a shared link shows; addresses only where the site has
    one.
    """
    if doctree is None:
        return
    told, title = description(doctree), re.sub(r"<[^>]+>", "", str(context.get("title", "")))
    shown = {
        "og:type": "article",
        "og:title": title,
        "og:site_name": app.config.html_title,
        "og:description": told,
        "og:url": address(app, app.builder.get_target_uri(pagename)),
        "og:image": address(app, "_static/threshold.png"),
    }
    tags = _tag("name", "description", told)
    tags += "".join(_tag("property", name, text) for name, text in shown.items())
    context["metatags"] = context.get("metatags", "") + tags


def _tag(kind: str, name: str, text: str) -> str:
    return f'<meta {kind}="{name}" content="{html.escape(text)}">\n' if text else ""
