"""One environment, told in four places: the lock, the conda file, pyproject's bounds, and what is
installed.
"""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines()]
PINNED = {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in LOCK}
EXTRAS = [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
DECLARED = [Requirement(text) for text in PROJECT["dependencies"] + EXTRAS]


def test_the_lock_holds_one_public_version_a_package_and_nothing_else() -> None:
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert re.fullmatch(
            r"[a-z0-9-]+==[0-9][0-9a-z.]*(; (python_version|sys_platform) (<|==) \"[a-z0-9.]+\")?",
            line,
        )
    assert len(PINNED) == len(LOCK)


def test_installed_public_versions_are_the_locked_ones() -> None:
    wrong = []
    for pin in LOCK:
        if pin.marker is None or pin.marker.evaluate():
            installed = Version(importlib.metadata.version(pin.name)).public
            if installed != str(PINNED[canonicalize_name(pin.name)]):
                wrong.append(f"{pin.name}: {installed} installed, {pin.specifier} locked")
    assert not wrong


def test_what_the_locked_packages_need_is_locked_too() -> None:
    missing = set()
    for pin in LOCK:
        if pin.marker is None or pin.marker.evaluate():
            needs = map(Requirement, importlib.metadata.requires(pin.name) or [])
            needed = (
                need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})
            )
            missing |= {f"{need.name} (for {pin.name})" for need in needed if not _satisfied(need)}
    # torch's builds for CUDA bring packages of the graphics driver's maker, which the CPU build
    # does not have.
    assert not {name for name in missing if not re.match("nvidia-|cuda-|triton ", name)}


def _satisfied(need: Requirement) -> bool:
    pinned = PINNED.get(canonicalize_name(need.name))
    return pinned is not None and need.specifier.contains(pinned, prereleases=True)


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.name)
def test_the_lock_lies_within_the_bounds_of_the_project(declared: Requirement) -> None:
    assert _satisfied(declared)


def test_conda_users_get_the_same_lock_and_a_python_that_the_project_accepts() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, through_pip = environment["dependencies"]
    assert pip == "pip"
    assert through_pip == {"pip": ["-r requirements.lock", "-e ."]}
    accepted = SpecifierSet(PROJECT["requires-python"])
    assert Version(python.removeprefix("python=")) in accepted
    assert Version("{}.{}.{}".format(*sys.version_info)) in accepted


def test_every_package_that_we_import_is_declared() -> None:
    names = {canonicalize_name(declared.name) for declared in DECLARED}
    providers = importlib.metadata.packages_distributions()
    undeclared = set()
    for path in [
        *ROOT.glob("lib/**/*.py"),
        *ROOT.glob("tests/*.py"),
        *ROOT.glob("benchmarks/*.py"),
    ]:
        local = {
            "simplicity",
            *sys.stdlib_module_names,
            *(near.stem for near in path.parent.glob("*.py")),
        }
        for module in _imported(path) - local:
            if not names & {canonicalize_name(name) for name in providers.get(module, [])}:
                undeclared.add(f"{module} in {path.relative_to(ROOT)}")
    assert not undeclared


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("group", ["papermill.io", "myst_nb.mime_renderers", "console_scripts"])
def test_entry_points_lead_to_our_code(group: str) -> None:
    ours = [
        point
        for point in importlib.metadata.entry_points(group=group)
        if point.value.startswith("simplicity.")
    ]
    assert ours
    for point in ours:
        assert callable(point.load())
