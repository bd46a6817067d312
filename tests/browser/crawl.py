"""Looks at every page as everybody, in both languages, light and dark, narrow and wide.

    ./test --crawl [--role R] [--address NAME] [--language nb] [--keep FOLDER] [--workers 2]

`./test` makes the virtualenv and the servers first, so this works from a clean clone; so does
`python -m tests.browser.crawl` with the same arguments, which goes by way of `./test`. Everything
is looked at when nothing is named. NAME is an address with or without what is special of it, as
the table writes it: `payments:detail`, `payments:detail[rejected]`, `payments:`. Pictures and a
contact sheet (index.html) are kept in FOLDER, `.kvitt/crawl` if not told. Ends with 1 when
something was found; what `known` excuses in the quick test is told here too.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".kvitt" / "crawl"
AT_ONCE = 12  # places that one process takes at a time
PART_SECONDS_MAX = 600
_held = contextlib.ExitStack()  # a process's browser, as long as the process lives
_crawler: Any = None
_places: Any = None


class Facts(NamedTuple):
    """What a process of the crew is told."""

    database: str
    url: str
    scene: str
    seen: Path
    keep: Path


class Job(NamedTuple):
    """Some places, by their index, as one person in one language."""

    role: str
    language: str
    places: tuple[int, ...]


def _ready() -> None:
    """Django as a test has it: its client's host is allowed, and no mail leaves."""
    import django
    from django.test.utils import setup_test_environment

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    logging.disable(logging.CRITICAL)
    django.setup()
    setup_test_environment()


def _begin(facts: Facts) -> None:
    """A process of the crew gets its browser, which ends with it."""
    global _crawler, _places
    _ready()
    from django.db import connection

    from tests.browser import chromium
    from tests.browser.crawler import Crawler, InFolder
    from tests.browser.places import places
    from tests.browser.scene import Scene
    from tests.browser.site import Site

    connection.settings_dict["NAME"] = facts.database
    site = Site(facts.url, Scene.read(facts.scene))
    browser = _held.enter_context(chromium.running())
    atexit.register(_held.close)
    seen = InFolder(facts.seen)
    _crawler = Crawler(browser, site, seen=seen, keep=facts.keep, thorough=True)
    _places = places(site.scene)


def _work(job: Job) -> Any:
    from tests.browser.findings import LOOKS

    chosen = [_places[index] for index in job.places]
    signal.signal(signal.SIGALRM, _stuck)
    signal.alarm(PART_SECONDS_MAX)
    try:
        return _crawler.crawl(chosen, role=job.role, language=job.language, looks=LOOKS)
    finally:
        signal.alarm(0)


def _stuck(_number: int, frame: Any) -> None:
    """A browser that never answers would hold the crawl for ever: says where, and ends it."""
    print(f"The browser does not answer at {_crawler.at}.", file=sys.stderr)
    traceback.print_stack(frame)
    os._exit(3)


def _jobs(options: argparse.Namespace, names: Sequence[str]) -> Iterator[Job]:
    from tests.browser.scene import ROLES

    wanted = [index for index, name in enumerate(names) if name.startswith(options.address)]
    for role in [options.role] if options.role else ROLES:
        for language in [options.language] if options.language else ["nb", "en"]:
            for start in range(0, len(wanted), AT_ONCE):
                yield Job(role, language, tuple(wanted[start : start + AT_ONCE]))


@contextlib.contextmanager
def _site(folder: Path) -> Iterator[Facts]:
    from django.conf import settings

    from tests import kit
    from tests.browser import site

    settings.REDIS_URL = kit.redis_url("crawl")
    with site.over_the_scene("crawl", folder) as (database, made):
        seen = folder / "seen"
        seen.mkdir()
        yield Facts(database, made.url, made.scene.written(), seen, Path())


def _crawl(options: argparse.Namespace, folder: Path) -> Any:
    """All of it by a crew of processes; what they saw together."""
    from tests.browser.crawler import Seen
    from tests.browser.places import places
    from tests.browser.scene import Scene

    total = Seen()
    with _site(folder) as facts:
        names = [str(place) for place in places(Scene.read(facts.scene))]
        jobs = list(_jobs(options, names))
        with ProcessPoolExecutor(
            options.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(facts._replace(keep=options.keep),),
        ) as crew:
            work = {crew.submit(_work, job): job for job in jobs}
            try:
                for number, done in enumerate(as_completed(work), 1):
                    total.add(done.result())
                    _tell(number, len(jobs), work[done], done.result())
            except BaseException:  # Ctrl-C too: what has not begun never does
                crew.shutdown(wait=False, cancel_futures=True)
                raise
    return total


def _tell(number: int, jobs: int, job: Job, seen: Any) -> None:
    """What came of a part, at once: who stops the crawl has seen what was found until then."""
    from tests.browser.findings import table

    print(
        f"{number:>4} of {jobs}  {job.role} {job.language}: {seen.pages} pages,"
        f" {seen.looks} looks, {len(seen.findings)} findings",
        *([table(seen.findings)] if seen.findings else []),
        sep="\n",
        flush=True,
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./test --crawl", description=__doc__.split("\n\n")[0])
    parser.add_argument("--role", default="", help="only as this person")
    parser.add_argument("--address", default="", help="only places whose name begins so")
    parser.add_argument("--language", choices=["nb", "en"], help="only in this language")
    parser.add_argument("--keep", type=Path, default=KEPT, help="where pictures are kept")
    parser.add_argument("--workers", type=int, default=2, help="processes with a browser each")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when something was found."""
    options = _arguments(arguments)
    if "DATABASE_ADMIN_URL" not in os.environ:
        os.execv(ROOT / "test", [str(ROOT / "test"), "--crawl", *(arguments or sys.argv[1:])])
    _ready()
    from tests.browser import chromium, sheet
    from tests.browser.findings import table
    from tests.browser.scene import ROLES

    if options.role and options.role not in ROLES:
        print(f"--role is one of {', '.join(ROLES)}", file=sys.stderr)
        return 2
    if chromium.found() is None:
        print(f"{chromium.MISSING}; nothing can be looked at", file=sys.stderr)
        return 2
    began = time.monotonic()
    options.keep = options.keep.resolve()
    sheet.clear(options.keep, ROLES)
    with tempfile.TemporaryDirectory(prefix="kvitt-crawl-") as folder:
        seen = _crawl(options, Path(folder))
    print(table(seen.findings) or "Nothing was found.")
    print(
        f"{len(seen.findings)} findings on {seen.pages} pages ({seen.same} the same as others,"
        f" looked at once), {seen.looks} looks, {len(seen.shots)} screenshots, {seen.links} links,"
        f" {time.monotonic() - began:.0f} seconds. Pictures: {sheet.write(options.keep, seen)}"
    )
    return int(bool(seen.findings))


if __name__ == "__main__":
    sys.exit(main())
