"""Wrong input ends at the door: one sentence of what, got and allowed, before anything is computed.

The functions are found by looking at what their arguments are called, so that a new engine cannot
forget its door: without an example here its test fails.
"""

import functools
import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from simplicity import boursier, hu, loukas, nakkiran, nets, together
from simplicity import data as builders
from simplicity.boursier import adam_by_neurons as with_memory
from simplicity.boursier import (
    alignment,
    assumptions,
    cones,
    driver,
    early,
    effective_width,
    extremal,
    gelu_and_adam,
    independent_batches,
    landscape,
    ols,
    sectors,
    snapshots,
    synthetic,
    two_layer,
    two_layer_by_neurons,
    two_layer_by_samples,
)
from simplicity.data import corruption, image_files, images, streams
from simplicity.hu import (
    deep_kernel,
    early_linear,
    full_batch,
    gaussian_moments,
    high_dimensional,
    kernel,
    kernel_operators,
    linear_images,
    ntk,
    spans,
)
from simplicity.hu.linear_descent import FrozenKernel, LinearDescent
from simplicity.loukas import (
    criteria,
    dropout,
    image_task,
    lipschitz,
    rank_correlations,
    regions,
    single_image,
    single_sample,
    single_sample_autograd,
    steady,
    trajectory,
)
from simplicity.nakkiran import (
    complexity,
    dense,
    explain,
    information,
    laws,
    least_squares,
    leaving,
    linear_phase,
    one_hot,
    rivals,
    simple_start,
)
from simplicity.nets import FullyConnected, TwoLayer, loop, modules, ntk_modules, starts, train
from simplicity.nets.activations import moments
from simplicity.problems import Problem, conversion, doors, training_doors
from simplicity.together import lenses

N, D, M = 12, 2, 6
COINS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0])


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


X = rng().standard_normal((N, D))
Y = rng().standard_normal(N)
A, W = rng().standard_normal(M), rng().standard_normal((M, D))
PLANE = TwoLayer(A, W)
DEEP = nets.torch_default((D, 4, 1), rng())
TABLE = np.array([[[9, 2], [3, 4]], [[1, 6], [2, 8]]])
TABLES = np.stack([TABLE] * 4)
SIGNAL = np.where(X > 0, 1.0, -1.0)
PICTURES = rng().random((N, 2, 26, 26))


def module() -> torch.nn.Module:
    return modules.fully_connected((D, 4), rng()).double()


def pictured() -> torch.nn.Sequential:
    return modules.two_convolutions((2, 26, 26), rng(), (2, 3)).double()


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1e-3)


# Arguments by their names, made anew for each call; where a function means something else by a
# name, `OWN` says what.
EXAMPLES: dict[str, Callable[[], Any]] = {
    "degree": lambda: 1, "x": X.copy, "y": Y.copy, "a": A.copy, "w": W.copy, "start": lambda: PLANE,
    "network": lambda: PLANE, "columns": lambda: X.T.copy(), "psi": X.copy,
    "theta": lambda: X @ X.T, "directions": W.copy, "teacher": lambda: np.ones(D),
    "direction": lambda: np.ones(D), "population": lambda: np.ones(D),
    "order": lambda: np.arange(N), "rng": rng, "schedule": lambda: (0, 1), "probes": dict,
    "step_size": lambda: 0.01, "activation": lambda: "relu", "rule": lambda: "gd",
    "optimiser": lambda: sgd, "window": lambda: 3, "module": module, "noise": Y.copy,
    "width": lambda: 8, "x_test": lambda: X[:5].copy(), "y_test": lambda: Y[:5].copy(),
    "predict": lambda: lambda x: x[:, 0], "layers": lambda: "both", "layer": lambda: "first",
    "depth": lambda: 2, "patch": lambda: 2, "counts": TABLES.copy, "estimator": lambda: "plug-in",
    "rates": lambda: [0.1], "n": lambda: N, "dim": lambda: D, "flip": lambda: 0.1,
    "draws": lambda: 3, "steps": lambda: 6, "count": lambda: 2, "sizes": lambda: (D, 4),
    "bias": lambda: rng().random((N + 1, 3)), "epsilon": lambda: np.ones(N), "first": lambda: 0.5,
    "own": lambda: np.zeros(N), "shared": lambda: np.ones(N), "slot": lambda: np.arange(N),
    "epochs": lambda: 2, "share": lambda: 0.5, "rescaled": lambda: True, "law": lambda: "gaussian",
    "scale": lambda: 0.1, "noise_variance": lambda: 0.1, "variance": lambda: 1.0,
    "size": lambda: 0.1, "classes": lambda: 2, "features": lambda: 40, "keys": lambda: np.arange(N),
    "accuracy": lambda: 0.8, "seed": lambda: 1, "slope": lambda: 1.0, "output": Y.copy,
    "p": lambda: np.full(N, 0.3), "prediction": Y.copy, "f": lambda: COINS, "simple": lambda: COINS,
    "two_ols_mse": lambda: 1.0, "train_mse": lambda: 1.0, "values": lambda: rng().random((5, 3)),
    "steps_done": lambda: 1, "inputs": lambda: D, "shape": lambda: (2, 30, 30),
    "channels": lambda: 2, "kind": lambda: "random", "batch": lambda: 0, "wanted": lambda: 1.0,
    "error": lambda: lambda a, w: 0.5 + float(np.sum((a - A) ** 2)), "images": lambda: None,
}  # fmt: skip

