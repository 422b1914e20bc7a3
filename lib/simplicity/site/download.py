"""The notebook that a reader downloads from a page.

Plain Markdown, with its run's numbers, for any Jupyter.

A chapter's Markdown speaks to the site: `{glue:text}` pastes a number, `{ref}` a title,
`{verdict-strip}` a table. Jupyter knows none of these and shows them raw. Here each becomes what
the page shows of it, as far as Markdown can.
"""

import csv
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

from simplicity.evidence import records
from simplicity.evidence.ledger import SIGNS
from simplicity.site import build, directives, formulas, outward, wording
from simplicity.site.directives import table

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
_TARGET, _COMMENT, _BREAK = (
    re.compile(r"\([\w.:-]+\)=\s*"),
    re.compile(r"%( .*)?"),
    re.compile(r"\+\+\+.*"),
)
_LABEL = re.compile(r"(?<=\$\$)[ \t]*\([\w.:-]+\)[ \t]*$", re.MULTILINE)
_ATTRIBUTES = re.compile(r"(?<=[\])`])\{[.#][^}]*\}")
_OPTION = re.compile(r":([\w-]+):\s*(.*)")
_REFERENCES = ("ref", "numref", "doc", "eq", "any", "term")
_ADMONITIONS = (
    "admonition attention caution danger dropdown error exercise hint important note seealso "
    "solution tip warning"
).split()
_GLUED = ("", "application/papermill.record/")
Role = Callable[[str, str], str]
Directive = Callable[[str, str, dict[str, str], str], str]


def plain(text: str, role: Role, directive: Directive) -> str:
    """MyST Markdown as plain Markdown; `role` and `directive` say what becomes of theirs."""
    parts: list[str] = []
    prose: list[str] = []

    def flush() -> None:
        parts.append(_inline("\n".join(prose), role))
        prose.clear()

    lines = iter(text.split("\n"))
    for line in lines:
        fence = _FENCE.fullmatch(line)
        if fence is None:
            if not any(mark.fullmatch(line) for mark in (_TARGET, _COMMENT, _BREAK)):
                prose.append(line)
            continue
        content = list(_fenced(lines, fence["fence"], len(fence["indent"])))
        if fence["name"] is None:
            flush()
            parts.append(
                "\n".join(
                    [
                        line,
                        *(f"{fence['indent']}{one}" for one in content),
                        fence["indent"] + fence["fence"],
                    ]
                )
            )
            continue
        flush()
        options, body = _options(content)
        made = directive(fence["name"], fence["argument"].strip(), options, body)
        parts.append("\n".join(f"{fence['indent']}{one}".rstrip() for one in made.split("\n")))
    flush()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip("\n")


def _fenced(lines: Iterator[str], fence: str, indent: int) -> Iterator[str]:
    for line in lines:
        if re.fullmatch(rf" *{re.escape(fence[0])}{{{len(fence)},}}\s*", line):
            return
        yield line[indent:] if line[:indent].isspace() else line


def _options(content: list[str]) -> tuple[dict[str, str], str]:
    """The options at a directive's top, `:name: value` or between lines of dashes, and its body."""
    found: dict[str, str] = {}
    rest = list(content)
    if rest and rest[0].strip() == "---" and "---" in [line.strip() for line in rest[1:]]:
        end = [line.strip() for line in rest[1:]].index("---") + 1
        found = {
            name.strip(): value.strip()
            for name, _, value in (line.partition(":") for line in rest[1:end])
        }
        rest = rest[end + 1 :]
    while rest and (option := _OPTION.fullmatch(rest[0].strip())):
        found[option[1]] = option[2]
        rest.pop(0)
    return found, "\n".join(rest).strip("\n")


