"""Awkward inputs at the door of `watch`: each is taken, or refused in one sentence that says what
to change.

The book shows them as a table, which `python tests/lenses/test_awkward_inputs.py` writes.
"""

import csv
import io
import re
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from simplicity import lenses
from simplicity.places import files, paths
from simplicity.problems import Problem

X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 3
NUMBERS = X[:, 0] - X[:, 1]
IMAGES = X[:, :4].reshape(40, 1, 2, 2)


def network(outputs: int = 3, inputs: int = 6) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Linear(5, outputs))


class Returns(nn.Module):
    """A network whose output is something made of a tensor."""

    def __init__(self, made: Callable[[Tensor], Any], outputs: int = 3) -> None:
        super().__init__()
        self.body, self.made = network(outputs), made

    def forward(self, x: Tensor) -> Any:
        return self.made(self.body(x))


class Locked(nn.Linear):
    """A network that cannot be copied."""

    def __init__(self) -> None:
        super().__init__(6, 3)
        self.lock = threading.Lock()


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(10, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embedding(x).mean(dim=1))


def with_nan(x: Tensor) -> Tensor:
    found = x.clone()
    found[3] = torch.nan
    return found


def watched(
    model: Any = None,
    x: Any = X,
    y: Any = LABELS,
    chosen: Any = None,
    data: Any = None,
    **more: Any,
) -> lenses.Record:
    """Watch a network with all lenses that look at labels, through one step."""
    found = network() if model is None else model
    if chosen is None:
        chosen = [
            lenses.linear_explainability(), lenses.linear_gap(), lenses.bias_trajectory("0"),
            lenses.alignment("0"),
        ]  # fmt: skip
    with lenses.watch(
        found, data=(x, y) if data is None else data, lenses=chosen, **more
    ) as record:
        record.step()
    return record


FITS = [lenses.linear_gap(), lenses.bias_trajectory("0"), lenses.alignment("0")]
BIAS = [lenses.bias_trajectory("0")]
GAP = [lenses.linear_gap()]
BITS = [lenses.linear_explainability()]

