"""`python -m simplicity.site notebooks [FOLDER]`, or `scripts`: the chapters in other forms.

`python -m simplicity.site book`: the site, as `jupyter-book build . -n -W --keep-going` makes it,
a second sooner. `python -m simplicity.site pdf [FILE]`: the built site as one PDF.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import jupytext
import nbformat

from simplicity.places import files, paths
from simplicity.problems import Problem, Stopped
from simplicity.process import surroundings
from simplicity.site import build, pdf


def book(folder: str = ".") -> int:
    """Jupyter Book's own command, with this package loaded first, which leaves out an import of a
    second that no build needs.
    """
    from jupyter_book.cli.main import main as jupyter_book

    return jupyter_book(["build", folder, "-n", "-W", "--keep-going"], standalone_mode=True)


def notebook(chapter: nbformat.NotebookNode) -> str:
    """An .ipynb without outputs, for Jupyter in this environment, and in any folder."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    chapter.metadata["kernelspec"] = kernel
    return str(nbformat.writes(chapter))


def script(chapter: nbformat.NotebookNode) -> str:
    """The code as a Python file, which the linter can read."""
    return "\n\n# %%\n".join(cell.source for cell in build.code_cells(chapter)) + "\n"


FORMS: dict[str, Callable[[nbformat.NotebookNode], str]] = {
    "notebooks": notebook,
    "scripts": script,
}


def write(form: str, root: Path, folder: Path) -> list[Path]:
    """Every chapter in a form; those of chapters that the book no longer has go, if an earlier call
    wrote them.
    """
    together = files.Together(folder / form)
    chapters = build.chapters(root)
    targets = [folder / _name(form, chapter) for chapter in chapters]
    together.plan(path.name for path in targets)
    for chapter, path in zip(chapters, targets, strict=True):
        files.write_text(path, FORMS[form](jupytext.read(root / "book" / f"{chapter}.md")))
    together.finish(path.name for path in targets)
    return targets


def _name(form: str, chapter: str) -> str:
    return f"{chapter}.ipynb" if form == "notebooks" else f"{chapter.replace('-', '_')}.py"


def main(words: list[str]) -> int:
    """`book` builds the site; the others write, and print the paths."""
    if words == ["book"]:
        return book()
    files.use_utf8()
    surroundings.settle()
    try:
        _write(*words)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1 if isinstance(problem, Stopped) else 2
    return 0


def _write(form: str = "", place: str = "", *more: str) -> None:
    if form not in (*FORMS, "pdf") or more:
        got = " ".join(filter(None, (form, place, *more)))
        allowed = f"book, {' or '.join(FORMS)} [FOLDER] or pdf [FILE]"
        raise Problem(f"form: got {got!r}, allowed {allowed}")
    if form == "pdf":
        _write_pdf(Path(place) if place else paths.build() / "simple-first.pdf")
    else:
        folder = files.folder(place) if place else paths.build() / form
        print(*write(form, paths.root(), folder), sep="\n")


def _write_pdf(target: Path) -> None:
    sheets = pdf.write(paths.build() / "html", pdf.parts(paths.root()), target)
    print(f"{target}: {sheets} sheets")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
