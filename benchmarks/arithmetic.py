"""What portable arithmetic costs: the same cells with native arithmetic, which leaves each library
its own choice.

Both in processes of their own, one thread each, in turns; processor seconds of the cheapest cell
that trained, and of one matrix product of torch, where the price lies.

    python benchmarks/arithmetic.py
"""

import json
import os
import subprocess
import sys

CELLS = {
    "two-layer kernel": "optimization_threshold",
    "cones": "ten_times_wider",
    "single-sample kernel": "cosine_task",
    "NTK descent": "first_figure",
    "deep networks in torch": "linear_on_cifar",
    "small network in torch": "digits_explained",
    "infinite-width kernels": "gram_gap",
}
REPEATS = 3
RUN = """
import json, sys, time
from simplicity.evidence import recompute, records
from simplicity.grid import run
from simplicity.process import threads
import torch
torch.set_num_threads(1)
found = {}
for kind, name in json.loads(sys.argv[1]).items():
    module = records.experiment(name)
    record = records.load(module)
    cells = module.cells(module.FULL)
    run.compute(module.__name__, module.cells(module.TINY)[0])  # compiles
    found[kind] = run.compute(module.__name__, cells[recompute.cheap(record)[-1]])[1]
for precision in (torch.float32, torch.float64):
    one = torch.rand(1024, 1024, dtype=precision)
    clock = time.perf_counter()
    for _ in range(3):
        one @ one
    found[f"product of torch, {str(precision)[6:]}"] = (time.perf_counter() - clock) / 3
print(json.dumps([threads.label(), found]))
"""


def seconds(arithmetic: str) -> tuple[str, dict[str, float]]:
    """The label and the seconds of each kind of work, in a fresh process."""
    environment = os.environ | {"SIMPLICITY_ARITHMETIC": arithmetic}
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(CELLS)],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    label, found = json.loads(done.stdout.splitlines()[-1])
    return label, found


def main() -> None:
    best: dict[str, dict[str, float]] = {"portable": {}, "native": {}}
    labels = {}
    for _ in range(REPEATS):
        for arithmetic, known in best.items():
            labels[arithmetic], found = seconds(arithmetic)
            for kind, value in found.items():
                known[kind] = min(value, known.get(kind, value))
    print(f"native here: {labels['native']}")
    for kind, value in best["portable"].items():
        native = best["native"][kind]
        print(
            f"{kind:32} portable {value:8.3f} s, native {native:8.3f} s, native is "
            f"{value / native:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
