"""The engine of cones beside the plain sweep and torch's automatic differentiation: whole runs,
same start, same step.

A line for each setting: seconds of the run by cones and by the plain sweep, how many steps it had
and how many of them the plain sweep made inside the cones' run, both ratios, and how far the final
train MSE and rho are apart. The plain run is made whole where that takes less than `--whole`
seconds, else 100 of its steps, scaled to the length of the run (then nothing is compared); of
automatic differentiation always 5 steps, scaled. Then a network that never aligns; then what a step
costs once 400 steps are done, by width; then what a nudge of the neurons does to the end of a run.
Float64, d = 5, lambda 1e-3 unless said otherwise, step 0.1, 20,000 steps at most, tolerance 1e-6.
Times are processor time of one thread. `--record` also writes the tables of the page "What a step
costs".
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from simplicity import nets
from simplicity.boursier import cones, linear_teacher, ols, synthetic, two_layer
from simplicity.places import paths
from simplicity.process import machine, threads

STEPS, STEP_SIZE = 20_000, 0.1
REPEATS, NEVER_STEPS = 5, 2000
SETTINGS = [
    (law, n, m, 1e-3)
    for m in (1000, 10_000)
    for law in ("margin", "gaussian")
    for n in (80, 320, 1280)
]
NEVER = [("gaussian", 320, 1000, 1.0), ("gaussian", 1280, 1000, 1.0)]
WIDTHS = [(law, 320, m) for law in ("margin", "gaussian") for m in (1000, 10_000, 100_000)]
NUDGES = (0, 1e-12, 1e-10, 1e-8, 1e-6)


def run(
    engine: Callable, start: nets.TwoLayer, task: synthetic.Task, steps: int, **settings: Any
) -> tuple:
    """(processor seconds, network, dataset)."""
    clock = time.process_time()
    network, found = engine(
        start, task.x, task.y, step_size=STEP_SIZE, schedule=(0, steps), probes={}, **settings
    )
    return time.process_time() - clock, network, found


def of_a_step(engine: Callable, start: nets.TwoLayer, task: synthetic.Task, steps: int) -> float:
    return (run(engine, start, task, steps + 1)[0] - run(engine, start, task, 1)[0]) / steps


def begin(law: str, n: int, m: int, scale: float) -> tuple[synthetic.Task, nets.TwoLayer]:
    return synthetic.linear_task(law, n, 5, 0.25, seed=0), nets.dominated(
        m, 5, scale, np.random.default_rng(0)
    )


def whole_run(law: str, n: int, m: int, scale: float, whole: float) -> dict[str, str]:
    """One row of the first table."""
    task, start = begin(law, n, m, scale)
    seconds, ours, found = run(
        cones.descend, start, task, STEPS, tolerance=linear_teacher.TOLERANCE
    )
    steps = int(found.stopped_at)
    plain, apart = of_a_step(two_layer.descend, start, task, 100) * steps, ("", "")
    measured = plain < whole
    if measured:
        plain, theirs, _ = run(
            two_layer.descend, start, task, STEPS, tolerance=linear_teacher.TOLERANCE
        )
        ends = [
            ols.against_two_ols(lambda x, end=end: nets.forward(end, x), *task)
            for end in (ours, theirs)
        ]
        apart = tuple(
            f"{abs(ends[0][name] / ends[1][name] - 1):.0e}" for name in ("train_mse", "rho")
        )
    autograd = of_a_step(two_layer.descend_autograd, start, task, 5) * steps
    return {
        "law": law, "n": f"{n}", "m": f"{m}", "lambda": f"{scale:g}", "steps": f"{steps}",
        "by sweep": f"{int(found.plain_steps)}", "cones s": f"{seconds:.3g}",
        "plain s": f"{plain:.3g}{'' if measured else ' *'}",
        "plain / cones": f"{plain / seconds:.1f}", "autograd / cones": f"{autograd / seconds:.0f}",
        "MSE apart": apart[0], "rho apart": apart[1],
    }  # fmt: skip


def never_aligned(law: str, n: int, m: int, scale: float) -> dict[str, str]:
    """One row of the second: medians over turns about of a shorter run, since a few percent are at
    stake.
    """
    task, start = begin(law, n, m, scale)
    engines = (cones.descend, two_layer.descend)
    turns = [[run(engine, start, task, NEVER_STEPS) for engine in engines] for _ in range(REPEATS)]
    ours, plain = (statistics.median(turn[i][0] for turn in turns) for i in range(2))
    return {
        "law": law, "n": f"{n}", "m": f"{m}", "lambda": f"{scale:g}", "steps": f"{NEVER_STEPS}",
        "by sweep": f"{int(turns[0][0][2].plain_steps)}", "cones s": f"{ours:.3g}",
        "plain s": f"{plain:.3g}", "plain / cones": f"{plain / ours:.2f}",
    }  # fmt: skip


def after_alignment(law: str, n: int, m: int) -> dict[str, str]:
    """One row of the third: 2,000 steps by cones from the network as it is after 400."""
    task, start = begin(law, n, m, 1e-3)
    _, aligned, _ = run(two_layer.descend, start, task, 400, precision="float32")
    aligned = nets.TwoLayer(aligned.a.astype(float), aligned.w.astype(float))
    a, w, state = aligned.a, aligned.w, cones.state(n, m, 5)
    data = cones.data_of(task.x.T, task.y)

    def seconds(steps: int) -> tuple[float, int]:
        clock = time.process_time()
        done, _, _ = cones._run(a, w, data, *state, steps, 0.0, STEP_SIZE, (0.0,) * 5)
        return time.process_time() - clock, done

    seconds(100)  # touches the memory
    (short, few), (long, many) = seconds(100), seconds(2100)
    by_cones = (long - short) / (many - few)
    sweep = of_a_step(two_layer.descend, aligned, task, max(3, 100_000 // m))
    return {
        "law": law, "n": f"{n}", "m": f"{m}", "cones us a step": f"{1e6 * by_cones:.3g}",
        "plain us a step": f"{1e6 * sweep:.3g}", "plain / cones": f"{sweep / by_cones:.0f}",
    }  # fmt: skip


def nudged(size: float) -> dict[str, str]:
    """One row of the fourth: how far the plain sweep ends from itself when every w is moved a
    little after 250 steps.
    """
    task, start = begin("gaussian", 80, 1000, 1e-3)
    _, middle, _ = run(two_layer.descend, start, task, 250)
    rng = np.random.default_rng(1)
    if size:
        noise = (
            rng.standard_normal(middle.w.shape)
            * np.linalg.norm(middle.w, axis=1, keepdims=True)
            / 5**0.5
        )
        other = nets.TwoLayer(middle.a, middle.w + size * noise)
    else:  # the same neurons in another order: rounding
        order = rng.permutation(len(middle.a))
        other = nets.TwoLayer(middle.a[order], middle.w[order])
    moved = np.abs(nets.forward(other, task.x) - nets.forward(middle, task.x)).max()
    ends = [run(two_layer.descend, network, task, STEPS - 250)[1] for network in (middle, other)]
    errors = [ols.mse(nets.forward(end, task.x), task.y) for end in ends]
    return {
        "nudge": f"{size:g}",
        "output moved": f"{moved:.0e}",
        "final MSE apart": f"{abs(errors[1] / errors[0] - 1):.0e}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--whole", type=float, default=30.0, help="seconds up to which a plain run is made whole"
    )
    parser.add_argument(
        "--record", action="store_true", help="write the tables of the book as well"
    )
    chosen = parser.parse_args()
    with threads.one_thread():
        print(f"{machine.cpu()}, one thread; * scaled from 100 steps", flush=True)
        task, start = begin("margin", 80, 200, 1e-3)
        for engine in (cones.descend, two_layer.descend, two_layer.descend_autograd):
            run(engine, start, task, 300)  # compiles, or warms torch up
        run(two_layer.descend, start, task, 1, precision="float32")
        runs = written(whole_run(*setting, chosen.whole) for setting in SETTINGS)
        never = written(never_aligned(*setting) for setting in NEVER)
        steps = written(after_alignment(*setting) for setting in WIDTHS)
        ends = written(nudged(size) for size in NUDGES)
    if chosen.record:
        (paths.book() / "cones_runs.csv").write_text(runs, "utf-8")
        (paths.book() / "cones_never.csv").write_text(never, "utf-8")
        (paths.book() / "cones_nudged.csv").write_text(ends, "utf-8")
        (paths.book() / "cones_steps.csv").write_text(steps, "utf-8")


def written(rows: Iterable[dict[str, str]]) -> str:
    """The rows as comma-separated lines with a head, printed as they come."""
    lines: list[str] = []
    for row in rows:
        lines += [",".join(row)] * (not lines) + [",".join(row.values())]
        print("\n".join(lines[-2:] if len(lines) == 2 else lines[-1:]), flush=True)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
