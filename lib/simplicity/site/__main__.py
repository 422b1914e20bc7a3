"""`python -m simplicity.site notebooks [FOLDER]`, or `scripts`: the chapters in other forms.

`python -m simplicity.site book`: the site, as `jupyter-book build . -n -W --keep-going` makes it,
a second sooner. `python -m simplicity.site pdf [FILE]`: the built site as one PDF.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import jupytext

from simplicity.places import files, paths
from simplicity.problems import Problem, Stopped
from simplicity.process import surroundings
from simplicity.site import build, pdf


def scripts(root: Path, folder: Path) -> list[Path]:
    """The chapters' code as Python files, which the linter can read."""
    written = []
    for chapter in build.chapters(root):
        target = folder / _name("scripts", chapter)
        notebook = jupytext.read(root / "book" / f"{chapter}.md")
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        files.write_text(target, "\n\n# %%\n".join(code) + "\n")
        written.append(target)
    return written


FORMS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "notebooks": build.notebooks,
    "scripts": scripts,
}


def book() -> int:
    """Jupyter Book's own command, with this package loaded first.

    The package leaves out an import of a second that no build needs.
    """
    from jupyter_book.cli.main import main as jupyter_book

    return jupyter_book(["build", ".", "-n", "-W", "--keep-going"], standalone_mode=True)


def main(words: list[str]) -> int:
    """`book` builds the site.

    `notebooks [FOLDER]`, `scripts [FOLDER]` or `pdf [FILE]`: writes, prints the paths. Those of
    chapters that the book no longer has go, if an earlier call wrote them.
    """
    if words == ["book"]:
        return book()
    files.use_utf8()
    surroundings.settle()
    if not words or words[0] not in (*FORMS, "pdf") or len(words) > 2:
        print(
            f"error: form: got {' '.join(words)!r}, allowed book, {' or '.join(FORMS)} [FOLDER] "
            "or pdf [FILE]",
            file=sys.stderr,
        )
        return 2
    try:
        if words[0] == "pdf":
            target = Path(words[1]) if len(words) == 2 else paths.build() / "simple-first.pdf"
            sheets = pdf.write(paths.build() / "html", pdf.parts(paths.root()), target)
            print(f"{target}: {sheets} sheets")
            return 0
        folder = files.folder(words[1]) if len(words) == 2 else paths.build() / words[0]
        for path in _written(words[0], folder):
            print(path)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1 if isinstance(problem, Stopped) else 2
    return 0


def _written(form: str, folder: Path) -> list[Path]:
    together = files.Together(folder / form)
    together.plan(_name(form, chapter) for chapter in build.chapters(paths.root()))
    found = FORMS[form](paths.root(), folder)
    together.finish(path.name for path in found)
    return found


def _name(form: str, chapter: str) -> str:
    return f"{chapter}.ipynb" if form == "notebooks" else f"{chapter.replace('-', '_')}.py"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