TAKEN: dict[str, Callable[[], lenses.Record]] = {
    "targets (n, 1) for outputs (n, 1)": lambda: watched(
        network(1), y=NUMBERS[:, None], chosen=FITS
    ),
    "targets (n,) for outputs (n, 1)": lambda: watched(network(1), y=NUMBERS, chosen=FITS),
    "targets (n, 1) for outputs (n,)": lambda: watched(
        nn.Sequential(network(1), nn.Flatten(0)), y=NUMBERS[:, None], chosen=GAP
    ),
    "targets (n, 1) with a loss of one's own": lambda: watched(
        network(1), y=NUMBERS[:, None], chosen=FITS, loss=nn.MSELoss()
    ),
    "targets (n,) for outputs (n, 1) with a loss of one's own": lambda: watched(
        network(1), y=NUMBERS, chosen=FITS, loss=nn.MSELoss()
    ),
    "several numbers as targets": lambda: watched(y=torch.randn(40, 3), chosen=FITS),
    "labels (n, 1)": lambda: watched(y=LABELS[:, None]),
    "labels in one-hot rows": lambda: watched(y=nn.functional.one_hot(LABELS)),
    "labels in one-hot rows of floats": lambda: watched(y=nn.functional.one_hot(LABELS).float()),
    "labels as floats": lambda: watched(y=LABELS.float()),
    "labels as int8": lambda: watched(y=LABELS.to(torch.int8)),
    "labels as truth values for one output": lambda: watched(network(1), y=NUMBERS > 0),
    "labels of 0 and 1 for one output": lambda: watched(network(1), y=(NUMBERS > 0).long()),
    "labels of -1 and 1 for one output": lambda: watched(
        network(1), y=2 * (NUMBERS > 0).long() - 1
    ),
    "labels of -1 and 1 as floats": lambda: watched(network(1), y=NUMBERS.sign()),
    "labels of 0 and 1 as floats with a loss on logits": lambda: watched(
        network(1), y=(NUMBERS > 0).float()[:, None], loss=nn.BCEWithLogitsLoss()
    ),
    "a class missing in data": lambda: watched(y=LABELS % 2),
    "a class missing in test": lambda: watched(test=(X, LABELS % 2)),
    "constant labels without the lens of bits": lambda: watched(y=0 * LABELS, chosen=FITS),
    "constant targets": lambda: watched(network(1), y=0 * NUMBERS + 1, chosen=FITS),
    "a constant input": lambda: watched(x=torch.cat([X[:, :5], torch.ones(40, 1)], dim=1)),
    "constant inputs throughout": lambda: watched(x=torch.ones(40, 6)),
    "numpy arrays": lambda: watched(x=X.numpy(), y=LABELS.numpy()),
    "numpy arrays in double precision": lambda: watched(x=X.double().numpy(), y=LABELS.numpy()),
    "lists": lambda: watched(x=X.tolist(), y=LABELS.tolist()),
    "an array with negative strides": lambda: watched(x=X.numpy()[:, ::-1], y=LABELS.numpy()[::-1]),
    "an array in the other byte order": lambda: watched(x=X.numpy().astype(">f4")),
    "an array that cannot be written": lambda: watched(x=np.broadcast_to(X.numpy()[:1], (40, 6))),
    "a tensor that is not contiguous": lambda: watched(x=torch.randn(6, 40).T),
    "inputs that require a gradient": lambda: watched(x=X.clone().requires_grad_()),
    "inputs in half precision": lambda: watched(x=X.half()),
    "a network in double precision": lambda: watched(network().double()),
    "a network in bfloat16": lambda: watched(network().bfloat16()),
    "images": lambda: watched(
        nn.Sequential(nn.Conv2d(1, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3)), x=IMAGES
    ),
    "a network in evaluation mode": lambda: watched(network().eval()),
    "a network whose parameters are frozen": lambda: watched(network().requires_grad_(False)),
    "an output with .logits": lambda: watched(
        Returns(lambda f: SimpleNamespace(logits=f)),
        chosen=[lenses.linear_gap(), lenses.alignment("body.0")]
    ),
    'an output with ["logits"]': lambda: watched(
        Returns(lambda f: {"logits": f, "loss": None}), chosen=GAP
    ),
    "a pair as output, with forward": lambda: watched(
        Returns(lambda f: (f, 1)), chosen=GAP, forward=lambda model, x: model(x)[0]
    ),
    "whole numbers as inputs of an embedding": lambda: watched(
        Tokens(), x=torch.arange(80).reshape(40, 2) % 10,
        chosen=[lenses.linear_gap(), lenses.linear_explainability()]
    ),
    "one sample for the lenses that can": lambda: watched(
        x=X[:1], y=LABELS[:1], chosen=[lenses.bias_trajectory("0"), lenses.alignment("0")]
    ),
    "one lens, not in a list": lambda: watched(chosen=lenses.linear_gap()),
    "lenses in a generator": lambda: watched(chosen=(one for one in FITS)),
    "the same lens on two layers": lambda: watched(
        chosen=[lenses.bias_trajectory("0"), lenses.bias_trajectory("2")]
    ),
    "data as a list of two": lambda: watched(data=[X, LABELS]),
    "no test": lambda: watched(test=None),
    "a schedule of numpy's numbers": lambda: watched(schedule=np.arange(5)),
    "an empty loop": lambda: _empty(),
    "a batch without a length": lambda: _stepped(3.5),
    "a batch as a dict": lambda: _stepped({"x": X}),
}  # fmt: skip


def _empty() -> lenses.Record:
    with lenses.watch(network(), data=(X, LABELS), lenses=GAP) as record:
        pass
    return record


def _stepped(batch: Any) -> lenses.Record:
    with lenses.watch(network(), data=(X, LABELS), lenses=GAP) as record:
        record.step(batch)
    return record


def _late(when: str) -> None:
    record = lenses.watch(network(), data=(X, LABELS), lenses=GAP)
    if when == "before":
        record.step()
    with record:
        record.step()
    if when == "after":
        record.step()
    with record:
        pass


