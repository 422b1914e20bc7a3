"""Every command and every piece of Python that a page, the README, a docstring or a help text
prints can be typed as it stands.

Commands are parsed and their values read; what is expensive is not run.
"""

import ast
import functools
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import distributed.cli.dask_scheduler
import distributed.cli.dask_worker
import papermill.cli
import pytest

from simplicity import cli
from simplicity.cli import commands, looking
from simplicity.cli import options as words
from simplicity.evidence import records
from simplicity.grid import groups, sweep
from simplicity.grid.config import elements, parse
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.site import sources, variants

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
SOURCES = [*sorted((ROOT / "lib").rglob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]
FENCE = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1`*[ ]*$", re.MULTILINE | re.DOTALL)
COMMAND_NAMES = list(commands.parser()._subparsers._group_actions[0].choices)  # type: ignore[union-attr, arg-type]
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
# The experiment that a reader of "A claim of your own" has written is in the book's folder.
OWN = ROOT / "book" / "own_claim" / "principal_components.py"
ABSENT = {"dask_jobqueue"}  # the page says that it is to be installed beside the rest


def fences(page: Path, language: str) -> list[str]:
    return [
        found[3]
        for found in FENCE.finditer(page.read_text("utf-8"))
        if found[2].strip() == language
    ]


def lines_of(block: str) -> Iterator[str]:
    for line in block.replace("\\\n", " ").splitlines():
        if line.strip():
            yield " ".join(line.split())


def unfenced(text: str) -> str:
    """Text without its blocks; what a page folds away is text as well."""
    return FENCE.sub(
        lambda found: unfenced(found[3]) if found[2].startswith("{dropdown}") else "", text
    )


def spans(text: str) -> Iterator[str]:
    """Code within a line that begins with the name of a command; the name alone is a name."""
    for found in SPAN.finditer(unfenced(text)):
        span = " ".join(found[1].split())
        first = re.sub(r"^([A-Z_]+=\S+ )+", "", span).split(" ")
        if len(first) > 1 and first[0].removeprefix(".venv/bin/") in CHECKS:
            yield span


def printed() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in fences(page, ""):
            yield from ((page.name, line) for line in lines_of(block))
        yield from ((page.name, span) for span in spans(page.read_text("utf-8")))
    for source in SOURCES:
        yield from ((source.name, span) for span in spans(source.read_text("utf-8")))


# --- one check a command; each takes the words behind the command's name


def check_simplicity(given: list[str]) -> None:
    # a name alone speaks of the command
    if given == ["--version"] or given in [[name] for name in COMMAND_NAMES]:
        return
    options = cli._parsed(given)
    name = options.command.partition(":")[2]
    SIMPLICITY[name](options)


def check_run(options) -> None:
    own = options.experiment.removesuffix(".py") == OWN.stem
    module = records.experiment(str(OWN) if own else options.experiment)
    given = words.parameters(
        [*options.parameter, *([f"seeds={options.seeds}"] if options.seeds else [])]
    )
    fixed, swept = words.apart(module, given)
    swept |= words.grid(options.grid, given, functools.partial(elements, groups.config_of(module)))
    words.check_running(options)
    assert sweep.plan(
        module, parse(groups.config_of(module), fixed, words.preset(module, options.preset)), swept
    ).distinct


def check_chapter(options) -> None:
    fixed = words.parameters(options.parameter)
    assert variants.points(options.chapter, fixed, words.grid(getattr(options, "grid", []), fixed))


def check_compare(options) -> None:
    assert (
        looking._tolerance("rtol", options.rtol) >= 0
        and looking._tolerance("atol", options.atol) >= 0
    )


def check_data(options) -> None:
    assert options.name in (None, "mnist", "cifar10")


SIMPLICITY: dict[str, Callable] = {
    "run_experiment": check_run,
    "check_claims": lambda options: options.all or words.claim(options.claim),
    "make": lambda options: None,
    "record_experiment": lambda options: records.experiment(options.experiment),
    "run_chapter": check_chapter,
    "build_site": check_chapter,
    "list_experiments": lambda options: None,
    "show_ledger": lambda options: None,
    "show_cache": lambda options: None,
    "compare_files": check_compare,
    "image_data": check_data,
}


def check_papermill(given: list[str]) -> None:
    found = papermill.cli.papermill.make_context("papermill", list(given)).params
    chapter = Path(found["notebook_path"].removeprefix("jupytext://"))
    assert found["notebook_path"].startswith("jupytext://book/") and (ROOT / chapter).is_file()
    known = parameters_of(chapter.stem)
    for name, value in found["parameters"]:
        sources.checked(chapter.stem, name, papermill.cli._resolve_type(value), known)


@functools.cache
def parameters_of(chapter: str) -> dict:
    return sources.declared(sources.find(chapter))


def check_make(given: list[str]) -> None:
    (target,) = given
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def check_python(given: list[str]) -> None:
    if given[0] == "-m":
        assert importlib.util.find_spec(given[1])
    else:
        assert given[0].startswith("-") or (ROOT / given[0]).is_file()


def check_pip(given: list[str]) -> None:
    assert given[0] == "install"
    extras = [
        name for found in re.findall(r"\[([\w,]+)\]", " ".join(given)) for name in found.split(",")
    ]
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    assert set(extras) <= set(optional)


def check_dask(given: list[str]) -> None:
    command = {
        "scheduler": distributed.cli.dask_scheduler.main,
        "worker": distributed.cli.dask_worker.main,
    }[given[0]]
    command.make_context(given[0], given[1:])


def check_files(*names: str) -> Callable[[list[str]], None]:
    def check(given: list[str]) -> None:
        assert all((ROOT / name).exists() for name in names)

    return check


def check_beside(name: str) -> Callable[[list[str]], None]:
    """A program of the environment: of this one, therefore."""

    def check(given: list[str]) -> None:
        assert Path(sys.executable).with_name(name).is_file()

    return check


def check_git(given: list[str]) -> None:
    assert given == ["clone", "ADDRESS", "simple-first", "&&", "cd", "simple-first"]


def check_source(given: list[str]) -> None:
    assert given == [".venv/bin/activate"] and "BIN := .venv/bin" in (ROOT / "Makefile").read_text(
        "utf-8"
    )


def check_mkdir(given: list[str]) -> None:
    assert given == ["my_claim", "&&", "cd", "my_claim"]


def check_conda(given: list[str]) -> None:
    environment = (ROOT / "environment.yml").read_text("utf-8")
    assert (
        given == ["env", "create", "-f", "environment.yml"] or f"name: {given[1]}\n" in environment
    )


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "simplicity": check_simplicity,
    "papermill": check_papermill,
    "make": check_make,
    "python": check_python,
    "python3": check_python,
    "pip": check_pip,
    "dask": check_dask,
    "git": check_git,
    "source": check_source,
    "conda": check_conda,
    "mkdir": check_mkdir,
    "jupyter-book": check_beside("jupyter-book"),
    "jupyter": check_beside("jupyter-lab"),
}
# What a text leaves open, filled in.
OPEN = {
    "data fetch {name}": "data fetch mnist", "NAME=VALUE": "width=100", "NAME VALUE": "width 100",
    "record NAME": "record two_ols_limit", "CHAPTER": "optimization-threshold", "NAME": "width",
    "VALUE": "100", "{data}": "mnist", "{name}": "two_ols_limit",
}  # fmt: skip
COMMANDS = sorted({(place, command) for place, command in printed()})


def filled(command: str) -> str:
    command = re.sub(r" \.\.\. ?", " ", re.sub(r"\[(NAME|FOLDER)\]", "", command))
    command = re.sub(r"(\w+)\|(\w+)", r"\1", command)
    for text, value in OPEN.items():
        command = re.sub(
            rf"(?<![\w:/]){re.escape(text)}(?!\w)" if text != "CHAPTER" else text, value, command
        )
    return command


@pytest.mark.parametrize(
    ("place", "command"), COMMANDS, ids=[f"{place}: {command[:80]}" for place, command in COMMANDS]
)
def test_every_printed_command_is_taken(
    place: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMPLICITY_WORKERS", "0")
    first, *given = shlex.split(filled(command), comments=True)
    while "=" in first:  # a variable for the command
        first, *given = given
    CHECKS[first.removeprefix(".venv/bin/")](given)


def test_the_commands_are_found() -> None:
    found = [command for _, command in COMMANDS]
    assert len(found) > 80
    assert {
        "make book",
        "simplicity cache --verify",
        "python -m simplicity.site notebooks [FOLDER]",
    } <= set(found)
    for command in COMMAND_NAMES:
        assert any(re.match(rf"([A-Z_]+=\S+ )?simplicity {command}\b", one) for one in found), (
            command
        )


@pytest.mark.parametrize(
    "command",
    [
        "simplicity run excess_risk -p drws=3",
        "simplicity rnu excess_risk",
        "papermill jupytext://book/nothing.md o.ipynb",
    ],
)
def test_a_wrong_command_would_be_noticed(command: str) -> None:
    first, *given = shlex.split(command)
    with pytest.raises((Problem, AssertionError)):
        CHECKS[first](given)


def test_the_commands_of_help_texts_are_commands(capsys: pytest.CaptureFixture[str]) -> None:
    found = commands.parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    texts = [commands.parser().format_help(), *(one.format_help() for one in found.values())]
    found = [span for text in texts for span in spans(text)]
    assert "simplicity list" in found
    for span in found:
        check_simplicity(shlex.split(span)[1:])


SNIPPETS = [
    (page.name, number, code)
    for page in PAGES
    for number, code in enumerate(fences(page, "python"))
]


@pytest.mark.parametrize(
    ("page", "number", "code"), SNIPPETS, ids=[f"{page}-{number}" for page, number, _ in SNIPPETS]
)
def test_every_piece_of_python_imports_what_is_there(page: str, number: int, code: str) -> None:
    space: dict[str, object] = {}
    for node in ast.walk(ast.parse(code)):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if modules and not {str(name).partition(".")[0] for name in modules} & ABSENT:
            exec(compile(ast.Module([node], []), page, "exec"), space)
    for node in ast.walk(ast.parse(code)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in space
        ):
            assert hasattr(space[node.value.id], node.attr), ast.unparse(node)


def test_there_are_pieces_of_python() -> None:
    assert [page for page, _, _ in SNIPPETS] == ["scaling-out.md"] * 2


def test_the_sweep_of_scaling_out_runs_as_a_script_on_two_workers(tmp_path: Path) -> None:
    """With the small preset and a store of its own; each worker imports the script."""
    (_, _, code), _ = SNIPPETS
    script = code.replace('presets["QUICK"]', 'presets["TINY"]').replace(
        "]})", f"]}}, store={str(tmp_path / 'store')!r})"
    )
    assert script.count("store=") == 1 and "TINY" in script
    (tmp_path / "script.py").write_text(script)
    environment = {**os.environ, "SIMPLICITY_WORKERS": "2", "PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<xarray.DataArray 'rho' (scale: 2)>")


def test_the_readme_says_what_is_needed_and_where_the_commands_are() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert re.search(r"Linux, macOS, or WSL", text) and "git clone ADDRESS" in text
    first = text.index("\nsimplicity ")
    assert text.index("source .venv/bin/activate") < min(first, text.index("\npapermill "))
    made = set(re.findall(r"(?:-o|--csv) (\S+)", text))
    compared = re.search(r"^simplicity compare (\S+) (\S+)", text, re.MULTILINE)
    assert compared and set(compared.groups()) <= made


def test_git_ignores_what_the_pages_commands_write_into_the_checkout() -> None:
    outputs = set()
    for _, command in COMMANDS:
        given = shlex.split(filled(command), comments=True)
        outputs |= {
            value for flag, value in zip(given, given[1:], strict=False) if flag in ("-o", "--csv")
        }
        outputs |= {given[2]} if given[0] == "papermill" and len(given) > 2 else set()
    outputs = {name for name in outputs if not name.isupper()}
    assert len(outputs) > 10
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines()]
    assert not [
        name
        for name in outputs
        if not any(Path(name.strip("/")).match(pattern) for pattern in ignored)
    ]


def test_the_pages_name_only_experiments_and_chapters_that_exist() -> None:
    found = [
        command.split()[2]
        for _, command in COMMANDS
        if re.match("simplicity (run|sweep) ", command)
    ]
    own = {OWN.stem, OWN.name}
    assert found and set(found) - own <= set(records.names())
    assert paths.book().is_dir()
