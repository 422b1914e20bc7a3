"""How much of what a network knows of the labels a linear classifier explains (Nakkiran et al.
2019, Def. 1).

    mu(F; L) = I(F;Y) - I(F;Y|L), in bits     F what the network predicts, L the linear classifier

all on the same test rows. L is logistic regression on the flattened, standardised inputs, fitted
once to the training rows. Beside mu stand what it is without any relation, L permuted among the
rows of each class, and that of a rival that is not linear and about as accurate: nearest
neighbours, whose number of training rows is the one at which their accuracy on the test rows is
nearest to that of L.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simplicity.lenses.lens import Lens, Look, Variable
from simplicity.lenses.mirror import doubles
from simplicity.lenses.task import Rows, Task
from simplicity.problems import Problem, doors, shown

Array = NDArray[np.floating]
Labels = NDArray[np.int64]
Classifier = Callable[[Array], Any]
Estimator = Literal["miller-madow", "plug-in"]

TRAINING_ROWS = 4000  # that L and its rival see at most
MOST_CLASSES = 30
DRAWS = 10  # permutations of the null
NEIGHBOURS = (1, 15)
_PENALTY = 1e-6  # on half the squared weights, beside the mean loss: practically none
_ITERATIONS = 200
_FEWEST = 10
_VARIABLES = {
    "accuracy": Variable("share of test rows that the network gets right"),
    "information": Variable("I(F;Y), what the network's predictions know of the labels", "bit"),
    "linear_information": Variable("I(L;Y), what the linear classifier knows", "bit"),
    "beyond": Variable("I(F;Y|L), what the network knows beyond it", "bit"),
    "mu": Variable("I(F;Y) - I(F;Y|L), what the linear classifier explains", "bit"),
    "mu_null": Variable("mu with L permuted within the classes", "bit"),
    "mu_rival": Variable("mu of a classifier as accurate as L that is not linear", "bit"),
}


def linear_explainability(
    *,
    rows: int = 1000,
    threshold: float | None = None,
    simple: Classifier | None = None,
    estimator: Estimator = "miller-madow",
) -> Lens:
    """mu(F; L) = I(F;Y) - I(F;Y|L), with its null and a rival (Nakkiran et al. 2019, Def. 1).

    `rows` is how many test rows are looked at, at most. `threshold` turns a regression into two
    classes, y > threshold, which outputs above it predict. `simple` takes inputs (q, d) and
    returns labels (q,) from 0 on: a classifier of your own in place of logistic regression. A
    look costs `rows` rows forward. Raises `Problem` for fewer than two classes, more than 30, or
    targets that are numbers without a threshold.
    """
    doors.whole("rows", rows, _FEWEST)
    doors.choice("estimator", estimator, ("miller-madow", "plug-in"))
    if threshold is not None:
        doors.number("threshold", threshold)
    if simple is not None:
        doors.function("simple", simple)
    return Lens(
        "linear_explainability",
        "Nakkiran et al. 2019",
        "Blind where I(L;Y) is near 0, where accuracy is near 1 (then mu is forced), "
        "and on few test rows.",
        lambda task: _prepared(task, rows, threshold, simple, estimator),
    )


def _prepared(
    task: Task, rows: int, threshold: float | None, simple: Classifier | None, estimator: Estimator
) -> Look:
    train, test = task.rows(TRAINING_ROWS), task.rows(rows, test=True)
    known, at = _labels(task, train, threshold)
    y, _ = _labels(task, test, threshold)
    count = _counted(task, known, y)
    linear = _labelled(simple or _logistic(train.flat, known, count), test.flat, count)
    other = rival(train.flat, known, test.flat, y, float(np.mean(linear == y)))
    told = _Told(y, _beside(linear, other, y), count, estimator)

    def now(_: Any) -> dict[str, float]:
        output = task.mirror.rows(test.x)
        if not torch.isfinite(output).all():
            return dict.fromkeys(_VARIABLES, math.nan)
        return told.known(_predicted(output, at))

    return Look(now, _VARIABLES, len(y), told.facts)


def _beside(linear: Labels, other: Labels, y: Labels) -> list[Labels]:
    """L, its rival, and permutations of L."""
    rng = np.random.default_rng(0)
    return [linear, other, *(within_classes(linear, y, rng) for _ in range(DRAWS))]


def _predicted(output: Tensor, at: float) -> Labels:
    """The class (q,) of each row of outputs (q, k); one output says 1 above `at`."""
    f = output[:, 0] > at if output.shape[1] == 1 else output.argmax(dim=1)
    return f.cpu().numpy().astype(np.int64)


@dataclass(frozen=True)
class _Told:
    """Labels y (q,), and what L, its rival and L's permutations say of them."""

    y: Labels
    others: list[Labels]
    count: int
    estimator: Estimator

    @property
    def facts(self) -> dict[str, float | str]:
        linear, other = (float(np.mean(one == self.y)) for one in self.others[:2])
        return {
            "classes": float(self.count), "test_rows": float(len(self.y)),
            "linear_accuracy": linear, "rival_accuracy": other, "estimator": self.estimator,
        }  # fmt: skip

    def known(self, f: Labels) -> dict[str, float]:
        """What predictions f (q,) know of the labels, beside the others."""
        from simplicity.nakkiran import information

        counts = [information.table(f, self.y, one, self.count) for one in self.others]
        found = information.information(np.stack(counts), self.estimator)
        values = {
            "accuracy": np.mean(f == self.y),
            "information": found.network[0],
            "linear_information": found.simple[0],
            "beyond": found.beyond[0],
            "mu": found.mu[0],
            "mu_null": found.mu[2:].mean(),
            "mu_rival": found.mu[1],
        }
        return {name: float(value) for name, value in values.items()}


