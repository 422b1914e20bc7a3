"""Real images: scikit-learn's digits, and MNIST and CIFAR-10 from a folder of the user's.

Files are looked for in $SIMPLICITY_DATA, else in the user's cache; nothing here touches the network
(`simplicity data fetch` does). What `load` and `task` give is the data set itself, held against its
digests; other images under its file names are refused, since stored results do not know which
images they were made from. `mnist` and `cifar10` read any of the same form.

Read are MNIST's idx files, gzipped or not, CIFAR-10's binary batches, alone or in their archive,
and CIFAR-10 as npz files with a flag for images that are not exact, which are dropped unless asked
for. Nothing is ever unpickled.
"""

import contextlib
import gzip
import hashlib
import math
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from platformdirs import user_cache_path

from simplicity.problems import Problem, doors, shown, unknown

Labels = NDArray[np.int64]
FOLDER = "SIMPLICITY_DATA"
NAMES = ("digits", "mnist", "cifar10")

MNIST_FILES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)  # fmt: skip
CIFAR_ARCHIVE, CIFAR_PICKLED = "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"
CIFAR_BATCHES = (
    "data_batch_1",
    "data_batch_2",
    "data_batch_3",
    "data_batch_4",
    "data_batch_5",
    "test_batch",
)
CIFAR_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_PIXELS, _IN_A_BATCH = 3 * 32 * 32, 10_000
_MOST_BYTES = 400_000_000  # unpacked; CIFAR-10 has 184 million
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
        """x / top in [0, 1], the same shape.

        0.6 GB for the whole of CIFAR-10, so take what you need first.
        """
        return self.x.astype(np.float32) / np.float32(self.top)

    def take(self, index: NDArray) -> "Images":
        """The images of an index or a mask."""
        return Images(self.x[index], self.y[index], self.top)


class Split(NamedTuple):
    """Training and test images, and how many of each had pixels that are not exact.

    Those are left out.
    """

    train: Images
    test: Images
    dropped: tuple[int, int] = (0, 0)


class Task(NamedTuple):
    """A binary task: the data set and the classes that become 0 and 1; others are left out."""

    data: str
    zero: tuple[int, ...]
    one: tuple[int, ...]


_OBJECTS = tuple(CIFAR_CLASSES.index(name) for name in ("airplane", "automobile", "ship", "truck"))
# the authors leave out deer and frog
_ANIMALS = tuple(CIFAR_CLASSES.index(name) for name in ("bird", "cat", "dog", "horse"))
_FIRST, _LAST = tuple(range(5)), tuple(range(5, 10))
TASKS = {
    "digits 0-4 / 5-9": Task("digits", _FIRST, _LAST),
    "mnist 0-4 / 5-9": Task("mnist", _FIRST, _LAST),
    "cifar10 objects / animals": Task("cifar10", _OBJECTS, _ANIMALS),
    "cifar10 first / last five": Task("cifar10", _FIRST, _LAST),
}


def task(name: str, rng: Generator, inexact: bool = False) -> Split:
    """One of `TASKS` with labels 0 and 1.

    The generator splits the digits and is not used by the others.
    """
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
    """A data set by name.

    `inexact` keeps the images whose pixels are known to be off by a few levels.
    """
    if name == "digits":
        return digits(rng)
    if name == "mnist":
        return own(name, folder(), mnist())
    if name == "cifar10":
        return own(name, folder(), cifar10(inexact=inexact))
    raise Problem(unknown("data set", name, NAMES))


def folder() -> Path:
    """Where image files are looked for: $SIMPLICITY_DATA where set, else the user's cache.

    ~ and $NAME in it are filled, as no shell has done for a quoted value or a line of a settings
    file.
    """
    given = os.environ.get(FOLDER)
    try:
        if not given:
            return user_cache_path("simplicity") / "data"
        return Path(
            given if os.path.isdir(given) else os.path.expandvars(Path(given).expanduser())
        ).absolute()
    except RuntimeError as reason:  # no home, or no user of that name
        raise Problem(f"{FOLDER}: got {shown(given)} ({reason}), allowed a folder") from None


