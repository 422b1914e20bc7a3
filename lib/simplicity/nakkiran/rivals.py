"""Simple classifiers to hold a network against, and others as accurate that are not as simple.

mu(F; L) far above independent errors shows that network and L find the same points difficult; any
two decent classifiers do. That it is L in particular needs a rival L' of another kind, fitted on
the same sample, at the same accuracy as L.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.nakkiran import information, linear_phase
from simplicity.problems import Problem, doors

Array = NDArray[np.floating]
Labels = NDArray[np.integer]
Classifier = Callable[[Array], NDArray[np.int64]]

_HELD_OUT = 0.2
_FEWEST = 5  # samples of which a fifth is one
_DEPTHS = (3, 4, 5, 6, 8, 10, 12)
_NEIGHBOURS = (1, 3, 5, 9, 15, 25, 45, 75)


def _looked_at(x: Array, y: Labels, least: int) -> tuple[Array, Labels]:
    """Finite inputs and labels of both classes, at least so many of them."""
    (x,) = doors.finite(x=(x, "n d"))
    (y,) = doors.labels(y=(y, str(len(x))))
    if len(y) < least:
        raise Problem(f"x: got {len(y)} samples, allowed {least} or more")
    if y.min() == y.max():
        raise Problem(f"y: got {int(y[0])} for every label, allowed both 0 and 1")
    return x, y


def logistic(x: Array, y: Labels) -> Classifier:
    """Logistic regression of labels 0 and 1 on x (n, d) with an intercept and hardly a penalty."""
    x, y = _looked_at(x, y, 1)
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e6, max_iter=2000).fit(x, y)
    return lambda new: fitted.predict(new).astype(np.int64)


def tree(x: Array, y: Labels, rng: Generator) -> Classifier:
    """A decision tree whose depth has the best accuracy on a fifth held out, refitted on all."""
    x, y = _looked_at(x, y, _FEWEST)
    doors.finite(x=(x, "n d"), precision="float32")
    doors.generator(rng)
    from sklearn.tree import DecisionTreeClassifier

    return _tuned(DecisionTreeClassifier(random_state=0), "max_depth", _DEPTHS, x, y, rng)


def neighbours(x: Array, y: Labels, rng: Generator) -> Classifier:
    """The majority of the nearest neighbours, as many as do best on a fifth held out."""
    x, y = _looked_at(x, y, _FEWEST)
    doors.generator(rng)
    from sklearn.neighbors import KNeighborsClassifier

    few = [k for k in _NEIGHBOURS if k < len(x) / 2]
    return _tuned(KNeighborsClassifier(), "n_neighbors", few, x, y, rng)


def _tuned(
    model: Any, name: str, values: Sequence[int], x: Array, y: Labels, rng: Generator
) -> Classifier:
    """The model with the value of one parameter that is best on a fifth held out."""
    from sklearn.model_selection import GridSearchCV

    order = rng.permutation(len(x))
    held = int(round(_HELD_OUT * len(x)))
    search = GridSearchCV(model, {name: values}, cv=[(order[held:], order[:held])]).fit(x, y)
    return lambda new: search.predict(new).astype(np.int64)


def at_equal_accuracy(counts: NDArray, rival: NDArray) -> tuple[Array, Array]:
    """mu(F; L) and mu(F; L'), each (...).

    First the better one of L and L' is made as inaccurate as the other.
    """
    ours, theirs = linear_phase.equally_accurate(counts, rival)
    return information.information(ours).mu, information.information(theirs).mu
