"""The engines beside what a user would pick instead: torch's autograd, JAX by jax.grad and by hand.

    make peers

Every number is the least of several turns about; a turn is a whole process of each, on one core and
one thread, so that noise hits all alike. Ours run with native arithmetic, as JAX does, and once
more with the portable arithmetic of the book. The last line is one line of JSON: how many times as
long JAX by hand takes, in float32, and for single samples in float64. `--record` also writes the
table of the page "What a step costs".
"""

import argparse
import contextlib
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TURNS = 2
RATIOS = {"two_layer_d5": 5, "two_layer_d10": 10, "two_layer_d20": 20}
PRECISIONS = ("float32", "float64")
TASKS = [
    *(
        {"what": "two_layer", "n": 1000, "m": 10_000, "d": d, "precision": p}
        for d in (2, 3, 5, 10, 20, 50)
        for p in PRECISIONS
    ),
    *(
        {"what": "two_layer", "n": 160, "m": 1000, "d": 5, "precision": precision}
        for precision in PRECISIONS
    ),
    *({"what": "single_sample", "precision": precision} for precision in PRECISIONS),
    {"what": "tangent_kernel", "n": 2000, "m": 512, "d": 50, "precision": "float32"},
    *({"what": "product", "precision": precision} for precision in PRECISIONS),
]
UNIT = {"two_layer": 1e3, "single_sample": 1e6, "tangent_kernel": 1e3}  # ms, us, ms


def ours(task: dict, torch_too: bool) -> dict[str, float]:
    """Seconds of a step, of a product of 2048 x 2048, or of a kernel."""
    sys.path.insert(0, str(HERE.parent))
    from simplicity.process import threads

    work = {
        "two_layer": two_layer,
        "single_sample": single_sample,
        "tangent_kernel": tangent_kernel,
        "product": product,
    }
    with threads.one_thread():
        return work[task.pop("what")](torch_too, **task)


def two_layer(torch_too: bool, **task) -> dict[str, float]:
    import two_layer as bench

    setting = bench.Setting(**task)
    engines = {"ours": bench.descend} | ({"torch": bench.descend_autograd} if torch_too else {})
    return {name: bench.seconds_of_a_step(engine, setting, min) for name, engine in engines.items()}


def single_sample(torch_too: bool, precision: str) -> dict[str, float]:
    """Ours knows float64 alone, and keeps all statistics."""
    import single_sample as bench

    if precision != "float64":
        return {}
    bench.COMPILED_STEPS = 1_000_000  # what a call costs by itself is then nothing
    return {"ours": bench.compiled(bench.TASK, min)} | (
        {"torch": bench.torch_loop(bench.TASK)} if torch_too else {}
    )


def tangent_kernel(torch_too: bool, n: int, m: int, d: int, precision: str) -> dict[str, float]:
    """Both layers, any weights; torch's from the Jacobians of single samples."""
    import kernel as bench

    x, w = bench.problem(n, m)
    return {"ours": best(lambda: bench.blocks(x, w))} | (
        {"torch": best(lambda: bench.jacobians(x, w), 1)} if torch_too else {}
    )


def product(torch_too: bool, precision: str) -> dict[str, float]:
    import numpy as np

    square = np.random.default_rng(0).random((2048, 2048)).astype(precision)
    return {"ours": best(lambda: square @ square)}


def best(work, repeats: int = 5) -> float:
    work()
    found = []
    for _ in range(repeats):
        clock = time.process_time()
        work()
        found.append(time.process_time() - clock)
    return min(found)