def _labels(task: Task, rows: Rows, threshold: float | None) -> tuple[Labels, float]:
    """Classes (q,), and the output above which the network says 1 where it has one output."""
    found = task.labels(rows)
    if found is None:
        cut, at = _cut(task, threshold)
        return (doubles(rows.y.reshape(-1)) > cut).astype(np.int64), at
    if threshold is not None:
        raise Problem("threshold: got one for labels that are classes, allowed it for a regression")
    return found, 0.0


def _cut(task: Task, threshold: float | None) -> tuple[float, float]:
    """What parts targets that are numbers into two classes, and what parts the outputs."""
    if task.outputs.width > 1:
        raise Problem(
            "linear_explainability: got several numbers as targets, allowed classes or one number"
        )
    if threshold is not None:
        return threshold, float(threshold)
    values = np.unique(doubles(task.train.y))
    if len(values) > 2:
        raise Problem(
            f"linear_explainability: got targets of {len(values)} values, "
            "allowed classes, or linear_explainability(threshold=...)"
        )
    return values.mean(), _boundary(task, values)


def _boundary(task: Task, values: Array) -> float:
    """The output at which both labels pull equally, 0 for logits and the middle for squares."""
    pulls = [_pull_at_zero(task, value) for value in values]
    if math.isclose(pulls[0], -pulls[-1], rel_tol=1e-9):
        return 0.0
    return float(values.mean())


def _pull_at_zero(task: Task, label: float) -> float:
    target = torch.full((1,) if task.outputs.flat else (1, 1), label, dtype=torch.float64)
    return float(task.pull(torch.zeros(1, 1, dtype=torch.float64), target))


def _counted(task: Task, known: Labels, y: Labels) -> int:
    """The number of classes, once there are two to tell apart and enough rows."""
    count = task.outputs.classes or int(max(known.max(), y.max())) + 1
    if len(np.unique(known)) < 2:
        raise Problem(
            "linear_explainability: got one class in the targets of data, allowed two or more"
        )
    if count > MOST_CLASSES:
        raise Problem(f"linear_explainability: got {count} classes, allowed {MOST_CLASSES} at most")
    if len(y) < _FEWEST:
        raise Problem(f"linear_explainability: got {len(y)} test rows, allowed {_FEWEST} or more")
    return count


def _labelled(simple: Classifier, x: Array, count: int) -> Labels:
    """What a classifier predicts for rows x (q, d), once it is a label for each."""
    found = np.asarray(simple(x))
    if found.shape != (len(x),) or not _are_labels(found, count):
        got = f"{shown(found)} of shape {found.shape}"
        raise Problem(f"simple: got {got}, allowed a label from 0 to {count - 1} for each row")
    return found.astype(np.int64)


def _are_labels(found: NDArray[Any], count: int) -> bool:
    whole = found.dtype.kind in "iub"
    return whole and bool(found.min() >= 0 and found.max() < count)


