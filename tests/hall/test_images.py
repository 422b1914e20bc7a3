"""Image sets: hand-made files of every form, a server on this machine, harmful archives, and the
real sets where given.
"""

import gzip
import hashlib
import http.server
import io
import os
import pickle
import struct
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from simplicity import cli
from simplicity.data import corruption, fetch, image_files, images, streams
from simplicity.problems import Problem

REAL = pytest.mark.skipif(
    image_files.FOLDER not in os.environ, reason=f"{image_files.FOLDER} is not set"
)
RNG = streams.generator(0, streams.DATA)
X, Y = (
    RNG.integers(0, 256, size=(60, 3, 32, 32), dtype=np.uint8),
    np.arange(60, dtype=np.uint8) % 10,
)


def batch(rows: slice) -> bytes:
    """A binary batch, written image by image."""
    return b"".join(
        bytes([label]) + image.tobytes() for image, label in zip(X[rows], Y[rows], strict=True)
    )


def rows_of(name: str) -> slice:
    start = 10 * image_files.CIFAR_BATCHES.index(name)
    return slice(start, start + 10)


def archive_of(members: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
        for entry in more:
            file.addfile(entry)
    return body.getvalue()


GOOD = {
    f"cifar-10-batches-bin/{name}.bin": batch(rows_of(name)) for name in image_files.CIFAR_BATCHES
}


def put(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def idx(values: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, values.ndim])
        + struct.pack(f">{values.ndim}I", *values.shape)
        + values.tobytes()
    )


def mnist_files(zipped: bool) -> dict[str, bytes]:
    content = (X[:6, 0, :28, :28], Y[:6], X[6:9, 0, :28, :28], Y[6:9])
    pack, end = (gzip.compress, ".gz") if zipped else (bytes, "")
    return {
        f"MNIST/raw/{name}{end}": pack(idx(values))
        for name, values in zip(image_files.MNIST_FILES, content, strict=True)
    }


# --- digits, tasks, corruption


def test_the_digits_need_no_file_and_are_split_without_loss():
    split = images.digits(streams.generator(3, streams.DATA))
    assert split.train.x.shape == (900, 8, 8) and split.test.x.shape == (897, 8, 8)
    both = np.concatenate([split.train.y, split.test.y])
    assert np.bincount(both).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    pixels = split.train.pixels()
    assert pixels.dtype == np.float32 and pixels.min() == 0 and pixels.max() == 1
    other = images.digits(streams.generator(4, streams.DATA))
    assert not np.array_equal(split.train.y, other.train.y)


def test_a_binary_task_keeps_the_order_leaves_out_other_classes_and_labels_zero_and_one():
    given = images.Images(X[:10], np.arange(10), 255)
    found = images.binary(given, (0, 1, 8), (3, 7))
    assert found.y.tolist() == [0, 0, 1, 1, 0]
    np.testing.assert_array_equal(found.x, X[[0, 1, 3, 7, 8]])


def test_the_named_tasks_are_the_ones_of_the_paper():
    names = np.array(image_files.CIFAR_CLASSES)
    chosen = images.TASKS["cifar10 objects / animals"]
    assert set(names[list(chosen.zero)]) == {"airplane", "automobile", "ship", "truck"}
    assert set(names[list(chosen.one)]) == {"bird", "cat", "dog", "horse"}
    split = images.task("digits 0-4 / 5-9", streams.generator(0, streams.DATA))
    plain = images.digits(streams.generator(0, streams.DATA))
    np.testing.assert_array_equal(split.test.y, plain.test.y >= 5)


def test_unknown_names_are_refused_with_the_ones_there_are():
    with pytest.raises(Problem, match="unknown task"):
        images.task("digits", RNG)
    with pytest.raises(Problem, match="did you mean mnist"):
        images.load("mnits", RNG)
    with pytest.raises(Problem, match="unknown data set"):
        fetch.fetch("digits")


