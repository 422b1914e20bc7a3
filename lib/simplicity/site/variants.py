"""A chapter with other parameters.

A grid of executed notebooks with a page that links them, or a whole site.

Kernels end with the notebook, with its time limit, and with this process, however that ends.
"""

import ast
import contextlib
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
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

from simplicity.evidence import check_rows, claim_verdicts, ledger
from simplicity.places import files, paths
from simplicity.problems import Problem, Stopped, shown
from simplicity.process import interrupts
from simplicity.site import build, evidence, kernels, worker
from simplicity.site.execute import ChapterFailed, checked, find, parameters_of, plain

# In this very environment, whatever the path holds.
JUPYTER_BOOK = (
    "from simplicity.process import interrupts; interrupts.end_with_stdin(); "
    "from jupyter_book.cli.main import main; main()"
)
MOST_NOTEBOOKS = 1000
WAITING = "not executed yet"
# a worker that does not end with its kernel is ended after the limit and this
BACKSTOP_SECONDS = 60.0

PATIENCE_SECONDS = 10.0  # that a build may take to end its kernels


@dataclasses.dataclass(frozen=True)
class Notebook:
    """One point of a grid: its parameters, its file, and how it went.

    `failure` is empty where every cell ran.
    """

    parameters: dict[str, Any]
    path: Path
    seconds: float = 0.0
    failure: str = ""


