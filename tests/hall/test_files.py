"""What is written where: links, devices, modes, refusals; what an earlier run left; text in UTF-8
whatever the locale.
"""

import ast
import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import toy_experiment as toy
from simplicity.cli import main
from simplicity.evidence import records
from simplicity.grid import store
from simplicity.places import files, paths
from simplicity.problems import Problem, Stopped

PATHS = [
    "a b.nc",
    "ünï τ 名.nc",
    "-",
    "a'\"$(b).nc",
    "line\nbreak.nc",
    os.fsdecode(b"\xff.nc"),
    "n" * 255,
]


def parts(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{files.PART}*"))


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("mask", "expected"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664), (0o000, 0o666)]
)
def test_a_new_file_has_the_mode_of_the_umask_and_an_old_one_keeps_its_own(
    tmp_path: Path, mask: int, expected: int
) -> None:
    with umask(mask):
        files.write(tmp_path / "new", b"1")
        assert mode(tmp_path / "new") == expected
        for kept in (0o600, 0o640, 0o755):
            (tmp_path / "new").chmod(kept)
            files.write(tmp_path / "new", b"2")
            assert mode(tmp_path / "new") == kept
    assert (tmp_path / "new").read_bytes() == b"2" and parts(tmp_path) == []


@pytest.mark.parametrize("name", PATHS)
def test_any_name_that_the_system_takes_is_written(tmp_path: Path, name: str) -> None:
    assert files.refusal(tmp_path / name) == ""
    files.write(tmp_path / name, b"1")
    files.write(tmp_path / name, b"2")
    assert (tmp_path / name).read_bytes() == b"2" and len(list(tmp_path.iterdir())) == 1


