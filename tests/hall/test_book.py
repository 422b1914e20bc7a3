"""The form of every chapter, read from its source: what design and readers rely on, checked once
for all of them.
"""

import ast
import csv
import dataclasses
import itertools
import re
from pathlib import Path
from types import ModuleType

import jupytext
import pytest

from simplicity.evidence import records
from simplicity.grid import groups
from simplicity.places import paths
from simplicity.site import page
from simplicity.site.sources import is_notebook

SECTIONS = [
    "What we see",
    "What did not hold, and what surprised us",
    "How far to trust this",
    "Set-up and deviations",
    "The instrument on a known answer",
    "Run it and change it",
    "Verdict",
    "Cite",
]
MOST_WORDS = 110  # of "In one minute"
MOST_CELLS, MOST_LINES, MOST_PARAMETERS, MOST_CLAIMS = 16, 30, 10, 8
# Pages that run code and judge nothing.
UNJUDGED = ["findings", "on-your-own-network", "a-claim-of-your-own"]
NOTEBOOKS = sorted(
    path for path in paths.book().glob("*.md") if is_notebook(path.read_text("utf-8"))
)
CHAPTERS = [path for path in NOTEBOOKS if path.stem not in UNJUDGED]
FINDINGS = paths.book() / "findings.md"
ANSWER_FIRST = [path for path in CHAPTERS if "\n```{claim} " in path.read_text("utf-8")]
rewritten = pytest.mark.parametrize("path", ANSWER_FIRST, ids=lambda path: path.stem)
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
told = pytest.mark.parametrize("path", [*CHAPTERS, FINDINGS], ids=lambda path: path.stem)


def code_cells(path: Path) -> list:
    return [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]


def parameters(path: Path) -> ast.Module:
    (cell,) = (cell for cell in code_cells(path) if "parameters" in cell.metadata.get("tags", []))
    return ast.parse(cell.source)


def prose(path: Path) -> str:
    """The text that a reader sees as prose: no code, math, links, targets, addresses or glued
    values.
    """
    text = "\n".join(
        cell.source for cell in jupytext.read(path).cells if cell.cell_type == "markdown"
    )
    captions = re.findall(r"caption: \|\n((?:      .*\n)+)", path.read_text("utf-8"))
    text = "\n".join([text, *captions])
    for pattern in (
        r"```.*?```",
        r"\$\$.*?\$\$",
        r"\$[^$]*\$",
        r"`[^`]*`",
        r"\]\([^)]*\)",
        r"https?://\S+",
        r"\{[a-z:]+\}",
    ):
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return text


def imported_experiments(path: Path) -> list:
    source = "\n".join(cell.source for cell in code_cells(path))
    names = [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).endswith(".experiments")
        for alias in node.names
    ]
    return [records.experiment(name) for name in names]


def boxed(path: Path) -> list[str]:
    found = re.search(r"```\{verdict-strip\} (.*)", path.read_text("utf-8"))
    assert found, "a chapter starts with its verdicts"
    return found.group(1).split()


def test_there_is_a_chapter():
    assert CHAPTERS


@rewritten
def test_a_chapter_has_the_sections_in_their_order(path):
    headings = re.findall(r"^## (.*)", path.read_text("utf-8"), flags=re.MULTILINE)
    assert headings == SECTIONS


@every_chapter
def test_the_verdict_strip_names_claims_of_this_chapter_that_its_experiments_judge(path):
    with open(paths.book() / "claims.csv", newline="", encoding="utf-8") as file:
        own = {row["id"] for row in csv.DictReader(file) if row["chapter"] == path.stem}
    judged = {claim for module in imported_experiments(path) for claim in module.CLAIMS}
    assert set(boxed(path)) <= own
    assert set(boxed(path)) == judged & own


@every_chapter
def test_a_chapter_holds_few_claims(path):
    assert 0 < len(boxed(path)) <= MOST_CLAIMS


@rewritten
def test_a_chapter_answers_first(path):
    """What is claimed and found in one minute, then a figure, and only two folded cells before
    it.
    """
    text = path.read_text("utf-8")
    minute = text.partition("**In one minute.**")[2].partition("```{code-cell}")[0]
    words = re.sub(r"\{[\w:-]+\}`[^`]*`", " x ", minute).split()
    assert 0 < len(words) <= MOST_WORDS
    assert all(lead in minute for lead in ("*Claim.*", "*Holds?*", "*Why care.*"))
    before = text.partition("    name: fig-")[0]
    assert "\n## " not in before
    assert before.count("```{code-cell}") <= 4  # parameters, imports, what is run, the figure


