"""The commands, and the words that each of them takes, as `--help` shows them."""

import argparse
import functools
import importlib.metadata
from collections.abc import Mapping
from typing import Any, NoReturn

from simplicity.problems import Problem, no_such

RESUMABLE = ("run", "check", "sweep", "record")
PAIRS = ("-p", "--parameter", "-g", "--grid")  # what takes NAME=VALUE
_PRESET = {"--preset PRESET": "TINY, QUICK or FULL (default QUICK)"}
_STORE = {"--store DIR": "folder of finished cells (default: the book's own)"}
_EXPERIMENT = "a name that `simplicity list` shows"
_CHAPTER = "a file of book/ without .md, such as optimization-threshold"
_PARAMETER = {
    "-p --parameter NAME=VALUE": "may be repeated; a list as 10,20, or as a JSON list",
}
_AXIS = {
    "-g --grid NAME=V1,V2,...": "values of one setting, an axis of the grid; may be repeated",
}
_RUNNING = {
    "--workers N": "processes; 0 is a plain loop (default: $SIMPLICITY_WORKERS or 0)",
    "--scheduler tcp://HOST:PORT": "a dask cluster instead (see the page Scaling out)",
    "--timeout SECONDS": "most seconds of a cell, which then fails (default: 3600)",
    **_STORE,
    "--arithmetic KIND": "portable (default): the same bits on every processor with AVX2; native: "
    "what is fastest here",
}
_TOLERANCES = {
    "--rtol R": "relative tolerance (default 0)",
    "--atol T": "absolute tolerance (default 0)",
}
_NOTEBOOKS = {
    "--workers N": "notebooks at a time (default: $SIMPLICITY_WORKERS or 1)",
    "--timeout SECONDS": "most seconds of a notebook (default: 3600)",
}
_RESULTS = {
    "--dry-run": "say what there is to compute and how long it may take",
    "-o --output FILE.nc": "write one dataset, with the axes of the grid",
    "--csv FILE.csv": "write tidy tables: a row a cell, curves in files beside it",
}