def digits(rng: Generator, train: int = _DIGITS_TRAIN) -> Split:
    """1797 digits of 8 x 8 pixels, 0 to 16, split at random.

    897 test points leave an error of 0.02 bit on mu.
    """
    doors.generator(rng)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    doors.whole("train", train, 0, len(bunch.target))
    order = rng.permutation(len(bunch.target))
    whole = Images(bunch.images.astype(np.uint8), bunch.target.astype(np.int64), 16)
    return Split(whole.take(order[:train]), whole.take(order[train:]))


def mnist(where: Path | None = None) -> Split:
    """60,000 and 10,000 digits of 28 x 28 pixels."""
    root = where or folder()
    with _told("mnist", root):
        x, y, x_test, y_test = (
            _idx(_found(root, _MNIST_PLACES, name, "mnist")) for name in MNIST_FILES
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
    """50,000 and 10,000 colour images of 32 x 32 pixels in the official order.

    Fewer without those that are not exact.
    """
    root = where or folder()
    with _told("cifar10", root):
        batches = (
            [_cifar_batch(root, name) for name in CIFAR_BATCHES]
            if _loose(root)
            else _from_archive(root)
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
    with _told(name, root):
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
            for place in _MNIST_PLACES
            for file in MNIST_FILES
            for end in ("", ".gz")
        ]
    else:
        ends = [
            *(f"{one}.bin" for one in CIFAR_BATCHES),
            *(f"{npz_name(one)}.npz" for one in CIFAR_BATCHES),
            CIFAR_ARCHIVE,
        ]
        paths = [place / end for place in _cifar_places(root) for end in ends]
    return [
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for path in paths
        if path.is_file()
    ]


def _digests(name: str, split: Split) -> tuple[str, ...]:
    found = []
    for images, inexact in zip(split[:2], _inexact(), strict=True):
        if name == "cifar10" and len(images.y) % _IN_A_BATCH == 0 and len(images.y) > max(inexact):
            images = images.take(~np.isin(np.arange(len(images.y)), inexact))
        for values in (images.x, images.y.astype(np.uint8)):
            found.append(hashlib.sha256(np.ascontiguousarray(values).data).hexdigest())
    return tuple(found)


def _inexact() -> tuple[list[int], list[int]]:
    """Places in the training and in the test images."""
    train = [
        _IN_A_BATCH * number + place
        for number, places in enumerate(_INEXACT[:-1])
        for place in places
    ]
    return train, list(_INEXACT[-1])


def _git_names(split: Split) -> tuple[str, ...]:
    """SHA-1 of each batch's bytes behind git's header."""
    found = []
    for images in split[:2]:
        for start in range(0, len(images.y), _IN_A_BATCH):
            part = images.take(np.arange(start, min(start + _IN_A_BATCH, len(images.y))))
            rows = np.concatenate(
                [part.y.astype(np.uint8)[:, None], part.x.reshape(len(part.y), -1)], axis=1
            )
            digest = hashlib.sha1(b"blob %d\0" % rows.size, usedforsecurity=False)
            digest.update(rows.tobytes())
            found.append(digest.hexdigest())
    return tuple(found)


class Corrupted(NamedTuple):
    """Labels (n,) and where they differ from the true ones (n,)."""

    y: Labels
    flipped: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """The share of labels that ended up different."""
        return float(self.flipped.mean())


def corrupt(y: Labels, share: float, classes: int, rng: Generator) -> Corrupted:
    """Exactly round(share n) labels get another class, uniform over the classes - 1 others."""
    _labels(y, share, classes, rng)
    chosen = _chosen(len(y), share, rng)
    found = y.copy()
    found[chosen] = (y[chosen] + rng.integers(1, classes, size=len(chosen))) % classes
    return Corrupted(found, found != y)


def redraw(y: Labels, share: float, classes: int, rng: Generator) -> Corrupted:
    """round(share n) labels are drawn anew from all classes.

    So about share (1 - 1/classes) end up different.
    """
    _labels(y, share, classes, rng)
    chosen = _chosen(len(y), share, rng)
    found = y.copy()
    found[chosen] = rng.integers(classes, size=len(chosen))
    return Corrupted(found, found != y)


def _labels(y: Labels, share: float, classes: int, rng: Generator) -> None:
    doors.whole("classes", classes, 2, 1_000_000_000)
    doors.kind("y", y, np.ndarray)
    doors.labels(classes, y=(y, "n"))
    doors.real("share of corrupted labels", share)
    if not 0 <= share <= 1:
        raise Problem(
            f"share of corrupted labels: got {shown(share)}, allowed a number from 0 to 1"
        )
    doors.generator(rng)


def _chosen(n: int, share: float, rng: Generator) -> NDArray[np.int64]:
    return rng.choice(n, round(share * n), replace=False)


# --- files

_MNIST_PLACES = ("MNIST/raw", "mnist", ".")


@contextlib.contextmanager
def _told(data: str, root: Path) -> Iterator[None]:
    """Within: what the system refuses, such as a folder that may not be read, is one `Problem`."""
    try:
        if root.exists() and not root.is_dir():
            raise Problem(
                f"{data}: got {root}, which is no folder, allowed one with its files, or ${FOLDER}"
            )
        yield
    except OSError as reason:
        where = reason.filename or root
        raise Problem(
            f"{data}: got {where} ({reason.strerror or reason}), allowed files that can be read"
        ) from None


def _found(root: Path, places: Iterable[str], name: str, data: str) -> Path:
    for place in places:
        for candidate in (root / place / name, root / place / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise Problem(
        f"{data}: got no {name} in {root}, allowed a folder that `simplicity data fetch {data}` "
        f"filled, or ${FOLDER}"
    )


def _idx(path: Path) -> NDArray[np.uint8]:
    """An idx file of unsigned bytes.

    Two zero bytes, type 8, number of axes, each axis as four bytes, then the values.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            body = file.read(_MOST_BYTES + 1)
    except PermissionError:
        raise
    except (OSError, EOFError, zlib.error) as reason:
        raise Problem(
            f"{path.name}: got a damaged file ({reason}), allowed a whole one; fetch it again"
        ) from None
    if len(body) > _MOST_BYTES or len(body) < 4 or body[:3] != b"\0\0\x08":
        raise Problem(
            f"{path.name}: got no idx file of bytes, allowed one that starts with 0, 0, 8"
        )
    axes = body[3]
    start = 4 + 4 * axes
    shape = struct.unpack(f">{axes}I", body[4:start]) if axes <= 3 and len(body) >= start else ()
    if not shape or len(body) - start != math.prod(shape):
        raise Problem(
            f"{path.name}: got {len(body) - start} values for shape {shape}, allowed one for each "
            "place"
        )
    return np.frombuffer(body, np.uint8, offset=start).reshape(shape)


Batch = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]


def _cifar_places(root: Path) -> list[Path]:
    return [root / "cifar10", root / "cifar-10-batches-bin", root]


def _loose(root: Path) -> bool:
    """Are there batches as files of their own?"""
    return any(
        (place / f"test_batch{end}").is_file()
        for place in _cifar_places(root)
        for end in (".bin", ".npz")
    )


def npz_name(batch: str) -> str:
    """train_batch_1 for data_batch_1.

    An npz file is nobody's original, and is not called like one.
    """
    doors.kind("batch", batch, str)
    return batch.replace("data", "train")


def _cifar_batch(root: Path, name: str) -> Batch:
    for place in _cifar_places(root):
        if (path := place / f"{name}.bin").is_file():
            return decode_cifar(path.read_bytes(), path.name)
        if (path := place / f"{npz_name(name)}.npz").is_file():
            return _npz(path)
    raise Problem(
        f"cifar10: got no {name}.bin or {npz_name(name)}.npz in {root}, allowed all of "
        f"{', '.join(CIFAR_BATCHES)}"
    )


def _from_archive(root: Path) -> list[Batch]:
    for place in _cifar_places(root):
        if (place / CIFAR_ARCHIVE).is_file():
            found = cifar_members(place / CIFAR_ARCHIVE)
            return [decode_cifar(found[f"{name}.bin"], name) for name in CIFAR_BATCHES]
        if (place / CIFAR_PICKLED).exists() or (place / "cifar-10-batches-py").exists():
            _refuse_pickled()
    raise Problem(
        f"cifar10: got no batches in {root}, allowed a folder that `simplicity data fetch cifar10` "
        f"filled, or ${FOLDER}"
    )


def _refuse_pickled() -> None:
    raise Problem(
        f"cifar10: got the pickled batches ({CIFAR_PICKLED}), whose reading can run code; allowed "
        f"{CIFAR_ARCHIVE}"
        " from the same page, or `simplicity data fetch cifar10`"
    )


def cifar_members(archive: Path) -> dict[str, bytes]:
    """The six batches of the binary archive by file name, read and never unpacked by path.

    A member that climbs out, is a link or a device, or is larger than it may be condemns the
    archive as a whole.
    """
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(archive, "r:gz") as file:
            for member in file:
                path = PurePosixPath(member.name)
                total += member.size
                if (
                    path.is_absolute()
                    or ".." in path.parts
                    or not (member.isfile() or member.isdir())
                    or total > _MOST_BYTES
                ):
                    raise Problem(
                        f"{archive.name}: got the member {shown(member.name)}, allowed plain files "
                        "inside, 400 MB in all"
                    )
                if "cifar-10-batches-py" in path.parts:
                    _refuse_pickled()
                if (
                    member.isfile()
                    and path.suffix == ".bin"
                    and (source := file.extractfile(member)) is not None
                ):
                    found[path.name] = source.read(_MOST_BYTES)
    except PermissionError:
        raise
    except (tarfile.TarError, OSError, EOFError, zlib.error) as reason:
        raise Problem(
            f"{archive.name}: got a damaged archive ({reason}), allowed a whole one; fetch it again"
        ) from None
    missing = [name for name in CIFAR_BATCHES if f"{name}.bin" not in found]
    if missing:
        raise Problem(
            f"{archive.name}: got no {', '.join(missing)}, allowed the binary archive of CIFAR-10"
        )
    return found


def decode_cifar(body: bytes, name: str) -> Batch:
    """A binary batch of images.

    Each is a label byte and 3072 pixels, all R, then all G, then all B, row by row.
    """
    if not body or len(body) % (1 + _PIXELS) or len(body) > _IN_A_BATCH * (1 + _PIXELS):
        raise Problem(
            f"{name}: got {len(body)} bytes, allowed whole images of {1 + _PIXELS}, at most "
            f"{_IN_A_BATCH}"
        )
    rows = np.frombuffer(body, np.uint8).reshape(-1, 1 + _PIXELS)
    return _checked(
        rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0], np.ones(len(rows), dtype=bool), name
    )


# What zipfile, zlib and numpy raise at damaged, encrypted or unknown content.
_UNREADABLE = (
    KeyError,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def _npz(path: Path) -> Batch:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                raise Problem(
                    f"{path.name}: got an archive that unpacks to more than {_MOST_BYTES} bytes, "
                    "allowed less"
                )
        with np.load(path, allow_pickle=False) as file:
            x, y, exact = (file[name] for name in ("x", "y", "exact"))
    except (Problem, PermissionError):
        raise
    except _UNREADABLE as reason:
        raise Problem(
            f"{path.name}: got no readable batch ({reason}), allowed arrays x, y and exact without "
            "objects"
        ) from None
    return _checked(x, y, exact, path.name)


def _checked(x: NDArray, y: NDArray, exact: NDArray, name: str) -> Batch:
    n = len(y) if y.ndim == 1 else -1
    right = (
        x.shape == (n, 3, 32, 32)
        and exact.shape == (n,)
        and (x.dtype, y.dtype, exact.dtype) == (np.uint8, np.uint8, np.bool_)
    )
    if not right or (n > 0 and y.max() >= len(CIFAR_CLASSES)):
        raise Problem(
            f"{name}: got shapes {x.shape}, {y.shape}, {exact.shape}, allowed (n, 3, 32, 32), "
            "(n,), (n,), labels to 9"
        )
    return x, y, exact
