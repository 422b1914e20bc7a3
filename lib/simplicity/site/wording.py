"""The words of checks as a reader meets them: numbers, powers, indices and Greek letters as one
writes them. The code keeps them plain, so that they can be searched and printed anywhere.
"""

import re
from html import escape

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from simplicity.site import formulas

_RAISED = str.maketrans("+-0123456789", "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]\d+)(?!\w)")
_NAMES = "alpha beta delta eps epsilon eta gamma lambda mu phi rho sigma tau zeta".split()
_GREEK = dict(zip(_NAMES, "αβδεεηγλμφρστζ", strict=True))
_LETTER = re.compile(rf"(?<![\w.-])({'|'.join(_GREEK)})(?=_|\b)(?!-)")
_NAME = r"[^\W\d_](?:[^\W_]*)"
_INDEX = re.compile(rf"(?<!\w)({_NAME})_(\{{[^{{}}]*\}}|[A-Za-z0-9]+)|(\|)_([A-Z])(?!\w)")
_EXPONENT = re.compile(r"\^(\([^()]*\)|\{[^{}]*\}|-?[A-Za-z0-9]+(?:\.\d+)?)")
_SINGLE = re.compile(r"(?<![\w'’.-])([b-zB-HJ-Zελμρσφαηζτδγβ])(?![\w'’-]|\.\w)")
_REASON = re.compile(r"(?P<what>.*): (?P<value>[-\d.e+]+)(?P<rule>, (?:criterion|had to be) .*)")


def spoken(text: str) -> str:
    """Numbers as one writes them: 3.2e-05 is 3.2 × 10⁻⁵, 1.16e+03 is 1,160, 0e+00 is 0, and -1 has
    a minus sign.
    """
    text = re.sub(r"(?<=\d)%", " %", text)
    return re.sub(r"(?<![\w-])-(?=[\d.])", "−", _POWER.sub(_power, text))


def _power(found: re.Match[str]) -> str:
    """1.2e+07 as a power of ten, or written out where that is short."""
    number, exponent = float(found[1]), int(found[2])
    if number == 0 or exponent == 0:
        return found[1]
    if 0 < exponent <= 5:
        return f"{number * 10**exponent:,.0f}"
    return f"{found[1]}\u00a0×\u00a010{str(exponent).translate(_RAISED)}"


def shown(text: str) -> str:
    """The words of a check as HTML: `n^2`, `sigma_1`, `x >= 1e-05` are set, and what stands between
    dollars is a formula.
    """
    return formulas.within(text, _set)


def _set(text: str) -> str:
    text = escape(_with_signs(spoken(text)), quote=False)
    text = _SINGLE.sub(r"<i>\1</i>", _INDEX.sub(_indexed, _EXPONENT.sub(_raised, text)))
    return re.sub(r"\bT(0|10)\b", r"<i>T</i><sub>\1</sub>", text)


def _with_signs(text: str) -> str:
    """Signs of comparing and of counting, and Greek letters, in the place of ASCII."""
    text = text.replace("<=", "≤").replace(">=", "≥")
    text = re.sub(r"(?<=\d) x (?=\d)", " × ", text)
    text = re.sub(r"(?<=[\w|)]) - (?=[\w|(])", " − ", text)
    return _LETTER.sub(lambda found: _GREEK[found[1]], text)


def _indexed(found: re.Match[str]) -> str:
    return f"{found[1] or found[3]}<sub>{(found[2] or found[4]).strip('{}')}</sub>"


def _raised(found: re.Match[str]) -> str:
    inside = found[1].strip("{}")
    inside = inside[1:-1] if inside.startswith("(") else inside
    return f"<sup>{inside.replace('-', '−')}</sup>"


def reasons(text: str) -> str:
    """Why a claim does not simply hold, as HTML; what differs in its value alone is said once."""
    said = []
    for (what, rule), values in _reasons(text).items():
        said.append(f"{what}: {', '.join(values)}{rule}" if values else what)
    return shown("; ".join(said))


def _reasons(text: str) -> dict[tuple[str, str], list[str]]:
    """Each with the values that it was found for."""
    together: dict[tuple[str, str], list[str]] = {}
    for part in text.split("; "):
        found = _REASON.fullmatch(part)
        key = (found["what"], found["rule"]) if found else (part, "")
        together.setdefault(key, []).extend([found["value"]] if found else [])
    return together


class Numbers(SphinxPostTransform):
    """Numbers in the text of a page as one writes them; code and formulas stay as they are."""

    default_priority = 500
    formats = ("html",)

    def run(self, **_: object) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if not _is_within(text, _APART) and (said := _said(text)) != text.astext():
                text.parent.replace(text, nodes.Text(said))


_APART = (nodes.literal, nodes.FixedTextElement, nodes.math, nodes.math_block, nodes.raw)


def _is_within(node: nodes.Node | None, kinds: tuple[type, ...]) -> bool:
    """Is it, or anything around it, of one of the kinds?"""
    while node is not None and not isinstance(node, kinds):
        node = node.parent
    return node is not None


def _said(text: nodes.Text) -> str:
    """A pasted number whole; of other words only what is in a computer's notation."""
    pasted = isinstance(text.parent, nodes.inline) and "pasted-text" in text.parent["classes"]
    words = text.astext()
    if pasted:
        return spoken(words)
    return re.sub(rf"(?<![\w.-])-?{_POWER.pattern}", lambda found: spoken(found[0]), words)