SINGLE = {"start": lambda: DEEP}
SINGLE_MODULE = {"module": lambda: KEPT, "bias": lambda: next(KEPT.parameters())}
KEPT = single_sample_autograd.as_module(DEEP, train_first=True)
OWN: dict[Callable, dict[str, Callable[[], Any]]] = {
    single_sample.descend: SINGLE,
    with_memory.descend: {"rule": lambda: "adam"},
    single_sample_autograd.descend_autograd: SINGLE_MODULE,
    single_image.descend: {"module": pictured, "x": PICTURES.copy, "y": lambda: COINS},
    single_sample_autograd.as_module: {"network": lambda: DEEP},
    dropout.descend: {**SINGLE, "y": lambda: COINS},
    dense.training: {"start": lambda: dense.gaussian((D, 4), rng()), "y": lambda: COINS},
    dense.logits: {"network": lambda: dense.gaussian((D, 4), rng())},
    dense.predict: {"network": lambda: dense.gaussian((D, 4), rng())},
    full_batch.outputs: {"x": lambda: torch.from_numpy(X)},
    least_squares.descend: {"y": Y.copy},
    deep_kernel.connected: {"activation": lambda: "tanh"},
    deep_kernel.convolutional: {"x": lambda: rng().random((3, 4, 4, 2)), "patch": lambda: (3, 3)},
    deep_kernel.hypercube_features: dict.fromkeys(("zeta", "bend", "mean"), lambda: 0.5),
    deep_kernel.hypercube: {"x": SIGNAL.copy},
    rivals.logistic: {"y": lambda: COINS},
    rivals.tree: {"y": lambda: COINS},
    rivals.neighbours: {"y": lambda: COINS},
    lipschitz.outputs: {"network": lambda: DEEP},
    lipschitz.patterns: {"network": lambda: DEEP},
    lipschitz.gradients: {"network": lambda: DEEP, "layer": lambda: 0},
    lipschitz.local: {"network": lambda: DEEP},
    lipschitz.first_steps: {"network": lambda: DEEP},
    trajectory.kernel_slopes: {"width": lambda: 1.0},
    rank_correlations.spearman: {"x": lambda: X[:, 0]},
    rank_correlations.spearman_within: {"x": X.copy, "values": X.copy},
    criteria.within: {"x": X.copy, "values": X.copy},
    trajectory.log_slope: {"x": lambda: np.arange(1.0, N + 1), "y": lambda: np.arange(1.0, N + 1)},
    rank_correlations.shuffled: {"x": lambda: np.arange(3)},
    information.table: {"y": lambda: COINS},
    information.flipped: {"y": lambda: COINS},
    laws.sample: {"of": lambda: laws.rule("coin", 0.5, 0.0, 0.8, 0.2), "points": lambda: 20},
    laws.random_laws: {"balanced": lambda: True},
    corruption.drawn: {"y": lambda: COINS, "classes": lambda: (0, 1)},
    corruption.nested: {"y": lambda: COINS},
    images.load: {"name": lambda: "digits"},
    images.task: {"name": lambda: "digits 0-4 / 5-9"},
    corruption.corrupt: {"y": lambda: COINS},
    corruption.redraw: {"y": lambda: COINS},
    starts.symmetric: {"width": lambda: 8},
    alignment.signed_cosines: {"targets": W.copy},
    ols.cosines_to_fits: {"fits": lambda: ols.two_ols(X, Y, np.ones(D))},
    simple_start.limit: {"start": lambda: simple_start.Weights(0.5, np.zeros(N))},
    simple_start.at_step: {
        "start": lambda: simple_start.Weights(0.5, np.zeros(N)), "step": lambda: 3.0
    },
    steady.variance_scale: {
        "slope": lambda: np.ones(3), "epsilon_mean": lambda: np.ones(3),
        "epsilon_variance": lambda: np.ones(3)
    },
    steady.distance_bound: {"slope": lambda: np.ones(3), "largest_epsilon": lambda: np.ones(3)},
    steady.normalised_steps: {},
    trajectory.rounding_floor: {
        "bias": lambda: np.ones(3), "length": lambda: 1.0, "epsilon": lambda: 1.0
    },
    nets.torch_default: {"sizes": lambda: (D, 4, 1)},
    high_dimensional.labels: {
        "teacher": lambda: high_dimensional.Teacher(D, rng()), "kind": lambda: "random"
    },
    synthetic.relu_labels: {"directions": W.copy, "signs": A.copy},
    modules.convolutional: {"shape": lambda: (2, 26, 26)},
    modules.two_convolutions: {"channels": lambda: (2, 3)},
    modules.residual: {"width": lambda: 2, "stages": lambda: (1,)},
    ntk_modules.convolutional: {"shape": lambda: (2, 4, 4)},
    linear_phase.redrawn: {},
    extremal.searched: {"steps": lambda: 80},
}  # fmt: skip
CHECKS = ("threshold", "kernel", "corruption", "explain")
# Fit to torch's own tensors, or made for one library's inside: not a user's door.
INSIDE = {
    train.half_mean_square, train.cross_entropy, full_batch.outputs, image_task.logits,
    full_batch.tensors, full_batch.backward, full_batch.diverged,
    modules.glorot, modules.he, modules.lecun, modules.torch_default,
    cones.state, driver.drive, two_layer.kernel, driver.looked_at, driver.order,
    kernel.preactivations, alignment.on_sphere, sectors.cut,
    two_layer_by_neurons.advance, two_layer_by_neurons.chunk, two_layer_by_neurons.filled,
    two_layer_by_neurons.next_batches, two_layer_by_neurons.packed, two_layer_by_neurons.unpack,
    two_layer_by_samples.advance,
}  # fmt: skip


# What the experiments of a wing share: called by them alone, with settings that were checked as
# those of a run.
SETUPS = {
    "linear_teacher",
    "early_linear",
    "early_linear_checks",
    "early_window",
    "linear_images",
    "explain",
    "strata",
    "watched",
    "levenberg_marquardt",
    *(f"{kind}_checks" for kind in CHECKS),
}


def functions(*packages: Any) -> Iterator[Callable]:
    """The public functions of modules, and of all modules of packages."""
    for package in packages:
        names = (
            [one.name for one in pkgutil.iter_modules(package.__path__)]
            if hasattr(package, "__path__")
            else []
        )
        for name in ["", *names]:
            if name in SETUPS:
                continue
            found = importlib.import_module(f"{package.__name__}.{name}") if name else package
            for key, value in vars(found).items():
                if (
                    inspect.isfunction(value)
                    and value.__module__ == found.__name__
                    and not key.startswith("_")
                ):
                    yield value


