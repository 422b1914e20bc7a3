"""The engines beside what a user would pick instead: torch's autograd, JAX by jax.grad and by hand.

    make peers

Every number is the least of several turns about: JAX, ours and ours again in the portable
arithmetic of the book wait in a process each, of one thread, and are asked one after the other, so
that noise hits all alike; what counts is processor time. Ours run with native arithmetic, as JAX
does. The last line is one line of JSON: how many times as long JAX by hand takes, in float32, and
for single samples in float64. `--record` also writes the table of the page "What a step costs", and
`--growth` its pictures of cost against size, from runs of its own.
"""

import argparse
import contextlib
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TURNS = 2
RATIOS = {"two_layer_d5": 5, "two_layer_d10": 10, "two_layer_d20": 20}
PRECISIONS = ("float32", "float64")
VARIANTS = ("leaky slope", "hidden bias", "batch 8", "batch 32", "momentum", "adam")
TASKS = [
    *(
        {"engine": "two_layer", "n": 1000, "m": 10_000, "d": d, "precision": p}
        for d in (2, 3, 5, 10, 20, 50)
        for p in PRECISIONS
    ),
    *(
        {"engine": "two_layer", "n": 160, "m": 1000, "d": 5, "precision": precision}
        for precision in PRECISIONS
    ),
    *(
        {
            "engine": "two_layer", "n": 1000, "m": 10_000, "d": 5, "precision": "float32",
            "what": what,
        }
        for what in VARIANTS
    ),
    *({"engine": "single_sample", "precision": precision} for precision in PRECISIONS),
    {"engine": "tangent_kernel", "n": 2000, "m": 512, "d": 50, "precision": "float32"},
    *({"engine": "product", "precision": precision} for precision in PRECISIONS),
]  # fmt: skip
GROWTH = [  # from one setting of each engine along each of its sizes
    *(
        {"engine": "two_layer", "n": 640, "m": 1000, "d": 5, "precision": "float32"} | {name: value}
        for name, values in (
            ("n", (40, 160, 640, 2560)), ("m", (100, 1000, 10_000)), ("d", (2, 5, 10, 20, 50)),
        )
        for value in values
    ),
    *(
        {"engine": "ntk_descent", "n": 2000, "m": 256, "d": 50, "precision": "float32"}
        | {name: value}
        for name, values in (
            ("n", (500, 2000, 8000)), ("m", (64, 256, 1024)), ("d", (10, 50, 200)),
        )
        for value in values
    ),
    *(
        {"engine": "single_sample", "m": m, "precision": precision}
        for precision in PRECISIONS for m in (8, 32, 128)
    ),
]  # fmt: skip
UNIT = {"two_layer": 1e3, "single_sample": 1e6, "tangent_kernel": 1e3}  # ms, us, ms
KINDS = ("jax", "native", "portable")


def serve() -> None:
    """Answers tasks, a line of JSON each: seconds of a step, of a product, or of a kernel."""
    sys.path.insert(0, str(HERE.parent))
    from simplicity.process import threads

    work: dict[str, Callable[..., dict[str, float]]] = {
        "two_layer": two_layer,
        "single_sample": single_sample,
        "ntk_descent": ntk_descent,
        "tangent_kernel": tangent_kernel,
        "product": product,
    }
    with threads.one_thread():
        for line in sys.stdin:
            task = json.loads(line)
            print(json.dumps(work[task.pop("engine")](**task)), flush=True)


def two_layer(torch_too: bool, what: str = "plain", **task: Any) -> dict[str, float]:
    import two_layer as bench

    from simplicity.boursier import moments

    batch = int(what.split()[1]) if what.startswith("batch") else 0
    slope = 0.1 if what == "leaky slope" else 0.0
    setting = bench.Setting(**task, what=what, slope=slope, batch=batch)
    engines = {"ours": bench.descend} | ({"torch": bench.descend_autograd} if torch_too else {})
    if what in moments.RULES:
        engines["ours"] = partial(moments.descend, rule=what)
        engines |= {"torch": partial(by_torchs_rule, rule=what)} if torch_too else {}
    found = {}
    for name, engine in engines.items():
        bench.REPEATS = 1 if name == "torch" else 5  # a tenth of a second or more each time
        found[name] = bench.seconds_of_a_step(engine, setting, min)
    return found


