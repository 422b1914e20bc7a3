"""Every file that the project writes, and text on the standard streams.

Whole, in UTF-8, and nobody else's.

A regular file appears whole or not at all: a temporary file beside it is synced and renamed over
it. What a path leads to decides what happens:

    nothing, a regular file    replaced as one; a new file's mode follows the umask, an old file
                               keeps its mode and owner
    a symbolic link            the file that the link points to is replaced, the link stays
    a hard link                replaced; the other names keep the old content, as a copy by links
                               (`cp -al`) expects
    a device, a pipe           written into, never replaced; so is /dev/stdout, whatever the shell
                               has made of it
    a folder                   refused
    a write-protected file     refused, as a shell refuses it

Where the folder forbids a rename and the file itself may be written (another user's folder, a
single file mounted into a container), the content is written in place; only there can a reader see
a part.
"""

import codecs
import contextlib
import errno
import hashlib
import io
import json
import os
import re
import secrets
import select
import stat
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from simplicity.problems import Problem, Stopped

PART = ".part-"  # how temporary files start
_IN_PLACE = frozenset({errno.EACCES, errno.EPERM, errno.EBUSY})
_DESCRIPTORS = re.compile(r"/dev/fd|/proc/\d+(/task/\d+)?/fd")
_MOST_LINKS = 40
_KEPT = "simplicity.kept"  # how characters are written that an encoding lacks


def write(path: Path, content: bytes) -> None:
    """Write `content` as the whole of `path`, whose folder is made where there is none.

    Raises `Stopped` where the system refuses: the input was not wrong.
    """
    try:
        _write(Path(path), content)
    except OSError as reason:
        raise Stopped(
            f"cannot write {path}: {_said(reason)}; what was finished stays readable"
        ) from None
    except ValueError as reason:  # a null character in the path
        raise Stopped(
            f"cannot write {path!r}: {reason}, allowed a path that the system takes"
        ) from None


def write_text(path: Path, text: str) -> None:
    """The same for text: UTF-8, lines as they are.

    What no encoding has (half a surrogate pair) is written as its code.
    """
    write(path, text.encode("utf-8", "backslashreplace"))


def refusal(path: Path) -> str:
    """Why `write` would fail today, in a few words; empty where it would not. Nothing changes."""
    try:
        if _descriptor(path) is not None:
            return ""
        kind = _writable_kind(path)
        if kind == "special":
            return os.strerror(errno.ENXIO) if stat.S_ISSOCK(os.stat(path).st_mode) else ""
        try:
            with tempfile.TemporaryFile(dir=_target(path).parent):
                return ""
        except PermissionError:
            if kind == "file":
                return ""
            raise
    except (OSError, ValueError) as reason:
        return _said(reason)


def is_regular(path: Path) -> bool:
    """Would `write` make or replace a regular file there, and no device, pipe or folder?"""
    return _descriptor(path) is None and _kind(path) in ("nothing", "file")


def is_standard_output(path: Path) -> bool:
    """Does the path name this process's own standard output, such as /dev/stdout?"""
    return _descriptor(path) == 1


def same(one: Path, other: Path) -> bool:
    """Do two paths lead to one regular file, there or not yet?"""
    return is_regular(one) and is_regular(other) and _target(one) == _target(other)


def use_utf8() -> None:
    """Standard streams never fail at a character: UTF-8 into files and pipes, codes such as \\u03c4
    on a poorer terminal.

    Python's own choice there is the locale's encoding, and an error in the middle of a table. An
    encoding that the user has named (PYTHONIOENCODING) stays.
    """
    codecs.register_error(_KEPT, _kept)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)  # None where it is closed
        if not isinstance(stream, io.TextIOWrapper) or stream is not getattr(sys, f"__{name}__"):
            continue  # a program has put a stream of its own there
        if os.environ.get("PYTHONIOENCODING") or stream.isatty():
            stream.reconfigure(errors=_KEPT)
        else:
            stream.reconfigure(encoding="utf-8", errors=_KEPT)