@pytest.mark.parametrize("classes", [2, 10])
def test_corruption_flips_exactly_the_share_and_evenly_over_the_other_classes(classes):
    rng = streams.generator(1, streams.NOISE)
    y = rng.integers(0, classes, size=20_000)
    before = y.copy()
    found = corruption.corrupt(y, 0.3, classes, rng)
    np.testing.assert_array_equal(y, before)
    np.testing.assert_array_equal(found.flipped, found.y != y)
    assert found.share == 0.3 and found.y.min() >= 0 and found.y.max() < classes
    shifts = np.bincount((found.y - y)[found.flipped] % classes, minlength=classes)
    assert shifts[0] == 0 and shifts[1:].min() > 0.8 * 6000 / (classes - 1)


@pytest.mark.parametrize("classes", [2, 10])
def test_redrawn_labels_end_up_different_less_often_and_the_exact_share_is_told(classes):
    rng = streams.generator(1, streams.NOISE)
    y = rng.integers(0, classes, size=20_000)
    found = corruption.redraw(y, 0.5, classes, rng)
    assert found.share == np.mean(found.y != y)
    assert found.share == pytest.approx(0.5 * (1 - 1 / classes), abs=0.015)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_of_corruption_outside_zero_and_one_is_refused(share):
    with pytest.raises(Problem, match="from 0 to 1"):
        corruption.corrupt(np.zeros(4, dtype=np.int64), share, 2, RNG)


# --- files


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_are_read_zipped_or_not(tmp_path, zipped):
    found = images.mnist(put(tmp_path, mnist_files(zipped)))
    np.testing.assert_array_equal(found.train.x, X[:6, 0, :28, :28])
    np.testing.assert_array_equal(found.test.y, Y[6:9])
    assert found.train.y.dtype == np.int64


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda body: body[:-1], "values for shape"),
        (lambda body: b"\0\0\x0d" + body[3:], "no idx file"),
        (lambda body: body[:5], "values for shape"),
        (lambda body: b"", "no idx file"),
    ],
)
def test_a_damaged_idx_file_is_told(tmp_path, spoil, said):
    files = mnist_files(zipped=False)
    name = f"MNIST/raw/{image_files.MNIST_FILES[0]}"
    with pytest.raises(Problem, match=said):
        images.mnist(put(tmp_path, files | {name: spoil(files[name])}))


def test_a_gzip_file_cut_off_is_told(tmp_path):
    files = mnist_files(zipped=True)
    name = f"MNIST/raw/{image_files.MNIST_FILES[0]}.gz"
    with pytest.raises(Problem, match="damaged"):
        images.mnist(put(tmp_path, files | {name: files[name][:-20]}))


def test_what_is_missing_is_told_with_the_command_that_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv(image_files.FOLDER, str(tmp_path))
    with pytest.raises(Problem, match="simplicity data fetch mnist"):
        images.load("mnist", RNG)
    with pytest.raises(Problem, match="simplicity data fetch cifar10"):
        images.load("cifar10", RNG)


def test_without_the_variable_the_folder_is_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.delenv(image_files.FOLDER, raising=False)
    assert image_files.folder().parts[-2:] == ("simplicity", "data")
    monkeypatch.setenv(image_files.FOLDER, str(tmp_path))
    assert image_files.folder() == tmp_path


@pytest.mark.parametrize("given", ["~/data", "$HOME/data", "${HOME}/data", "~/data/"])
def test_the_folder_may_name_the_home(tmp_path, monkeypatch, given):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(image_files.FOLDER, given)
    assert image_files.folder() == tmp_path / "data"