def _rated(batch: Any) -> None:
    with lenses.watch(
        network(), data=(X, LABELS), lenses=[lenses.bias_trajectory("0", rate=0.1)]
    ) as record:
        record.step(batch)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "targets of another number than outputs": (lambda: watched(y=torch.randn(40, 4)),
        "data y: got shape (40, 4), allowed (n, 3) as the model's outputs, "
        "or labels (n,) of whole numbers"),
    "two targets for one output": (lambda: watched(network(1), y=torch.randn(40, 2)),
        "data y: got shape (40, 2), allowed (n,) or (n, 1) for the model's one output"),
    "numbers (n,) for several outputs": (lambda: watched(y=NUMBERS),
        "data y: got shape (40,), allowed (n, 3) as the model's outputs, "
        "or labels (n,) of whole numbers"),
    "a label too large": (lambda: watched(y=LABELS + 1),
        "data y: got labels from 1 to 3, allowed whole numbers from 0 to 2 for 3 outputs"),
    "a label too large in test": (lambda: watched(test=(X, LABELS + 1)),
        "test y: got labels from 1 to 3, allowed whole numbers from 0 to 2 for 3 outputs"),
    "a negative label": (lambda: watched(y=LABELS - 1),
        "data y: got labels from -1 to 1, allowed whole numbers from 0 to 2 for 3 outputs"),
    "labels as text": (lambda: watched(y=["a"] * 40), "data y: got text, allowed real numbers"),
    "labels as objects": (lambda: watched(y=np.array([None] * 40)),
        "data y: got an array of object, allowed real numbers"),
    "NaN in the inputs": (lambda: watched(x=with_nan(X)),
        "data x: got 6 of 240 numbers that are not finite, allowed finite numbers alone"),
    "NaN in the targets": (lambda: watched(network(1), y=with_nan(NUMBERS)),
        "data y: got 1 of 40 numbers that are not finite, allowed finite numbers alone"),
    "infinity in test": (lambda: watched(test=(X / 0, LABELS)),
        "test x: got 240 of 240 numbers that are not finite, allowed finite numbers alone"),
    "constant labels": (lambda: watched(y=0 * LABELS, chosen=BITS),
        "linear_explainability: got one class in the targets of data, allowed two or more"),
    "a regression without a threshold": (lambda: watched(network(1), y=NUMBERS, chosen=BITS),
        "linear_explainability: got targets of 40 values, allowed classes, "
        "or linear_explainability(threshold=...)"),
    "a threshold for classes": (lambda: watched(chosen=[lenses.linear_explainability(threshold=1)]),
        "threshold: got one for labels that are classes, allowed it for a regression"),
    "several numbers as targets of bits": (lambda: watched(y=torch.randn(40, 3), chosen=BITS),
        "linear_explainability: got several numbers as targets, allowed classes or one number"),
    "too many classes": (lambda: watched(network(40), y=torch.arange(40), chosen=BITS),
        "linear_explainability: got 40 classes, allowed 30 at most"),
    "one sample for bits": (lambda: watched(test=(X[:1], LABELS[:1]), chosen=BITS),
        "linear_explainability: got 1 test rows, allowed 10 or more"),
    "one sample for the gap": (lambda: watched(x=X[:1], y=LABELS[:1], chosen=GAP),
        "linear_gap: got 1 test rows, allowed 8 or more"),
    "no samples": (lambda: watched(x=X[:0], y=LABELS[:0]),
        "data x: got shape (0, 6), allowed at least one row"),
    "fewer targets than inputs": (lambda: watched(y=LABELS[:39]),
        "data y: got 39 targets for 40 inputs, allowed one for each"),
    "inputs of the wrong width": (lambda: watched(x=X[:, :5]), "model: got RuntimeError ("),
    "test inputs of another shape": (lambda: watched(test=(X[:, :5], LABELS)),
        "test: got inputs of shape (5,), allowed (6,) as in data"),
    "a loader as data": (lambda: watched(data=DataLoader(TensorDataset(X, LABELS))),
        "data: got a DataLoader, allowed a pair (x, y) of arrays or tensors"),
    "inputs alone as data": (lambda: watched(data=X),
        "data: got a Tensor, allowed a pair (x, y) of arrays or tensors"),
    "three parts as data": (lambda: watched(data=(X, LABELS, X)),
        "data: got a tuple of 3, allowed a pair (x, y) of arrays or tensors"),
    "a dict as inputs": (lambda: watched(x={"x": X}),
        "data x: got a dict, allowed an array or a tensor"),
    "complex inputs": (lambda: watched(x=X + 0j), "data x: got complex numbers, allowed real ones"),
    "sparse inputs": (lambda: watched(x=X.to_sparse()),
        "data x: got a sparse, quantised or empty tensor, allowed a dense one"),
    "a tensor without memory": (lambda: watched(x=X.to("meta")),
        "data x: got a sparse, quantised or empty tensor, allowed a dense one"),
    "masked inputs": (lambda: watched(x=np.ma.masked_array(X.numpy(), X.numpy() > 1)),
        "data x: got an array with masked entries, allowed one without"),
    "ragged inputs": (lambda: watched(x=[[1.0], [1.0, 2.0]] * 20),
        "data x: got a list, allowed an array of numbers"),
    "the class of a network": (lambda: watched(nn.Linear),
        "model: got the class Linear, allowed a torch.nn.Module"),
    "a function as network": (lambda: watched(lambda x: x),
        "model: got a function, allowed a torch.nn.Module"),
    "a network without parameters": (lambda: watched(nn.Flatten()),
        "model: got one without parameters, allowed at least one parameter"),
    "a lazy layer": (lambda: watched(nn.LazyLinear(3)),
        "model: got a lazy layer without a shape yet, allowed one that has seen a batch"),
    "a network on the meta device": (lambda: watched(network().to("meta")),
        "model: got parameters on meta, allowed one device"),
    "a network that cannot be copied": (lambda: watched(Locked()),
        "model: got one that cannot be copied ("),
    "outputs for each place": (lambda: watched(nn.Conv2d(1, 3, 1), x=IMAGES),
        "model: got outputs (2, 3, 2, 2) for 2 inputs, allowed (n,) or (n, k), or watch(..., "
        "forward=lambda model, x: ...)"),
    "a pair as output": (lambda: watched(Returns(lambda f: (f, 1))),
        "model: got a tuple as its output, allowed a tensor or"),
    "one output for all rows": (lambda: watched(Returns(lambda f: f.mean())),
        "model: got outputs () for 2 inputs, allowed"),
    "labels as output": (lambda: watched(Returns(lambda f: f.argmax(dim=1))),
        "model: got outputs (2,) for 2 inputs, allowed"),
    "a layer that does not exist": (lambda: watched(chosen=[lenses.bias_trajectory("5")]),
        "bias_trajectory: got the layer '5', allowed a name in model.named_modules()"),
    "a slip in a layer's name": (
        lambda: watched(Returns(lambda f: f), chosen=[lenses.alignment("bod.0")]),
        "alignment: got the layer 'bod.0' (did you mean body.0?), "
        "allowed a name in model.named_modules()"),
    "a layer by its number": (lambda: watched(chosen=[lenses.bias_trajectory(0)]),  # type: ignore[arg-type]
        "layer: got 0, allowed a name in model.named_modules(), such as '0'"),
    "a layer without a bias": (lambda: watched(chosen=[lenses.bias_trajectory("1")]),
        "bias_trajectory: got the layer 1 (ReLU) without a bias, allowed one that has: 0, 2"),
    "a network without biases": (
        lambda: watched(nn.Linear(6, 3, bias=False), chosen=[lenses.bias_trajectory("")]),
        "bias_trajectory: got the layer  (Linear) without a bias, allowed none here, "
        "as no layer has one"),
    "a slope by whole numbers": (
        lambda: watched(
            Tokens(), x=torch.arange(40)[:, None] % 10, chosen=[lenses.bias_trajectory("head")]
        ),
        "bias_trajectory: got inputs of torch.int64, allowed real numbers, by which f has a slope"),
    "alignment of the last layer": (lambda: watched(chosen=[lenses.alignment("2")]),
        "alignment: got the layer 2, after which no layer takes its 3 neurons, "
        "allowed a hidden one, or alignment("),
    "alignment of an activation": (lambda: watched(chosen=[lenses.alignment("1")]),
        "alignment: got the layer 1 (ReLU), allowed a fully connected layer or a convolution"),
    "an outgoing layer that does not fit": (
        lambda: watched(chosen=[lenses.alignment("0", outgoing="0")]),
        "outgoing: got the layer 0, allowed one that takes 5 neurons or channels"),
    "no lenses": (lambda: watched(chosen=[]), "lenses: got none, allowed at least one"),
    "a lens that was not called": (lambda: watched(chosen=[lenses.linear_gap]),
        "lenses: got the function linear_gap, allowed lenses, such as linear_gap()"),
    "a name in place of a lens": (lambda: watched(chosen=["linear_gap"]),
        "lenses: got 'linear_gap', allowed lenses"),
    "a number in place of lenses": (lambda: watched(chosen=3),
        "lenses: got 3, allowed a list of lenses"),
    "the same lens twice": (lambda: watched(chosen=[*GAP, *GAP]),
        "lenses: got linear_gap() twice, allowed each once"),
    "a loss by its name": (lambda: watched(loss="mse"),
        "loss: got 'mse', allowed a function of outputs and targets, or none"),
    "a loss without reduction": (lambda: watched(loss=nn.CrossEntropyLoss(reduction="none")),
        "loss: got more than one number, allowed a loss that is one number"),
    "a loss that does not take the targets": (lambda: watched(loss=nn.BCEWithLogitsLoss()),
        "loss: got ValueError ("),
    "a schedule that falls": (lambda: watched(schedule=[3, 2]),
        "schedule: got [3, 2], allowed whole numbers, at least 0"),
    "a rate of nothing": (lambda: lenses.bias_trajectory("0", rate=0),
        "rate: got 0, allowed a finite number, above 0"),
    "no rows": (lambda: lenses.linear_gap(rows=0),
        "rows: got 0, allowed a whole number, at least 8"),
    "an estimator that does not exist": (lambda: lenses.linear_explainability(estimator="plugin"),  # type: ignore[arg-type]
        "unknown estimator: got 'plugin', allowed miller-madow, plug-in (did you mean plug-in?)"),
    "a classifier that gives shares": (
        lambda: watched(
            chosen=[lenses.linear_explainability(simple=lambda x: 0 * x[:, 0] + 0.5)]
        ),
        "simple: got "),
    "a step before the block": (lambda: _late("before"),
        "record.step: got a call before the with block, allowed inside it"),
    "a step after the block": (lambda: _late("after"),
        "record.step: got a call after the with block, allowed inside it"),
    "a second block": (lambda: _late(""),
        "record: got a second with block, allowed one for each call of watch"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_is_taken(name: str) -> None:
    record = TAKEN[name]()
    assert record.dataset.sizes["time"] >= 1
    assert all(
        values.notnull().any() or key in ("nonlinear", "tangent_gap")
        for key, values in record.dataset.items()
    )
    assert "looks" in record.summary() and repr(record)


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_one_sentence(name: str) -> None:
    act, sentence = REFUSED[name]
    with pytest.raises(Problem) as error:
        act()
    told = str(error.value)
    assert told.startswith(sentence) and "\n" not in told


@pytest.mark.parametrize(
    "batch", [X, (X, LABELS, X), (X[:, :5], LABELS), (X, LABELS[:3]), (X, LABELS + 5)]
)
def test_a_batch_that_the_rate_needs_and_cannot_be_read_is_told_and_the_loop_goes_on(
    batch: Any,
) -> None:
    with pytest.warns(RuntimeWarning, match="could not look at step 1"):
        _rated(batch)


# --- as the book shows them

TABLE = paths.book() / "awkward_inputs.csv"
FOREIGN = re.compile(r"(\w+Error|cannot be copied) \(.*\).*?, allowed")


def told() -> list[list[str]]:
    """What is given, and what it gets; other libraries' own words in a sentence are left out."""
    rows = [["what is given", "what it gets"]]
    rows += [[name, "taken"] for name in TAKEN]
    for name, (act, _) in REFUSED.items():
        with pytest.raises(Problem) as error:
            act()
        rows.append([name, FOREIGN.sub(r"\1 (...), allowed", str(error.value))])
    return rows


def test_the_books_table_holds_them_all() -> None:
    with open(TABLE, newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == told()
    assert len(told()) > 100


if __name__ == "__main__":
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(told())
    files.write_text(TABLE, text.getvalue())