class _Parser(argparse.ArgumentParser):
    """argparse with our error contract: one line, code 2, and no usage text before it."""

    def error(self, message: str) -> NoReturn:
        raise Problem(f"{self.prog}: {message.replace(chr(10), ' ')}; see {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = action.dest if action.dest != argparse.SUPPRESS else "command"
            raise Problem(no_such(what, value, action.choices))


@functools.cache
def parser() -> argparse.ArgumentParser:
    """The whole command line; `command` of what it reads is MODULE:FUNCTION of this package."""
    top = _Parser(
        prog="simplicity",
        description="Networks learn something simple first: run, check, record.",
        allow_abbrev=False,
    )
    version = f"simplicity {_version()}"
    top.add_argument("--version", action="version", version=version, help="the version")
    commands = top.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for add in _EACH:
        add(commands)
    return top


def _version() -> str:
    try:
        return importlib.metadata.version("simplicity")
    except importlib.metadata.PackageNotFoundError:  # on the path, but never installed
        return "of this folder, not installed"


def _command(commands: Any, name: str, function: str, help: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=help, allow_abbrev=False)
    command.set_defaults(command=function)
    return command


def _add(command: Any, options: Mapping[str, str], **more: Any) -> None:
    """Options with their help, each as one reads it: `-o --output FILE` takes a value, `--all`
    takes none, `experiment` is a word by itself, and what stands in brackets may be left out.
    """
    for shape, help in options.items():
        *names, last = shape.split()
        word = last.strip("[]")
        left_out = {"nargs": "?", "const": ""} if word != last else {}
        if names:
            command.add_argument(*names, metavar=word, help=help, **left_out, **more)
        elif word.startswith("-"):
            command.add_argument(word, action="store_true", help=help)
        else:
            command.add_argument(word, help=help, **left_out, **more)


def _add_settings(command: Any, grid: bool = True, required: bool = False) -> None:
    _add(command, _PARAMETER, action="append", default=[])
    if grid:
        _add(command, _AXIS, action="append", default=[], required=required)


def _add_run(commands: Any) -> None:
    """`sweep` is the same with another name."""
    values = "a setting with several values is an axis of a grid"
    for name, about in (
        ("run", f"run an experiment and check its claims; {values}"),
        ("sweep", "the same, for a grid of settings"),
    ):
        command = _command(commands, name, "running:run_experiment", about)
        _add(command, {"experiment": f"{_EXPERIMENT}, or a file"})
        _add_settings(command, required=name == "sweep")
        _add(command, {"--seeds K": "seeds of each setting, short for -p seeds=K"})
        _add(command, _PRESET, default="QUICK")
        _add(command, _RUNNING | _RESULTS)


def _add_check(commands: Any) -> None:
    about = "judge a claim anew, or all of them: each check with its margin, beside what was"
    command = _command(commands, "check", "checking:check_claims", f"{about} published")
    _add(
        command,
        {
            "[claim]": "an id that `simplicity ledger` shows, such as B10",
            "--all": "every claim, as a table",
            "--fresh [SEED]": "on seeds that no published run has, drawn now or from SEED on",
            "--seeds K": "seeds of each setting (default: those of the preset)",
        },
    )
    _add(command, _PRESET, default="QUICK")
    within = "run FULL wherever the published run took no more processor seconds than these"
    _add(command, {"--full-within SECONDS": within, "-o --output FILE.csv": "write the table"})
    _add(command, _RUNNING)


def _add_new(commands: Any) -> None:
    about = "write an experiment and its test, which run at once, and its chapter"
    command = _command(commands, "new", "new:make", about)
    _add(
        command,
        {
            "where WING/NAME": "boursier, loukas, nakkiran, hu or together; or a FILE.py of yours",
            "--claim ID": "the id of the claim (default: the next one of the wing)",
            "--package": "with a FILE.py: a pyproject.toml that offers the experiment by its name",
        },
    )


def _add_record(commands: Any) -> None:
    about = "run FULL and write the committed record"
    command = _command(commands, "record", "running:record_experiment", about)
    carry = (
        "the code changed, no number did: compute the cheapest tenth and stamp the record anew "
        "where every byte is equal"
    )
    _add(command, {"experiment": _EXPERIMENT, "--carry": carry} | _RUNNING)


def _add_chapter(commands: Any) -> None:
    about = "execute a chapter, or a grid of it, with papermill"
    command = _command(commands, "chapter", "chapters:run_chapter", about)
    _add(command, {"chapter": _CHAPTER})
    _add_settings(command)
    output = "the executed notebook; of a grid, the folder of its notebooks"
    _add(command, {"-o --output OUT": output}, required=True)
    _add(command, _NOTEBOOKS)


def _add_site(commands: Any) -> None:
    about = "build the site with a chapter's parameters changed"
    command = _command(commands, "site", "chapters:build_site", about)
    _add(command, {"--chapter CHAPTER": _CHAPTER}, required=True)
    _add_settings(command, grid=False)
    _add(command, {"-o --output DIR": "where the pages go (default: a folder of _build/variants)"})


def _add_list(commands: Any) -> None:
    about = "the experiments, their claims and parameters"
    command = _command(commands, "list", "looking:list_experiments", about)
    _add(command, {"--json": "as JSON, with units, ranges and choices"})


def _add_ledger(commands: Any) -> None:
    about = "all claims and their verdicts, from the records"
    command = _command(commands, "ledger", "looking:show_ledger", about)
    forms = {
        "--json": "one object a claim, with its checks",
        "--markdown": "the judged claims as a table",
    }
    _add(command.add_mutually_exclusive_group(), forms)


def _add_compare(commands: Any) -> None:
    about = "two results or two ledgers: what differs, by how much"
    command = _command(commands, "compare", "looking:compare_files", about)
    one = "a NetCDF file (also .gz), a claims.json, or a built site"
    _add(command, {"one A": one, "other B": "another of the same kind"})
    _add(command, _TOLERANCES, default="0")


def _add_cache(commands: Any) -> None:
    about = "what is stored: sizes, stale and damaged files"
    command = _command(commands, "cache", "looking:show_cache", about)
    _add(command, {"--verify": "read every file to its end and check it"} | _STORE)


def _add_data(commands: Any) -> None:
    command = _command(commands, "data", "data:image_data", "fetch or verify MNIST and CIFAR-10")
    command.add_argument("action", choices=("fetch", "verify"))
    _add(command, {"[name]": "mnist or cifar10 (default: both)"})


_EACH = (
    *(_add_run, _add_check, _add_new, _add_record, _add_chapter, _add_site),
    *(_add_list, _add_ledger, _add_compare, _add_cache, _add_data),
)