def by_torchs_rule(
    start: Any, x: Any, y: Any, *, rule: str, step_size: float, slope: float, **settings: Any
) -> Any:
    """Autograd and an optimiser of torch's."""
    import torch

    from simplicity.nets.train import train

    rules = {"momentum": partial(torch.optim.SGD, momentum=0.9), "adam": torch.optim.Adam}
    assert not slope
    return train(start, x, y, optimiser=partial(rules[rule], lr=step_size), **settings)


def single_sample(torch_too: bool, precision: str, m: int = 32) -> dict[str, float]:
    """With all statistics; torch in double precision alone."""
    import single_precision
    import single_sample as bench

    from simplicity.loukas import single_sample

    bench.COMPILED_STEPS = 200_000  # what a call costs by itself is then nothing
    bench.descend = (single_sample if precision == "float64" else single_precision).descend
    sizes = (*bench.TASK[:2], m, m, m, 1)
    return {"ours": bench.compiled(sizes, min)} | (
        {"torch": bench.torch_loop(sizes)} if torch_too and precision == "float64" else {}
    )


def ntk_descent(torch_too: bool, n: int, m: int, d: int, precision: str) -> dict[str, float]:
    import ntk as bench

    from simplicity.hu import ntk

    engines = {"ours": ntk.descend} | ({"torch": ntk.descend_autograd} if torch_too else {})
    return {name: bench.step(engine, n, m, d, "erf", precision) for name, engine in engines.items()}


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