def test_a_relative_folder_is_the_one_below_the_working_folder_and_an_empty_word_says_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(image_files.FOLDER, "data")
    assert image_files.folder() == tmp_path / "data"
    (tmp_path / "~").mkdir()
    monkeypatch.setenv(image_files.FOLDER, "~")  # a folder of that very name is there
    assert image_files.folder() == tmp_path / "~"
    monkeypatch.setenv(image_files.FOLDER, "")
    assert image_files.folder().parts[-2:] == ("simplicity", "data")
    monkeypatch.setenv(image_files.FOLDER, "~nobody of that name/data")
    with pytest.raises(Problem, match="SIMPLICITY_DATA: got '~nobody"):
        image_files.folder()


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_file_or_a_forbidden_folder_in_the_place_of_the_folder_is_told(
    tmp_path, name, monkeypatch
):
    (tmp_path / "file").write_bytes(b"")
    read = {"mnist": images.mnist, "cifar10": images.cifar10}[name]
    with pytest.raises(Problem, match="which is no folder"):
        read(tmp_path / "file")

    def forbidden(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", forbidden)
    with pytest.raises(Problem, match="Permission denied.*, allowed files that can be read"):
        read(tmp_path)


# --- the data set's own images, and others under its names


def test_other_images_under_the_names_of_mnist_are_read_by_hand_and_refused_in_a_run(
    tmp_path, monkeypatch
):
    put(tmp_path, mnist_files(zipped=True))
    monkeypatch.setenv(image_files.FOLDER, str(tmp_path))
    assert len(images.mnist().train.y) == 6
    for _ in range(2):
        with pytest.raises(
            Problem, match="mnist: got other images or labels than its own under its file names in"
        ):
            images.load("mnist", RNG)
    with pytest.raises(Problem, match="mnist: got other images"):
        fetch.verify("mnist", tmp_path, {"mnist": []})
    assert cli.main(["data", "verify", "mnist"]) == 2


def test_files_are_judged_by_content_once_and_again_when_they_change(tmp_path, monkeypatch):
    monkeypatch.setenv(image_files.FOLDER, str(put(tmp_path, mnist_files(zipped=True))))
    monkeypatch.setitem(images.OWN, "mnist", images._digests("mnist", images.mnist()))
    judged = []
    digests = images._digests
    monkeypatch.setattr(
        images, "_digests", lambda *given: judged.append(given[0]) or digests(*given)
    )
    for _ in range(3):
        assert len(images.load("mnist", RNG).train.y) == 6
    assert judged == ["mnist"]
    name = f"MNIST/raw/{image_files.MNIST_FILES[1]}"
    (tmp_path / f"{name}.gz").unlink()
    put(tmp_path, {name: idx(Y[:6])})  # the same labels, unpacked
    images.load("mnist", RNG)
    put(tmp_path, {name: idx(Y[1:7])})
    os.utime(tmp_path / name, ns=(1, 1))
    with pytest.raises(Problem, match="other images or labels"):
        images.load("mnist", RNG)
    assert judged == ["mnist"] * 3


def test_the_originals_of_cifar_count_by_the_names_that_git_gives_them(tmp_path, monkeypatch):
    root = put(tmp_path, GOOD)
    monkeypatch.setenv(image_files.FOLDER, str(root))
    monkeypatch.setattr(image_files, "IN_A_BATCH", 10)
    with pytest.raises(Problem, match="cifar10: got other images"):
        images.load("cifar10", RNG)
    images._JUDGED.clear()
    names = [hashlib.sha1(b"blob 30730\0" + body).hexdigest() for body in GOOD.values()]
    monkeypatch.setattr(images, "_GIT_NAMES", tuple(names))
    expect_all(images.load("cifar10", RNG))


def test_inexact_images_do_not_matter_for_what_is_cifars_own(monkeypatch):
    monkeypatch.setattr(image_files, "IN_A_BATCH", 10)
    monkeypatch.setattr(images, "_INEXACT", ((3,), (), (), (), (9,), (0, 5)))
    labels = Y.astype(np.int64)
    whole = images.Split(
        images.Images(X[:50], labels[:50], 255), images.Images(X[50:], labels[50:], 255)
    )
    exact = [np.delete(np.arange(50), [3, 49]), np.delete(np.arange(10), [0, 5])]
    less = images.Split(whole.train.take(exact[0]), whole.test.take(exact[1]), (2, 2))
    other = X[:50].copy()
    other[3] += 1
    assert images._digests("cifar10", whole) == images._digests("cifar10", less)
    assert images._digests(
        "cifar10", whole._replace(train=whole.train._replace(x=other))
    ) == images._digests("cifar10", less)
    other[4] += 1
    assert images._digests(
        "cifar10", whole._replace(train=whole.train._replace(x=other))
    ) != images._digests("cifar10", less)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda files, names: files | {names[0]: files[names[0]] + b"garbage"}, "damaged file"),
        (lambda files, names: files
         | {names[0]: files[names[0]][:40] + b"????" + files[names[0]][44:]},
         "damaged file"),
        (lambda files, names: files | {names[1]: gzip.compress(idx(np.full(6, 10, np.uint8)))},
         "the label 10, allowed 0 to 9"),
        (lambda files, names: files | {names[1]: gzip.compress(idx(Y[:5]))}, "got shapes"),
        (lambda files, names: files | {names[2]: gzip.compress(idx(X[:3, 0]))}, "got shapes"),
        (lambda files, names: files
         | {names[0]: gzip.compress(bytes([0, 0, 8, 80]) + struct.pack(">80I", *[1] * 80) + b"1")},
         "values for shape"),
        (lambda files, names: files
         | {names[0]: gzip.compress(bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"1")},
         "values for shape"),
    ],
)  # fmt: skip
def test_files_of_another_form_under_the_names_of_mnist_are_told(tmp_path, spoil, said):
    names = [f"MNIST/raw/{name}.gz" for name in image_files.MNIST_FILES]
    with pytest.raises(Problem, match=said):
        images.mnist(put(tmp_path, spoil(mnist_files(zipped=True), names)))


