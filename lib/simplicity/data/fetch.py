"""`simplicity data fetch|verify`: download image sets from their public homes, and check them.

Downloads happen only here, on the user's word, each held against a SHA-256 before it gets its name;
a broken one is tried again and leaves nothing behind. The folder is that of `data.image_files`:
$SIMPLICITY_DATA where set, else the user's cache.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simplicity.data import image_files, images
from simplicity.places import files
from simplicity.problems import Problem, unknown


class Remote(NamedTuple):
    """A file of a data set: its path in the folder, its public address and its SHA-256."""

    file: str
    url: str
    sha256: str


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_MNIST_SUMS = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
REMOTES: dict[str, tuple[Remote, ...]] = {
    "mnist": tuple(
        Remote(f"MNIST/raw/{name}.gz", f"{_MNIST}{name}.gz", known)
        for name, known in zip(image_files.MNIST_FILES, _MNIST_SUMS, strict=True)
    ),
    "cifar10": (
        Remote(
            f"cifar10/{image_files.CIFAR_ARCHIVE}",
            f"https://www.cs.toronto.edu/~kriz/{image_files.CIFAR_ARCHIVE}",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
}
RETRIES, SECONDS = 2, 60


def fetch(
    name: str, folder: Path | None = None, remotes: Mapping[str, Sequence[Remote]] = REMOTES
) -> list[Path]:
    """Download what is missing or wrong of a data set, and unpack CIFAR-10's batches beside it."""
    import pooch

    wanted = _files(name, remotes)
    pooch.get_logger().setLevel(logging.ERROR)
    registry = pooch.create(
        path=folder or image_files.folder(),
        base_url="",
        registry={one.file: f"sha256:{one.sha256}" for one in wanted},
        urls={one.file: one.url for one in wanted},
        retry_if_failed=RETRIES,
    )
    found = [_fetched(registry, one) for one in wanted]
    archives = [path for path in found if path.name == image_files.CIFAR_ARCHIVE]
    return found + [batch for archive in archives for batch in unpack(archive)]


def _fetched(registry: Any, one: Remote) -> Path:
    import pooch

    downloader = pooch.HTTPDownloader(timeout=SECONDS, progressbar=False)
    try:
        return Path(registry.fetch(one.file, downloader=downloader))
    except (PermissionError, FileExistsError, NotADirectoryError):
        raise _not_writable(registry.path) from None
    # requests' errors are OSErrors; a wrong sum is a ValueError
    except (OSError, ValueError) as reason:
        said = " ".join(str(reason).split())
        raise Problem(
            f"{one.url}: got no good copy ({said}), allowed one with SHA-256 {one.sha256}"
        ) from None


def _not_writable(root: Path) -> Problem:
    why = "it is no folder" if root.exists() and not root.is_dir() else "not writable"
    return Problem(f"data: got {root} ({why}), allowed a folder that can be written")


def unpack(archive: Path) -> list[Path]:
    """CIFAR-10's six batches as files beside their archive, under our names, never its own."""
    members = image_files.cifar_members(archive)
    found = []
    for name in image_files.CIFAR_BATCHES:
        body, target = members[f"{name}.bin"], archive.with_name(f"{name}.bin")
        image_files.decode_cifar(body, name)  # what is no batch is refused before it is written
        if not target.is_file() or target.read_bytes() != body:
            files.write(target, body)
        found.append(target)
    return found


def verify(
    name: str, folder: Path | None = None, remotes: Mapping[str, Sequence[Remote]] = REMOTES
) -> list[str]:
    """One line a file with a published sum, and one on what the loader reads.

    A wrong sum is a `Problem`, and so are other images or labels than the data set's own, in
    whatever form they are kept.
    """
    root = folder or image_files.folder()
    lines = [f"{path}: SHA-256 as published" for path in _published(name, root, remotes)]
    loaded = images.mnist(root) if name == "mnist" else images.cifar10(root)
    images.own(name, root, loaded)
    return [*lines, f"{name}: {_counts(loaded)}"]


def _counts(loaded: images.Split) -> str:
    """How many images and classes there are."""
    train, test = len(loaded.train.y), len(loaded.test.y)
    left = f", {sum(loaded.dropped)} inexact ones left out" if sum(loaded.dropped) else ""
    classes = len(np.unique(loaded.train.y))
    return f"{train} training and {test} test images in {classes} classes, its own{left}"


def _published(name: str, root: Path, remotes: Mapping[str, Sequence[Remote]]) -> list[Path]:
    """The files that are there, once each has its published sum."""
    import pooch

    wanted = {root / one.file: one.sha256 for one in _files(name, remotes)}
    with image_files.told(name, root):
        sums = {path: pooch.file_hash(path) for path in wanted if path.is_file()}
    for path, found in sums.items():
        if found != wanted[path]:
            allowed = f"{wanted[path]}; delete it and fetch again"
            raise Problem(f"{path}: got SHA-256 {found}, allowed {allowed}")
    return list(sums)


def _files(name: str, remotes: Mapping[str, Sequence[Remote]]) -> Sequence[Remote]:
    if name not in remotes:
        raise Problem(unknown("data set", name, remotes))
    return remotes[name]
