"""What becomes of a page's HTML, formulas and colours, and of its notebook's Markdown; no site is
built.
"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from simplicity.evidence import records
from simplicity.places import paths
from simplicity.site import body, data_files, download, formulas, pages, themes

MACROS = {
    "R": r"\mathbb{R}",
    "norm": [r"\lVert #1 \rVert", 1],
    "inner": [r"\langle #1, #2 \rangle", 2],
}


@pytest.mark.parametrize(
    ("tex", "meaning"),
    [
        (r"x \in \R^d", r"x \in {\mathbb{R}}^d"),
        (r"\Rank \Re", r"\Rank \Re"),
        (r"\norm{x + \norm{y}}", r"{\lVert x + {\lVert y \rVert} \rVert}"),
        (r"\inner x{y z}", r"{\langle x, y z \rangle}"),
        (r"\norm", r"{\lVert  \rVert}"),
        (r"\norm{x", r"{\lVert x \rVert}"),
    ],
)
def test_macros_are_replaced_by_their_meaning(tex: str, meaning: str) -> None:
    assert formulas.expanded(tex, MACROS) == meaning


def test_a_formula_becomes_mathml_and_one_that_docutils_does_not_know_stays_as_code() -> None:
    assert "<mfrac><mn>1</mn><mn>2</mn></mfrac>" in formulas.mathml(
        r"\varepsilon = \frac12", False, {}
    )
    assert 'display="block"' in formulas.mathml(r"\sum_i x_i", True, {})
    assert "ℝ" in formulas.mathml(r"\R", False, MACROS)
    assert formulas.mathml(r"\nosuch{a < b}", False, {}) == r"<code>\nosuch{a &lt; b}</code>"


def test_mathml_has_the_spaces_of_tex_and_brackets_that_grow_only_where_they_are_to() -> None:
    norm = formulas.mathml(r"\norm{x}/2", False, MACROS)
    bar = '<mo stretchy="false" lspace="0" rspace="0">‖</mo>'
    assert norm.count(bar) == 2 and 'lspace="0" rspace="0">/</mo><mn>2</mn>' in norm
    grown = formulas.mathml(r"\left\lVert x \right\rVert", False, {})
    assert grown.count('<mo lspace="0" rspace="0">‖</mo>') == 2
    thin = '<mspace width="0.1667em"/>'
    assert f"</mi>{thin}<mi>ln</mi>{thin}<mi>" in formulas.mathml(r"a \ln b", False, {})
    assert f"{thin}<mo" not in formulas.mathml(r"\ln(b)", False, {})


def test_the_macros_of_the_site_are_those_of_katex() -> None:
    config = SimpleNamespace(formula_macros=MACROS)
    found = formulas.katex_macros(config)
    assert found == {
        r"\R": r"\mathbb{R}",
        r"\norm": r"\lVert #1 \rVert",
        r"\inner": r"\langle #1, #2 \rangle",
    }


def test_a_formula_of_a_page_has_mathml_beside_it_with_its_number() -> None:
    inline = r'<span class="math notranslate nohighlight">\(a &lt; b\)</span>'
    once = body.with_mathml(inline, {})
    assert once.startswith(f"{inline}<noscript><math") and body.with_mathml(once, {}) == once
    number = '<span class="eqno">(3)<a class="headerlink" href="#e">#</a></span>'
    block = rf'<div class="math notranslate nohighlight" id="e">{number}\[x\]</div>'
    assert body.with_mathml(block, {}).endswith("</math> (3)</div></noscript>")
    assert body.with_mathml("<p>no formula</p>", {}) == "<p>no formula</p>"


def test_a_header_cell_without_words_is_none_and_an_entry_is_an_item() -> None:
    assert (
        body.headers('<th class="head" scope="col"><p></p></th>') == '<td class="head"><p></p></td>'
    )
    assert body.headers("<th><p>n</p></th>") == "<th><p>n</p></th>"
    assert (
        body.entries('<div class="citation" id="a" role="doc-biblioentry">')
        == '<div class="citation" id="a" role="listitem">'
    )


def test_ids_of_two_drawings_are_different_and_each_uses_its_own() -> None:
    uses = '<use xlink:href="#m1"/><g clip-path="url(#p)"/>'
    drawing = f'<svg><path id="m1"/><clipPath id="p"/>{uses}</svg>'
    first, second, third = body.drawings("<div/>".join([drawing] * 3)).split("</svg>")[:3]
    assert first + "</svg>" == drawing
    assert 'id="m1-2"' in second and 'xlink:href="#m1-2"' in second and "url(#p-2)" in second
    assert 'id="m1-3"' in third and 'xlink:href="#m1-3"' in third


def test_the_pieces_of_one_figure_use_each_others_shapes() -> None:
    figure = '<svg><path id="m1"/></svg>\n<span class="break"></span>\n<svg><use href="#m1"/></svg>'
    _, second = body.drawings(f"{figure}<p>{figure}").split("<p>")
    assert 'id="m1-2"' in second and 'href="#m1-2"' in second


def test_a_page_loads_no_script_for_icons_and_one_for_formulas_only_if_it_has_some() -> None:
    scripts = '<script src="_static/vendor/fontawesome/6/js/all.min.js?digest=1"></script>\n'
    scripts += (
        '<link rel="stylesheet" type="text/css" href="../_static/katex/katex.min.css?v=1" />\n'
    )
    scripts += '<script>window.simplicityMacros = {"E": 1}</script>\n'
    scripts += '<script defer="defer" src="../_static/katex/katex.min.js?v=1"></script>\n'
    scripts += '<script defer="defer" src="../_static/formulas.js?v=1"></script>\n'
    assert pages.mended(f"{scripts}<p>text</p>", {}) == "<p>text</p>"
    formula = r'<span class="math notranslate nohighlight">\(a\)</span>'
    kept = pages.mended(scripts + formula, {})
    assert "fontawesome" not in kept and kept.startswith(scripts.partition("\n")[2])


def test_names_of_buttons_hold_their_words_and_downloads_are_downloads() -> None:
    text = (
        '<button class="btn search-button-field" title="Search" aria-label="Search">'
        '<summary aria-label="Toggle hidden content">'
        '<a href="../_sources/book/x.md" target="_blank"\nclass="btn">'
    )
    once = pages.mended(text, {})
    assert "aria-label" not in once and '<a href="../_sources/book/x.md" download\n' in once
    assert pages.mended(once, {}) == once


def test_colours_hold_where_no_script_has_chosen_and_paper_is_light() -> None:
    sheet = themes.sheet(
        [
            "/* html[data-theme=dark] {x: y} */ html[data-theme=light] {--ground: white}"
            " html[data-theme='dark'] {--ground: black}",
            'html[data-theme="dark"] img, p {background: grey; padding: 1rem !important}',
        ]
    )
    auto, dark, paper = sheet.split("@media")
    assert 'html[data-theme="auto"] {--ground: white}' in auto
    assert (
        dark.startswith(" screen and (prefers-color-scheme: dark)")
        and 'html[data-theme="auto"] {--ground: black}' in dark
    )
    assert 'html[data-theme="dark"] {--ground: white}' in paper and "black" not in paper
    assert 'html[data-theme="dark"] img {background:revert;padding:revert!important}' in paper


def plain(text: str) -> str:
    def directive(name: str, argument: str, options: dict[str, str], content: str) -> str:
        return f"<{name}|{argument}|{options}|{content}>"

    return download.plain(
        text, lambda name, text: "" if "unknown" in text else f"<{name}: {text}>", directive
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            "It is {glue:text}`a:.2f`, see {ref}`b <c>`.",
            "It is <glue:text: a:.2f>, see <ref: b <c>>.",
        ),
        ("{cite:t}`a`{sub}``b`c``", "<cite:t: a><sub: b`c>"),
        ("Code `{ref}` and ``{ref}`x` ``.", "Code `{ref}` and ``{ref}`x` ``."),
        ("[](fig) and [t](page.md)", "<any: fig> and <any: t <page.md>>"),
        (
            "[o](https://o.org), [s](#s), $f[x](unknown)$",
            "[o](https://o.org), [s](#s), $f[x](unknown)$",
        ),
        ("(label)=\n## Title\n% a comment\n+++\nText", "## Title\nText"),
        ("$$\nx\n$$ (eq)\nText", "$$\nx\n$$\nText"),
        ("```python\n{ref}`x`\n```", "```python\n{ref}`x`\n```"),
        ("```{box} A B\n:name: n\n\nText\n```", "<box|A B|{'name': 'n'}|Text>"),
        ("::::{note}\n:::{tip}\nText\n:::\n::::", "<note||{}|:::{tip}\nText\n:::>"),
        ("- item\n  ```{note}\n  Text\n  ```", "- item\n  <note||{}|Text>"),
        ("```{note}\n---\nclass: c\n---\nText\n```", "<note||{'class': 'c'}|Text>"),
        ("```{note}\nnever closed", "<note||{}|never closed>"),
        ("one ` alone\n\n{ref}`x` and ` again", "one ` alone\n\n<ref: x> and ` again"),
    ],
)
def test_what_only_the_site_understands_becomes_plain_markdown(source: str, shown: str) -> None:
    assert plain(source) == shown


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert (
        download.table(["a", "b"], [["1|2", "3\n4"]]) == "| a | b |\n| --- | --- |\n| 1\\|2 | 3 4 |"
    )


def test_glued_values_are_found_shown_or_not() -> None:
    def output(name: str, prefix: str) -> Any:
        metadata = {"scrapbook": {"name": name}}
        return nbformat.v4.new_output(
            "display_data", {f"{prefix}text/plain": "0.5"}, metadata=metadata
        )

    cell = nbformat.v4.new_code_cell(
        outputs=[output("a", ""), output("b", "application/papermill.record/")]
    )
    cell.outputs.append(nbformat.v4.new_output("stream", text="no value"))
    assert download.glued(nbformat.v4.new_notebook(cells=[cell])) == {"a": "0.5", "b": "0.5"}


def test_panels_below_each_other_keep_one_scale() -> None:
    panel = '<svg class="panel" viewBox="{} 0.0 {} 50.0" style="flex:{} 1 9px"></svg>'
    wide, narrow = panel.format("0.0", "200.0", 200), panel.format("200.0", "100.0", 100)
    shown = body.shares(f'<div class="simplicity-figure">{wide}{narrow}</div>')
    assert re.findall(r"--share:([\d.]+);", shown) == ["1.000", "0.500"]
    assert re.findall(r"--fair:([\d.]+)\"", shown) == ["1.333", "0.667"]
    alone = f'<div class="simplicity-figure">{wide}</div>'
    assert body.shares(alone) == alone


def test_a_table_that_is_lost_or_was_never_written_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "best_linear_fit"
    monkeypatch.setattr(records, "abouts", lambda: {name: {}})
    data_files.write(tmp_path)
    lines, copy = (tmp_path / "data" / f"{name}{end}" for end in (".csv", ".nc.gz"))
    first = lines.read_text("utf-8")
    assert copy.read_bytes() == (paths.results() / copy.name).read_bytes()
    lines.unlink()
    data_files.write(tmp_path)
    assert lines.read_text("utf-8") == first
    # of an earlier record, whose successor's table was broken off
    lines.write_text("earlier", "utf-8")
    copy.write_bytes(b"earlier")
    monkeypatch.setattr(data_files, "table", _broken)
    with pytest.raises(KeyboardInterrupt):
        data_files.write(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(records, "abouts", lambda: {name: {}})
    data_files.write(tmp_path)
    assert lines.read_text("utf-8") == first


def _broken(dataset: Any) -> str:
    raise KeyboardInterrupt