@pytest.mark.parametrize("at", [60, 2000, 15_000])
def test_an_npz_batch_with_changed_bytes_is_told(tmp_path, at):
    body = io.BytesIO()
    np.savez_compressed(body, x=X[:10], y=Y[:10], exact=np.ones(10, dtype=bool))
    content = bytearray(body.getvalue())
    content[at : at + 8] = b"????????"
    path = tmp_path / "train_batch_1.npz"
    path.write_bytes(bytes(content))
    with pytest.raises(Problem, match="train_batch_1.npz: got no readable batch"):
        image_files.npz(path)


def expect_all(found: images.Split) -> None:
    np.testing.assert_array_equal(found.train.x, X[:50])
    np.testing.assert_array_equal(found.train.y, Y[:50])
    np.testing.assert_array_equal(found.test.x, X[50:])
    assert found.dropped == (0, 0)


def test_cifar_is_read_from_its_archive_and_from_loose_batches(tmp_path):
    expect_all(
        images.cifar10(
            put(tmp_path / "a", {f"cifar10/{image_files.CIFAR_ARCHIVE}": archive_of(GOOD)})
        )
    )
    expect_all(images.cifar10(put(tmp_path / "b", GOOD)))


def npz(rows: slice, exact: np.ndarray, other: dict[str, np.ndarray] | None = None) -> bytes:
    body = io.BytesIO()
    np.savez(body, **({"x": X[rows], "y": Y[rows], "exact": exact} | (other or {})))
    return body.getvalue()


def test_inexact_images_are_dropped_and_counted_unless_asked_for(tmp_path):
    exact = np.ones(10, dtype=bool)
    exact[[2, 7]] = False
    root = put(
        tmp_path,
        {
            f"cifar10/{image_files.npz_name(name)}.npz": npz(rows_of(name), exact)
            for name in image_files.CIFAR_BATCHES
        },
    )
    found = images.cifar10(root)
    assert found.dropped == (10, 2) and len(found.train.y) == 40 and len(found.test.y) == 8
    np.testing.assert_array_equal(found.test.x, X[50:][exact])
    expect_all(images.cifar10(root, inexact=True))


@pytest.mark.parametrize(
    "other",
    [
        {"y": np.full(10, 10, dtype=np.uint8)},
        {"x": np.zeros((10, 32, 32, 3), dtype=np.uint8)},
        {"exact": np.ones(10)},
        {"y": np.array([object()] * 10, dtype=object)},
    ],
)
def test_an_npz_batch_of_another_form_is_refused_and_never_unpickled(tmp_path, other):
    files = {
        f"cifar10/{image_files.npz_name(name)}.npz": npz(
            rows_of(name), np.ones(10, dtype=bool), other
        )
        for name in image_files.CIFAR_BATCHES
    }
    with pytest.raises(Problem, match="train_batch_1.npz"):
        images.cifar10(put(tmp_path, files))


@pytest.mark.parametrize("body", [b"", b"x" * 3072, bytes([10]) + bytes(3072)])
def test_a_binary_batch_that_is_none_is_refused(body):
    with pytest.raises(Problem, match="broken"):
        image_files.decode_cifar(body, "broken")


# --- archives that mean harm


class Trap:
    def __reduce__(self) -> tuple:
        return os.system, ("exit 1",)