@rewritten
def test_every_claim_of_the_strip_has_its_screen(path):
    screens = re.findall(r"^```\{claim\} (\w+)", path.read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(screens) == sorted(boxed(path))


@rewritten
def test_every_caption_begins_with_its_message(path):
    captions = re.findall(r"caption: \|\n((?:      .*\n)+)", path.read_text("utf-8"))
    assert [
        caption.split()[0] for caption in captions if not caption.strip().startswith("**")
    ] == []


@rewritten
def test_there_is_an_exercise_with_a_folded_answer(path):
    text = path.read_text("utf-8")
    assert text.count("**Exercise.**") == text.count("{dropdown} Answer") >= 1


@told
def test_cells_are_few_and_short(path):
    cells = code_cells(path)
    assert len(cells) <= MOST_CELLS
    assert max(len(cell.source.splitlines()) for cell in cells) <= MOST_LINES


@every_chapter
def test_text_stands_before_the_first_cell_and_after_every_figure(path):
    cells = jupytext.read(path).cells
    assert cells[0].cell_type == "markdown"
    for before, after in itertools.pairwise(cells):
        if before.cell_type == "code" and "figure" in before.metadata.get("mystnb", {}):
            assert after.cell_type == "markdown" and not after.source.lstrip().startswith("#")


@every_chapter
def test_every_figure_has_a_name_and_a_caption(path):
    for cell in code_cells(path):
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if figure is not None:
            assert figure["name"].startswith("fig-") and len(figure["caption"].split()) > 8


@every_chapter
def test_parameters_are_typed_literals_with_help(path):
    tree = parameters(path)
    (source,) = (
        cell.source for cell in code_cells(path) if "parameters" in cell.metadata.get("tags", [])
    )
    assert 0 < len(tree.body) <= MOST_PARAMETERS
    for statement, line in zip(tree.body, source.splitlines(), strict=True):
        assert isinstance(statement, ast.AnnAssign) and isinstance(statement.annotation, ast.Name)
        assert statement.annotation.id in ("int", "float", "bool", "str")
        assert type(ast.literal_eval(statement.value)).__name__ == statement.annotation.id
        assert re.search(r"  # \S", line)


@every_chapter
def test_parameters_are_fields_of_a_config_with_its_quick_value(path):
    """That every Config gets the QUICK value of all it is passed is shown by the executed page: its
    preset is QUICK.
    """
    for statement in parameters(path).body:
        name, value = statement.target.id, ast.literal_eval(statement.value)
        fitting = [
            module.__name__
            for module in imported_experiments(path)
            if page.same(getattr(groups.preset(module, "QUICK"), name, None), value)
        ]
        assert fitting or name in handed_on(path), (
            f"{name} = {value} is no field of an experiment's QUICK"
        )


def handed_on(path):
    """The parameters that a chapter hands to an experiment under another name."""
    cells = [ast.parse(cell.source) for cell in code_cells(path) if "where=" in cell.source]
    return {node.id for cell in cells for node in ast.walk(cell) if isinstance(node, ast.Name)}


@told
def test_no_measured_number_is_typed_in_prose(path):
    settings = {
        value
        for module in imported_experiments(path)
        for preset in (groups.preset(module, "QUICK"), groups.preset(module, "FULL"))
        for field in dataclasses.astuple(preset)
        for value in (field if isinstance(field, tuple) else (field,))
    }
    typed = re.findall(r"(?<![\w.])\d+\.\d{2,}", prose(path))
    assert [number for number in typed if float(number) not in settings] == []


@told
def test_every_number_that_a_page_says_by_name_is_used(path):
    """That every number that is used was said is shown by the build: a missing one is a warning,
    which fails it.
    """
    used = set(re.findall(r"\{glue:text\}`(\w+)", path.read_text("utf-8")))
    nodes = [node for cell in code_cells(path) for node in ast.walk(ast.parse(cell.source))]
    calls = [
        node
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "page.say"
    ]
    assert {word.arg for call in calls for word in call.keywords if word.arg} <= used


def test_no_chapter_seeds_a_global_generator_or_hides_warnings():
    for path in CHAPTERS:
        source = "\n".join(cell.source for cell in code_cells(path))
        assert not re.search(r"random\.seed|manual_seed|filterwarnings|simplefilter", source)


def test_no_two_figures_of_the_book_have_one_label() -> None:
    pages = [page.read_text("utf-8") for page in paths.book().glob("*.md")]
    labels = [label for page in pages for label in re.findall(r"name: (fig-[\w-]+)", page)]
    assert len(labels) > 20
    assert not {label for label in labels if labels.count(label) > 1}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_chapter_asks_of_our_modules_is_there(path):
    tree = ast.parse("\n".join(cell.source for cell in code_cells(path)))
    modules = modules_of_ours(tree)
    assert modules
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            assert module is None or hasattr(module, node.attr), ast.unparse(node)


def modules_of_ours(tree: ast.Module) -> dict[str, ModuleType]:
    """The modules of the library that these cells import, by the name that they have there."""
    imported: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "simplicity":
            exec(compile(ast.Module([node], []), "chapter", "exec"), imported)
    return {name: one for name, one in imported.items() if isinstance(one, ModuleType)}
