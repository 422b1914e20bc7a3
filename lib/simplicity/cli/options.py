"""Words of the command line as values, checked before anything is written.

Parameters, grids, files, workers.
"""

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from simplicity.grid.config import elements, listed
from simplicity.places import files
from simplicity.problems import Problem, no_such, shown

if TYPE_CHECKING:
    import xarray as xr


def parameters(pairs: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` words by name."""
    found: dict[str, str] = {}
    for name, value in map(_named, pairs):
        if name in found:
            raise Problem(f"parameter {shown(name)[1:-1]}: got it twice, allowed once")
        found[name] = value
    return found


def _named(pair: str) -> tuple[str, str]:
    """The two sides of `NAME=VALUE`."""
    name, separator, value = pair.partition("=")
    if not separator or not name:
        raise Problem(f"parameter: got {shown(pair)}, allowed NAME=VALUE")
    return name.strip(), value


def grid(
    pairs: Sequence[str], fixed: dict[str, str], split: Callable[[str, str], list[Any]] = listed
) -> dict[str, list[Any]]:
    """`NAME=V1,V2` words by name, each list taken apart by `split`; none may be `fixed` as well."""
    found = {}
    for name, text in parameters(pairs).items():
        if name in fixed:
            raise Problem(
                f"{shown(name)[1:-1]}: got it as a parameter and on the grid, allowed one of them"
            )
        found[name] = split(name, text)
    return found


def apart(module: ModuleType, given: dict[str, str]) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """What is given one value (or is a list by itself), and what several: `width=100,200`."""
    from simplicity.grid.groups import config_of

    plain, config = _plain(module), config_of(module)
    lists = {name: text for name, text in given.items() if name in plain and "," in text}
    values = {name: elements(config, name, text) for name, text in lists.items()}
    swept = {name: several for name, several in values.items() if len(several) > 1}
    return {name: text for name, text in given.items() if name not in swept}, swept


def _plain(module: ModuleType) -> set[str]:
    """The settings in whose value a comma means nothing."""
    from simplicity.grid.config import describe
    from simplicity.grid.groups import config_of

    return {
        field["name"]
        for field in describe(config_of(module))
        if not field["type"].startswith("list") and (field["type"] != "str" or field["choices"])
    }


def claim(text: str) -> str:
    """The id of a claim as claims.csv spells it, or a `Problem` with the nearest."""
    from simplicity.evidence import ledger

    ids = ledger.ids()
    known = {one.lower(): one for one in ids}
    known |= {old.lower(): new for old, new in ledger.former_ids().items()}
    if text.lower() not in known:
        raise Problem(no_such("claim", text, ids, "an id that `simplicity ledger` shows"))
    return known[text.lower()]


def preset(module: ModuleType, name: str) -> Any:
    """The settings of that name."""
    from simplicity.grid import groups

    if name not in groups.PRESETS:
        raise Problem(no_such("preset", name, groups.PRESETS))
    return groups.preset(module, name)


def output(text: str | None) -> Path | None:
    """A file that can be written, or a device or a pipe; found out before any work is done."""
    if text is None:
        return None
    path = Path(text)
    why = files.refusal(path)
    if why == "it is a folder":
        raise Problem(f"output: got the folder {path}, allowed a file")
    if why:
        raise Problem(f"output: got {path} ({why}), allowed a file in a writable folder")
    return path


def table(text: str | None, beside: Path | None) -> Path | None:
    """A regular file for tables, which has others beside it; not the other output."""
    path = output(text)
    if path is None:
        return None
    if not files.is_regular(path):
        raise Problem(
            f"csv: got {path}, a device or a pipe, allowed a file, since tables of curves are "
            "written beside it"
        )
    if beside is not None and files.same(path, beside):
        raise Problem(f"csv: got {path}, which is the output as well, allowed another file")
    return path


def told_apart(path: Path | None) -> contextlib.AbstractContextManager[Any]:
    """Within: what is told goes to standard error where standard output has the output."""
    apart = path is not None and files.is_standard_output(path)
    return contextlib.redirect_stdout(sys.stderr) if apart else contextlib.nullcontext()


def limit(options: argparse.Namespace) -> float | None:
    """The most seconds of a cell or a notebook, if the words say."""
    from simplicity.process.pool import limit_from

    return None if options.timeout is None else limit_from(options.timeout)


def store(options: argparse.Namespace) -> Path:
    """The folder of finished cells, not made yet; a `Problem` where something else is there."""
    from simplicity.grid import run

    found = run.default_store() if options.store is None else Path(options.store)
    got = "nothing" if options.store == "" else _in_the_way(found)
    if got:
        raise Problem(f"store: got {got}, allowed a writable folder")
    return found


def _in_the_way(path: Path) -> str:
    """The path and why no folder can be there, or nothing where one is or can be."""
    try:
        fine = path.is_dir() or not os.path.lexists(path)
    except OSError as reason:  # a name that is too long
        return f"{path} ({reason.strerror})"
    return "" if fine else f"{path} ({os.strerror(errno.EEXIST)})"


def check_running(options: argparse.Namespace) -> None:
    """Workers, scheduler and time limit are right; these words go before the environment's."""
    from simplicity.grid.cluster import address_from
    from simplicity.process.pool import WORKERS, workers_from, workers_from_environment

    limit(options)
    if options.scheduler is not None:
        if options.workers is not None:
            raise Problem("workers: got them beside a scheduler, allowed one of them")
        address_from(options.scheduler)
    elif options.workers is None:
        workers_from_environment()
    else:
        os.environ[WORKERS] = str(workers_from(options.workers))


def computed(options: argparse.Namespace, experiment: ModuleType, config: Any) -> "xr.Dataset":
    """Every cell of `config` by `run`, where, how long and with what the words say."""
    from simplicity.grid.run import run

    with executor(options, experiment) as found:
        return run(experiment, config, found, store(options), limit_seconds=limit(options))


def executor(
    options: argparse.Namespace, experiment: ModuleType
) -> contextlib.AbstractContextManager[Any]:
    """The cluster that the words name, or None: then `run` makes processes of its own."""
    if options.scheduler is None:
        return contextlib.nullcontext()
    from simplicity.grid.cluster import connected

    return connected(options.scheduler, experiment, limit(options))
