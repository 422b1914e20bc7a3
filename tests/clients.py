"""Runs of the toy experiment in processes of their own, which a test can kill; not tests
themselves.

`python clients.py sweep WORDS...` is the command `simplicity sweep toy --preset TINY WORDS...`.
`python clients.py nest` imports all of it once and then forks, for every line of JSON words that it
reads, a process that does the same: in a tenth of the time.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def environment(**more: str) -> dict[str, str]:
    """Ours, with the toy experiment importable, also in the workers of a client."""
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "SIMPLICITY_WORKERS": "0", **more}


def command(*words: object) -> list[str]:
    return [sys.executable, str(Path(__file__).resolve()), "sweep", *map(str, words)]


def main(words: list[str]) -> int:
    import toy_experiment as toy
    from simplicity import cli
    from simplicity.cli import running  # noqa: F401  # while it may still be read
    from simplicity.evidence import records

    # a shell starts background jobs with it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    records.experiment = lambda name: toy  # type: ignore[assignment]
    if "UNPRIVILEGED" in os.environ and os.getuid() == 0:  # root may write anywhere
        os.setuid(65534)
    return cli.main(["sweep", "toy", "--preset", "TINY", *words])


class Nest:
    """A process that has imported what a client needs and forks one for each `start`; nothing in it
    has run yet.
    """

    def __init__(self) -> None:
        words = [sys.executable, str(Path(__file__).resolve()), "nest"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            words, env=environment(), stdin=pipe, stdout=pipe, encoding="utf-8"
        )

    def start(self, *words: object) -> int:
        """The process id of a new client."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps([str(word) for word in words]), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()


def nest() -> None:
    import toy_experiment
    from simplicity.cli import running  # noqa: F401
    from simplicity.grid.run import warm

    warm(toy_experiment.__name__)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the ended ones are gone at once
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(main(json.loads(line)))
        print(process, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "nest":
        nest()
    else:
        sys.exit(main(sys.argv[2:]))