def test_the_pickled_archive_is_refused_with_the_name_of_the_right_one(tmp_path):
    body = archive_of({"cifar-10-batches-py/data_batch_1": pickle.dumps(Trap())})
    with pytest.raises(Problem, match=f"pickled.*{image_files.CIFAR_ARCHIVE}"):
        images.cifar10(put(tmp_path / "a", {f"cifar10/{image_files.CIFAR_PICKLED}": body}))
    with pytest.raises(Problem, match="pickled"):  # also under the other's name
        images.cifar10(put(tmp_path / "b", {f"cifar10/{image_files.CIFAR_ARCHIVE}": body}))


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


@pytest.mark.parametrize(
    "bad",
    [
        archive_of(GOOD | {"../outside.bin": b"x"}),
        archive_of(GOOD | {"cifar-10-batches-bin/../../outside.bin": b"x"}),
        archive_of(GOOD | {"/outside.bin": b"x"}),
        archive_of(GOOD, entry("cifar-10-batches-bin/link.bin", tarfile.SYMTYPE, "/etc/passwd")),
        archive_of(GOOD, entry("cifar-10-batches-bin/hard.bin", tarfile.LNKTYPE, "../../outside")),
        archive_of(GOOD, entry("cifar-10-batches-bin/pipe", tarfile.FIFOTYPE)),
    ],
    ids=["climbs", "climbs inside", "absolute", "symbolic link", "hard link", "pipe"],
)
def test_an_archive_with_a_member_that_leaves_its_folder_writes_nothing(tmp_path, bad):
    archive = (
        put(tmp_path, {f"cifar10/{image_files.CIFAR_ARCHIVE}": bad})
        / "cifar10"
        / image_files.CIFAR_ARCHIVE
    )
    with pytest.raises(Problem, match="allowed plain files"):
        fetch.unpack(archive)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_an_archive_larger_than_it_may_be_is_refused_before_it_is_read(tmp_path, monkeypatch):
    archive = (
        put(tmp_path, {image_files.CIFAR_ARCHIVE: archive_of(GOOD)}) / image_files.CIFAR_ARCHIVE
    )
    monkeypatch.setattr(image_files, "_MOST_BYTES", 100_000)
    with pytest.raises(Problem, match="plain files"):
        image_files.cifar_members(archive)


def test_a_damaged_or_incomplete_archive_is_told(tmp_path):
    for name, body, said in (
        ("a", archive_of(GOOD)[:-2000], "damaged"),
        ("b", b"no archive", "damaged"),
        ("c", archive_of(dict(list(GOOD.items())[1:])), "no data_batch_1"),
    ):
        with pytest.raises(Problem, match=said):
            images.cifar10(put(tmp_path / name, {f"cifar10/{image_files.CIFAR_ARCHIVE}": body}))


# --- downloads