def points(
    chapter: str, fixed: Mapping[str, str], swept: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """The parameters of every notebook of the grid, typed as the chapter declares.

    `Problem` before anything runs.
    """
    known = parameters_of(find(chapter))
    base = {name: checked(chapter, name, value, known) for name, value in fixed.items()}
    axes = {
        name: [checked(chapter, name, value, known) for value in values]
        for name, values in swept.items()
    }
    for name, values in axes.items():
        for value in values:
            if values.count(value) > 1:
                raise Problem(f"{name}: got {shown(value)} twice, allowed once")
    found = [
        base | dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    ]
    if len(found) > MOST_NOTEBOOKS:
        raise Problem(f"grid: got {len(found)} notebooks, allowed at most {MOST_NOTEBOOKS}")
    return found


def execute_grid(
    chapter: str,
    given: Sequence[Mapping[str, Any]],
    folder: Path,
    workers: int,
    limit_seconds: float,
) -> list[Notebook]:
    """Execute each point in a process of its own and write `folder/index.html`.

    A failure is told and the others go on.
    """
    width = len(str(len(given)))
    targets = [folder / f"{chapter}-{number:0{width}}.ipynb" for number in range(1, len(given) + 1)]
    page = folder / "index.html"
    together = files.Together(page)
    waiting = [
        Notebook(dict(point), path, failure=WAITING)
        for path, point in zip(targets, given, strict=True)
    ]
    # The page of an earlier grid would speak for notebooks that are written over now.
    files.write_text(page, index(chapter, waiting))
    together.plan(path.name for path in targets)
    found: list[Notebook] = []
    try:
        with contextlib.closing(
            _executed(chapter, targets, given, workers, limit_seconds)
        ) as executed:
            for one in executed:
                found.append(one)
                print(
                    f"{one.path.name}: {_plain(one.parameters)}: "
                    f"{_last(one.failure) or f'{one.seconds:.0f} s'}",
                    flush=True,
                )
    finally:  # also where the user has had enough
        files.write_text(page, index(chapter, [*found, *waiting[len(found) :]]))
    together.finish(one.path.name for one in found if not one.failure)
    return found


def _executed(
    chapter: str,
    targets: Sequence[Path],
    given: Sequence[Mapping[str, Any]],
    workers: int,
    limit_seconds: float,
) -> Generator[Notebook, None, None]:
    """Each point in the order of the grid, once it is executed or has failed.

    No kernel is left at the end.
    """
    with worker.pool(min(workers, len(given))) as pool:
        futures = [
            pool.schedule(
                worker.variant,
                args=[path, chapter, dict(point), limit_seconds],
                timeout=limit_seconds + BACKSTOP_SECONDS,
            )
            for path, point in zip(targets, given, strict=True)
        ]
        for future, path, point in zip(futures, targets, given, strict=True):
            try:
                yield Notebook(dict(point), path, seconds=future.result())
            except Exception as error:  # whatever ended it, the others go on
                known = isinstance(error, ChapterFailed | Problem)
                yield Notebook(
                    dict(point),
                    path,
                    failure=str(error) if known else f"{type(error).__name__}: {error}",
                )


def verdicts(path: Path) -> dict[str, str]:
    """Claim -> the verdict that a notebook's own fresh checks give."""
    payloads = evidence.payloads_of(nbformat.read(path, as_version=4))
    checks = [check_rows.from_row(row) for payload in payloads for row in payload["checks"]]
    ids = dict.fromkeys(check.claim for check in checks)
    return {
        claim: claim_verdicts.verdict(
            claim, [check for check in checks if check.claim == claim]
        ).verdict
        for claim in ids
    }


def index(chapter: str, notebooks: Sequence[Notebook]) -> str:
    """The page: a row a notebook with its parameters, its verdicts and its link.

    Whatever a user gave is escaped.
    """
    names = list(dict.fromkeys(name for one in notebooks for name in one.parameters))
    judged = {one.path: verdicts(one.path) for one in notebooks if not one.failure}
    ids = list(dict.fromkeys(claim for found in judged.values() for claim in found))
    heads = "".join(
        f'<th scope="col">{html.escape(text)}</th>'
        for text in [*names, *ids, "seconds", "notebook"]
    )
    rows = ""
    for one in notebooks:
        cells = [html.escape(str(one.parameters.get(name, ""))) for name in names]
        if one.failure:
            cells.append(
                WAITING if one.failure == WAITING else f"failed: {html.escape(_last(one.failure))}"
            )
            spans = ["" for _ in names] + [f' colspan="{len(ids) + 2}"']
        else:
            found = judged[one.path]
            cells += [ledger.badge(found[claim]) if claim in found else "" for claim in ids]
            file = html.escape(one.path.name)
            cells += [f"{one.seconds:.0f}", f'<a href="{file}" download>{file}</a>']
            spans = ["" for _ in cells]
        rows += (
            "<tr>"
            + "".join(f"<td{span}>{cell}</td>" for span, cell in zip(spans, cells, strict=True))
            + "</tr>\n"
        )
    return PAGE.format(
        title=html.escape(f"{chapter}: {len(notebooks)} notebooks"), heads=heads, rows=rows
    )


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
<div><table><thead><tr>{heads}</tr></thead>
<tbody>
{rows}</tbody></table></div>
</body>
</html>
"""


def _plain(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in point.items()) or "published parameters"


def _last(failure: str) -> str:
    """The last line of a report."""
    lines = failure.strip().splitlines()
    return lines[-1] if lines else ""


def site(chapter: str, given: Mapping[str, str], output: Path | None) -> Path:
    """The whole site with the published parameters of `chapter` replaced; the folder that holds it.

    The book is copied with the new values as literals in the chapter's own parameters cell and
    built like any other: what the change does not touch is taken from the last build.
    """
    root, source = paths.root(), find(chapter)
    known = parameters_of(source)
    values = {name: checked(chapter, name, value, known) for name, value in given.items()}
    if not values:
        raise Problem("parameter: got none, allowed one or more -p NAME=VALUE")
    target = output or root / "_build" / "variants" / f"{chapter}-{_digest(values)}"
    with kernels.temporary("simplicity-site-") as folder:
        copy = folder / "book"
        _copy_book(root, copy)
        text = source.read_text("utf-8")
        published = {n: ast.literal_eval(known[n]["default"]) for n in values}
        files.write_text(copy / "book" / source.name, replaced(text, published, values))
        _build(copy)
        _place(copy / "_build" / "html", target)
    return target


def _place(pages: Path, target: Path) -> None:
    """The built pages as the folder `target`.

    Those of an earlier build of it go once the new ones are beside them.
    """
    try:
        if target.is_dir() and not any(target.iterdir()):  # the user's own: its place and mode stay
            shutil.copytree(pages, target, dirs_exist_ok=True)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=files.PART, dir=target.parent) as room:
            shutil.copytree(pages, Path(room) / "new")
            if target.exists():
                target.rename(Path(room) / "old")
            (Path(room) / "new").rename(target)
    except (OSError, shutil.Error) as reason:
        told = getattr(reason, "strerror", None) or "not all pages could be copied"
        raise Stopped(
            f"cannot write {target}: {told}; allowed a folder with room for the site"
        ) from None


def _build(copy: Path) -> None:
    """Build the book at `copy`.

    What it says of its chapters goes to stderr as it comes, for it takes minutes.
    """
    command = [
        sys.executable,
        "-P",
        "-c",
        JUPYTER_BOOK,
        "build",
        str(copy),
        "-n",
        "-W",
        "--keep-going",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(copy / "lib"), *_search_path()]),
        "PYTHONUTF8": "1",
    }
    print("building a copy of the book", file=sys.stderr, flush=True)
    with (
        (copy.parent / "errors").open("w+", encoding="utf-8", errors="replace") as errors,
        interrupts.blocked(),
    ):
        # Ctrl-C reaches the build through us: a terminal's own would come twice.
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            errors="replace",
        )
    said = []
    try:
        for line in process.stdout or ():
            said.append(line)
            if line.startswith("chapter "):
                print(line, end="", file=sys.stderr, flush=True)
        process.wait()
    except BaseException:
        _end(process)
        raise
    if process.returncode != 0:
        told = (copy.parent / "errors").read_text("utf-8", "replace")
        raise ChapterFailed(plain(told or "".join(said)).strip())


def _end(process: subprocess.Popen[str]) -> None:
    """End a build with its workers and kernels, before its folder goes."""
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its workers end with it
        process.wait()


def replaced(text: str, published: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The chapter's source with each value as the literal of its parameter.

    A note under the title says so.
    """
    for name, value in values.items():
        pattern = re.compile(rf"^({re.escape(name)}: \w+ = )(.*?)(  # .*)?$", re.MULTILINE)
        found = pattern.search(text)
        assert found is not None, name
        text = (
            text[: found.start()] + found[1] + repr(value) + (found[3] or "") + text[found.end() :]
        )
    lines = [f"{name} = {value!r}, published {published[name]!r}" for name, value in values.items()]
    fence = "`" * 8  # a value cannot end it: it never starts a line
    note = (
        f"`````````{{admonition}} Not the published page\nExecuted with\n\n{fence}text\n"
        + "\n".join(lines)
        + f"\n{fence}\n`````````\n"
    )
    title = re.compile(r"^# .*\n", re.MULTILINE)
    return title.sub(lambda found: f"{found[0]}\n{note}", text, count=1)


def _copy_book(root: Path, copy: Path) -> None:
    """What a build reads, and what the last one executed and stored.

    So that only the changed chapter is executed.
    """
    for folder in ("book", "lib"):
        shutil.copytree(
            root / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for file in ("_config.yml", "_toc.yml", "requirements.lock"):
        shutil.copy(root / file, copy / file)
    if build.runs(root).is_dir():
        shutil.copytree(build.runs(root), build.runs(copy))
    (root / "_build" / "store").mkdir(parents=True, exist_ok=True)
    (copy / "_build").mkdir(exist_ok=True)
    (copy / "_build" / "store").symlink_to(root / "_build" / "store")


def _search_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]
