"""A chapter with other parameters: a grid of executed notebooks with a page that links them, or a
whole site.

Kernels end with the notebook, with its time limit, and with this process, however that ends.
"""

import dataclasses
import hashlib
import html
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

from simplicity.evidence import check_rows, claim_verdicts, ledger
from simplicity.evidence.claims import Check
from simplicity.places import files, paths
from simplicity.problems import Problem, Stopped, shown
from simplicity.process import interrupts
from simplicity.site import build, evidence, kernels, markup, worker
from simplicity.site.execute import ChapterFailed, plain, said
from simplicity.site.sources import checked, declared, find, typed

# In this very environment, whatever the path holds.
BUILD = (
    "import sys; from simplicity.process import interrupts; interrupts.end_with_stdin(); "
    "from simplicity.site.__main__ import book; sys.exit(book(sys.argv[1]))"
)
MOST_NOTEBOOKS = 1000
WAITING = "not executed yet"
# a worker that does not end with its kernel is ended after the limit and this
BACKSTOP_SECONDS = 60.0

PATIENCE_SECONDS = 10.0  # that a build may take to end its kernels


@dataclasses.dataclass(frozen=True)
class Notebook:
    """One point of a grid: its parameters, its file, and how it went; without `failure` every cell
    ran.
    """

    parameters: dict[str, Any]
    path: Path
    seconds: float = 0.0
    failure: str = ""

    def __str__(self) -> str:
        given = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        how = _last(self.failure) or f"{self.seconds:.0f} s"
        return f"{self.path.name}: {given or 'published parameters'}: {how}"


