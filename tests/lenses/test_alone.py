"""The lenses alone: what their import loads, what they need of the book's packages, and the example
that tells of them.
"""

import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from simplicity import lenses
from simplicity.cli import main
from simplicity.places import paths
from simplicity.process import threads

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
MODULES = {"scikit-learn": "sklearn", "pyyaml": "yaml", "jupyter-book": "jupyter_book"}
NEEDED_BY_XARRAY = {"pandas", "pyyaml"}  # the latter where dask is installed


def of_the_book() -> set[str]:
    """Modules that the extras bring and the lenses do without."""
    names = (
        {Requirement(text).name for extra in EXTRAS.values() for text in extra}
        - NEEDED_BY_XARRAY
        - {"packaging"}
    )
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


def run(code: str, *unset: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT / "lib",
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_their_import_loads_nothing_heavy_but_torch() -> None:
    heavy = of_the_book() | {"xarray", "matplotlib", "pandas", "scipy", "PIL", "dask"}
    loaded = run(f"""
import sys, torch
before = set(sys.modules)
from simplicity import lenses
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print({sorted(heavy)!r} and sorted(new & set({sorted(heavy)!r})))
""")
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("first", ["import torch", "pass"])
def test_they_leave_the_arithmetic_of_the_process_alone(first: str) -> None:
    """None of the variables that choose it changes, from the import to the picture and the file."""
    ours = {*threads._SETTINGS, *threads._REMOVED, threads.ARITHMETIC, "NUMBA_CACHE_DIR"}
    code = f"""
{first}
import os, tempfile
before = dict(os.environ)
from simplicity import lenses
import torch
from torch import nn
x, y = torch.randn(60, 4), torch.arange(60) % 2
chosen = [
    lenses.linear_explainability(), lenses.linear_gap(),
    lenses.bias_trajectory("0"), lenses.alignment("0"),
]
model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
with lenses.watch(model, data=(x, y), lenses=chosen) as record:
    record.step((x, y))
record.plot()
record.to_netcdf(tempfile.mkdtemp() + "/record.nc")
changed = {{name for name, _ in set(os.environ.items()) ^ set(before.items())}}
print(sorted(changed & {ours!r}))
"""
    assert run(code, *ours).strip() == "[]"


def test_they_work_where_none_of_the_books_packages_is_installed() -> None:
    out = run(f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(of_the_book())!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
import tempfile, torch
from torch import nn
from simplicity import lenses
x, y = torch.randn(60, 4), torch.arange(60) % 2
network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
chosen = [
    lenses.linear_explainability(), lenses.linear_gap(), lenses.bias_trajectory("0"),
    lenses.alignment("0"),
]
with lenses.watch(network, data=(x, y), lenses=chosen) as record:
    record.step((x, y))
record.plot()
record.to_netcdf(tempfile.mkdtemp() + "/record.nc")
print(record.dataset.sizes["time"])
""")
    assert out.strip() == "2"


def test_the_example_runs_as_it_is_told() -> None:
    told = textwrap.dedent(
        (lenses.__doc__ or "").partition("\n\n")[2].partition("\n\nA record has")[0]
    )
    assert 15 <= len([line for line in told.splitlines() if line.strip()]) < 20
    names: dict[str, object] = {}
    exec(told.replace("1000, (1000, 32)", "1000, (5, 32)"), names)  # fewer steps
    record = names["record"]
    assert isinstance(record, lenses.Record) and len(record.blind) == 4
    assert record.dataset.step[-1] == 5


def test_a_command_that_needs_the_book_says_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError("No module named 'tqdm'", name="tqdm")

    monkeypatch.setattr("simplicity.cli._command", absent)
    assert main(["list"]) == 2
    assert (
        capsys.readouterr().err
        == "error: simplicity: the package tqdm is missing, allowed with the extra `book`\n"
    )


def test_the_page_goes_from_nothing_to_four_panels_in_under_twenty_lines() -> None:
    page = (paths.root() / "book" / "on-your-own-network.md").read_text("utf-8")
    cells = re.findall(
        r"^```\{code-cell\} ipython3\n(?:---\n.*?^---\n)?(.*?)^```$", page, re.M | re.S
    )
    lines = [line for cell in cells[:2] for line in cell.splitlines() if line.strip()]
    assert lines[0] == "import torch" and lines[-1] == "record.plot()"
    assert len(lines) == 19 and "in nineteen lines" in page
