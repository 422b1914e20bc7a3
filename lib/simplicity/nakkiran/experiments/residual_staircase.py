"""A residual network leaves convolutional networks of growing depth behind, one by one (claim N31).

CIFAR-10, first five classes against last five. G_1, G_2, G_3 are the beginnings of the residual
network F, with 2, 4 and 6 layers, each trained by itself on the true labels with F's recipe, as in
Nakkiran et al.'s Figure 5. Everything is smaller than theirs, and the chapter says by how much.
Controls: for each G_i predictions that are right as often and know nothing else. Nearest neighbours
on the pixels stand beside as a rival of another kind.

The setting with scikit-learn's digits, each pixel doubled, needs no files. It shows that the
machinery runs and judges nothing.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from simplicity.data import images, streams
from simplicity.evidence import claims
from simplicity.evidence.claims import Check, check, control
from simplicity.grid import config
from simplicity.grid.groups import Grid, Runs
from simplicity.nakkiran import information, leaving, rivals
from simplicity.nets import modules
from simplicity.nets.loop import evenly, geometrically
from simplicity.nets.train import cross_entropy, train
from simplicity.problems import Problem
from simplicity.process import checkpoints

CLAIMS = ("N31",)

# Probes: a few early ones, then evenly spaced; networks leave one another within a factor of two.
EARLY, EVEN = 8, 40
PROBES = 1 + EARLY + EVEN
TASKS = {"digits": "digits 0-4 / 5-9", "cifar10": "cifar10 first / last five"}
SIDE, PADDING = 16, 2  # pixels; the authors pad 32 x 32 images by 4
STAGES = {"CNN2": (), "CNN4": (1,), "CNN6": (2,), "ResNet": (2, 2, 2)}
SMALLER = tuple(STAGES)[:3]
SIMPLE = (*SMALLER, "noise 2", "noise 4", "noise 6", "neighbours")
KNOWS = 1.3  # times I(CNN6;Y): less, and the network cannot have left CNN6 behind
_SEEN = 2000  # training images on which the accuracy is taken
_NEIGHBOURS_FROM = 10_000  # training images for the nearest neighbours

# Nakkiran et al.'s own recorded numbers at width 64 and 32 x 32 images, four seeds each: I(G;Y) of
# the smaller networks, and I(F;Y) and mu(F;G) over steps, read off the figures stored with their
# code, to about 0.005 bit.
AUTHORS_EXPLAINED = {"CNN2": 0.157, "CNN4": 0.251, "CNN6": 0.326}
AUTHORS_STEPS = (2000, 3000, 5000, 7500, 10_000, 12_500, 15_000, 19_000)
AUTHORS_GAINED = (0.10, 0.154, 0.234, 0.345, 0.412, 0.457, 0.486, 0.52)
AUTHORS_MU = {
    "CNN2": (0.086, 0.101, 0.125, 0.140, 0.140, 0.144, 0.144, 0.144),
    "CNN4": (0.094, 0.125, 0.172, 0.211, 0.215, 0.224, 0.226, 0.230),
    "CNN6": (0.098, 0.133, 0.187, 0.246, 0.261, 0.277, 0.281, 0.285),
}
AUTHORS_ALL_STEPS = 23_400


@config.settings
class Run:
    """The images, and the recipe of all networks."""

    data: str = config.param("digits", "data set; cifar10 needs files", choices=TASKS)
    width: int = config.param(8, "channels of the first stage, a multiple of 8", low=8, high=512)
    step_size: float = config.param(0.1, "learning rate of SGD with momentum 0.9", low=1e-12)
    batch: int = config.param(128, "samples a step", unit="samples", low=1, high=10**6)
    steps: int = config.param(30, "steps", low=10, high=10**7)
    seed: int = config.param(0, "seed of the networks and their batches", low=0, high=2**31 - 1)

    def check(self) -> None:
        if self.width % 8:  # with 4, torch 2.13's strided convolutions wrote outside their memory
            raise Problem(f"width: got {self.width}, allowed a multiple of 8")


GRID = Grid(
    Run,
    groups={"digits": {"data": "digits"}, "cifar10": {"data": (), "steps": 2000}},
    quick={"seeds": 1},
    full={"cifar10_data": ("cifar10",), "seeds": 2},
    tiny={"steps": 10, "batch": 16},
)


def measure(run: Run) -> xr.Dataset:
    """Count tables (probe, simple, F, Y, G) on the test images and the train accuracy."""
    x, y, x_test, y_test = load(run)
    paths = {name: _trained(run, name, x, y, x_test) for name in STAGES}
    simple = {name: paths[name].test.values[-1].astype(np.int64) for name in SMALLER}
    rng = streams.generator(run.seed, streams.NOISE)
    simple |= {_noise(name): _as_accurate(simple[name], y_test, rng) for name in SMALLER}
    simple["neighbours"] = _neighbours(x, y, x_test, rng)
    found = leaving.dataset(_filled(paths["ResNet"]), y_test, simple, SIMPLE)
    return found.assign(samples=len(y))


def _filled(path: xr.Dataset) -> xr.Dataset:
    """As many probes for every run: a short one has fewer different steps, and its last repeats."""
    return path.isel(probe=np.minimum(np.arange(PROBES), path.sizes["probe"] - 1))


def _as_accurate(f: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Predictions that are right as often as these and know nothing else."""
    return information.flipped(y, float(np.mean(f == y)), rng)