def points(
    chapter: str, fixed: Mapping[str, str], swept: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """The parameters of every notebook of the grid, as the types that the chapter declares."""
    known = declared(find(chapter))
    base = typed(chapter, fixed, known)
    axes = {
        name: [checked(chapter, name, value, known) for value in values]
        for name, values in swept.items()
    }
    for name, values in axes.items():
        _refuse_repeated(name, values)
    each = itertools.product(*axes.values())
    found = [base | dict(zip(axes, values, strict=True)) for values in each]
    if len(found) > MOST_NOTEBOOKS:
        raise Problem(f"grid: got {len(found)} notebooks, allowed at most {MOST_NOTEBOOKS}")
    return found


def _refuse_repeated(name: str, values: Sequence[Any]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise Problem(f"{name}: got {shown(value)} twice, allowed once")


def execute_grid(
    chapter: str,
    given: Sequence[Mapping[str, Any]],
    folder: Path,
    workers: int,
    limit_seconds: float,
) -> list[Notebook]:
    """Execute each point in a process of its own and write `folder/index.html`; a failure is told
    and the others go on.
    """
    waiting = _waiting(chapter, given, folder)
    page = folder / "index.html"
    together = files.Together(page)
    # The page of an earlier grid would speak for notebooks that are written over now.
    files.write_text(page, index(chapter, waiting))
    together.plan(one.path.name for one in waiting)
    tasks = [(one.path, chapter, one.parameters, limit_seconds) for one in waiting]
    limit = limit_seconds + BACKSTOP_SECONDS
    found: list[Notebook] = []
    try:
        with worker.outcomes(worker.variant, tasks, workers, limit) as outcomes:
            for one in map(_ended, waiting, outcomes):
                found.append(one)
                print(one, flush=True)
    finally:  # also where the user has had enough
        files.write_text(page, index(chapter, [*found, *waiting[len(found) :]]))
    together.finish(one.path.name for one in found if not one.failure)
    return found


def _waiting(chapter: str, given: Sequence[Mapping[str, Any]], folder: Path) -> list[Notebook]:
    width = len(str(len(given)))
    return [
        Notebook(dict(point), folder / f"{chapter}-{number:0{width}}.ipynb", failure=WAITING)
        for number, point in enumerate(given, 1)
    ]


def _ended(one: Notebook, outcome: float | Exception) -> Notebook:
    if isinstance(outcome, Exception):
        return dataclasses.replace(one, failure=said(outcome))
    return dataclasses.replace(one, seconds=outcome, failure="")


def verdicts(path: Path) -> dict[str, str]:
    """Claim -> the verdict that a notebook's own fresh checks give."""
    found: dict[str, list[Check]] = {}
    for payload in evidence.payloads_of(nbformat.read(path, as_version=4)):
        for check in map(check_rows.from_row, payload["checks"]):
            found.setdefault(check.claim, []).append(check)
    return {claim: claim_verdicts.verdict(claim, its).verdict for claim, its in found.items()}


def index(chapter: str, notebooks: Sequence[Notebook]) -> str:
    """The page: a row a notebook with its parameters, its verdicts and its link, all escaped."""
    judged = [{} if one.failure else verdicts(one.path) for one in notebooks]
    names = list(dict.fromkeys(name for one in notebooks for name in one.parameters))
    ids = list(dict.fromkeys(claim for found in judged for claim in found))
    rows = [
        [*_parameters(one, names), *_badges(found, ids), *_cells(one)]
        for one, found in zip(notebooks, judged, strict=True)
    ]
    table = markup.table([*names, *ids, "seconds", "notebook"], rows)
    return PAGE.format(title=html.escape(f"{chapter}: {len(notebooks)} notebooks"), table=table)


def _parameters(one: Notebook, names: Sequence[str]) -> list[str]:
    return [html.escape(str(one.parameters.get(name, ""))) for name in names]


def _badges(found: Mapping[str, str], ids: Sequence[str]) -> list[str]:
    return [ledger.badge(found[claim]) if claim in found else "" for claim in ids]


def _cells(one: Notebook) -> list[str]:
    """The seconds, and the link or why there is none."""
    if one.failure:
        failed = one.failure if one.failure == WAITING else f"failed: {_last(one.failure)}"
        return ["", html.escape(failed)]
    file = html.escape(one.path.name)
    return [f"{one.seconds:.0f}", f'<a href="{file}" download>{file}</a>']


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
div {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ border-bottom: 1px solid #8888; padding: .3rem .8rem .3rem 0; }}
th, td {{ text-align: left; vertical-align: top; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>Verdicts are those of each notebook's own run, not of the recorded ones.
Each notebook holds its outputs.</p>
<div>{table}</div>
</body>
</html>
"""


def _last(failure: str) -> str:
    """The last line of a report."""
    lines = failure.strip().splitlines()
    return lines[-1] if lines else ""


def site(chapter: str, given: Mapping[str, str], output: Path | None) -> Path:
    """The whole site with the published parameters of `chapter` replaced; the folder that holds it.

    The book is copied with the new values as literals in the chapter's own parameters cell and
    built like any other: what the change does not touch is taken from the last build.
    """
    source = find(chapter)
    published = declared(source)
    values = typed(chapter, given, published)
    if not values:
        raise Problem("parameter: got none, allowed one or more -p NAME=VALUE")
    text = replaced(source.read_text("utf-8"), published, values)
    name = f"{chapter}-{_digest(values)}"
    target = output or paths.root() / "_build" / "variants" / name
    with kernels.temporary("simplicity-site-") as folder:
        copy = folder / "book"
        _copy_book(paths.root(), copy)
        files.write_text(copy / "book" / source.name, text)
        _build(copy)
        _place(copy / "_build" / "html", target)
    return target


def _place(pages: Path, target: Path) -> None:
    """The built pages as the folder `target`; those of an earlier build of it go once the new ones
    are beside them.
    """
    try:
        if target.is_dir() and not any(target.iterdir()):  # the user's own: its place and mode stay
            shutil.copytree(pages, target, dirs_exist_ok=True)
        else:
            _exchange(pages, target)
    except (OSError, shutil.Error) as reason:
        told = getattr(reason, "strerror", None) or "not all pages could be copied"
        raise Stopped(
            f"cannot write {target}: {told}; allowed a folder with room for the site"
        ) from None


def _exchange(pages: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=files.PART, dir=target.parent) as room:
        shutil.copytree(pages, Path(room) / "new")
        if target.exists():
            target.rename(Path(room) / "old")
        (Path(room) / "new").rename(target)


def _build(copy: Path) -> None:
    """Build the book at `copy`; what it says of its chapters goes to stderr as it comes, for it
    takes minutes.
    """
    errors = copy.parent / "errors"
    print("building a copy of the book", file=sys.stderr, flush=True)
    process = _started(copy, errors)
    try:
        told = _told(process.stdout or ())
        process.wait()
    except BaseException:
        _end(process)
        raise
    if process.returncode != 0:
        raise ChapterFailed(plain(errors.read_text("utf-8", "replace") or told).strip())


def _started(copy: Path, errors: Path) -> subprocess.Popen[str]:
    """A build of the book at `copy`, with the library that is there."""
    search = [str(copy / "lib"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, search)), "PYTHONUTF8": "1"}
    with errors.open("wb") as file, interrupts.blocked():
        # Ctrl-C reaches the build through us: a terminal's own would come twice.
        return subprocess.Popen(
            [sys.executable, "-P", "-c", BUILD, str(copy)],
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            encoding="utf-8",
            errors="replace",
        )


def _told(lines: Iterable[str]) -> str:
    """All that a build says; what it says of chapters goes on to stderr."""
    told = []
    for line in lines:
        told.append(line)
        if line.startswith("chapter "):
            print(line, end="", file=sys.stderr, flush=True)
    return "".join(told)


def _end(process: subprocess.Popen[str]) -> None:
    """End a build with its workers and kernels, before its folder goes."""
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its workers end with it
        process.wait()


def replaced(text: str, published: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The chapter's source with each value as the literal of its parameter, and a note that says so
    under the title.
    """
    for name, value in values.items():
        text = _with_literal(text, name, repr(value))
    lines = [f"{name} = {value!r}, published {published[name]!r}" for name, value in values.items()]
    title = re.compile(r"^# .*\n", re.MULTILINE)
    return title.sub(lambda found: f"{found[0]}\n{_note(lines)}", text, count=1)


def _note(lines: Sequence[str]) -> str:
    fence = "`" * 8  # a value cannot end it: it never starts a line
    told = "\n".join(["Executed with", "", f"{fence}text", *lines, fence])
    return f"`````````{{admonition}} Not the published page\n{told}\n`````````\n"


def _with_literal(text: str, name: str, literal: str) -> str:
    pattern = rf"^({re.escape(name)}: \w+ = )(.*?)(  # .*)?$"
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None, name
    return f"{text[: found.end(1)]}{literal}{text[found.end(2) :]}"


def _copy_book(root: Path, copy: Path) -> None:
    """What a build reads, and what the last one executed and stored, so that only the changed
    chapter is executed.
    """
    made = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("book", "lib"):
        shutil.copytree(root / folder, copy / folder, ignore=made)
    for file in ("_config.yml", "_toc.yml", "requirements.lock"):
        shutil.copy(root / file, copy / file)
    if build.runs(root).is_dir():
        shutil.copytree(build.runs(root), build.runs(copy))
    _share_store(root / "_build", copy / "_build")


def _share_store(ours: Path, its: Path) -> None:
    """Finished cells serve both builds."""
    (ours / "store").mkdir(parents=True, exist_ok=True)
    its.mkdir(exist_ok=True)
    (its / "store").symlink_to(ours / "store")


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]
