"""Files of MNIST and CIFAR-10: where they are looked for, and how they are read.

Read are MNIST's idx files, gzipped or not, CIFAR-10's binary batches, alone or in their archive,
and CIFAR-10 as npz files with a flag for images that are not exact. Nothing is ever unpickled; what
is damaged, too large or of another form is refused (`Problem`).
"""

import contextlib
import gzip
import math
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from simplicity.problems import Problem, doors, shown

FOLDER = "SIMPLICITY_DATA"

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
_PIXELS, IN_A_BATCH = 3 * 32 * 32, 10_000
_MOST_BYTES = 400_000_000  # unpacked; CIFAR-10 has 184 million


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


MNIST_PLACES = ("MNIST/raw", "mnist", ".")


@contextlib.contextmanager
def told(data: str, root: Path) -> Iterator[None]:
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


def find(root: Path, places: Iterable[str], name: str, data: str) -> Path:
    """A file of a data set in one of some places below `root`, gzipped or not."""
    for place in places:
        for candidate in (root / place / name, root / place / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise Problem(
        f"{data}: got no {name} in {root}, allowed a folder that `simplicity data fetch {data}` "
        f"filled, or ${FOLDER}"
    )


def idx(path: Path) -> NDArray[np.uint8]:
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


def cifar_places(root: Path) -> list[Path]:
    return [root / "cifar10", root / "cifar-10-batches-bin", root]


def loose(root: Path) -> bool:
    """Are there batches as files of their own?"""
    return any(
        (place / f"test_batch{end}").is_file()
        for place in cifar_places(root)
        for end in (".bin", ".npz")
    )


def npz_name(batch: str) -> str:
    """train_batch_1 for data_batch_1: an npz file is no original, and is not called like one."""
    doors.kind("batch", batch, str)
    return batch.replace("data", "train")


def cifar_batch(root: Path, name: str) -> Batch:
    """A batch that lies in a file of its own, binary or npz."""
    for place in cifar_places(root):
        if (path := place / f"{name}.bin").is_file():
            return decode_cifar(path.read_bytes(), path.name)
        if (path := place / f"{npz_name(name)}.npz").is_file():
            return npz(path)
    raise Problem(
        f"cifar10: got no {name}.bin or {npz_name(name)}.npz in {root}, allowed all of "
        f"{', '.join(CIFAR_BATCHES)}"
    )


def from_archive(root: Path) -> list[Batch]:
    """All six batches, the test images last, from the binary archive."""
    for place in cifar_places(root):
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
    """A binary batch: of each image a label byte and 3072 pixels, R, then G, then B, row by row."""
    if not body or len(body) % (1 + _PIXELS) or len(body) > IN_A_BATCH * (1 + _PIXELS):
        raise Problem(
            f"{name}: got {len(body)} bytes, allowed whole images of {1 + _PIXELS}, at most "
            f"{IN_A_BATCH}"
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


def npz(path: Path) -> Batch:
    """A batch of arrays x (n, 3, 32, 32), y (n,) and exact (n,)."""
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
