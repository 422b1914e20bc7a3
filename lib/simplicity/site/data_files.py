"""The recorded runs for readers: `data/EXPERIMENT.csv` has a line a run; the whole record is beside
it, as NetCDF.
"""

from pathlib import Path

import xarray as xr

from simplicity.evidence import records
from simplicity.places import files, paths

FOLDER = "data"


def write(site: Path) -> None:
    """Both files of every record into the folder `data` of the site."""
    folder = site / FOLDER
    folder.mkdir(exist_ok=True)
    for name in records.abouts():
        packed = (paths.results() / f"{name}.nc.gz").read_bytes()
        copy, lines = folder / f"{name}.nc.gz", folder / f"{name}.csv"
        if not _is_table_of(lines, copy, packed):
            dataset = records.dataset(records.experiment(name))
            files.write_text(lines, table(dataset))
            files.write(copy, packed)


def _is_table_of(lines: Path, copy: Path, packed: bytes) -> bool:
    """Is the table there that belongs to this record? The record's copy is written after it."""
    return lines.is_file() and copy.is_file() and copy.read_bytes() == packed


def table(dataset: xr.Dataset) -> str:
    """CSV of what is one number or word a run: its settings, then what was measured.

    Six digits, more than any page shows; the NetCDF beside it has them all.
    """
    given = (*dataset.coords, *dataset.data_vars)
    names = [name for name in given if dataset[name].dims == ("cell",)]
    found = dataset[names].to_dataframe()[names]
    return found.to_csv(index=False, lineterminator="\n", float_format="%.6g")


def links(experiments: list[str]) -> str:
    """A line for the foot of a page, as HTML."""
    each = (
        f'{name} (<a href="../{FOLDER}/{name}.csv">CSV</a>, '
        f'<a href="../{FOLDER}/{name}.nc.gz">NetCDF</a>)'
        for name in experiments
    )
    return f'<p class="simplicity-data">Data of the recorded runs: {", ".join(each)}.</p>'
