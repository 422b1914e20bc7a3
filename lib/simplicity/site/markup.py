"""HTML that several pages share: claims in their forms, entries under a title, tables.

Whatever is not HTML already is escaped.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape

from simplicity.evidence.ledger import badge
from simplicity.site.evidence import Row
from simplicity.site.formulas import within


def told(text: str) -> str:
    """A claim's words as HTML: what stands between dollars is a formula."""
    return within(text, escape)


def short(row: Row) -> str:
    """A claim in few words."""
    return told(row.get("short") or row["claim"])


def claim(row: Row, ledger: str | None) -> str:
    """A claim's id, leading to its place on the page `ledger` ("" is the page itself)."""
    name = escape(row["id"])
    return name if ledger is None else f'<a href="{ledger}#claim-{name}">{name}</a>'


def strip(rows: Iterable[Row], link: Callable[[Row], str]) -> str:
    """A line a claim: what `link` makes of its id, its short words, its verdict."""
    lines = "".join(
        f'<li><span class="id">{link(row)}</span> <span>{short(row)}</span>'
        f" {badge(row['verdict'])}</li>"
        for row in rows
    )
    return f'<ul class="verdict-strip">{lines}</ul>'


def reason(shown: str) -> str:
    return f'<span class="reason">{shown}</span>' if shown else ""


def entries(
    title: str, listed: Iterable[tuple[str, str]], words: Callable[[str], str], picture: str = ""
) -> str:
    """Terms with what `words` makes of their texts, under a title; none without a text."""
    terms = "".join(f"<dt>{term}</dt><dd>{words(text)}</dd>" for term, text in listed if text)
    return f'<div class="check"><p>{title}</p>{picture}<dl>{terms}</dl></div>'


def table(heads: Iterable[str], rows: Iterable[Sequence[str]], named: bool = False) -> str:
    """A table of cells that are HTML; the first of a row is its head where rows are `named`."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    lines = "".join(_line(*cells, named=named) for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _line(first: str, *rest: str, named: bool) -> str:
    start = f'<th scope="row">{first}</th>' if named else f"<td>{first}</td>"
    return f"<tr>{start}{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>"
