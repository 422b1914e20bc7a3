"""Formulas: set by KaTeX in the browser, and as MathML, which every browser draws by itself, for
readers without JavaScript.
"""

import json
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.ext import mathjax

# TeX reads \frac12 as a half, docutils as twelve over nothing
_BARE_NUMERATOR = re.compile(r"(\\[dt]?frac)\s*(\d)")
_FENCE = re.compile(r'<mo(?: class="mathopen")?(?: stretchy="false")?>([|‖⟨⟩])</mo>')
_SLASH = '<mo stretchy="false">/</mo>'
_LIMIT = re.compile(r'<mo( movablelimits="true")?>(max|min|sup|inf|lim)</mo>')
_BEFORE_NAME = re.compile(
    r"(</m(?:i|n|sub|sup|subsup|frac|sqrt)>)(?=<mi>[a-z]{2,}</mi><mo>&ApplyF)"
)
_AFTER_NAME = re.compile(r'<mo>&ApplyFunction;</mo>(?!<mo stretchy="false">[(\[])')
_THIN = "0.1667em"
_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # HTML needs none
_GROUP_START, _GROUP_END = "{", "}"


# What a page with formulas loads, in this order.
SHEET = "katex/katex.min.css"
SCRIPTS = ("katex/katex.min.js", "formulas.js")


def set_up(app: Sphinx) -> None:
    """Formulas stand on the page as TeX between brackets, as Sphinx writes them for MathJax, and
    KaTeX sets them there: it weighs a third. `formula_macros` are its macros.
    """
    app.add_config_value("formula_macros", {}, "html", dict)
    visitors = (mathjax.html_visit_math, None), (mathjax.html_visit_displaymath, None)
    app.add_html_math_renderer("katex", *visitors)
    app.connect("builder-inited", _add_files)


def _add_files(app: Sphinx) -> None:
    app.add_css_file(SHEET)
    app.add_js_file(None, body=f"window.simplicityMacros = {json.dumps(katex_macros(app.config))}")
    for name in SCRIPTS:
        app.add_js_file(name, loading_method="defer")


def macros(config: Any) -> dict[str, Any]:
    """The macros as the site's configuration has them."""
    found: dict[str, Any] = config.formula_macros
    return found


def katex_macros(config: Any) -> dict[str, str]:
    """The same as KaTeX takes them: with the backslash, and without the number of arguments."""
    return {f"\\{name}": _parts(meaning)[0] for name, meaning in macros(config).items()}


def _parts(meaning: Any) -> tuple[str, int]:
    """The meaning of a macro is its text, or its text and the number of its arguments."""
    return (meaning, 0) if isinstance(meaning, str) else (meaning[0], int(meaning[1]))


def expanded(tex: str, macros: Mapping[str, Any]) -> str:
    """TeX with `macros` replaced by their meaning."""
    for _ in range(len(macros) + 1):  # a macro's meaning may hold another macro
        before = tex
        for name, meaning in macros.items():
            tex = _replaced(tex, name, *_parts(meaning))
        if tex == before:
            break
    return tex


def _replaced(tex: str, name: str, body: str, count: int) -> str:
    pattern, parts, start = re.compile(rf"\\{re.escape(name)}(?![A-Za-z])"), [], 0
    while found := pattern.search(tex, start):
        shown, end = _meant(body, count, tex, found.end())
        parts += [tex[start : found.start()], f"{{{shown}}}"]
        start = end
    return "".join([*parts, tex[start:]])


def _meant(body: str, count: int, tex: str, end: int) -> tuple[str, int]:
    """A macro's body with the arguments that begin at `end`, and where these end."""
    for number in range(1, count + 1):
        argument, end = _argument(tex, end)
        body = body.replace(f"#{number}", argument)
    return body, end


def _argument(tex: str, start: int) -> tuple[str, int]:
    """The group or the single sign that follows, and where it ends."""
    while start < len(tex) and tex[start].isspace():
        start += 1
    if not tex.startswith(_GROUP_START, start):
        return tex[start : start + 1], min(start + 1, len(tex))
    return _group(tex, start)


def _group(tex: str, start: int) -> tuple[str, int]:
    """What stands within braces, the first of which is at `start`, and where they end."""
    depth = 0
    for position in range(start, len(tex)):
        depth += (tex[position] == _GROUP_START) - (tex[position] == _GROUP_END)
        if depth == 0:
            return tex[start + 1 : position], position + 1
    return tex[start + 1 :], len(tex)


def inline(tex: str) -> str:
    """A formula within HTML that is made here, as Sphinx writes those of a page."""
    return f'<span class="math notranslate nohighlight">\\({escape(tex.strip())}\\)</span>'


def within(text: str, words: Callable[[str], str], formula: Callable[[str], str] = inline) -> str:
    """A text whose parts between dollars are formulas, and all others as `words` has them."""
    parts = re.split(r"\$([^$]+)\$", text)
    return "".join((formula if place % 2 else words)(part) for place, part in enumerate(parts))


def mathml(tex: str, block: bool, macros: Mapping[str, Any]) -> str:
    """A `<math>` element; the TeX itself as code where docutils does not know a command of it."""
    plain = _BARE_NUMERATOR.sub(r"\1{\2}", expanded(tex, macros)).strip()
    try:
        found: str = tex2mathml(plain, as_block=block)
    except (MathError, SyntaxError, ValueError, IndexError, AttributeError, KeyError):
        return f"<code>{escape(tex.strip())}</code>"
    whole = re.sub(r"\n\s*", "", found.replace(_NAMESPACE, "", 1))
    return _spaced(whole, stretched=r"\left" in plain)


def _spaced(shown: str, stretched: bool) -> str:
    """MathML with the spaces of TeX where browsers have others: none about bars and slashes, thin
    ones about the names of functions. Bars and brackets grow only where the formula says so.
    """
    grows = "" if stretched else ' stretchy="false"'
    shown = _FENCE.sub(rf'<mo{grows} lspace="0" rspace="0">\1</mo>', shown)
    shown = shown.replace(_SLASH, '<mo stretchy="false" lspace="0" rspace="0">/</mo>')
    shown = _LIMIT.sub(rf'<mo\1 lspace="{_THIN}" rspace="{_THIN}">\2</mo>', shown)
    shown = _BEFORE_NAME.sub(rf'\1<mspace width="{_THIN}"/>', shown)
    return _AFTER_NAME.sub(rf'<mspace width="{_THIN}"/>', shown)
