"""The book's Sphinx extension: what makes a plain `jupyter-book build .` complete and honest.

In order: chapters whose key is new are executed (`build`), their evidence is collected (`evidence`)
before any page is read, all pages are read again when anything in it changed, pages are mended
(`pages`), claims.json and provenance.json are written last. A build with any warning forgets what
it read, so that the next one meets the same warnings again.
"""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from sphinx.application import Sphinx
from sphinx.util import console

from simplicity import __version__
from simplicity.places import paths
from simplicity.problems import Problem
from simplicity.process import interrupts, surroundings
from simplicity.site import (
    api,
    build,
    directives,
    evidence,
    formulas,
    outward,
    pages,
    themes,
    wording,
)
from simplicity.site.execute import ChapterFailed

_UNFINISHED = "unfinished"  # a file that is there from the start of a build to its end


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx's entry point: directives and hooks."""
    surroundings.settle()  # before Sphinx reads the year, and before any chapter's kernel starts
    if "NO_COLOR" in os.environ or not (sys.stdout.isatty() and sys.stderr.isatty()):
        console.nocolor()  # Jupyter Book does not ask whether somebody sees the colours
    formulas.set_up(app)
    _add_markup(app)
    for event, hook, priority in HOOKS:
        app.connect(event, hook, priority=priority)
    app.add_css_file(themes.NAME, priority=950)  # after all the sheets that it is made from
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}


def _add_markup(app: Sphinx) -> None:
    """The book's own directives and roles, and its way with numbers."""
    known = directives.DIRECTIVES | {"cite-box": outward.CiteBox, "api": api.Api}
    for name, directive in known.items():
        app.add_directive(name, directive)
    for name, role in directives.ROLES.items():
        app.add_role(name, role)
    app.add_post_transform(wording.Numbers)


def _prepare(app: Sphinx) -> None:
    undo = interrupts.leave("interrupted: chapters that are finished are kept")
    app.connect("build-finished", lambda app, exception: undo(), priority=950)
    mark = Path(app.doctreedir) / _UNFINISHED
    app.simplicity_reread = mark.exists()  # type: ignore[attr-defined]
    mark.touch()
    evidence.remove(Path(app.outdir))
    try:
        app.env.simplicity = _collected(app)  # type: ignore[attr-defined]
    except (ChapterFailed, Problem) as error:
        _forget(app)
        _stop(str(error))


def _collected(app: Sphinx) -> evidence.State:
    """The evidence of all chapters, once those that are new have run."""
    root, reader = Path(app.srcdir).resolve(), pages.reader(app)
    _refuse_without_texts()
    if paths.root() != root:
        raise Problem(
            f"book: got {root}, allowed the checkout that `simplicity` is installed from, "
            f"{paths.root()}"
        )
    build.warm(root, reader)
    build.fill(root, Path(app.env.mystnb_config.execution_cache_path), reader)  # type: ignore[attr-defined]
    return evidence.collect(root)


def _refuse_without_texts() -> None:
    if sys.flags.optimize > 1:
        raise Problem(
            f"PYTHONOPTIMIZE: got {sys.flags.optimize}, allowed 0 or 1, since the pages on the "
            "library hold texts that Python then leaves out"
        )


def _stop(reason: str) -> NoReturn:
    """End the build with the reason alone: of an exception Jupyter Book would also show where its
    own code was.
    """
    print(f"\n{reason}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def _outdated(
    app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]
) -> set[str]:
    """Every page if the evidence is not what they were made from: numbers travel between pages.

    Also after a build that was interrupted or killed: the warnings of what it had read would not
    come again.
    """
    digest = evidence.digest(env.simplicity)
    same = getattr(env, "simplicity_digest", None) == digest
    env.simplicity_digest = digest
    return set() if same and not app.simplicity_reread else set(env.found_docs)  # type: ignore[attr-defined]


def _finish(app: Sphinx, exception: Exception | None) -> None:
    warned = bool(app._warncount)
    if warned or exception is not None:
        _forget(app)
    if app.builder.format == "html" and exception is None:
        pages.write(app)
        # With --keep-going Sphinx itself turns `warningiserror` off.
        if not (warned and (app.warningiserror or app.keep_going)):
            evidence.write(evidence.state_of(app.env), Path(app.outdir))
    (Path(app.doctreedir) / _UNFINISHED).unlink(missing_ok=True)


def _forget(app: Sphinx) -> None:
    """Sphinx does not repeat the warnings of pages that it does not read again, so a second build
    would pass.
    """
    (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


# event, what is then called, and when among other hooks: the lowest number first
HOOKS = (
    ("builder-inited", _prepare, 900),  # after MyST-NB has made its configuration
    ("env-get-outdated", _outdated, 500),
    ("html-page-context", pages.offer_notebook, 100),  # before the theme makes its buttons
    ("html-page-context", pages.add_provenance, 900),
    ("html-page-context", outward.add_meta, 900),
    ("html-page-context", pages.mend_body, 950),
    ("build-finished", _finish, 900),
)