class Server:
    """Serves `files` on this machine; the first `cut` answers to each file end half-way."""

    def __init__(self, files: dict[str, bytes], cut: int = 0) -> None:
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                body = files.get(self.path.lstrip("/"))
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                short = outer.asked.count(self.path) <= cut
                self.wfile.write((body or b"")[: len(body or b"") // 2 if short else None])

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between two tries
    started = []

    def start(files: dict[str, bytes], cut: int = 0) -> Server:
        started.append(Server(files, cut))
        return started[-1]

    yield start
    for server in started:
        server.close()


def remotes(
    server: Server, body: bytes, file: str = f"cifar10/{image_files.CIFAR_ARCHIVE}"
) -> dict[str, list[fetch.Remote]]:
    return {
        "cifar10": [fetch.Remote(file, server.url + "archive", hashlib.sha256(body).hexdigest())]
    }


def test_a_good_file_is_fetched_unpacked_verified_and_not_asked_for_again(
    tmp_path, serve, monkeypatch
):
    body = archive_of(GOOD)
    server = serve({"archive": body})
    found = fetch.fetch("cifar10", tmp_path, remotes(server, body))
    assert [path.name for path in found] == [
        image_files.CIFAR_ARCHIVE,
        *(f"{name}.bin" for name in image_files.CIFAR_BATCHES),
    ]
    expect_all(images.cifar10(tmp_path))
    monkeypatch.setitem(images.OWN, "cifar10", images._digests("cifar10", images.cifar10(tmp_path)))
    lines = fetch.verify("cifar10", tmp_path, remotes(server, body))
    assert "as published" in lines[0] and "50 training and 10 test images in 10 classes" in lines[1]
    fetch.fetch("cifar10", tmp_path, remotes(server, body))
    assert server.asked == ["/archive"]


def test_a_wrong_sum_is_one_line_and_leaves_nothing(tmp_path, serve):
    server = serve({"archive": b"something else"})
    with pytest.raises(Problem, match="no good copy"):
        fetch.fetch("cifar10", tmp_path, remotes(server, archive_of(GOOD)))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_download_cut_off_half_way_is_tried_again(tmp_path, serve):
    body = archive_of(GOOD)
    server = serve({"archive": body}, cut=1)
    fetch.fetch("cifar10", tmp_path, remotes(server, body))
    assert server.asked == ["/archive"] * 2
    expect_all(images.cifar10(tmp_path))


def test_one_that_is_always_cut_off_ends_in_one_line_and_leaves_nothing(tmp_path, serve):
    body = archive_of(GOOD)
    server = serve({"archive": body}, cut=99)
    with pytest.raises(Problem, match="no good copy"):
        fetch.fetch("cifar10", tmp_path, remotes(server, body))
    assert len(server.asked) == 1 + fetch.RETRIES
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_missing_page_and_an_unreachable_host_end_in_one_line(tmp_path, serve):
    server = serve({})
    with pytest.raises(Problem, match="404"):
        fetch.fetch("cifar10", tmp_path, remotes(server, b""))
    nowhere = serve({})
    nowhere.close()
    with pytest.raises(Problem, match="no good copy") as told:
        fetch.fetch("cifar10", tmp_path, remotes(nowhere, b""))
    assert "\n" not in str(told.value)


def test_a_changed_file_does_not_verify_and_is_fetched_anew(tmp_path, serve):
    body = archive_of(GOOD)
    server = serve({"archive": body})
    (path, *_) = fetch.fetch("cifar10", tmp_path, remotes(server, body))
    path.write_bytes(body[:-1] + b"?")
    with pytest.raises(Problem, match="fetch again"):
        fetch.verify("cifar10", tmp_path, remotes(server, body))
    fetch.fetch("cifar10", tmp_path, remotes(server, body))
    assert path.read_bytes() == body


def test_the_command_refuses_an_unknown_set_in_one_line(capsys):
    assert cli.main(["data", "fetch", "imagenet"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: unknown data set") and told.count("\n") == 1
    assert cli.main(["data", "burn"]) == 2


# --- the real sets


@REAL
@pytest.mark.data
def test_the_real_mnist_is_the_published_one():
    root = image_files.folder()
    lines = fetch.verify("mnist", root)
    assert sum("as published" in line for line in lines) == 4
    found = images.mnist(root)
    assert found.train.x.shape == (60_000, 28, 28) and found.test.x.shape == (10_000, 28, 28)
    pixels = found.train.x[:20_000].astype(np.float64) / 255
    assert pixels.mean() == pytest.approx(0.1307, abs=0.002) and pixels.std() == pytest.approx(
        0.3081, abs=0.003
    )
    assert np.bincount(found.test.y).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]


@REAL
@pytest.mark.data
def test_the_real_cifar_has_its_classes_and_drops_the_inexact_images_only():
    found = images.cifar10()
    assert found.dropped in ((81, 23), (0, 0))  # rebuilt files, or the published archive
    assert (
        len(found.train.y) + found.dropped[0] == 50_000
        and len(found.test.y) + found.dropped[1] == 10_000
    )
    assert found.train.x.shape[1:] == (3, 32, 32)
    means = found.train.x[:5000].mean(axis=(0, 2, 3)) / 255
    assert means == pytest.approx((0.4914, 0.4822, 0.4465), abs=0.01)
    whole = images.cifar10(inexact=True)
    assert (
        np.bincount(whole.train.y).tolist() == [5000] * 10
        and np.bincount(whole.test.y).tolist() == [1000] * 10
    )
    chosen = images.TASKS["cifar10 objects / animals"]
    animals = images.binary(whole.test, chosen.zero, chosen.one)
    assert len(animals.y) == 8000 and animals.y.mean() == 0.5