def measured(task: dict, python: str, turns: int) -> dict[str, float]:
    """Least seconds of each peer and of ours, in turns."""
    found: dict[str, float] = {}
    for turn in range(turns):
        for kind in ("jax", "native", "portable"):
            if kind == "jax" and task["what"] == "product":
                continue
            program = (
                [python, str(HERE / "jax_peer.py")] if kind == "jax" else [sys.executable, __file__]
            )
            torch_too = ["--torch"] if kind == "native" and turn == 0 else []
            given = json.dumps(task)
            command = (
                [*program, given] if kind == "jax" else [*program, "--task", given, *torch_too]
            )
            environment = os.environ | {"SIMPLICITY_ARITHMETIC": kind, "OMP_NUM_THREADS": "1"}
            done = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, encoding="utf-8"
            )
            for name, seconds in json.loads(done.stdout.splitlines()[-1]).items():
                name = kind if name == "ours" else name
                found[name] = min(seconds, found.get(name, seconds))
    return found


def instructions() -> str:
    """The widest vector instructions of the processor."""
    from simplicity.process import machine

    known = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"))
    return next(
        (name for feature, name in known if feature in machine.features()),
        "no vector instructions known",
    )


def row(task: dict, seconds: dict[str, float], limit: dict[str, float]) -> dict[str, str]:
    """One line of the table; 4 d + 3 operations are counted for each sample and neuron."""
    scale = UNIT[task["what"]]
    shown = {name: f"{scale * seconds[name]:.3g}" if name in seconds else "" for name in COLUMNS}
    speed = share = ratio = ""
    if "by_hand" in seconds and "native" in seconds:
        ratio = f"{seconds['by_hand'] / seconds['native']:.2f}"
    if task["what"] == "two_layer":
        flops = task["n"] * task["m"] * (4 * task["d"] + 3) / seconds["native"] / 1e9
        speed, share = f"{flops:.1f}", f"{100 * flops / limit[task['precision']]:.0f}"
    size = " ".join(f"{name} = {task[name]}" for name in "nmd" if name in task)
    what = {
        "two_layer": "two layers, ms",
        "single_sample": "single sample, us",
        "tangent_kernel": "tangent kernel, ms",
    }
    return {
        "what": what[task["what"]], "size": size, "precision": task["precision"],
        **{COLUMNS[name]: value for name, value in shown.items()},
        "by hand / ours": ratio, "GFLOP/s": speed, "percent of product": share,
    }  # fmt: skip


COLUMNS = {
    "torch": "torch autograd",
    "by_grad": "JAX grad",
    "by_hand": "JAX by hand",
    "native": "ours",
    "portable": "ours portable",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jax", default=sys.executable, help="the Python that has JAX")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--record", action="store_true", help="write the table of the book as well")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.task:
        print(json.dumps(ours(json.loads(chosen.task), chosen.torch)))
        return
    with contextlib.suppress(AttributeError):  # Linux alone pins
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    from simplicity.places import paths
    from simplicity.process import machine

    found = []
    for task in TASKS:
        found.append((task, measured(task, chosen.jax, chosen.turns)))
        print(json.dumps(task | found[-1][1]), file=sys.stderr, flush=True)
    limit = {
        task["precision"]: 2 * 2048**3 / seconds["native"] / 1e9
        for task, seconds in found
        if task["what"] == "product"
    }
    print(f"{machine.cpu()}, {instructions()}, one thread; a 2048 x 2048 product: ", end="")
    print(", ".join(f"{value:.0f} GFLOP/s in {precision}" for precision, value in limit.items()))
    rows = [row(task, seconds, limit) for task, seconds in found if task["what"] != "product"]
    for line in [list(rows[0]), *(list(one.values()) for one in rows)]:
        print("".join(f"{value:>19}" if i > 1 else f"{value:>27}" for i, value in enumerate(line)))
    if chosen.record:
        with open(paths.book() / "peers_cost.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    ratios = {}
    for task, seconds in found:
        if task["what"] == "two_layer" and task["n"] == 1000 and task["precision"] == "float32":
            for name, d in RATIOS.items():
                if task["d"] == d:
                    ratios[name] = round(seconds["by_hand"] / seconds["native"], 2)
        if task["what"] == "single_sample" and task["precision"] == "float64":
            ratios["single_sample"] = round(seconds["by_hand"] / seconds["native"], 2)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