def _neighbours(
    x: np.ndarray, y: np.ndarray, x_test: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The vote of a part of the training images on the test images, by pixels."""
    few = rng.permutation(len(x))[:_NEIGHBOURS_FROM]
    vote = rivals.neighbours(x[few].reshape(len(few), -1), y[few], rng)
    return vote(x_test.reshape(len(x_test), -1))


def _noise(name: str) -> str:
    """What `SIMPLE` calls predictions as accurate as those of this network."""
    return f"noise {name[3:]}"


def schedule(steps: int) -> list[int]:
    """0, `EARLY` log-spaced steps, then `EVEN` evenly spaced ones; fewer if some fall together."""
    even = evenly(steps, 1 + max(1, min(EVEN, steps // 5)))  # of a handful not each one
    return sorted({*even, *geometrically(even[1], EARLY)})


def load(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training and test images (n, channels, 16, 16) and their labels, each image standardised."""
    split = images.task(TASKS[run.data], streams.generator(run.seed, streams.DATA))
    return (*_prepared(split.train), *_prepared(split.test))


def _prepared(part: images.Images) -> tuple[np.ndarray, np.ndarray]:
    pixels = part.pixels().reshape(len(part.y), -1, *part.x.shape[-2:])
    return standardised(to_side(pixels)), part.y


def to_side(x: np.ndarray) -> np.ndarray:
    """Images (n, c, h, h) to 16 x 16: means of 2 x 2 pixels, or each pixel of 8 x 8 twice."""
    smaller, larger = x.shape[-1] // SIDE, SIDE // x.shape[-1]
    if smaller > 1:
        return x.reshape(*x.shape[:2], SIDE, smaller, SIDE, smaller).mean(axis=(3, 5))
    return x.repeat(larger, axis=2).repeat(larger, axis=3)


def standardised(x: np.ndarray) -> np.ndarray:
    """Each image minus its mean, over its deviation, which counts as at least 1/sqrt(pixels)."""
    axes = (1, 2, 3)
    spread = np.maximum(x.std(axis=axes, keepdims=True), 1 / np.sqrt(x[0].size))
    return ((x - x.mean(axis=axes, keepdims=True)) / spread).astype(np.float32)


def _trained(run: Run, name: str, x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> xr.Dataset:
    """One network's training; networks of a run share images, not starts or batches."""
    index = list(STAGES).index(name)
    start, order = (
        np.random.default_rng([run.seed, stream, index])
        for stream in (streams.INITIALISATION, streams.BATCHES)
    )
    seen, given = x[:_SEEN], y[:_SEEN]
    network = modules.residual(x.shape[1:], start, width=run.width, stages=STAGES[name])
    _, found = train(
        network, x, y, loss=cross_entropy, precision="float32", batch=run.batch, rng=order,
        optimiser=partial(torch.optim.SGD, lr=run.step_size, momentum=0.9),
        schedule=[run.steps] if name in SMALLER else schedule(run.steps),
        augment=partial(cropped, seed=run.seed, index=index), checkpoint=checkpoints.path(name),
        probes={
            "test": lambda module: modules.predict(module, x_test),
            "train": lambda module: np.mean(modules.predict(module, seen) == given),
        },
        dims={"test": ("point",)},
    )  # fmt: skip
    return found


def cropped(x: Tensor, step: int, *, seed: int, index: int) -> Tensor:
    """Every image shifted by up to two pixels each way over zeros, and half of them mirrored.

    One shift and one coin for all images of the batch would be cheaper and is not what the authors
    do.
    """
    rng = np.random.default_rng([seed, streams.NOISE, index, step])
    rows, columns = _seen(len(x), x.shape[-1], rng)
    padded = nn.functional.pad(x, (PADDING,) * 4)
    image = torch.arange(len(x))[:, None, None]
    found = padded[image, :, rows[:, :, None], columns[:, None, :]]  # (n, height, width, channels)
    return found.permute(0, 3, 1, 2).contiguous()


def _seen(n: int, side: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Which rows and columns of each padded image are seen, both (n, side)."""
    down, right = torch.from_numpy(rng.integers(0, 2 * PADDING + 1, (2, n, 1)))
    mirrored = torch.from_numpy(rng.random((n, 1)) < 0.5)
    places = torch.arange(side)
    return places + down, torch.where(mirrored, places.flip(0), places) + right


counts_of, times = leaving.readers(SIMPLE)


def authors_time(name: str, part: float = leaving.JUDGED) -> float:
    """The step at which the authors' curves cross the same threshold, by straight lines."""
    beyond = np.array(AUTHORS_GAINED) - AUTHORS_MU[name]
    return float(np.interp(part * AUTHORS_EXPLAINED[name], beyond, AUTHORS_STEPS))


def outgrown(cells: xr.Dataset) -> str:
    """Why nothing can be judged: I(F;Y) at the end is below `KNOWS` I(CNN6;Y), mean over seeds."""
    if not cells.sizes["cell"]:
        return "CIFAR-10 was not run"
    last = information.information(counts_of(cells, "CNN6")[:, -1])
    times_six = float(np.mean(last.network / last.simple))
    if times_six > KNOWS:
        return ""
    return (
        f"at the end the residual network knows {times_six:.2f} times what CNN6 knows, "
        f"and {KNOWS} are needed"
    )


def checks(runs: Runs) -> list[Check]:
    """On CIFAR-10 only; the digits are no claim's setting."""
    real = runs["cifar10"]
    judge = partial(check, runs, unless=outgrown(real))
    return [_order(judge, real), _kept(judge, real)]


def _order(judge: Callable[..., Check], real: xr.Dataset) -> Check:
    """The smaller networks are left one by one."""
    two, four, six = (times(real, name) for name in SMALLER)
    noise = [times(real, _noise(name)) <= times(real, name) for name in SMALLER]
    return judge(
        "N31.order", "empirical",
        "CIFAR-10: share of seeds that leave CNN2, CNN4 and CNN6 in this order",
        claims.share((two < four) & (four < six)), claims.every_seed(),
        control(
            "noise as accurate as G_i: share of seeds and i in which it is left no later than G_i",
            claims.share(np.concatenate(noise)), claims.every_seed(),
        ),
    )  # fmt: skip


def _kept(judge: Callable[..., Check], real: xr.Dataset) -> Check:
    """And what each explains is kept."""
    kept = np.min([leaving.plateau(counts_of(real, name)) for name in SMALLER], axis=0)
    return judge(
        "N31.kept", "empirical",
        "CIFAR-10: mu(F; G_i) at the end over I(G_i; Y), the smallest of the three",
        claims.mean(kept), claims.at_least(0.8),
        claims.no_control("the polynomial target has one; noise of equal accuracy is shown beside"),
    )  # fmt: skip
