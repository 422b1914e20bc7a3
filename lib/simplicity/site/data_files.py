"""The recorded runs for readers, as tables and as NetCDF.

`data/EXPERIMENT.csv` has a line a run; the whole record is beside it.
"""

from pathlib import Path

import xarray as xr

from simplicity.evidence import records
from simplicity.grid.store import write_atomically
from simplicity.places import paths

FOLDER = "data"


def write(folder: Path) -> None:
    """Both files of every record into `folder`/data."""
    (folder / FOLDER).mkdir(exist_ok=True)
    for name in records.abouts():
        packed = paths.results() / f"{name}.nc.gz"
        copy = folder / FOLDER / packed.name
        if not copy.is_file() or copy.read_bytes() != packed.read_bytes():
            write_atomically(copy, packed.read_bytes())
            write_atomically(
                folder / FOLDER / f"{name}.csv",
                table(records.dataset(records.experiment(name))).encode(),
            )


def table(dataset: xr.Dataset) -> str:
    """CSV of what is one number or word a run: its settings, then what was measured.

    Six digits, more than any page shows; the NetCDF beside it has them all.
    """
    given = [str(name) for name in dataset.coords if dataset[name].dims == ("cell",)]
    measured = [str(name) for name in dataset.data_vars if dataset[name].dims == ("cell",)]
    return (
        dataset[given + measured]
        .to_dataframe()[given + measured]
        .to_csv(index=False, lineterminator="\n", float_format="%.6g")
    )


def links(experiments: list[str], up: str = "../") -> str:
    """A line for the foot of a page, as HTML."""
    each = (
        f'{name} (<a href="{up}{FOLDER}/{name}.csv">CSV</a>, '
        f'<a href="{up}{FOLDER}/{name}.nc.gz">NetCDF</a>)'
        for name in experiments
    )
    return f'<p class="simplicity-data">Data of the recorded runs: {", ".join(each)}.</p>'
