"""Experiments of one's own: a file, or a module that an installed package offers.

    simplicity run ./my_experiment.py                   a file, which may import what lies beside it
    [project.entry-points."simplicity.experiments"]     a package's own, by name
    my_experiment = "my_package.my_experiment"

Either keeps the contract that `run` states, and is run, swept and stored like the book's own. A
result is as old as the meaning of its code and of what it imports from beside it (see `store`).
"""

import importlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from simplicity.problems import Problem

GROUP = "simplicity.experiments"
CONTRACT = ("Run", "GRID", "measure", "checks")


def is_file(text: str) -> bool:
    """Is this the path of a Python file rather than a name?"""
    return text.endswith(".py")


def from_file(path: Path) -> ModuleType:
    """The experiment in a file.

    Its folder is searched for modules from now on, in this process and in its workers.
    """
    path = path.expanduser().absolute()
    _refuse_other_files(path)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    importlib.invalidate_caches()
    return _loaded(path.stem, path.name)


def _refuse_other_files(path: Path) -> None:
    """A `Problem` where it cannot be imported under its name."""
    if not path.is_file():
        raise Problem(f"experiment: got {path}, allowed a file that is there")
    if not path.stem.isidentifier():
        raise Problem(
            f"experiment: got {path.name}, allowed a file whose name could be a variable's"
        )
    if path.stem in sys.stdlib_module_names or _is_elsewhere(path):
        raise Problem(
            f"experiment: got {path.name}, which is the name of another module, allowed a name of "
            "its own"
        )


def installed() -> dict[str, str]:
    """Name -> module of the experiments that installed packages offer."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}


def from_package(name: str) -> ModuleType:
    """The experiment that a package offers under this name."""
    return _loaded(installed()[name], name)


def _is_elsewhere(path: Path) -> bool:
    try:
        found = importlib.util.find_spec(path.stem)
    except ValueError:  # `__main__` and others that were made without a file
        return True
    return found is not None and (
        found.origin is None or Path(found.origin).resolve() != path.resolve()
    )


def _loaded(module: str, told: str) -> ModuleType:
    found = _imported(module, told)
    missing = [name for name in CONTRACT if not hasattr(found, name)]
    if missing:
        raise Problem(
            f"experiment: got {told} without {', '.join(missing)}, allowed one with "
            f"{', '.join(CONTRACT)}"
        )
    return found


def _imported(module: str, told: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as reason:  # whatever the code at its top raises
        what = f"{type(reason).__name__}: {' '.join(str(reason).split())}"
        raise Problem(
            f"experiment: {told} cannot be imported ({what}), allowed one that can"
        ) from None
