"""`python -m simplicity.book notebooks [FOLDER]` and `... scripts [FOLDER]`: the chapters in other forms, for `make`."""

import sys
from pathlib import Path

import jupytext

from simplicity import paths
from simplicity.book import build
from simplicity.store import write_atomically


def scripts(root: Path, folder: Path) -> list[Path]:
    """The chapters' code as Python files, which the linter can read."""
    written = []
    for chapter in build.chapters(root):
        target = folder / f"{chapter.replace('-', '_')}.py"
        notebook = jupytext.read(root / "book" / f"{chapter}.md")
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        write_atomically(target, ("\n\n# %%\n".join(code) + "\n").encode())
        written.append(target)
    return written


def main(words: list[str]) -> int:
    """`notebooks [FOLDER]` or `scripts [FOLDER]`: writes the files and prints their paths."""
    forms = {"notebooks": build.notebooks, "scripts": scripts}
    if not words or words[0] not in forms or len(words) > 2:
        print(f"error: form: got {' '.join(words)!r}, allowed {' or '.join(forms)} [FOLDER]", file=sys.stderr)
        return 2
    folder = Path(words[1]) if len(words) == 2 else paths.build() / words[0]
    for path in forms[words[0]](paths.root(), folder):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