def _kept(error: UnicodeError) -> tuple[str | bytes, int]:
    """What the encoding lacks: a byte of a file's name as it came, anything else as its code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    one = error.object[error.start]
    if "\udc80" <= one <= "\udcff":
        return bytes([ord(one) - 0xDC00]), error.start + 1
    return one.encode("ascii", "backslashreplace").decode("ascii"), error.start + 1


class Together:
    """Files that a run writes beside its main one, such as the tables of curves beside a table.

    A hidden list beside the main file tells the next run into the same place which files the run
    before it wrote, so that these go and no other: a file is ours where the list has its name and
    its content. `plan` says the names before anything is written (a run may be killed half way),
    `finish` what was written in the end.
    """

    def __init__(self, main: Path) -> None:
        self.folder = main.parent
        name = os.fsencode(main.name)
        short = main.name if len(name) < 240 else hashlib.sha256(name).hexdigest()
        self._list = main.with_name(f".{short}.files")
        self._before: dict[str, str | None] = self._read()

    def plan(self, names: Iterable[str]) -> None:
        """These files will be written; one that is there and not ours is ours once it was."""
        for name in names:
            if self._is_ours(name) or not os.path.lexists(self.folder / name):
                self._before[name] = None
        self._save(self._before)

    def finish(self, names: Iterable[str]) -> list[Path]:
        """These files were written: remove, and return, what an earlier run wrote beside them."""
        digests = {name: _digest(self.folder / name) for name in names}
        now = {name: digest for name, digest in digests.items() if digest is not None}
        left = {
            self.folder / name: digest
            for name, digest in self._before.items()
            if name not in now and self._is_ours(name)
        }
        removed = []
        for path in left:
            if path.is_file():
                # such as a folder that has become read-only: it stays listed
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed.append(path)
        self._save({path.name: digest for path, digest in left.items() if path.is_file()} | now)
        return removed

    def _is_ours(self, name: str) -> bool:
        if name not in self._before or (self.folder / name).is_symlink():
            return False
        expected = self._before[name]  # None: a run planned it where no file was, and was ended
        return expected is None or expected == _digest(self.folder / name)

    def _read(self) -> dict[str, str | None]:
        try:
            found = json.loads(self._list.read_text("utf-8"))["files"]
            return {
                name: digest
                for name, digest in found.items()
                if _is_plain(name) and isinstance(digest, str | None)
            }
        # none, or not one of ours
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _save(self, files: Mapping[str, str | None]) -> None:
        if not files:
            self._list.unlink(missing_ok=True)
            return
        about = (
            "written by simplicity; the next run into this place removes those that it does not "
            "write again"
        )
        content = {"about": about, "files": dict(files)}
        write_text(self._list, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _is_plain(name: object) -> bool:
    """A name in the folder itself: a list that somebody has changed cannot lead elsewhere."""
    return (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and "/" not in name
        and "\0" not in name
    )


def _digest(path: Path) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _write(path: Path, content: bytes) -> None:
    number = _descriptor(path)
    if number is not None:
        _into_descriptor(number, path, content)
        return
    kind = _writable_kind(path)
    if kind == "special":
        # a pipe waits for its reader
        handle = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            _all(handle, content)
        finally:
            os.close(handle)
        return
    _make_folder(path.parent)
    target = _target(path)
    try:
        _replace(target, content, os.stat(target) if kind == "file" else None)
    except OSError as reason:
        if kind != "file" or reason.errno not in _IN_PLACE:
            raise
        _in_place(target, content)


def _replace(target: Path, content: bytes, old: os.stat_result | None) -> None:
    temporary = target.parent / f"{PART}{secrets.token_hex(8)}"
    # less the umask
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            _keep_owner(temporary, old)
            os.chmod(temporary, stat.S_IMODE(old.st_mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _keep_owner(temporary: Path, old: os.stat_result) -> None:
    """As far as the user may: root can keep another's file that one's, a member the group."""
    new = os.stat(temporary)
    for owner, group in ((old.st_uid, -1), (-1, old.st_gid)):
        if (owner, group) not in ((new.st_uid, -1), (-1, new.st_gid)):
            with contextlib.suppress(OSError):
                os.chown(temporary, owner, group)


def _in_place(target: Path, content: bytes) -> None:
    with open(target, "r+b") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _into_descriptor(number: int, path: Path, content: bytes) -> None:
    """Not opened anew, which would start at the beginning of a file that others write to."""
    for stream in (sys.stdout, sys.stderr):
        # what was printed before comes before
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.flush()
    _all(number, content)


def _all(number: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(number, view) :]
        except BlockingIOError:  # a full pipe that somebody has told not to wait
            select.select([], [number], [])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # a file, or a link that leads nowhere
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


def _kind(path: Path) -> str:
    """What the path leads to, through links: `nothing`, `file`, `folder` or `special`."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "nothing"
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "special"


def _writable_kind(path: Path) -> str:
    """The same without `folder`; an OSError where it is one, or may not be written."""
    kind = _kind(path)
    if kind == "folder":
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if kind != "nothing" and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return kind


def _target(path: Path) -> Path:
    """The place of the file itself, at the end of the links."""
    return Path(os.path.realpath(path))


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that a path such as /dev/stdout or /dev/fd/63 names."""
    current = os.path.abspath(path)
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(current)
        folder = os.path.realpath(folder)
        if _DESCRIPTORS.fullmatch(folder) and name.isascii() and name.isdigit():
            ours = folder == "/dev/fd" or folder.split("/")[2] == str(os.getpid())
            return int(name) if ours else None
        if not os.path.islink(os.path.join(folder, name)):
            return None
        current = os.path.join(folder, os.readlink(os.path.join(folder, name)))
    return None


def _said(reason: Exception) -> str:
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def folder(text: str) -> Path:
    """A folder that can be written, or that can be made; found out before any work is done."""
    path = Path(text)
    try:
        other = os.path.lexists(path) and not path.is_dir()
        if not other:
            nearest = next((one for one in (path, *path.parents) if one.exists()), path)
            with tempfile.TemporaryFile(dir=nearest):
                return path
    except (OSError, ValueError) as reason:
        raise Problem(f"output: got {path} ({_said(reason)}), allowed a writable folder") from None
    raise Problem(f"output: got {path}, which is no folder, allowed one that is new or there")
