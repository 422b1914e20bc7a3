"""The HTML of a page between header and foot: formulas without JavaScript, right ids and roles."""

import itertools
import re
from collections.abc import Mapping
from functools import partial
from html import unescape
from typing import Any

from simplicity.site import formulas

_MATH = re.compile(
    r'<(span|div) class="math notranslate nohighlight"[^>]*>(.*?\\[)\]])\s*</\1>(<noscript>)?',
    re.DOTALL,
)
_TEX = re.compile(r"\\[(\[](.*)\\[)\]]", re.DOTALL)
_NUMBER = re.compile(r'<span class="eqno">(\(\d[^<]*\))')
_EMPTY_HEADER = re.compile(r"<th\b([^>]*)>((?:\s|&nbsp;|<p>|</p>)*)</th>")
_SCOPE = re.compile(r'\s+scope="[^"]*"')
_ENTRY = re.compile(r'(<div class="citation"[^>]*) role="doc-biblioentry"')
_SHEET = r"<svg\b.*?</svg>"
# The pieces of a figure are one drawing: they use each other's shapes.
_DRAWING = re.compile(rf'{_SHEET}(?:\s*(?:<span class="break"></span>)?\s*{_SHEET})*', re.DOTALL)
_ID = re.compile(r'(?<=\sid=")[^"]+(?=")')
_USE = re.compile(r'((?:href="|url\()#)([^")]+)(?=["\)])')

_FIGURE = re.compile(r'<div class="simplicity-figure".*?</div>', re.DOTALL)
_PANEL = re.compile(
    r'(<svg\b[^>]*class="panel"[^>]*viewBox="[-\d.]+ [-\d.]+ ([\d.]+) [\d.]+"[^>]*style="[^"]*)"'
)

# Shown instead of the TeX that nothing will typeset.
NO_SCRIPT = "<noscript><style>.math.notranslate { display: none }</style></noscript>"


def mended(body: str) -> str:
    """The page's own HTML with all that follows done to it, but for the formulas, which titles
    elsewhere have too.
    """
    return entries(headers(drawings(shares(body))))


def with_mathml(body: str, macros: Mapping[str, Any]) -> str:
    """Behind each formula the same as MathML, for browsers without JavaScript; no second time."""

    return _MATH.sub(partial(_both, macros), body)


def _both(macros: Mapping[str, Any], found: re.Match[str]) -> str:
    """A formula as it is, and behind it the MathML."""
    tex = _TEX.search(unescape(re.sub(r"<[^>]*>", "", found[2])))
    if tex is None or found[3]:  # it has its MathML from an earlier build
        return found[0]
    is_block = found[1] == "div"
    shown = formulas.mathml(tex[1], is_block, macros) + _number(found[2])
    shown = f'<div class="mathml">{shown}</div>' if is_block else shown
    return f"{found[0]}<noscript>{shown}</noscript>"


def _number(formula: str) -> str:
    number = _NUMBER.search(formula)
    return f" {number[1]}" if number else ""


def shares(body: str) -> str:
    """How wide each panel of a figure is beside its widest, and beside their mean: so all keep one
    scale, below each other (the first) and in a row (the second).
    """
    return _FIGURE.sub(_with_shares, body)


def _with_shares(figure: re.Match[str]) -> str:
    widths = [float(panel[2]) for panel in _PANEL.finditer(figure[0])]
    if len(widths) < 2:
        return figure[0]
    share = partial(_with_share, max(widths), sum(widths) / len(widths))
    return _PANEL.sub(share, figure[0])


def _with_share(widest: float, mean: float, panel: re.Match[str]) -> str:
    width = float(panel[2])
    return f'{panel[1]};--share:{width / widest:.3f};--fair:{width / mean:.3f}"'


def headers(body: str) -> str:
    """A header cell without a word is none: screen readers would give its cells an empty name."""
    return _EMPTY_HEADER.sub(lambda found: f"<td{_SCOPE.sub('', found[1])}>{found[2]}</td>", body)


def entries(body: str) -> str:
    """An entry of the references is an item of their list."""
    return _ENTRY.sub(r'\1 role="listitem"', body)


def drawings(body: str) -> str:
    """Ids of drawings once each on the page: equal markers of two figures are named alike."""
    known: set[str] = set()
    numbers = itertools.count(1)

    def once(found: re.Match[str]) -> str:
        number, names = next(numbers), set(_ID.findall(found[0]))
        new = {name: f"{name}-{number}" for name in names & known}
        known.update(names - known, new.values())
        return _renamed(found[0], new)

    return _DRAWING.sub(once, body)


def _renamed(drawing: str, new: Mapping[str, str]) -> str:
    """With other names for the ids among `new`, also where they are used."""
    drawing = _ID.sub(lambda name: new.get(name[0], name[0]), drawing)
    return _USE.sub(lambda use: use[1] + new.get(use[2], use[2]), drawing)