def _logistic(x: Array, y: Labels, count: int) -> Callable[[Array], Labels]:
    """Multinomial logistic regression on standardised inputs (n, d), with an intercept."""
    from scipy.optimize import minimize

    design = _standardised(x)
    inputs = design(x)
    fitted = minimize(
        _loss, np.zeros(inputs.shape[1] * count), (inputs, y), "L-BFGS-B", jac=True,
        options={"maxiter": _ITERATIONS},
    ).x.reshape(-1, count)  # fmt: skip
    return lambda given: np.argmax(design(given) @ fitted, axis=1).astype(np.int64)


def _loss(flat: Array, inputs: Array, y: Labels) -> tuple[float, Array]:
    """The mean cross-entropy of weights, one after the other, with the penalty; its gradient."""
    weights = flat.reshape(inputs.shape[1], -1)
    entropy, errors = _cross_entropy(inputs @ weights, y)
    slope = inputs.T @ errors / len(y) + _PENALTY * weights
    return float(entropy + 0.5 * _PENALTY * np.sum(weights**2)), slope.ravel()


def _cross_entropy(logits: Array, y: Labels) -> tuple[float, Array]:
    """Its mean over rows, and what each row's gradient by its logits (n, k) is."""
    logits = logits - logits.max(axis=1, keepdims=True)
    total = np.exp(logits).sum(axis=1, keepdims=True)
    errors = np.exp(logits) / total
    right = np.arange(len(y)), y
    errors[right] -= 1
    return float(np.mean(np.log(total[:, 0]) - logits[right])), errors


def _standardised(x: Array) -> Callable[[Array], Array]:
    """What makes inputs standardised by x, and a column of ones for the intercept."""
    middle, scale = x.mean(axis=0), _scale(x)
    return lambda given: np.column_stack([(given - middle) / scale, np.ones(len(given))])


def _scale(x: Array) -> Array:
    """The spread of each input, infinite for one that is constant, which says nothing."""
    scale = x.std(axis=0)
    scale[scale <= 1e-12 * max(1.0, float(np.abs(x).max()))] = np.inf
    return scale


def rival(x: Array, y: Labels, test: Array, wanted: Labels, accuracy: float) -> Labels:
    """Predictions (q,) for rows `test` (q, d) by nearest neighbours, of the nearest accuracy."""
    order = np.random.default_rng(1).permutation(len(x))
    apart = _distances(test, x[order])
    tried = [
        (abs(float(np.mean(predicted == wanted)) - accuracy), predicted)
        for neighbours in NEIGHBOURS
        for predicted in _bisected(apart, y[order], wanted, accuracy, neighbours)
    ]
    return min(tried, key=lambda one: one[0])[1]


def _bisected(
    apart: NDArray[np.float32], y: Labels, wanted: Labels, accuracy: float, neighbours: int
) -> Iterator[Labels]:
    """Predictions of classifiers that know so many rows that their accuracy comes near: it grows
    with the rows that are known.
    """
    sizes = _sizes(len(y))
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        predicted = _majority(apart[:, : sizes[middle]], y, neighbours)
        yield predicted
        worse = float(np.mean(predicted == wanted)) < accuracy
        low, high = (middle + 1, high) if worse else (low, middle)


def _sizes(n: int) -> NDArray[np.int64]:
    """How many rows of n a rival may know."""
    return np.unique(np.geomspace(2, n, 20).astype(int)) if n > 1 else np.array([1])


def _distances(first: Array, second: Array) -> NDArray[np.float32]:
    """Squared Euclidean distances (q, n), less |first|^2, which changes no order."""
    known = second.astype(np.float32)
    return np.asarray((known**2).sum(axis=1) - 2 * first.astype(np.float32) @ known.T)


def _majority(apart: NDArray[np.float32], y: Labels, neighbours: int) -> Labels:
    count = min(neighbours, apart.shape[1])
    near = np.argpartition(apart, count - 1, axis=1)[:, :count]
    votes = np.eye(int(y.max()) + 1)[y[near]].sum(axis=1)
    return np.argmax(votes, axis=1).astype(np.int64)


def within_classes(simple: Labels, y: Labels, rng: np.random.Generator) -> Labels:
    """Predictions (q,) permuted within each class: as accurate, and no other relation is left."""
    found = simple.copy()
    for label in np.unique(y):
        at = np.flatnonzero(y == label)
        found[at] = rng.permutation(simple[at])
    return found