def test_through_links_the_file_is_replaced_and_the_links_stay(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_bytes(b"old")
    (tmp_path / "one").symlink_to("far/file")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    files.write(tmp_path / "two", b"new")
    assert (tmp_path / "one").is_symlink() and (tmp_path / "two").is_symlink()
    assert (tmp_path / "far" / "file").read_bytes() == b"new" and not (
        tmp_path / "far" / "file"
    ).is_symlink()
    (tmp_path / "ahead").symlink_to("far/not yet")
    files.write(tmp_path / "ahead", b"made")
    assert (tmp_path / "far" / "not yet").read_bytes() == b"made" and parts(tmp_path) == []


def test_another_hard_link_keeps_the_old_content(tmp_path: Path) -> None:
    files.write(tmp_path / "one", b"old")
    os.link(tmp_path / "one", tmp_path / "two")
    files.write(tmp_path / "one", b"new")
    assert ((tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()) == (b"new", b"old")


def test_a_pipe_is_written_into_and_stays_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    content = os.urandom(300_000)  # more than a pipe holds
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    assert files.refusal(tmp_path / "pipe") == "" and not files.is_regular(tmp_path / "pipe")
    reader.start()
    files.write(tmp_path / "pipe", content)
    reader.join()
    assert got == [content] and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_pipe_whose_reader_leaves_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def look() -> None:
        with open(tmp_path / "pipe", "rb") as file:
            file.read(1)

    reader = threading.Thread(target=look)
    reader.start()
    with pytest.raises(Stopped, match=r"cannot write .*pipe: Broken pipe"):
        files.write(tmp_path / "pipe", bytes(3_000_000))
    reader.join()


def test_devices_stay_devices(tmp_path: Path) -> None:
    before = os.stat("/dev/null")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (Path("/dev/null"), tmp_path / "link"):
        assert files.refusal(path) == "" and not files.is_regular(path)
        files.write(path, b"gone")
    assert os.stat("/dev/null").st_rdev == before.st_rdev and (tmp_path / "link").is_symlink()
    with pytest.raises(Stopped, match="cannot write /dev/full: No space left on device"):
        files.write(Path("/dev/full"), b"1")


def test_a_socket_and_a_folder_are_refused(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as plug:
        plug.bind(f"{short}/s")
        assert files.refusal(Path(short) / "s") == "No such device or address"
        with pytest.raises(Stopped, match="No such device or address"):
            files.write(Path(short) / "s", b"1")
    assert files.refusal(tmp_path) == "it is a folder"
    with pytest.raises(Stopped, match="it is a folder"):
        files.write(tmp_path, b"1")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file/below", "Not a directory"),
        ("file/below/more", "Not a directory"),
        ("n" * 256, "File name too long"),
        ("loop", "Too many levels of symbolic links"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_what_cannot_be_written_is_one_sentence_before_and_then(
    tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    assert files.refusal(tmp_path / name) == why
    with pytest.raises(Stopped, match=why):
        files.write(tmp_path / name, b"1")
    assert parts(tmp_path) == []


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    files.write(tmp_path / "a" / "b" / "file", b"1")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"1"


UNPRIVILEGED = """
import os, pathlib, sys
from simplicity.places import files
from simplicity.problems import Problem
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
path = pathlib.Path(sys.argv[1])
print(files.refusal(path) or "none")
try:
    files.write(path, b"new")
except Problem as problem:
    print(problem)
"""


def unprivileged(path: Path) -> list[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(paths.PACKAGE.parent),
        "NUMBA_CACHE_DIR": str(path.parent.parent / "numba"),
    }
    command = [sys.executable, "-c", UNPRIVILEGED, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "numba").mkdir(mode=0o777)
        (Path(name) / "numba").chmod(0o777)
        (Path(name) / "in").mkdir()
        yield Path(name) / "in"


def test_a_file_that_may_be_written_in_a_folder_that_may_not_is_written_in_place(
    open_folder: Path,
) -> None:
    path = open_folder / "file"
    path.write_bytes(b"older and longer")
    path.chmod(0o666)
    open_folder.chmod(0o555)
    number = path.stat().st_ino
    assert unprivileged(path) == ["none"]
    assert path.read_bytes() == b"new" and path.stat().st_ino == number
    said = unprivileged(open_folder / "another")
    assert (
        said[0] == "Permission denied"
        and said[1].startswith("cannot write")
        and "Permission denied" in said[1]
    )


def test_a_protected_file_is_not_replaced(open_folder: Path) -> None:
    open_folder.chmod(0o777)
    path = open_folder / "file"
    path.write_bytes(b"old")
    path.chmod(0o444)
    said = unprivileged(path)
    assert (
        said[0] == "Permission denied" and "cannot write" in said[1] and path.read_bytes() == b"old"
    )


def test_where_a_file_cannot_be_renamed_over_it_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*arguments: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    (tmp_path / "mounted").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", busy)
    files.write(tmp_path / "mounted", b"new")
    assert (tmp_path / "mounted").read_bytes() == b"new" and parts(tmp_path) == []
    with pytest.raises(Stopped, match="resource busy"):
        files.write(tmp_path / "other", b"new")


def test_text_is_utf8_with_plain_line_ends_whatever_it_holds(tmp_path: Path) -> None:
    files.write_text(tmp_path / "text", "τ = 1\r\n\udcff\n")
    assert (tmp_path / "text").read_bytes() == "τ = 1\r\n\\udcff\n".encode()


# --- standard output as a file, in processes of their own

PROGRAM = "import sys; from simplicity.cli import main; sys.exit(main())"
RUN = ["run", "excess_risk", "--preset", "TINY", "-p", "draws=20"]


def command(
    words: list[str], folder: Path, shell: str = "", **more: str
) -> subprocess.CompletedProcess[bytes]:
    """The command line with the library of this checkout; `shell` is what follows the words in a
    shell.
    """
    environment = {**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent), **more}
    call = ["bash", "-c", f'"$@" {shell}', "bash", sys.executable, "-c", PROGRAM, *words]
    return subprocess.run(call, env=environment, capture_output=True, cwd=folder)


@pytest.mark.parametrize(
    ("name", "shell"),
    [
        ("/dev/stdout", ""),
        ("/dev/stdout", "> result.nc"),
        ("/dev/fd/1", ">> result.nc"),
        ("/proc/self/fd/1", "| cat"),
    ],
)
def test_a_result_on_standard_output_is_whole_and_what_is_told_goes_beside_it(
    tmp_path: Path, name: str, shell: str
) -> None:
    done = command([*RUN, "--store", "store", "-o", name], tmp_path, shell)
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "result.nc").read_bytes() if "result" in shell else done.stdout
    assert store.open_bytes(content).sizes["cell"] == 1
    assert b"B21.exact  holds" in done.stderr and f"1 cells in {name}".encode() in done.stderr


def test_a_result_into_a_process_and_into_nothing(tmp_path: Path) -> None:
    done = command([*RUN, "--store", "store"], tmp_path, "-o >(cat > result.nc; touch done)")
    assert done.returncode == 0 and b"1 cells in /dev/fd/" in done.stdout, done.stderr
    while not (tmp_path / "done").exists():
        time.sleep(0.01)
    assert store.open_bytes((tmp_path / "result.nc").read_bytes()).sizes["cell"] == 1
    assert command([*RUN, "--store", "store", "-o", "/dev/null"], tmp_path).returncode == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


# --- the output words


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "experiment", lambda name: toy)
    monkeypatch.setattr("simplicity.grid.run.default_store", lambda: tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    return tmp_path


SWEEP = ["sweep", "toy", "-g", "index=0,4", "--seeds", "1"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--csv", "/dev/null"], "csv: got /dev/null, a device or a pipe, allowed a file"),
        (["--csv", "/dev/stdout"], "csv: got /dev/stdout, a device or a pipe"),
        (["--csv", "pipe"], "csv: got pipe, a device or a pipe"),
        (["--csv", "folder"], "output: got the folder folder"),
        (["-o", "folder"], "output: got the folder folder"),
        (["-o", "one", "--csv", "one"], "csv: got one, which is the output as well"),
        (["-o", "one", "--csv", "link"], "csv: got link, which is the output as well"),
        (["-o", "n" * 256], "(File name too long)"),
        (["-o", ""], "output: got the folder ."),
    ],
)
def test_outputs_that_cannot_work_are_refused_before_anything_is_computed(
    room: Path, words: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(room / "pipe")
    (room / "folder").mkdir()
    (room / "link").symlink_to("one")
    assert main([*SWEEP, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and part in err
    assert not (room / "store").exists()


def test_the_table_of_curves_never_replaces_the_output(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SWEEP, "-o", "found.probe.csv", "--csv", "found.csv"]) == 2
    assert "whose table found.probe.csv is the output as well" in capsys.readouterr().err
    assert sorted(path.name for path in room.iterdir()) == ["store"]


@pytest.mark.parametrize("name", PATHS[:-2])
def test_a_sweep_writes_to_any_name(
    room: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SWEEP, "-o", name, "--csv", f"t{name[:100]}.csv"]) == 0
    assert store.open_bytes((room / name).read_bytes()).sizes["index"] == 2
    assert (room / f"t{name[:100]}.csv").is_file() and (room / f"t{name[:100]}.probe.csv").is_file()
    assert main([*SWEEP[:2], "-g", "index=0", "-o", name, "--csv", f"t{name[:100]}.csv"]) == 0


@pytest.mark.parametrize("kind", ["file", "link to nowhere", "pipe", "/dev/null"])
def test_a_folder_of_outputs_is_not_made_of_a_file(tmp_path: Path, kind: str) -> None:
    path = Path(kind) if kind.startswith("/") else tmp_path / "here"
    if kind == "file":
        path.write_bytes(b"mine")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to nowhere":
        path.symlink_to("nowhere")
    with pytest.raises(Problem, match="output: got .*, which is no folder, allowed one"):
        files.folder(str(path))


# --- what an earlier run left


def test_a_smaller_run_removes_what_the_larger_one_wrote_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(b"mine")
    together = files.Together(tmp_path / "main")
    together.plan(["a", "b", "c"])
    for name in ("a", "b", "c"):
        files.write(tmp_path / name, b"large")
    assert together.finish(["a", "b", "c"]) == []
    (tmp_path / "b").write_bytes(b"changed by hand")
    together = files.Together(tmp_path / "main")
    together.plan(["a"])
    files.write(tmp_path / "a", b"small")
    assert together.finish(["a"]) == [tmp_path / "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".main.files", "a", "b", "own.csv"]
    files.Together(tmp_path / "main").finish([])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "own.csv"]


def test_a_run_that_was_killed_half_way_is_cleared_and_files_it_only_planned_stay(
    tmp_path: Path,
) -> None:
    (tmp_path / "b").write_bytes(b"somebody's, not written over yet")
    files.Together(tmp_path / "main").plan(["a", "b", "c"])
    files.write(tmp_path / "a", b"1")
    assert files.Together(tmp_path / "main").finish([]) == [tmp_path / "a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"files": [1]}', '{"files": {"../outside": null, "x/y": null, "": null}}'],
)
def test_a_damaged_or_changed_list_removes_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "outside").write_bytes(b"1")
    (tmp_path / "in" / "x").mkdir(parents=True)
    (tmp_path / "in" / "x" / "y").write_bytes(b"1")
    (tmp_path / "in" / ".main.files").write_text(content, "utf-8")
    assert files.Together(tmp_path / "in" / "main").finish([]) == []
    assert (tmp_path / "outside").is_file() and (tmp_path / "in" / "x" / "y").is_file()


def test_a_link_that_somebody_has_put_in_the_place_of_a_file_stays(tmp_path: Path) -> None:
    together = files.Together(tmp_path / "main")
    together.plan(["a"])
    (tmp_path / "kept").write_bytes(b"1")
    (tmp_path / "a").symlink_to("kept")
    assert files.Together(tmp_path / "main").finish([]) == [] and (tmp_path / "a").is_symlink()


def test_curves_of_an_earlier_sweep_go_with_its_table(
    room: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (room / "found.notes.csv").write_text("mine", "utf-8")
    assert main([*SWEEP, "--csv", "found.csv"]) == 0
    assert (room / "found.probe.csv").is_file()
    monkeypatch.setattr(
        toy, "measure", lambda cell: xr.Dataset({"total": 1.0, "law": ("order", np.arange(2.0))})
    )
    assert main([*SWEEP, "-p", "first_seed=9", "--csv", "found.csv"]) == 0
    assert sorted(path.name for path in room.glob("*.csv")) == [
        "found.csv",
        "found.notes.csv",
        "found.order.csv",
    ]
    monkeypatch.setattr(toy, "measure", lambda cell: xr.Dataset({"total": 1.0}))
    assert main([*SWEEP, "-p", "first_seed=20", "--csv", "found.csv"]) == 0
    assert sorted(path.name for path in room.iterdir()) == ["found.csv", "found.notes.csv", "store"]


# --- text whatever the locale

PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


ALL = """
import sys
from simplicity.cli import main
for words in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").splitlines():
    print("code", main(words.split()), flush=True)
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with two results that differ in a character that ASCII and Latin-1 lack."""
    for name, value in (("a", "x"), ("b", "τ")):
        files.write(tmp_path / name, store.encode(xr.Dataset({"law": ("cell", [value])})))
    return tmp_path


def test_the_command_line_speaks_utf8_in_a_locale_without_it(results: Path) -> None:
    words = [
        ["list"], ["list", "--json"], ["ledger"], ["ledger", "--json"], ["ledger", "--markdown"],
        [*RUN, "--store", "store"], ["compare", "a", "b"],
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent), **PLAIN}
    lines = "".join(" ".join(one) + "\n" for one in words).encode()
    done = subprocess.run(
        [sys.executable, "-c", ALL], input=lines, env=environment, cwd=results, capture_output=True
    )
    assert done.stderr == b""
    told = done.stdout.decode("utf-8")  # all of it
    assert [line for line in told.splitlines() if line.startswith("code ")] == [
        *["code 0"] * 6,
        "code 1",
    ]
    assert "\u03c4" in told.split("code 0")[-1] and "\n{" not in told.split("code 0")[0]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:strict"])
def test_an_encoding_that_the_user_names_stays_and_lacking_characters_are_told_by_their_codes(
    results: Path, encoding: str
) -> None:
    done = command(["compare", "a", "b"], results, **PLAIN, PYTHONIOENCODING=encoding)
    assert done.returncode == 1 and done.stderr == b""
    assert b"law: 1 of 1 values differ; the first at cell 0: x and \\u03c4\n" in done.stdout


def test_the_name_of_a_file_is_told_byte_for_byte(results: Path) -> None:
    for name in ("τ.nc".encode(), b"\xff.nc"):
        done = command([*RUN, "--store", "store", "-o", os.fsdecode(name)], results, **PLAIN)
        assert done.returncode == 0 and b"1 cells in " + name + b"\n" in done.stdout
        assert (results / os.fsdecode(name)).is_file()


def test_a_closed_standard_output_harms_nothing(tmp_path: Path) -> None:
    assert command(["list"], tmp_path, ">&-").returncode == 0


# --- the sources

ROOT = paths.root()
SOURCES = sorted([*ROOT.glob("lib/**/*.py"), *ROOT.glob("benchmarks/*.py")])
HELPERS = sorted(path for path in ROOT.glob("tests/*.py") if not path.name.startswith("test_"))
BINARY = {"tarfile.open", "gzip.open", "os.open", "Image.open", "zipfile.open"}


def without_encoding(tree: ast.AST) -> Iterator[str]:
    """Calls that read or write text in the encoding of the locale."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        last = name.rpartition(".")[2]
        words = {word.arg: ast.unparse(word.value) for word in node.keywords}
        given = [ast.unparse(one) for one in node.args]
        if "encoding" in words or name in BINARY:
            continue
        opens = last in (
            "open",
            "fdopen",
            "NamedTemporaryFile",
            "TemporaryFile",
            "SpooledTemporaryFile",
        )
        default = "'r'" if last in ("open", "fdopen") else "'w+b'"
        kinds = [
            words.get("mode", ""),
            *(one for one in given if one.strip("'") and set(one.strip("'")) <= set("rwaxbt+")),
        ]
        if (
            (opens and "b" not in "".join(kinds) + default * (not "".join(kinds)))
            or (last == "read_text" and not given)
            or (last == "write_text" and len(given) < 2 and not name.startswith("files."))
            or words.get("text") == "True"
            or words.get("universal_newlines") == "True"
        ):
            yield f"{node.lineno}: {ast.unparse(node)[:100]}"


@pytest.mark.parametrize("path", [*SOURCES, *HELPERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_is_read_or_written_in_the_encoding_of_the_locale(path: Path) -> None:
    assert list(without_encoding(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("open(path)", True),
        ("open(path, 'a')", True),
        ("path.open()", True),
        ("open(path, 'rb')", False),
        ("open(path, mode='wb')", False),
        ("open(path, encoding='utf-8')", False),
        ("path.write_text(text)", True),
        ("path.write_text(text, 'utf-8')", False),
        ("path.read_text()", True),
        ("subprocess.run(words, text=True)", True),
        ("tempfile.TemporaryFile(dir=folder)", False),
        ("tempfile.NamedTemporaryFile('w')", True),
    ],
)
def test_the_search_finds_what_it_is_for(line: str, found: bool) -> None:
    assert bool(list(without_encoding(ast.parse(line)))) == found


def test_a_copy_has_the_same_bytes_on_every_system() -> None:
    lines = (ROOT / ".gitattributes").read_text("utf-8").splitlines()
    assert "* text=auto eol=lf" in lines
    assert {f"*{end} binary" for end in (".png", ".woff2", ".nc.gz")} <= set(lines)
