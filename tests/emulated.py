"""In a process of its own: what this machine computes where the surroundings ask for another
processor.

`python emulated.py tiny` prints the digest of the TINY run of every experiment; `python emulated.py
cells NAME...` recomputes the cheapest cell of these records and prints which variables are not
equal, which are further off than another seed, and which outcomes change. Nothing is read from the
store.
"""

import json
import sys

from simplicity.evidence import recompute, records
from simplicity.grid import groups, run, store
from simplicity.process import threads


def tiny() -> dict[str, str]:
    """Experiment -> digest of its smallest run."""
    store.fingerprint = lambda module: ""  # nothing is kept, so that no file needs a name
    found = {}
    for name in records.names():
        module = records.experiment(name)
        settings = groups.preset(module, "TINY")
        parts = [
            (cell, store.open_bytes(run.compute(module.__name__, cell)[0]))
            for cell in groups.runs_of(module, settings)
        ]
        whole = run.assemble(module, settings, parts)
        assert whole is not None
        found[name] = records.digest(whole)
    return found


def cells(names: list[str]) -> dict[str, dict[str, object]]:
    """Experiment -> what its cheapest cell says against the record."""
    found: dict[str, dict[str, object]] = {}
    for name in names:
        module = records.experiment(name)
        record = records.load(module)
        assert record is not None
        index = recompute.cheap(record)[0]
        one = recompute.one_cell(module, record, index)
        outcomes = records.outcomes(
            groups.checks_of(module, recompute.replaced(record, index, one))
        )
        found[name] = {
            "unequal": recompute.unequal(one, record.dataset.isel(cell=index)),
            "far": recompute.far(one, record, index),
            "same outcomes": outcomes == record.expected["FULL"],
        }
    return found


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    print(
        json.dumps({"label": threads.label(), "found": tiny() if what == "tiny" else cells(words)})
    )