def parameters(function: Callable) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def example(function: Callable) -> dict[str, Any]:
    """Arguments that the function takes."""
    own = {**EXAMPLES, **OWN.get(function, {})}
    needed = [
        name
        for name, one in parameters(function).items()
        if one.default is inspect.Parameter.empty or name in OWN.get(function, {})
    ]
    return {name: own[name]() for name in needed}


def call(function: Callable, **other: Any) -> Any:
    """What the function returns; a generator's first value too, since its body waits for that."""
    found = function(**{**example(function), **other})
    if inspect.isgenerator(found):
        next(found)
    return found


def label(function: Callable) -> str:
    return f"{function.__module__.removeprefix('simplicity.')}.{function.__name__}"


WINGS = (boursier, hu, loukas, nakkiran, together)
INSTRUMENTS = (*WINGS, train)  # the one engine that wings share


def with_arguments(*names: str, among: tuple[Any, ...] = INSTRUMENTS) -> list[Callable]:
    """The functions with arguments of all these names."""
    return [
        one
        for one in functions(*among)
        if set(names) <= parameters(one).keys() and one not in INSIDE
    ]


ALL = (*WINGS, builders, nets)
LABELLED = with_arguments("x", "y")
ENGINES = (
    *(two_layer, cones, gelu_and_adam, independent_batches, snapshots),
    *(single_sample, single_sample_autograd, single_image, dropout),
    *(dense, full_batch, ntk, train),
)
SENTENCE = r"(?s)^[^\n]*got [^\n]*, allowed [^\n]*$"


