"""`simplicity new`: an experiment, its test and its chapter, from templates that run at once.

simplicity new hu/my_experiment              in the book: experiment, test, chapter, their entries
simplicity new my_experiment.py              of one's own, anywhere: experiment and test
simplicity new my_experiment.py --package    with a pyproject.toml that offers it by its name
"""

import argparse
import csv
import importlib.metadata
import io
import keyword
import re
import string
import sys
from importlib import resources
from pathlib import Path

from simplicity.evidence import ledger, records
from simplicity.places import files, paths
from simplicity.problems import Problem, no_such

CAPTIONS = {
    "boursier": ("B", "Early alignment"),
    "loukas": ("L", "Training reveals complexity"),
    "nakkiran": ("N", "Linear first"),
    "hu": ("H", "Early linear dynamics"),
    "together": ("T", "Together"),
}
_HELPERS = ("from simplicity.grid.groups import Runs", "from simplicity.grid.run import run")


def make(options: argparse.Namespace) -> int:
    """WING/NAME writes into the book, FILE.py beside nothing but its test and its package; no file
    is written over.
    """
    where = str(options.where)
    own = where.endswith(".py")
    if options.package and not own:
        raise Problem(f"package: got it with {where}, allowed with a FILE.py of yours")
    written = (
        _file(Path(where), options.claim, options.package)
        if own
        else _in_book(where, options.claim)
    )
    for path in written:
        print(path)
    return 0


def _file(path: Path, claim: str | None, package: bool) -> list[Path]:
    name = _name(path.stem)
    if name in {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}:
        raise Problem(
            f"name: got {name}, a module of Python or of an installed package, allowed another, "
            "since its test imports the file by its name"
        )
    values = {"name": name, "claim": _free(claim, "M", []), "slug": name.replace("_", "-")}
    values["imports"] = "\n\n".join(["\n".join(_HELPERS), f"import {name} as experiment"])
    test = path.with_name(f"test_{path.name}")
    contents = {path: _filled("experiment", values), test: _filled("test", values)}
    if package:
        contents[path.with_name("pyproject.toml")] = _filled("package", values)
    _write(contents)
    print(f"run it: simplicity run {path}; test it: python -m pytest {test}")
    if package:
        print(
            f"offer it by name: pip install -e {path.parent}; then simplicity run {name}, anywhere"
        )
    return [*contents]


def _in_book(where: str, claim: str | None) -> list[Path]:
    wing, _, name = where.partition("/")
    if wing not in CAPTIONS:
        raise Problem(
            no_such(
                "wing", wing, CAPTIONS, "WING/NAME with " + ", ".join(CAPTIONS) + ", or a FILE.py"
            )
        )
    name = _name(name)
    if name in records.names():
        raise Problem(f"experiment: got {name}, which the book has, allowed another name")
    letter, caption = CAPTIONS[wing]
    root, slug = paths.root(), name.replace("_", "-")
    values = {
        "name": name,
        "imports": "\n".join(
            sorted([*_HELPERS, f"from simplicity.{wing}.experiments import {name} as experiment"])
        ),
        "claim": _free(claim, letter, ledger.ids()),
        "wing": wing,
        "slug": slug,
        "title": name.replace("_", " ").capitalize(),
    }
    contents = {
        paths.PACKAGE / wing / "experiments" / f"{name}.py": _filled("experiment", values),
        root / "tests" / wing / f"test_{name}.py": _filled("test", values),
        root / "book" / f"{slug}.md": _filled("chapter", values),
    }
    toc, claims = root / "_toc.yml", root / "book" / "claims.csv"
    entries = {
        toc: _listed(toc.read_text("utf-8"), caption, slug),
        claims: _with_row(claims.read_text("utf-8"), values),
    }
    _write(contents)
    for path, text in entries.items():
        files.write_text(path, text)
    print(
        f"claim {values['claim']}; run it: simplicity run {name}; "
        f"record it: simplicity record {name}; then: make book"
    )
    print(
        "README.md has the number of claims and the table that `simplicity ledger --markdown` "
        "makes after the record"
    )
    return [*contents, *entries]


def _name(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text) or text != text.lower():
        raise Problem(
            f"name: got {text or 'nothing'}, allowed lower case letters, digits and _, as "
            "my_experiment"
        )
    return text


def _free(claim: str | None, letter: str, known: list[str]) -> str:
    """The id that is asked for, or the next one of the wing."""
    if claim is None:
        numbers = [int(one[len(letter) :]) for one in known if re.fullmatch(rf"{letter}\d+", one)]
        return f"{letter}{max(numbers, default=0) + 1}"
    if not re.fullmatch(r"[A-Za-z][\w-]*", claim) or claim in known:
        raise Problem(f"claim: got {claim}, allowed an id that no claim has, as {letter}99")
    return claim


def _filled(template: str, values: dict[str, str]) -> str:
    text = (resources.files("simplicity.cli") / "templates" / f"{template}.txt").read_text("utf-8")
    return string.Template(text).substitute(values)


def _write(contents: dict[Path, str]) -> None:
    for path in contents:
        if path.exists():
            raise Problem(f"new: {path} is there already, allowed a name that is free")
    for path, text in contents.items():
        files.write_text(path, text)


def _listed(toc: str, caption: str, slug: str) -> str:
    """The table of contents with a page at the end of a part."""
    head, mark, tail = toc.partition(f"  - caption: {caption}\n    chapters:\n")
    pages = re.match(r"(      - file: .*\n)*", tail)
    if not mark or pages is None:
        raise Problem(f"new: _toc.yml has no part {caption}, allowed one that has")
    return f"{head}{mark}{pages[0]}      - file: book/{slug}\n{tail[pages.end() :]}"


def _with_row(table: str, values: dict[str, str]) -> str:
    """claims.csv with a row for the new claim; its words are yours to write."""
    fields = next(csv.reader([table.partition("\n")[0]]))
    row = {
        "id": values["claim"],
        "paper": "the book's own",
        "source": "our reading",
        "kind": "own question",
        "chapter": values["slug"],
        "short": values["title"],
        "claim": values["title"],
    }
    line = io.StringIO()
    csv.DictWriter(line, fields, restval="", lineterminator="\n").writerow(
        {key: row[key] for key in row if key in fields}
    )
    return table.rstrip("\n") + "\n" + line.getvalue()