class Peers:
    """A waiting process of each kind, asked by turns."""

    def __init__(self, python: str, kinds: tuple[str, ...] = KINDS) -> None:
        programs = {
            "jax": [python, str(HERE / "jax_peer.py")],
            **{kind: [sys.executable, __file__, "--serve"] for kind in KINDS[1:]},
        }
        self.processes = {
            kind: subprocess.Popen(
                program,
                env=os.environ | {"SIMPLICITY_ARITHMETIC": kind, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
            for kind, program in programs.items()
            if kind in kinds
        }

    def __enter__(self) -> "Peers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
            process.communicate()

    def ask(self, kind: str, task: dict[str, Any]) -> dict[str, float]:
        process = self.processes[kind]
        assert process.stdin and process.stdout
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(task), file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:  # what went wrong stands above, on its own stderr
            sys.exit(f"error: the process of {kind} ended with {process.wait()} at {task}")
        return dict(json.loads(line))

    def measured(self, task: dict[str, Any], turns: int) -> dict[str, float]:
        """Least seconds of each peer and of ours; torch, which is slow, has one turn."""
        found: dict[str, float] = {}
        for turn in range(turns):
            for kind in self.processes:
                if kind == "jax" and task["engine"] == "product":
                    continue
                torch_too = {"torch_too": kind == "native" and turn == 0}
                answer = self.ask(kind, task if kind == "jax" else task | torch_too)
                for name, seconds in answer.items():
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
    scale = UNIT[task["engine"]]
    shown = {name: f"{scale * seconds[name]:.3g}" if name in seconds else "" for name in COLUMNS}
    speed = share = ratio = ""
    if "by_hand" in seconds and "native" in seconds:
        ratio = f"{seconds['by_hand'] / seconds['native']:.2f}"
    if task["engine"] == "two_layer":
        what = task.get("what", "")
        batch = int(what.split()[1]) if what.startswith("batch") else task["n"]
        dim = task["d"] + (what == "hidden bias")
        flops = batch * task["m"] * (4 * dim + 3) / seconds["native"] / 1e9
        speed, share = f"{flops:.1f}", f"{100 * flops / limit[task['precision']]:.0f}"
    size = " ".join(f"{name} = {task[name]}" for name in "nmd" if name in task)
    size += f", {task['what']}" if "what" in task else ""
    engine = {
        "two_layer": "two layers, ms",
        "single_sample": "single sample, us",
        "tangent_kernel": "tangent kernel, ms",
    }
    return {
        "engine": engine[task["engine"]], "size": size, "precision": task["precision"],
        **{COLUMNS[name]: value for name, value in shown.items()},
        "by hand / ours": ratio, "GFLOP/s": speed, "percent of product": share,
    }  # fmt: skip


PLAIN = "n = 1000 m = 10000 d = 5"


def _varied(row: dict[str, str]) -> bool:
    return "," in row["size"]


def growth(python: str) -> None:
    """The table and the picture of the page: seconds of a step along each size, one turn each."""
    from simplicity.boursier.pictures import cost
    from simplicity.places import paths
    from simplicity.process import machine

    rows = []
    with Peers(python, KINDS[:2]) as peers:
        for task in dict.fromkeys(json.dumps(task) for task in GROWTH):
            seconds = peers.measured(json.loads(task), 1)
            shown = {COLUMNS[name]: f"{seconds.get(name, float('nan')):.3g}" for name in ENGINES}
            rows.append(dict.fromkeys(("engine", *"nmd"), "") | json.loads(task) | shown)
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(f"{machine.cpu()}, {instructions()}, one thread")
    write(paths.book() / "cost_growth.csv", rows)
    with open(paths.book() / "cost_growth.csv", newline="", encoding="utf-8") as file:
        pictures = cost.growth(list(csv.DictReader(file)))
    text = "\n".join(picture.html for picture in pictures)
    (paths.book() / "_static" / "cost_growth.html").write_text(text, "utf-8")


def write(table: Path, rows: list[dict[str, Any]]) -> None:
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


ENGINES = ("torch", "by_grad", "by_hand", "native")
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
    parser.add_argument(
        "--growth", action="store_true", help="record cost against each size instead"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve()
        return
    if chosen.growth:
        growth(chosen.jax)
        return
    from simplicity.places import paths
    from simplicity.process import machine

    found = []
    with Peers(chosen.jax) as peers:
        for task in TASKS:
            found.append((task, peers.measured(task, chosen.turns)))
            print(json.dumps(task | found[-1][1]), file=sys.stderr, flush=True)
    limit = {
        task["precision"]: 2 * 2048**3 / seconds["native"] / 1e9
        for task, seconds in found
        if task["engine"] == "product"
    }
    print(f"{machine.cpu()}, {instructions()}, one thread; a 2048 x 2048 product: ", end="")
    print(", ".join(f"{value:.0f} GFLOP/s in {precision}" for precision, value in limit.items()))
    rows = [row(task, seconds, limit) for task, seconds in found if task["engine"] != "product"]
    for line in [list(rows[0]), *(list(one.values()) for one in rows)]:
        print("".join(f"{value:>19}" if i != 1 else f"{value:>36}" for i, value in enumerate(line)))
    if chosen.record:
        plain = [row for row in rows if not _varied(row)]
        write(paths.book() / "peers_cost.csv", plain)
        # the variants beside the plain step, and single samples of both precisions
        beside = [
            row
            for row in rows
            if row["engine"] == "single sample, us"
            or (row["precision"] == "float32" and row["size"].split(",")[0] == PLAIN)
        ]
        write(paths.book() / "peers_variants.csv", beside)
    ratios = {}
    for task, seconds in found:
        if task["engine"] == "two_layer" and task["n"] == 1000 and task["precision"] == "float32":
            if "what" in task:
                continue
            for name, d in RATIOS.items():
                if task["d"] == d:
                    ratios[name] = round(seconds["by_hand"] / seconds["native"], 2)
        if task["engine"] == "single_sample" and task["precision"] == "float64":
            ratios["single_sample"] = round(seconds["by_hand"] / seconds["native"], 2)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
