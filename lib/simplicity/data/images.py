"""Real images: scikit-learn's digits, and MNIST and CIFAR-10 from a folder of the user's.

Files are looked for in $SIMPLICITY_DATA, else in the user's cache (see `image_files`); nothing here
touches the network (`simplicity data fetch` does). What `load` and `task` give is the data set
itself, held against its digests; other images under its file names are refused, since stored
results do not know which images they were made from. `mnist` and `cifar10` read any of the same
form. Images of CIFAR-10 that are flagged as not exact are dropped unless asked for.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from simplicity.data import image_files
from simplicity.problems import Problem, doors, unknown

Labels = NDArray[np.int64]
NAMES = ("digits", "mnist", "cifar10")

_DIGITS_TRAIN = 900

# SHA-256 of the training pixels and labels and of the test pixels and labels, a byte each and in
# order; of CIFAR-10 without the images below. The byte stream of MNIST's idx files behind their
# headers.
OWN = {
    "mnist": (
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    ),
    "cifar10": (
        "091da1f162e9b1a0d9836b7192b471a8cd83ab328c66c6ea1caa72a6a7afe429",
        "dd37850b2cb07c4c88adabea65b2c63381be40ac3512e4bf50ee2e4f1c9ed094",
        "9d7b1da636106dad7a4d113c21b7652cf3925c76922146710a14056100f81e4b",
        "47915b2b80f75e0bee4ce5f822cb0c427e719d74abc9e2d61a265d62f46c0f0c",
    ),
}
# The images that the npz files have only with a few levels of error (ships and horses), by place in
# each batch.
_INEXACT = (
    (4298, 5949, 7066, 7237, 7248, 7630, 8006, 8831, 8968, 9415),
    (1027, 2762, 2834, 3546),
    (1493, 5728, 6098, 6927, 7621, 8435, 8670, 8728, 9694, 9747),
    (
        1066, 1367, 1462, 1625, 1663, 2777, 3446, 3641, 3661, 4067, 4276, 4387, 4471, 4825, 5160,
        5646, 6733, 7329, 7474, 7567, 8089, 8384, 8925, 9069, 9358, 9385, 9613, 9840, 9888, 9971,
    ),
    (
        1761, 1779, 2004, 2389, 2611, 3357, 3883, 4420, 4882, 5168, 5240, 6175, 6435, 6538, 6624,
        7393, 7597, 8081, 8124, 8333, 8821, 8836, 9321, 9429, 9631, 9830, 9857,
    ),
    (
        1259, 1369, 1422, 1556, 2245, 2737, 2935, 3630, 3695, 3718, 4085, 4496, 5791, 5896, 6286,
        7580, 7707, 7724, 7832, 8117, 8541, 8551, 9254,
    ),
)  # fmt: skip
# Git's names for the binary batches, under which public repositories list the originals.
_GIT_NAMES = (
    "da09f891072747be90e69e4f00ba7cba870dc87e", "7e958840b7a55df3353574298ebc9ca0e4bba48e",
    "5259a3e9674ffdf2d5c33a1067f7192ff06c9e2f", "301e7d16d78428f13262e87a5bc78ed45b8224aa",
    "51fe428dfbdd065852912743ae8b7b63bb1e9d8d", "e3f3b4653f18f27ada1558cabc3352a3ed1b25cc",
)  # fmt: skip


class Images(NamedTuple):
    """Pixels (n, height, width) or (n, 3, 32, 32), planes R, G, B, 0 to `top`; labels (n,)."""

    x: NDArray[np.uint8]
    y: Labels
    top: int

    def pixels(self) -> NDArray[np.float32]:
        """x / top in [0, 1]; 0.6 GB for the whole of CIFAR-10, so take what you need first."""
        return self.x.astype(np.float32) / np.float32(self.top)

    def take(self, index: NDArray) -> "Images":
        """The images of an index or a mask."""
        return Images(self.x[index], self.y[index], self.top)


class Split(NamedTuple):
    """Training and test images, and how many of each are left out for pixels that are not exact."""

    train: Images
    test: Images
    dropped: tuple[int, int] = (0, 0)


class Task(NamedTuple):
    """A binary task: the data set and the classes that become 0 and 1; others are left out."""

    data: str
    zero: tuple[int, ...]
    one: tuple[int, ...]


_OBJECTS = tuple(
    image_files.CIFAR_CLASSES.index(name) for name in ("airplane", "automobile", "ship", "truck")
)
# the authors leave out deer and frog
_ANIMALS = tuple(image_files.CIFAR_CLASSES.index(name) for name in ("bird", "cat", "dog", "horse"))
_FIRST, _LAST = tuple(range(5)), tuple(range(5, 10))
TASKS = {
    "digits 0-4 / 5-9": Task("digits", _FIRST, _LAST),
    "mnist 0-4 / 5-9": Task("mnist", _FIRST, _LAST),
    "cifar10 objects / animals": Task("cifar10", _OBJECTS, _ANIMALS),
    "cifar10 first / last five": Task("cifar10", _FIRST, _LAST),
}


def task(name: str, rng: Generator, inexact: bool = False) -> Split:
    """One of `TASKS` with labels 0 and 1; of them the digits alone use the generator, to split."""
    if name not in TASKS:
        raise Problem(unknown("task", name, TASKS))
    chosen = TASKS[name]
    whole = load(chosen.data, rng, inexact)
    return whole._replace(
        train=binary(whole.train, *chosen[1:]), test=binary(whole.test, *chosen[1:])
    )


def binary(images: Images, zero: Iterable[int], one: Iterable[int]) -> Images:
    """The images of these classes, labelled 0 and 1, in their order."""
    first, second = np.isin(images.y, list(zero)), np.isin(images.y, list(one))
    return images.take(first | second)._replace(y=second[first | second].astype(np.int64))


def load(name: str, rng: Generator, inexact: bool = False) -> Split:
    """A data set by name; `inexact` keeps images whose pixels are off by a few levels."""
    if name == "digits":
        return digits(rng)
    if name == "mnist":
        return own(name, image_files.folder(), mnist())
    if name == "cifar10":
        return own(name, image_files.folder(), cifar10(inexact=inexact))
    raise Problem(unknown("data set", name, NAMES))


def digits(rng: Generator, train: int = _DIGITS_TRAIN) -> Split:
    """1797 digits of 8 x 8 pixels, 0 to 16, at random; 897 test points leave 0.02 bit on mu."""
    doors.generator(rng)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    doors.whole("train", train, 0, len(bunch.target))
    order = rng.permutation(len(bunch.target))
    whole = Images(bunch.images.astype(np.uint8), bunch.target.astype(np.int64), 16)
    return Split(whole.take(order[:train]), whole.take(order[train:]))


def mnist(where: Path | None = None) -> Split:
    """60,000 and 10,000 digits of 28 x 28 pixels."""
    root = where or image_files.folder()
    with image_files.told("mnist", root):
        x, y, x_test, y_test = (
            image_files.idx(image_files.find(root, image_files.MNIST_PLACES, name, "mnist"))
            for name in image_files.MNIST_FILES
        )
    for images, labels in ((x, y), (x_test, y_test)):
        if images.ndim != 3 or labels.shape != images.shape[:1] or images.shape[1:] != x.shape[1:]:
            raise Problem(
                f"mnist: got shapes {images.shape} and {labels.shape}, allowed (n, height, width) "
                "and (n,)"
            )
        if len(labels) and labels.max() > 9:
            raise Problem(f"mnist: got the label {labels.max()}, allowed 0 to 9")
    return Split(Images(x, y.astype(np.int64), 255), Images(x_test, y_test.astype(np.int64), 255))


def cifar10(where: Path | None = None, inexact: bool = False) -> Split:
    """50,000 and 10,000 images of 32 x 32 pixels in the official order, less those not exact."""
    root = where or image_files.folder()
    with image_files.told("cifar10", root):
        batches = (
            [image_files.cifar_batch(root, name) for name in image_files.CIFAR_BATCHES]
            if image_files.loose(root)
            else image_files.from_archive(root)
        )
    parts, dropped = [], []
    for group in (batches[:-1], batches[-1:]):
        x, y, exact = (np.concatenate(columns) for columns in zip(*group, strict=True))
        kept = exact | inexact
        parts.append(Images(x, y.astype(np.int64), 255).take(kept))
        dropped.append(int(np.sum(~kept)))
    return Split(parts[0], parts[1], (dropped[0], dropped[1]))


# files, as `_stamp` tells them -> are they the data set's own?
_JUDGED: dict[tuple[object, ...], bool] = {}


def own(name: str, root: Path, split: Split) -> Split:
    """`split`, read from `root`, if these are the set's own images, labels; else a `Problem`.

    Of CIFAR-10 the originals count, and the rebuilt files with their inexact images or without.
    Files are hashed once a process, as long as they stay as they are.
    """
    with image_files.told(name, root):
        stamp = (name, len(split.train.y), *_stamp(name, root))
    if stamp not in _JUDGED:
        _JUDGED[stamp] = _digests(name, split) == OWN[name] or (
            name == "cifar10" and _git_names(split) == _GIT_NAMES
        )
    if not _JUDGED[stamp]:
        raise Problem(
            f"{name}: got other images or labels than its own under its file names in {root},"
            f" allowed those that `simplicity data fetch {name}` gets"
        )
    return split


def _stamp(name: str, root: Path) -> list[tuple[str, int, int]]:
    """Path, size and time of change of every file that a data set may be read from."""
    if name == "mnist":
        paths = [
            root / place / f"{file}{end}"
            for place in image_files.MNIST_PLACES
            for file in image_files.MNIST_FILES
            for end in ("", ".gz")
        ]
    else:
        ends = [
            *(f"{one}.bin" for one in image_files.CIFAR_BATCHES),
            *(f"{image_files.npz_name(one)}.npz" for one in image_files.CIFAR_BATCHES),
            image_files.CIFAR_ARCHIVE,
        ]
        paths = [place / end for place in image_files.cifar_places(root) for end in ends]
    return [
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for path in paths
        if path.is_file()
    ]


def _digests(name: str, split: Split) -> tuple[str, ...]:
    found = []
    for images, inexact in zip(split[:2], _inexact(), strict=True):
        if (
            name == "cifar10"
            and len(images.y) % image_files.IN_A_BATCH == 0
            and len(images.y) > max(inexact)
        ):
            images = images.take(~np.isin(np.arange(len(images.y)), inexact))
        for values in (images.x, images.y.astype(np.uint8)):
            found.append(hashlib.sha256(np.ascontiguousarray(values).data).hexdigest())
    return tuple(found)


def _inexact() -> tuple[list[int], list[int]]:
    """Places in the training and in the test images."""
    train = [
        image_files.IN_A_BATCH * number + place
        for number, places in enumerate(_INEXACT[:-1])
        for place in places
    ]
    return train, list(_INEXACT[-1])


def _git_names(split: Split) -> tuple[str, ...]:
    """SHA-1 of each batch's bytes behind git's header."""
    found = []
    for images in split[:2]:
        for start in range(0, len(images.y), image_files.IN_A_BATCH):
            part = images.take(np.arange(start, min(start + image_files.IN_A_BATCH, len(images.y))))
            rows = np.concatenate(
                [part.y.astype(np.uint8)[:, None], part.x.reshape(len(part.y), -1)], axis=1
            )
            digest = hashlib.sha1(b"blob %d\0" % rows.size, usedforsecurity=False)
            digest.update(rows.tobytes())
            found.append(digest.hexdigest())
    return tuple(found)
