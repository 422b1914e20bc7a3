"""`simplicity new`: an experiment, its test and its chapter, from templates.

Experiment and test run at once, the chapter after its first record.

    simplicity new hu/my_experiment            in the book: experiment, test, chapter, their entries
    simplicity new my_experiment.py            of one's own, anywhere: experiment and test
    simplicity new my_experiment.py --package  with a pyproject.toml that offers it by its name
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
_NEXT = string.Template(
    "claim $claim; run it: simplicity run $name\n"
    "make it yours: the experiment, its test, the chapter, its row in book/claims.csv; commit\n"
    "then: simplicity record $name, after which the chapter runs; commit that; make book\n"
    "README.md: the number of claims, and the table of `simplicity ledger --markdown`, change "
    "with the record"
)


def make(options: argparse.Namespace) -> int:
    """WING/NAME writes into the book, FILE.py beside nothing but its test and its package; no file
    is written over.
    """
    for path in _written(str(options.where), options):
        print(path)
    return 0


def _written(where: str, options: argparse.Namespace) -> list[Path]:
    if where.endswith(".py"):
        return _file(Path(where), options.claim, options.package)
    if options.package:
        raise Problem(f"package: got it with {where}, allowed with a FILE.py of yours")
    return _in_book(where, options.claim)


def _file(path: Path, claim: str | None, package: bool) -> list[Path]:
    name = _importable(path.stem)
    imports = "\n\n".join(["\n".join(_HELPERS), f"import {name} as experiment"])
    values = _values(name, _free(claim, "M", [])) | {"imports": imports}
    test = path.with_name(f"test_{path.name}")
    templates = {path: "experiment", test: "test"}
    if package:
        templates[path.with_name("pyproject.toml")] = "package"
    _write_new(templates, values)
    print(f"run it: simplicity run {path}; test it: python -m pytest {test}")
    if package:
        install = f"pip install -e {path.parent}"
        print(f"offer it by name: {install}; then simplicity run {name}, anywhere")
    return [*templates]


def _importable(stem: str) -> str:
    """The name of a module that hides no other."""
    name = _name(stem)
    if name in {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}:
        raise Problem(
            f"name: got {name}, a module of Python or of an installed package, allowed another, "
            "since its test imports the file by its name"
        )
    return name


def _in_book(where: str, claim: str | None) -> list[Path]:
    wing, name = _place(where)
    values = _values(name, _free(claim, CAPTIONS[wing][0], ledger.ids()), wing)
    experiment = f"from simplicity.{wing}.experiments import {name} as experiment"
    values["imports"] = "\n".join(sorted([*_HELPERS, experiment]))
    templates, entries = _templates(values), _entries(values)
    _write_new(templates, values)
    for path, text in entries.items():
        files.write_text(path, text)
    print(_NEXT.substitute(values))
    return [*templates, *entries]


def _templates(values: dict[str, str]) -> dict[Path, str]:
    """The new files of an experiment of the book, each with the name of its template."""
    wing, name = values["wing"], values["name"]
    return {
        paths.PACKAGE / wing / "experiments" / f"{name}.py": "experiment",
        paths.root() / "tests" / wing / f"test_{name}.py": "test",
        paths.book() / f"{values['slug']}.md": "chapter",
    }


def _entries(values: dict[str, str]) -> dict[Path, str]:
    """The files of the book that name every chapter and every claim, with the new ones."""
    toc, claims = paths.root() / "_toc.yml", paths.book() / "claims.csv"
    return {
        toc: _listed(toc.read_text("utf-8"), CAPTIONS[values["wing"]][1], values["slug"]),
        claims: _with_row(claims.read_text("utf-8"), values),
    }


def _place(where: str) -> tuple[str, str]:
    """A wing and the name of an experiment that the book does not have."""
    wing, _, name = where.partition("/")
    if wing not in CAPTIONS:
        allowed = f"WING/NAME with {', '.join(CAPTIONS)}, or a FILE.py"
        raise Problem(no_such("wing", wing, CAPTIONS, allowed))
    if _name(name) in records.names():
        raise Problem(f"experiment: got {name}, which the book has, allowed another name")
    return wing, name


def _values(name: str, claim: str, wing: str = "") -> dict[str, str]:
    """What the templates are filled with."""
    slug, title = name.replace("_", "-"), name.replace("_", " ").capitalize()
    return {"name": name, "claim": claim, "wing": wing, "slug": slug, "title": title}


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
        return _next(letter, known)
    if not re.fullmatch(r"[A-Za-z][\w-]*", claim) or claim in known:
        raise Problem(f"claim: got {claim}, allowed an id that no claim has, as {letter}99")
    return claim


def _next(letter: str, known: list[str]) -> str:
    """After the highest number of those with that letter."""
    numbers = [int(one[len(letter) :]) for one in known if re.fullmatch(rf"{letter}\d+", one)]
    return f"{letter}{max(numbers, default=0) + 1}"


def _write_new(templates: dict[Path, str], values: dict[str, str]) -> None:
    """Each file from its template; none, where one of them is there already."""
    for path in templates:
        if path.exists():
            raise Problem(f"new: {path} is there already, allowed a name that is free")
    texts = {path: _template(name).substitute(values) for path, name in templates.items()}
    for path, text in texts.items():
        files.write_text(path, text)


def _template(name: str) -> string.Template:
    folder = resources.files("simplicity.cli") / "templates"
    return string.Template((folder / f"{name}.txt").read_text("utf-8"))


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
    line = io.StringIO()
    writer = csv.DictWriter(line, fields, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writerow(_row(values))
    return table.rstrip("\n") + "\n" + line.getvalue()


def _row(values: dict[str, str]) -> dict[str, str]:
    return {
        "id": values["claim"],
        "paper": "the book's own",
        "source": "our reading",
        "kind": "own question",
        "chapter": values["slug"],
        "short": values["title"],
        "claim": values["title"],
    }