def refused(function: Callable, words: str = "", **wrong: Any) -> None:
    """One sentence, and no warning before it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Problem, match=SENTENCE) as told:
            call(function, **wrong)
    assert words in str(told.value)


# --- found by their arguments


@pytest.mark.parametrize("function", LABELLED, ids=label)
def test_the_example_itself_is_taken(function: Callable) -> None:
    assert call(function) is not None or function is loop.batches


def test_the_search_finds_every_engine() -> None:
    found = {label(one) for one in LABELLED}
    names = {module.__name__.removeprefix("simplicity.") for module in ENGINES}
    without = {"boursier.snapshots", "boursier.gelu_and_adam", "boursier.cones", "hu.ntk"}
    assert names - {one.rpartition(".")[0] for one in found} <= without
    assert {"nets.train.train", "hu.full_batch.descend", "nakkiran.dense.training"} <= found
    assert {
        "boursier.two_layer.descend",
        "boursier.cones.descend",
        "hu.ntk.descend",
        "boursier.extremal.in_plane",
    } <= found


@pytest.mark.parametrize("function", LABELLED, ids=label)
def test_as_many_labels_as_inputs(function: Callable) -> None:
    y = example(function)["y"]
    refused(function, "y: got shape (11,)", y=y[:-1])
    refused(function, "y: got shape (13,)", y=np.append(y, y[0]))
    refused(function, "y: got shape (12, 1)", y=y[:, None])
    refused(function, "y", y=y[:0])


@pytest.mark.parametrize(
    "function", [one for one in with_arguments("x") if "y" not in parameters(one)], ids=label
)
def test_inputs_are_rows_of_real_numbers(function: Callable) -> None:
    x = np.asarray(example(function)["x"])
    refused(function, "x: got complex128, allowed an array of real numbers", x=x.astype(complex))
    refused(function, "x: got", x=np.array([["a"]]))
    if x.ndim > 1:
        refused(function, "x: got shape", x=x[..., 0])


@pytest.mark.parametrize("function", LABELLED, ids=label)
def test_inputs_with_labels_are_real_numbers_too(function: Callable) -> None:
    x = example(function)["x"]
    refused(function, "x: got complex128", x=x.astype(complex))
    refused(function, "x: got object", x=x.astype(object))


@pytest.mark.parametrize("function", with_arguments("x", "y", among=ENGINES), ids=label)
def test_engines_see_what_is_not_finite_before_the_first_step(function: Callable) -> None:
    for name, value in (("x", np.nan), ("x", np.inf), ("y", np.nan)):
        wrong = example(function)[name].astype(float)
        wrong.flat[3] = value
        refused(
            function, f"{name}: got 1 of {wrong.size} numbers that are not finite", **{name: wrong}
        )


@pytest.mark.parametrize(
    "function", [one for one in with_arguments("x", "w") if one not in OWN], ids=label
)
def test_weights_have_as_many_columns_as_the_inputs(function: Callable) -> None:
    refused(function, "got shape", x=np.column_stack([X, X[:, 0]]))


@pytest.mark.parametrize("function", [one for one in with_arguments("a", "w")], ids=label)
def test_both_layers_have_the_same_neurons(function: Callable) -> None:
    refused(function, "got shape", a=A[:-1])


@pytest.mark.parametrize(
    "function", [one for one in with_arguments("start", "x", "y") if one not in OWN], ids=label
)
def test_a_network_fits_to_itself_and_to_its_inputs(function: Callable) -> None:
    refused(
        function,
        "w: got shape (5, 2), allowed (m, d) with d = 2 as in x, m = 6 as in a",
        start=TwoLayer(A, W[:-1]),
    )
    refused(function, "w: got shape (6, 2)", x=np.column_stack([X, X[:, 0]]))
    refused(function, "a: got shape (6, 1)", start=TwoLayer(A[:, None], W))
    refused(function, "allowed (m,) with m at least 1", start=TwoLayer(A[:0], W[:0]))
    refused(function, "not finite", start=TwoLayer(A * np.nan, W))
    refused(function, "allowed a pair of a (m,) and w (m, d)", start=3)


@pytest.mark.parametrize("function", with_arguments("rng", among=ALL), ids=label)
def test_a_seed_is_no_generator(function: Callable) -> None:
    refused(function, "rng: got 7, allowed a numpy.random.Generator", rng=7)
    refused(function, "rng", rng=np.random.RandomState(0))


OPTIONS = (
    "activation",
    "precision",
    "layers",
    "layer",
    "padding",
    "readout",
    "loss",
    "rule",
    "law",
    "head",
    "estimator",
)
CHOSEN = [
    (function, name)
    for name in OPTIONS
    for function in with_arguments(name, among=ALL)
    if function is not trajectory.first_below
    if isinstance(EXAMPLES.get(name, lambda: "")(), str)
    and (function, name) not in {(train.train, "loss"), (lipschitz.gradients, "layer")}
]


@pytest.mark.parametrize(
    ("function", "name"), CHOSEN, ids=lambda one: one if isinstance(one, str) else label(one)
)
def test_a_misspelt_option_is_named_and_what_is_allowed(function: Callable, name: str) -> None:
    refused(function, f"unknown {name}: got 'frist'", **{name: "frist"})
    refused(function, name, **{name: 3})


@pytest.mark.parametrize("function", with_arguments("step_size", among=ALL), ids=label)
def test_a_step_size_is_a_positive_number(function: Callable) -> None:
    for wrong in (-0.1, 0.0, np.nan, np.inf, "0.1", True):
        refused(function, "step_size", step_size=wrong)


@pytest.mark.parametrize("function", with_arguments("schedule"), ids=label)
def test_a_schedule_counts_steps_and_never_falls(function: Callable) -> None:
    for wrong in ((0, 1.5), (-1, 1), (3, 1), (0, np.nan), ("1",), 4, None, (True,)):
        refused(function, "schedule: got", schedule=wrong)


@pytest.mark.parametrize("function", with_arguments("probes"), ids=label)
def test_probes_are_functions_under_names_that_are_free(function: Callable) -> None:
    refused(function, "allowed functions by name", probes={"loss curve": 3})
    refused(function, "allowed functions by name", probes=[len])
    refused(function, "allowed others, since the result has it", probes={"step": len})
    if "dims" in parameters(function):
        refused(
            function,
            "unknown probe in dims: got 'los'",
            probes={"loss curve": len},
            dims={"los": ("k",)},
        )


@pytest.mark.parametrize("function", with_arguments("batch"), ids=label)
def test_a_batch_is_a_whole_number(function: Callable) -> None:
    for wrong in (-1, 2.5, True):
        refused(function, "batch: got", batch=wrong)


@pytest.mark.parametrize("function", with_arguments("order"), ids=label)
def test_an_order_names_samples_that_there_are(function: Callable) -> None:
    refused(
        function,
        "order: got 0 to 12, allowed whole numbers from 0 to 11",
        order=np.append(np.arange(N - 1), N),
    )
    refused(function, "order: got -1", order=np.arange(N) - 1)
    refused(function, "allowed an array of whole numbers", order=np.arange(N) / 1.0)


# --- one by one

TENSOR = torch.ones(N, D, dtype=torch.float64, requires_grad=True)
FLAT = torch.nn.Sequential(torch.nn.ReLU())
TWO_LOGITS = torch.nn.Linear(D, 2).double()
COLUMN = torch.nn.Linear(D, 1).double()
PAIR = nets.torch_default((D, 4, 2), rng())
DIGITS = linear_images.Sample(PICTURES, np.sign(Y), PICTURES[:4], np.sign(Y[:4]))
CELL = early_linear.Run(dim=4, n=8, width=6, step_size=0.1)
SIMPLE = {"line": COINS.astype(bool)}
TASK = explain.Samples(X, COINS.astype(bool), X, COINS.astype(bool))
BITS = (X > 0,)
REST = {"rate": 0.1, "batch": 4, "at": (0, 1), "order": rng()}

CASES: list[tuple[Callable[[], Any], str]] = [
    # shapes and lengths
    (lambda: call(two_layer.descend, x=TENSOR), "x: got a tensor that requires a gradient"),
    (lambda: call(train.train, x=TENSOR), "x: got a tensor that requires a gradient"),
    (lambda: call(two_layer.descend, x=[[1, 2], [3]]), "x: got"),
    (lambda: call(two_layer.descend, x=np.ma.masked_less(X, 0)), "masked entries"),
    (lambda: call(two_layer.descend, x=X * 1e39, precision="float32"), "the largest of float32"),
    (lambda: call(least_squares.descend, slot=np.arange(N) + 1), "slot: got 1 to 12"),
    (lambda: call(least_squares.descend, shared=np.ones(N - 1)), "shared: got shape (11,)"),
    (lambda: call(least_squares.sgd, y=Y[:-1]),
     "shared: got shape (12,), allowed (n,) with n = 11 as in y"),
    (lambda: call(cones.data_of, y=Y[:-1]), "y: got shape (11,)"),
    (lambda: LinearDescent(X, Y[:-1], 0.1), "y: got shape (11,)"),
    (lambda: LinearDescent(X, Y, np.nan), "step_size"),
    (lambda: LinearDescent(X, Y, 0.1).beta(-1), "step"),
    (lambda: LinearDescent(X, Y, 0.1).outputs(X[:, :1], (1,)), "psi: got shape (12, 1)"),
    (lambda: FrozenKernel(X @ X.T, Y[:-1], 0.1),
     "theta: got shape (12, 12), allowed (n, n) with n = 11 as in y"),
    (lambda: call(single_sample.descend, start=PAIR), "network: got 2 outputs, allowed 1"),
    (lambda: call(single_sample.descend, start=FullyConnected(DEEP.weights, DEEP.biases[:1])),
     "2 weights and 1 biases"),
    (lambda: call(single_sample.descend, x=X[:, :1]),
     "weights of layer 1: got shape (4, 2), allowed (m, 1)"),
    (lambda: call(single_sample.descend, origin=np.zeros(3)),
     "origin: got shape (3,), allowed (4,)"),
    (lambda: call(single_sample.descend, step_size=[0.1, 0.1]), "one for each of 4 windows"),
    (lambda: call(single_sample.descend, step_size=[0.1, 0.1, -0.1, 0.1]), "step_size"),
    (lambda: call(single_sample.descend, schedule=(5,)),
     "allowed whole numbers, at least 0, at most 4"),
    (lambda: call(single_sample.descend, schedule=(1, 1)), "each larger than the one before"),
    (lambda: call(single_sample.descend, window=0), "window: got 0"),
    (lambda: call(single_sample_autograd.descend_autograd, window=5), "allowed whole windows of 5"),
    (lambda: call(single_sample_autograd.descend_autograd, bias=torch.nn.Parameter(torch.ones(4))),
     "allowed a parameter of"),
    (lambda: lipschitz.outputs(PAIR, X), "network: got 2 outputs, allowed 1"),
    (lambda: nets.forward(PLANE, X[:, :1]),
     "x: got shape (12, 1), allowed (N, d) with d = 2 as in w"),
    (lambda: ntk.forward(PLANE, X[:, :1], "erf"), "x: got shape (12, 1)"),
    (lambda: gelu_and_adam.forward(PLANE, X[:, :1]), "x: got shape (12, 1)"),
    (lambda: dense.predict(dense.gaussian((D, 4), rng()), X[:, :1]), "weights of layer 1"),
    (lambda: lenses.cosines(W, W[:-1]), "second: got shape (5, 2), allowed (6, 2)"),
    (lambda: spans.Span(X).inside(Y[:-1]), "vectors: got shape (11,)"),
    (lambda: spans.relative_error(Y[:, None], Y), "b: got shape (12,), allowed (12, 1)"),
    (lambda: ols.mse(Y[:, None], Y), "y: got shape (12,), allowed (12, 1) as prediction"),
    (lambda: trajectory.epsilon_squares(Y[:, None], Y), "y: got shape (12,)"),
    (lambda: simple_start.margins(0.1, np.zeros(N), np.ones(N), Y[:, None]),
     "y: got shape (12, 1)"),
    (lambda: trajectory.normalised(np.zeros((N, 3)), np.ones(N), 0.1),
     "epsilon: got shape (12,), allowed (steps,)"),
    (lambda: snapshots.snapshots(PLANE, X, Y, step_size=0.1, schedule=(1, 2)),
     "schedule: got a first step of 1"),
    (lambda: regions.far_from_data(BITS, np.ones(3), BITS), "phi: got shape (3,)"),
    (lambda: regions.rank((X,)), "patterns: got shapes"),
    (lambda: regions.gram(BITS, (*BITS, *BITS)), "others: got 2 layers, allowed 1"),
    (lambda: regions.exact_sum(X > 0, X[:, 0] > 0, -1), "most: got -1"),
    (lambda: effective_width.effective_width(A, W, share=0), "share: got 0"),
    # options that took another branch
    (lambda: kernel.features(X, "erf", "frist"), "did you mean first?"),
    (lambda: deep_kernel.convolutional(np.ones((2, 4, 4, 1)), "erf", 1, padding="zeros"),  # type: ignore[arg-type]
     "did you mean zero?"),
    (lambda: deep_kernel.convolutional(np.ones((2, 4, 4, 1)), "erf", 1, readout="pool"),  # type: ignore[arg-type]
     "did you mean pooling?"),
    (lambda: deep_kernel.convolutional(np.ones((2, 4, 4, 1)), "tanh", 1), "allowed erf, relu"),
    (lambda: call(single_sample.descend, loss="cross_entropy"), "did you mean cross entropy?"),
    (lambda: call(dense.training, rule="sgd"), "allowed gd, adam"),
    (lambda: ntk_modules.convolutional((1, 4, 4), 2, 1, "erf", rng(), padding="zero"),  # type: ignore[arg-type]
     "did you mean zeros?"),
    (lambda: ntk_modules.convolutional((1, 4, 4), 2, 1, "erf", rng(), head="pool"),  # type: ignore[arg-type]
     "did you mean pooling?"),
    (lambda: high_dimensional.labels(
        "norms", X, "gaussian", high_dimensional.Teacher(D, rng()), rng()
     ),
     "did you mean norm?"),
    (lambda: high_dimensional.variances("spikes", 4), "did you mean spiked?"),
    (lambda: synthetic.linear_task("margins", 4, 2, 0.0, 0), "did you mean"),
    (lambda: early_linear.rates(early_linear.Run(layers="frist")), "did you mean first?"),
    (lambda: early_linear.network(early_linear.Run(start="symetric")), "did you mean symmetric?"),
    (lambda: early_linear.data(early_linear.Run(labels="teachers")), "did you mean teacher?"),
    (lambda: linear_images.build("pooling", (1, 8, 8), 2, rng()), "did you mean pooled?"),
    (lambda: moments("rely"), "did you mean relu?"),
    (lambda: gaussian_moments.closed_form("rely"), "did you mean relu?"),
    (lambda: kernel_operators.wide_block(X, W, "erf", "both"), "allowed first, second"),
    (lambda: call(train.train, device="gpu"), "device: got 'gpu'"),
    (lambda: call(two_layer.descend, precision="float16"), "allowed float32, float64"),
    # torch modules
    (lambda: call(full_batch.descend, module=FLAT), "module: got one without parameters"),
    (lambda: call(train.train, start=FLAT), "module: got one without parameters"),
    (lambda: call(single_sample_autograd.descend_autograd, module=FLAT),
     "module: got one without parameters"),
    (lambda: modules.predict(FLAT, X), "module: got one without parameters"),
    (lambda: call(full_batch.descend, module=3), "module: got int 3, allowed a torch module"),
    (lambda: modules.predict(TWO_LOGITS, X[:2]), "module: got outputs (2, 2) for 2 inputs"),
    (lambda: call(full_batch.descend, module=COLUMN), "module: got outputs (5, 1) for 5 inputs"),
    (lambda: call(train.train, start=COLUMN),
     "outputs: got shape (12, 1), allowed (12,) as the targets"),
    (lambda: call(train.train, start=COLUMN, loss=train.cross_entropy, y=COINS),
     "outputs: got shape (12, 1)"),
    (lambda: call(single_sample_autograd.descend_autograd, module=TWO_LOGITS, bias=TWO_LOGITS.bias),
     "allowed one for each"),
    (lambda: call(single_image.descend, module=COLUMN),
     "allowed one that `modules.two_convolutions` made"),
    (lambda: call(single_image.descend, x=PICTURES[:, :, :25]), "x: got shape (12, 2, 25, 26)"),
    (lambda: train.half_mean_square(torch.ones(3, 1), torch.ones(3)),
     "outputs: got shape (3, 1), allowed (3,)"),
    (lambda: modules.glorot(COLUMN, rng()), "allowed a torch.Generator"),  # type: ignore[arg-type]
    # labels
    (lambda: call(train.train, loss=train.cross_entropy, start=module(), y=np.sign(Y)),
     "allowed 0 to 1 for the cross-entropy"),
    (lambda: call(single_sample.descend, loss="cross entropy", y=np.sign(Y)),
     "allowed 0 and 1 alone"),
    (lambda: call(dense.training, y=np.sign(Y)), "allowed 0 and 1 alone"),
    (lambda: call(dropout.descend, y=np.sign(Y)), "allowed 0 and 1 alone"),
    (lambda: call(single_image.descend, y=2 * COINS), "allowed 0 and 1 alone"),
    (lambda: rivals.logistic(X, np.zeros(N, int)),
     "y: got 0 for every label, allowed both 0 and 1"),
    (lambda: rivals.tree(X, np.sign(Y).astype(int), rng()), "y: got -1 to 1"),
    (lambda: rivals.logistic(X, np.array(["a", "b"] * 6)), "allowed an array of whole numbers"),
    (lambda: corruption.corrupt(COINS + 9, 0.5, 10, rng()), "y: got 9 to 10"),
    (lambda: corruption.nested(COINS, 1.5, rng()), "share: got 1.5"),
    (lambda: explain.logistic(X, 3 * COINS, explain.Recipe(0.1, 4, 1), rng()), "y: got 0 to 3"),  # type: ignore[arg-type]
    (lambda: explain.follow(module(), TASK, {}, COINS.astype(bool), **REST), "got 0 classifiers"),  # type: ignore[arg-type]
    (lambda: explain.follow(module(), TASK, SIMPLE, np.zeros(99, bool), **REST),  # type: ignore[arg-type]
     "99 predictions for 12"),
    (lambda: explain.follow(module(), TASK, {"line": SIMPLE["line"][:2]}, COINS > 0, **REST),  # type: ignore[arg-type]
     "line: got"),
    # numbers at the edge
    (lambda: extremal.in_plane(np.zeros((4, 2)), np.ones(4)), "x: got nothing but 0"),
    (
        lambda: extremal.in_plane(np.zeros((4, 3)), np.ones(4)),
        "x: got shape (4, 3), allowed (n, 2)",
    ),
    (lambda: extremal.searched_deviation(X[:, :1], Y, np.ones(1), rng()),
     "x: got 1 columns, allowed 2 or more"),
    (lambda: information.bootstrap(np.zeros((2, 2, 2), int), 3, rng()),
     "counts: got a table without any point"),
    (lambda: information.information(-TABLE), "allowed no negative count"),
    (lambda: information.information(TABLE[0]), "counts: got shape (2, 2)"),
    (lambda: information.from_accuracy(1.5), "accuracy: got 1.5 to 1.5, allowed 0 to 1"),
    (lambda: information.interval(np.ones(3), 95), "confidence: got 95"),
    (lambda: linear_phase.first_match(TABLE), "counts: got shape (2, 2, 2)"),
    (lambda: linear_phase.independent(np.ones((4, 3, 3, 3))), "counts: got shape (4, 3, 3, 3)"),
    (lambda: leaving.steps(TABLES[:2], np.arange(2)), "counts: got 2 probes, allowed 3 or more"),
    (lambda: leaving.steps(TABLES, np.arange(3)), "step: got shape (3,)"),
    (lambda: trajectory.at(Y, 0), "epoch: got 0"),
    (lambda: trajectory.log_slope([0, 1], [1, 2]), "x (one of 2): got 0.0"),
    (lambda: steady.steadiness(np.ones(3), 3), "tau: got 3"),
    (lambda: steady.covering_number(X, 0), "radius: got 0"),
    (lambda: simple_start.enough_samples(0.4, 0.3), "size: got 0.3"),
    (lambda: early.tau(0.0, 1.0, 1.0), "scale: got 0.0"),
    (lambda: assumptions.margin(X, np.zeros(2)), "teacher: got nothing but 0"),
    (lambda: assumptions.margin(np.zeros((3, 2)), np.ones(2)), "x: got an input that is 0"),
    (lambda: assumptions.centred(np.ones(1)), "noise: got 1 sample"),
    (lambda: assumptions.side_by_side({}), "samples: got none"),
    (lambda: landscape.at_loss(A, W, lambda a, w: 2.0, 1.0, rng()),
     "allowed more than the error of the weights, 2"),
    (lambda: landscape.least_eigenvalue(A, -np.abs(W), np.abs(X), Y), "allowed at least one"),
    (lambda: deep_kernel.hypercube(X, "relu", 2), "x: got other numbers, allowed -1 and 1 alone"),
    (lambda: deep_kernel.hypercube(SIGNAL, "relu", 3), "patch: got 3"),
    (lambda: linear_images.prepared(
        np.ones((3, 1, 8, 8)), COINS[:3], np.ones((2, 1, 8, 8)), COINS[:2]
     ),
     "all the same"),
    (lambda: linear_images.Matching(DIGITS, 0.0, rng()), "rate: got 0.0"),
    (lambda: one_hot.training(9, 4, 0.1, rng()),
     "n: got 9, allowed a whole number, at least 1, at most 4"),
    (lambda: one_hot.matrix(one_hot.Samples(Y, Y, np.arange(N)), 5), "key: got 0 to 11"),
    (lambda: complexity.cubic(X), "x: got 2 columns, allowed 6 or more"),
    (lambda: complexity.partial_sum(X, 4), "degree: got 4"),
    (lambda: streams.generator(-1, 0), "seed: got -1"),
    (lambda: call(two_layer.descend, tolerance=-1.0), "tolerance: got -1.0"),
    (lambda: call(two_layer.descend, slope=np.nan), "slope: got nan"),
    (lambda: call(ntk.descend, step_size=(0.0, 0.0)), "not both 0"),
    (lambda: call(ntk.descend, step_size=(0.1, 0.1, 0.1)), "allowed one number or two"),
    (lambda: call(full_batch.descend, block=0), "block: got 0"),
    (lambda: call(full_batch.descend, schedule=(1, 1)), "each larger"),
    (lambda: call(dropout.descend, share=1.0), "share: got 1.0"),
    (lambda: ols.ols(np.where(X == X[0, 0], np.inf, X), Y), "x: got 1 of 24 numbers"),
    (lambda: ols.two_ols(X, np.full(N, np.nan), np.ones(D)), "y: got"),
    (lambda: ols.rho("3", 1.0, Y), "train_mse: got '3'"),
    (lambda: ols.cosines_to_fits(A, W, (1.0, 2.0)), "fits: got tuple (1.0, 2.0), allowed"),
    (lambda: landscape.sharpness(A, W, 1e200 * X, Y), "x: got numbers whose squares"),
    (lambda: landscape.least_eigenvalue(1e200 * A, W, X, Y), "a: got numbers whose squares"),
    (lambda: landscape.at_loss(A, 1e200 * W, lambda a, w: 0.0, 1.0, rng()), "w: got numbers whose"),
    (lambda: deep_kernel.connected(1e200 * X, "relu", 2), "x: got numbers whose squares"),
    (lambda: deep_kernel.connected(X, "relu", 10**30), "depth: got 1000000000000000"),
    (lambda: deep_kernel.hypercube_features(SIGNAL, 1.0, None, 0.0, 1), "bend: got None"),
    (lambda: synthetic.first_axis(10**15 + 1), "at most 1e+15"),
    (lambda: call(two_layer.descend, schedule=(0, 1e200)), "schedule: got 1e+200"),
    (lambda: call(ntk.descend, step_size=1e300), "step_size: got 1e+300"),
    (lambda: call(single_sample.descend, order=np.ones(N, bool)), "order: got truth values"),
    (lambda: call(dropout.descend, order=np.ones(N, bool)), "order: got truth values"),
    (lambda: call(least_squares.sgd, slot=np.ones(N, bool)), "slot: got truth values"),
    (lambda: trajectory.log_slope([2.0, 2.0], [1.0, 3.0]), "x: got 2 alone"),
    (lambda: trajectory.loss_at_explained_variance(Y, "3"), "share: got '3'"),
    (lambda: trajectory.kernel_slopes(X, Y, 1e300), "width: got 1e+300"),
    (lambda: criteria.order(np.arange(2.0), [[1.0, 2.0]]), "values: got"),
    (lambda: dense.logits((), X), "network: got tuple (), allowed a pair of weights and biases"),
    (lambda: dense.kept((1, 2)), "network: got tuple (1, 2), allowed one of type Dense"),
    (lambda: information.bootstrap(1e200 * TABLE, 2, rng()), "counts"),
    (lambda: laws.sample(None, 1, 1, rng()), "of: got NoneType None, allowed one of type Rule"),
    (lambda: laws.mixed("3"), "share: got '3'"),
    (lambda: laws.filled(0), "classes: got 0"),
    (lambda: rivals.tree(1e200 * X, COINS, rng()), "allowed 3.4e+38 at most"),
    (lambda: simple_start.limit(None, np.ones(3), np.ones(3)), "start: got NoneType None"),
    (lambda: simple_start.at_step(
        simple_start.Weights(0.0, np.zeros(3)), np.ones(3), np.ones(3), 1e4, 4.0
     ),
     "step_size: got one that grows by a factor 4.33"),
    (lambda: simple_start.spread(3, 0.1, 1e300), "size: got 1e+300"),
    (lambda: corruption.drawn(COINS, (), 3, rng()), "classes: got"),
    (lambda: corruption.corrupt(COINS.tolist(), 0.5, 2, rng()), "y: got list [0, 1, 1"),
    (lambda: corruption.redraw(COINS, "3", 2, rng()), "share of corrupted labels: got '3'"),
    (lambda: image_files.npz_name(3), "batch: got int 3, allowed one of type str"),
    (lambda: next(loop.batches(3, "3", rng())), "batch: got '3'"),
    (lambda: modules.predict(COLUMN, pandas.DataFrame(X)), "x: got a DataFrame"),
    (lambda: modules.residual((1, 24, 25), rng(), width=1),
     "shape: got (1, 24, 25), allowed at least 25 pixels a side"),
    (lambda: modules.predict(COLUMN, X.astype(str)), "x: got"),
    (lambda: lenses.slope_bound(TwoLayer(A, np.full((M, D), np.nan))), "w: got"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "words"), CASES, ids=[words for _, words in CASES])
def test_what_is_refused_and_how(wrong: Callable[[], Any], words: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Problem, match=SENTENCE) as told:
            wrong()
    assert words in str(told.value)


# --- unusual, and right


def as_list(values: np.ndarray) -> Any:
    return values.tolist()


def backwards(values: np.ndarray) -> np.ndarray:
    return values[::-1].copy()[::-1]


def apart(values: np.ndarray) -> np.ndarray:
    return np.repeat(values, 2, axis=0)[::2]


def read_only(values: np.ndarray) -> np.ndarray:
    found = values.copy()
    found.flags.writeable = False
    return found


def big_endian(values: np.ndarray) -> np.ndarray:
    return values.astype(">f8")


@pytest.mark.parametrize(
    "way", [as_list, backwards, apart, read_only, big_endian, np.asfortranarray, np.longdouble]
)
@pytest.mark.parametrize(
    "function",
    [two_layer.descend, cones.descend, gelu_and_adam.descend, ntk.descend, train.train],
    ids=label,
)
def test_the_same_numbers_in_another_form_give_the_same_network(
    function: Callable, way: Callable
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, _ = call(function, schedule=(0, 3))
        found, _ = call(function, schedule=(0, 3), x=way(X), y=way(Y), start=(way(A), way(W)))
    for one, other in zip(plain, found, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, bool, np.float16, np.float32])
def test_whole_numbers_count_as_what_they_are(kind: type) -> None:
    x, y = np.abs(X * 10).astype(kind), COINS.astype(kind)
    plain, _ = call(two_layer.descend, x=x.astype(float), y=y.astype(float), schedule=(0, 3))
    found, _ = call(two_layer.descend, x=x, y=y, schedule=(0, 3))
    assert_array_equal(plain.w, found.w)
    first, second = assumptions.symmetric(x), assumptions.symmetric(x.astype(float))
    assert first.value == pytest.approx(second.value, rel=1e-6)  # x^3 of a byte overflows


@pytest.mark.parametrize("given", [[0, 2], np.array([0, 2]), (0.0, 2.0), iter((0, 2))])
def test_a_schedule_may_be_any_line_of_whole_numbers(given: Any) -> None:
    assert training_doors.schedule(given) == (0, 2)


def test_a_single_sample_and_a_single_neuron_are_enough() -> None:
    for function in (
        two_layer.descend,
        cones.descend,
        gelu_and_adam.descend,
        ntk.descend,
        train.train,
    ):
        network, _ = call(function, x=X[:1], y=Y[:1], start=TwoLayer(A[:1], W[:1]))
        assert np.isfinite(network.w).all()


def test_counts_end_where_no_machine_goes_on_and_seeds_do_not() -> None:
    doors.whole("n", doors.MOST, 1)
    training_doors.schedule((0, doors.MOST))
    training_doors.step(1e38)
    doors.square(x=np.array([1e153]))
    doors.stays_finite("step_size", 2.0, 1022)
    assert np.isnan(ols.rho(np.nan, 1.0, Y))  # of a run that left all bounds
    streams.generator(2 * doors.MOST, 0)
    modules.residual((1, 25, 25), rng(), width=1)
    for wrong in (
        lambda: doors.whole("n", doors.MOST + 1, 1),
        lambda: training_doors.schedule((0, doors.MOST + 1)),
        lambda: training_doors.step(1.1e38),
        lambda: doors.square(x=np.array([1e155])),
        lambda: doors.stays_finite("step_size", 2.0, 1024),
    ):
        with pytest.raises(Problem, match=SENTENCE):
            wrong()


def test_whole_networks_are_seen_from_any_pair() -> None:
    a, w = snapshots.snapshots((A.tolist(), W.tolist()), X, Y, step_size=0.1, schedule=(0, 3))
    seen = snapshots.snapshots(PLANE, X, Y, step_size=0.1, schedule=(0, 3))
    assert_array_equal(a, seen[0])
    assert_array_equal(w, seen[1])


def test_what_fits_is_handed_on_untouched() -> None:
    for kind in (np.float32, np.float64):
        x, y = X.astype(kind), Y.astype(kind)
        assert all(
            found is given
            for found, given in zip(training_doors.samples(x, y), (x, y), strict=True)
        )
        assert all(
            found is given for found, given in zip(training_doors.batch(x, y), (x, y), strict=True)
        )


def test_the_norm_of_a_small_or_a_zero_matrix() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernel.spectral_norm(np.zeros((5, 5))) == 0
        assert kernel.spectral_norm(np.array([[-3.0]])) == 3
        assert kernel.spectral_norm(np.diag([1.0, -2.0])) == pytest.approx(2)
        zero = kernel_operators.gap_operator(
            kernel_operators.gap_operator(np.zeros((N, N)), np.zeros((N, 1))), np.zeros((N, 1))
        )
        assert kernel.spectral_norm(zero) == 0
        assert landscape.sharpness(np.zeros(M), np.zeros((M, D)), X, np.zeros(N)) == 0


def test_an_input_that_is_zero_has_a_tanh_kernel() -> None:
    """phi(0) = 0 and phi'(0) = 1: A vanishes on its row, and D is E phi' of the other input."""
    x = np.vstack([np.zeros(D), X[:2]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = deep_kernel.connected(x, "tanh", 1)
    assert_array_equal(found[0], 0)
    assert_allclose(found[1:, 1:], deep_kernel.connected(x[1:], "tanh", 1), rtol=1e-14)


def test_more_cubes_than_a_whole_number_counts() -> None:
    points = np.vstack([np.zeros(40), np.ones(40), np.zeros(40)])
    assert steady.covering_number(points, 1e-3) == 2


def test_a_door_costs_no_more_than_one_look_at_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe of a run looks at shapes: numbers are looked at once, whatever the number of
    probes.
    """
    looked = []
    look = conversion.check_finite
    monkeypatch.setattr(
        conversion, "check_finite", lambda name, *more: (looked.append(name), look(name, *more))
    )
    probe = functools.partial(landscape.gradient_norm, x=X, y=Y)
    call(
        two_layer.descend,
        schedule=tuple(range(20)),
        probes={"gradient": lambda network: probe(*network)},
    )
    assert sorted(looked) == ["a", "w", "x", "y"]