def _inline(text: str, role: Role) -> str:
    def shown(found: re.Match[str]) -> str:
        if found["role"]:
            return role(found["role"], found["text"])
        if (
            found["target"]
            and not found["target"].startswith(("#", "/", "."))
            and ":" not in found["target"]
        ):
            given = f"{found['title']} <{found['target']}>" if found["title"] else found["target"]
            return role("any", given) or found[0]
        return found[0]

    return _ATTRIBUTES.sub("", _LABEL.sub("", _ROLE.sub(shown, text)))


def glued(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """The values that an executed notebook has glued, by name, as plain text."""
    found = {}
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        texts = [
            output["data"][f"{prefix}text/plain"]
            for prefix in _GLUED
            if f"{prefix}text/plain" in output.get("data", {})
        ]
        if name and texts:
            found[name] = texts[0]
    return found


class Words:
    """What a page shows for the roles and directives of its source, in plain Markdown."""

    def __init__(self, app: Sphinx, page: str) -> None:
        self.app, self.env, self.page = app, app.env, page
        self.macros = formulas.macros(app.config)
        base = app.config.html_baseurl
        self.address = (
            urljoin(base.rstrip("/") + "/", app.builder.get_target_uri(page)) if base else ""
        )
        self._values: dict[str, dict[str, str]] = {}

    def plain(self, text: str) -> str:
        return formulas.expanded(plain(text, self.role, self.directive), self.macros)

    def role(self, name: str, text: str) -> str:
        family, _, kind = name.rpartition(":")
        if name == "glue" or family == "glue":
            return self._glue(kind, text)
        if name == "verdict":
            rows = self.env.simplicity.rows  # type: ignore[attr-defined]
            return ", ".join(_verdict(rows[one]) for one in text.split() if one in rows)
        if name in ("check", "control"):
            rows = self.env.simplicity.rows  # type: ignore[attr-defined]
            return directives.check_value(rows, text, name == "control") or text
        if name == "recorded-time":
            rows = self.env.simplicity.rows.values()  # type: ignore[attr-defined]
            return directives.duration(
                records.seconds({row["id"] for row in rows if row["paper"] == text})
            )
        if name == "math":
            return f"${text}$"
        if name in ("sub", "sup"):
            return f"<{name}>{text}</{name}>"
        if name in _REFERENCES or family in ("cite", "prf"):
            return self._reference(family or ("math" if kind == "eq" else "std"), kind, text)
        return text

    def _glue(self, kind: str, text: str) -> str:
        key, _, form = (
            text.rpartition(":") if kind == "text" and not text.endswith("::") else (text, "", "")
        )
        if not key or key.endswith(":"):  # `name` alone, or `page::name` alone
            key, form = text, "s"
        page, _, name = key.rpartition("::")
        chapter = page.removesuffix(".md").rsplit("/", 1)[-1] or self.page.rsplit("/", 1)[-1]
        if chapter not in self._values:
            self._values[chapter] = glued(build.executed(Path(self.app.srcdir), chapter))
        value = self._values[chapter].get(name)
        if value is None:
            return name
        return wording.spoken(format_plain_text(value, form or "s"))

    def _reference(self, family: str, kind: str, text: str) -> str:
        titled = _TITLED.fullmatch(text)
        title, target = (titled["title"], titled["target"]) if titled else ("", text)
        for one in ("numref", "ref", "doc") if kind == "any" else (kind,):
            found = self._resolved(family, one, target.removesuffix(".md"), title)
            if found is not None:
                place = next(iter(found.findall(nodes.reference)), None)
                shown = re.sub(r"\s+", " ", found.astext())
                if place is None or not self.address:
                    return shown
                link = place.get("refuri") or f"#{place.get('refid', '')}"
                return f"[{shown}]({urljoin(self.address, link)})"
        return "" if kind == "any" else title or target

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

    def directive(self, name: str, argument: str, options: dict[str, str], body: str) -> str:
        if name == "claim":
            row = self.env.simplicity.rows.get(argument)  # type: ignore[attr-defined]
            return f"**{row['id']}** {row['claim']} *{_signed(row)}*" if row else ""
        if name == "verdict-strip":
            known = self.env.simplicity.rows  # type: ignore[attr-defined]
            rows = [known[one] for one in argument.split() if one in known]
            return table(
                ["claim", "what it says", "verdict"],
                [[r["id"], r["claim"], _signed(r)] for r in rows],
            )
        if name == "criteria":
            known = self.env.simplicity.rows  # type: ignore[attr-defined]
            return table(
                *directives.criteria([known[one] for one in argument.split() if one in known])
            )
        if name == "csv-table":
            return self._csv(argument, options, body)
        if name == "cite-box":
            return f"```bibtex\n{outward.own(self.app.config)}\n```"
        if name in ("bibliography", "tableofcontents", "contents", "index"):
            return ""
        if name == "math":
            return f"$$\n{body}\n$$"
        if name in ("code", "code-block", "sourcecode", "literalinclude"):
            return f"```{argument}\n{body}\n```"
        if name in ("image", "figure"):
            return self.plain(body)
        if name in _ADMONITIONS or name.startswith("prf:"):
            title = argument or name.removeprefix("prf:").capitalize()
            told = f"**{_inline(title, self.role)}**\n\n{self.plain(body)}"
            return "\n".join(f"> {line}".rstrip() for line in told.split("\n"))
        return body if name == "raw" else self.plain(body)

    def _csv(self, title: str, options: dict[str, str], body: str) -> str:
        if "file" in options:
            _, path = self.env.relfn2path(options["file"], self.page)
            body = Path(path).read_text("utf-8")
        rows = list(csv.reader(io.StringIO(body), skipinitialspace=True))
        if "header" in options:
            rows.insert(0, next(csv.reader([options["header"]], skipinitialspace=True)))
        if not rows:
            return ""
        cells = [[_inline(one, self.role) for one in row] for row in rows]
        return (
            f"{self.plain(title)}\n\n{table(cells[0], cells[1:])}"
            if title
            else table(cells[0], cells[1:])
        )

    def caption(self, figure: dict[str, Any]) -> str:
        """The words below a figure.

        The site has them from the cell's settings, which Jupyter hides.
        """
        name, caption = (
            str(figure.get("name", "")),
            self.plain(str(figure.get("caption", ""))).strip(),
        )
        number = self._resolved("std", "numref", name, "") if name else None
        return " ".join(part for part in (number and f"**{number.astext()}.**", caption) if part)

    def welcome(self) -> str:
        """What a notebook says first: where it is from, and what it needs to run."""
        title = self.env.titles[self.page].astext()
        page = f"[{title}]({self.address})" if self.address else f"*{title}*"
        repository = (self.app.config.html_theme_options or {}).get("repository_url", "")
        checkout = f"a checkout of {repository}" if repository else "a checkout of the book"
        return (
            f"This notebook is the page {page} of *{self.app.config.html_title}*, with the results "
            "of its "
            f"run. To run it again, get the book's library `simplicity`: in {checkout}, type "
            "`make env`, and "
            "open the notebook with `.venv/bin/jupyter lab`."
        )


def _signed(row: dict[str, Any]) -> str:
    return f"{SIGNS[row['verdict']]} {row['verdict']}"


def _verdict(row: dict[str, Any]) -> str:
    return f"{row['id']} {_signed(row)}"


def notebook(app: Sphinx, page: str, source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A page's executed notebook in the form that any Jupyter shows; its code is not touched."""
    words = Words(app, page)
    cells = [nbformat.v4.new_markdown_cell(words.welcome())]
    for cell in source.cells:
        if cell.cell_type == "markdown":
            cell.source = words.plain(cell.source)
            if not cell.source:
                continue
        cells.append(cell)
        figure = cell.metadata.get("mystnb", {}).get("figure") if cell.cell_type == "code" else None
        if figure and (caption := words.caption(figure)):
            cells.append(nbformat.v4.new_markdown_cell(caption))
    for position, cell in enumerate(cells):
        cell.id = f"cell-{position}"
    source.cells = cells
    return source
