"""The notebook that a reader downloads from a page: plain Markdown, with its run's numbers, for any
Jupyter.

A chapter's Markdown speaks to the site: `{glue:text}` pastes a number, `{ref}` a title,
`{verdict-strip}` a table. Jupyter knows none of these and shows them raw. Here each becomes what
the page shows of it, as far as Markdown can.
"""

import csv
import functools
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import nbformat
from docutils import nodes
from myst_nb.core.variables import format_plain_text
from sphinx import addnodes
from sphinx.application import Sphinx

from simplicity.evidence.ledger import SIGNS
from simplicity.site import build, directives, formulas, outward, wording
from simplicity.site.directives import table
from simplicity.site.evidence import Row, state_of

_WITHIN = r"(?:(?!\n\s*\n).)+?"  # of one paragraph
_ROLE = re.compile(
    rf"\{{(?P<role>[a-zA-Z][\w:.+-]*)\}}(?P<tick>`+)(?P<text>{_WITHIN})(?P=tick)(?!`)"
    rf"|(?P<code>`+)(?!`){_WITHIN}(?<!`)(?P=code)(?!`)"
    r"|\[(?P<title>[^\]\[]*)\]\((?P<target>[^)\s]+)\)",
    re.DOTALL,
)
_FENCE = re.compile(
    r"(?P<indent> *)(?P<fence>`{3,}(?=[^`]*$)|~{3,}|:{3,})\s*"
    r"(?:\{(?P<name>[^}]+)\})?(?P<argument>.*)"
)
_TITLED = re.compile(r"(?P<title>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
# lines with a target, a comment or a break between cells
_UNSEEN = re.compile(r"\([\w.:-]+\)=\s*|%( .*)?|\+\+\+.*")
_LABEL = re.compile(r"(?<=\$\$)[ \t]*\([\w.:-]+\)[ \t]*$", re.MULTILINE)
_ATTRIBUTES = re.compile(r"(?<=[\])`])\{[.#][^}]*\}")
_OPTION = re.compile(r":([\w-]+):\s*(.*)")
_REFERENCES = ("ref", "numref", "doc", "eq", "any", "term")
_ADMONITIONS = (
    "admonition attention caution danger dropdown error exercise hint important note seealso "
    "solution tip warning"
).split()
_GLUED = ("text/plain", "application/papermill.record/text/plain")
_GLUE = re.compile(r"(?:(?P<page>.*)::)?(?P<name>.*?)(?::(?P<form>[^:]*))?", re.DOTALL)
Role = Callable[[str, str], str]
Directive = Callable[[str, str, dict[str, str], str], str]


def plain(text: str, role: Role, directive: Directive) -> str:
    """MyST Markdown as plain Markdown; `role` and `directive` say what becomes of theirs."""
    shown = (
        _inline(part, role) if isinstance(part, str) else _block(*part, directive)
        for part in _parts(text)
    )
    return re.sub(r"\n{3,}", "\n\n", "\n".join(shown)).strip("\n")


def _parts(text: str) -> Iterator[str | tuple[re.Match[str], list[str]]]:
    """Prose, and blocks between fences: the line that begins one, and those within."""
    prose: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if fence := _FENCE.fullmatch(line):
            yield "\n".join(prose)
            prose.clear()
            yield fence, list(_fenced(lines, fence["fence"], len(fence["indent"])))
        elif not _UNSEEN.fullmatch(line):
            prose.append(line)
    yield "\n".join(prose)


def _block(fence: re.Match[str], content: list[str], directive: Directive) -> str:
    """What `directive` makes of one; code as it is."""
    if fence["name"] is None:
        return _code_block(fence, content)
    options, body = _options(content)
    made = directive(fence["name"], fence["argument"].strip(), options, body)
    return "\n".join((fence["indent"] + line).rstrip() for line in made.split("\n"))


def _code_block(fence: re.Match[str], content: list[str]) -> str:
    return "\n".join([fence[0], *(fence["indent"] + line for line in [*content, fence["fence"]])])


def _fenced(lines: Iterator[str], fence: str, indent: int) -> Iterator[str]:
    for line in lines:
        if re.fullmatch(rf" *{re.escape(fence[0])}{{{len(fence)},}}\s*", line):
            return
        yield line[indent:] if line[:indent].isspace() else line


def _options(content: list[str]) -> tuple[dict[str, str], str]:
    """The options at a directive's top, `:name: value` or between lines of dashes, and its body."""
    found, rest = _between_dashes(content)
    while rest and (option := _OPTION.fullmatch(rest[0].strip())):
        found[option[1]] = option[2]
        rest.pop(0)
    return found, "\n".join(rest).strip("\n")


def _between_dashes(content: list[str]) -> tuple[dict[str, str], list[str]]:
    """The options between lines of dashes at the top, and the lines below."""
    dashes = [place for place, line in enumerate(content) if line.strip() == "---"]
    if dashes[:1] != [0] or len(dashes) < 2:
        return {}, list(content)
    pairs = (line.partition(":") for line in content[1 : dashes[1]])
    return {name.strip(): value.strip() for name, _, value in pairs}, content[dashes[1] + 1 :]


def _inline(text: str, role: Role) -> str:
    shown = _ROLE.sub(functools.partial(_shown, role), text)
    return _ATTRIBUTES.sub("", _LABEL.sub("", shown))


def _shown(role: Role, found: re.Match[str]) -> str:
    """What becomes of a role, of code, or of a link."""
    if found["role"]:
        return role(found["role"], found["text"])
    target, title = found["target"] or ":", found["title"]
    if target.startswith(("#", "/", ".")) or ":" in target:  # code, or a link that is one anywhere
        return found[0]
    return role("any", f"{title} <{target}>" if title else target) or found[0]


def glued(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """The values that an executed notebook has glued, by name, as plain text."""
    each = map(_glued, build.outputs(notebook))
    return {name: text for name, text in each if name and text is not None}


def _glued(output: nbformat.NotebookNode) -> tuple[str | None, str | None]:
    name = output.get("metadata", {}).get("scrapbook", {}).get("name")
    data = output.get("data", {})
    return name, next((data[kind] for kind in _GLUED if kind in data), None)


class Words:
    """What a page shows for the roles and directives of its source, in plain Markdown."""

    def __init__(self, app: Sphinx, page: str) -> None:
        self.app, self.env, self.page = app, app.env, page
        self.rows = state_of(app.env).rows
        self.macros = formulas.macros(app.config)
        self.address = outward.address(app, app.builder.get_target_uri(page))
        self._values: dict[str, dict[str, str]] = {}

    def _known(self, names: str) -> list[Row]:
        return [self.rows[one] for one in names.split() if one in self.rows]

    def plain(self, text: str) -> str:
        return formulas.expanded(plain(text, self.role, self.directive), self.macros)

    def role(self, name: str, text: str) -> str:
        family, _, kind = name.rpartition(":")
        if "glue" in (name, family):
            return self._glue(text)
        if name in _REFERENCES or family in ("cite", "prf"):
            return self._reference(family or ("math" if kind == "eq" else "std"), kind, text)
        return self._said(name, text)

    def _said(self, name: str, text: str) -> str:
        """What a role that is no reference puts into its sentence."""
        match name:
            case "verdict":
                return ", ".join(f"{row['id']} {_signed(row)}" for row in self._known(text))
            case "check" | "control":
                return directives.check_value(self.rows, text, name == "control") or text
            case "recorded-time":
                return directives.recorded_time(directives.of_paper(self.rows, text))
            case "math":
                return f"${text}$"
            case "sub" | "sup":
                return f"<{name}>{text}</{name}>"
        return text

    def _glue(self, text: str) -> str:
        """`name`, `name:format`, or of another page `page::name:format`."""
        found = _GLUE.fullmatch(text)
        assert found is not None
        value = self._values_of(found["page"] or self.page).get(found["name"])
        if value is None:
            return found["name"]
        return wording.spoken(format_plain_text(value, found["form"] or "s"))

    def _values_of(self, page: str) -> dict[str, str]:
        """What a page has glued."""
        chapter = page.removesuffix(".md").rsplit("/", 1)[-1]
        if chapter not in self._values:
            self._values[chapter] = glued(build.executed(Path(self.app.srcdir), chapter))
        return self._values[chapter]

    def _reference(self, family: str, kind: str, text: str) -> str:
        titled = _TITLED.fullmatch(text)
        title, target = (titled["title"], titled["target"]) if titled else ("", text)
        for one in ("numref", "ref", "doc") if kind == "any" else (kind,):
            found = self._resolved(family, one, target.removesuffix(".md"), title)
            if found is not None:
                return self._link(found)
        return "" if kind == "any" else title or target

    def _link(self, found: nodes.Element) -> str:
        """The words of a reference, leading to its place where the site has an address."""
        place = next(iter(found.findall(nodes.reference)), None)
        shown = re.sub(r"\s+", " ", found.astext())
        if place is None or not self.address:
            return shown
        link = place.get("refuri") or f"#{place.get('refid', '')}"
        return f"[{shown}]({urljoin(self.address, link)})"

    def _resolved(self, family: str, kind: str, target: str, title: str) -> nodes.Element | None:
        domain = self.env.get_domain(family)
        wanted = target if family in ("cite", "prf") or kind == "doc" else target.lower()
        known = (*getattr(domain, "anonlabels", ()), *getattr(domain, "labels", ()))
        if kind in ("numref", "ref") and wanted not in known:  # else the domain would warn
            return None
        content = nodes.inline("", title or target)
        node = addnodes.pending_xref(
            "", content, refdoc=self.page, refdomain=family, reftype=kind, reftarget=wanted
        )
        node["refexplicit"], node["refwarn"] = bool(title), False
        return domain.resolve_xref(
            self.env, self.page, self.app.builder, kind, wanted, node, content
        )

    def _admonition(self, title: str, body: str) -> str:
        told = f"**{_inline(title, self.role)}**\n\n{self.plain(body)}"
        return "\n".join(f"> {line}".rstrip() for line in told.split("\n"))

    def directive(self, name: str, argument: str, options: dict[str, str], body: str) -> str:
        if name in _ADMONITIONS or name.startswith("prf:"):
            return self._admonition(argument or name.removeprefix("prf:").capitalize(), body)
        if name in _OF_CLAIMS:
            return _OF_CLAIMS[name](self._known(argument))
        match name:
            case "csv-table":
                return self._csv(argument, options, body)
            case "cite-box":
                return f"```bibtex\n{outward.own(self.app.config)}\n```"
            case "bibliography" | "tableofcontents" | "contents" | "index":
                return ""
            case "math":
                return f"$$\n{body}\n$$"
            case "code" | "code-block" | "sourcecode":
                return f"```{argument}\n{body}\n```"
            case "literalinclude":
                return f"```{options.get('language', '')}\n{self._file(argument)}```"
            case "raw":
                return body
        return self.plain(body)

    def _file(self, name: str) -> str:
        """The text of a file that the page names."""
        return Path(self.env.relfn2path(name, self.page)[1]).read_text("utf-8")

    def _csv(self, title: str, options: dict[str, str], body: str) -> str:
        body = self._file(options["file"]) if "file" in options else body
        rows = _rows(options.get("header", "")) + _rows(body)
        if not rows:
            return ""
        head, *cells = [[_inline(one, self.role) for one in row] for row in rows]
        above = f"{self.plain(title)}\n\n" if title else ""
        return above + table(head, cells)

    def caption(self, figure: dict[str, Any]) -> str:
        """The words below a figure, which the site has from the cell's settings: Jupyter hides
        these.
        """
        name, caption = str(figure.get("name", "")), str(figure.get("caption", ""))
        number = self._resolved("std", "numref", name, "") if name else None
        parts = (f"**{number.astext()}.**" if number else "", self.plain(caption).strip())
        return " ".join(part for part in parts if part)

    def welcome(self) -> str:
        """What a notebook says first: where it is from, and what it needs to run."""
        title = self.env.titles[self.page].astext()
        page = f"[{title}]({self.address})" if self.address else f"*{title}*"
        repository = (self.app.config.html_theme_options or {}).get("repository_url", "")
        return (
            f"This notebook is the page {page} of *{self.app.config.html_title}*, with the results "
            "of its run. To run it again, get the book's library `simplicity`: in a checkout of "
            f"{repository or 'the book'}, type `make env`, and open the notebook with "
            "`.venv/bin/jupyter lab`."
        )


def _signed(row: Row) -> str:
    return f"{SIGNS[row['verdict']]} {row['verdict']}"


def _claims(rows: list[Row]) -> str:
    return "".join(f"**{row['id']}** {row['claim']} *{_signed(row)}*" for row in rows)


def _strip(rows: list[Row]) -> str:
    cells = [[row["id"], row["claim"], _signed(row)] for row in rows]
    return table(["claim", "what it says", "verdict"], cells)


def _criteria(rows: list[Row]) -> str:
    return table(*directives.criteria(rows))


_OF_CLAIMS = {"claim": _claims, "verdict-strip": _strip, "criteria": _criteria}


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text), skipinitialspace=True))


def notebook(app: Sphinx, page: str, source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A page's executed notebook in the form that any Jupyter shows; its code is not touched."""
    words = Words(app, page)
    cells = [nbformat.v4.new_markdown_cell(words.welcome())]
    for cell in source.cells:
        cells += _prose(cell, words) if cell.cell_type == "markdown" else _code(cell, words)
    for position, cell in enumerate(cells):
        cell.id = f"cell-{position}"
    source.cells = cells
    return source


def _prose(cell: nbformat.NotebookNode, words: Words) -> list[nbformat.NotebookNode]:
    """None where nothing of it is left."""
    cell.source = words.plain(cell.source)
    return [cell] if cell.source else []


def _code(cell: nbformat.NotebookNode, words: Words) -> list[nbformat.NotebookNode]:
    """Behind it the caption of its figure, if it has one."""
    figure = cell.metadata.get("mystnb", {}).get("figure") if cell.cell_type == "code" else None
    caption = words.caption(figure) if figure else ""
    return [cell, nbformat.v4.new_markdown_cell(caption)] if caption else [cell]
