"""The style sheet by which all others' light and dark colours hold without a script's choice.

The theme's sheets and ours speak to `html[data-theme=light]` and `html[data-theme=dark]`, and a
script writes that word. Without JavaScript it stays `auto`: the system's preference decides. On
paper every page is light, whatever the reader has chosen.
"""

import re
from pathlib import Path

NAME = "themes.css"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COMMA = re.compile(r",(?![^(]*\))")
Rule = tuple[str, str]


def sheet(texts: list[str]) -> str:
    """The style sheet for these style sheets; to be loaded after them."""
    light = [rule for text in texts for rule in _rules(text, "light")]
    dark = [rule for text in texts for rule in _rules(text, "dark")]
    paper = [(selector, _reverted(block)) for selector, block in dark] + light
    return (
        f"{_written(light, 'auto')}"
        f"@media screen and (prefers-color-scheme: dark) {{\n{_written(dark, 'auto')}}}\n"
        f"@media print {{\n{_written(paper, 'dark')}}}\n"
    )


def of(static: Path) -> str:
    """The style sheet for all that lie in a built site's folder of static files."""
    sheets = sorted(path for path in static.rglob("*.css") if path.name != NAME)
    return sheet([path.read_text("utf-8") for path in sheets])


def _rules(text: str, theme: str) -> list[Rule]:
    """The rules for one theme; its name in their selectors becomes a %s."""
    word = re.compile(rf"\[data-theme=[\"']?{theme}[\"']?\]")
    rules = _RULE.findall(_COMMENT.sub("", text))
    found = ((_selectors(selectors, word), block.strip()) for selectors, block in rules)
    return [(its, block) for its, block in found if its and block]


def _selectors(selectors: str, word: re.Pattern[str]) -> str:
    """Those with the theme's word."""
    its = (one.strip() for one in _COMMA.split(selectors) if word.search(one))
    return ",".join(word.sub('[data-theme="%s"]', one) for one in its)


def _reverted(block: str) -> str:
    """The same properties, taken back; variables stay, for the light theme sets them again."""
    parts = (part.partition(":") for part in block.split(";") if ":" in part)
    strength = {True: "!important", False: ""}
    return ";".join(
        f"{name.strip()}:revert{strength['!important' in value]}"
        for name, _, value in parts
        if not name.strip().startswith("--")
    )


def _written(rules: list[Rule], theme: str) -> str:
    shown = ((selector.replace("%s", theme), block) for selector, block in rules if block)
    return "".join(f"{selector} {{{block}}}\n" for selector, block in shown)
