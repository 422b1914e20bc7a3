"""Formulas for readers without JavaScript: TeX as MathML, which every browser draws by itself."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml

# TeX reads \frac12 as a half, docutils as twelve over nothing
_BARE_NUMERATOR = re.compile(r"(\\[dt]?frac)\s*(\d)")
_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # HTML needs none
_GROUP_START, _GROUP_END = "{", "}"


def macros(config: Any) -> dict[str, Any]:
    """MathJax's macros as the site's configuration has them."""
    found: dict[str, Any] = (config.mathjax3_config or {}).get("tex", {}).get("macros", {})
    return found


def expanded(tex: str, macros: Mapping[str, Any]) -> str:
    """TeX with MathJax's `macros` replaced by their meaning.

    A macro is a text, or text and number of arguments.
    """
    for _ in range(len(macros) + 1):  # a macro's meaning may hold another macro
        before = tex
        for name, meaning in macros.items():
            body, count = (
                (meaning, 0) if isinstance(meaning, str) else (meaning[0], int(meaning[1]))
            )
            tex = _replaced(tex, name, body, count)
        if tex == before:
            break
    return tex


def _replaced(tex: str, name: str, body: str, count: int) -> str:
    pattern, parts, start = re.compile(rf"\\{re.escape(name)}(?![A-Za-z])"), [], 0
    while found := pattern.search(tex, start):
        shown, end = body, found.end()
        for number in range(1, count + 1):
            argument, end = _argument(tex, end)
            shown = shown.replace(f"#{number}", argument)
        parts += [tex[start : found.start()], f"{{{shown}}}"]
        start = end
    return "".join([*parts, tex[start:]])


def _argument(tex: str, start: int) -> tuple[str, int]:
    """The group or the single sign that follows, and where it ends."""
    while start < len(tex) and tex[start].isspace():
        start += 1
    if not tex.startswith(_GROUP_START, start):
        return tex[start : start + 1], min(start + 1, len(tex))
    depth = 0
    for position in range(start, len(tex)):
        depth += (tex[position] == _GROUP_START) - (tex[position] == _GROUP_END)
        if depth == 0:
            return tex[start + 1 : position], position + 1
    return tex[start + 1 :], len(tex)


def mathml(tex: str, block: bool, macros: Mapping[str, Any]) -> str:
    """A `<math>` element; the TeX itself as code where docutils does not know a command of it."""
    plain = _BARE_NUMERATOR.sub(r"\1{\2}", expanded(tex, macros)).strip()
    try:
        found: str = tex2mathml(plain, as_block=block)
    except (MathError, SyntaxError, ValueError, IndexError, AttributeError, KeyError):
        return f"<code>{escape(tex.strip())}</code>"
    return re.sub(r"\n\s*", "", found.replace(_NAMESPACE, "", 1))
