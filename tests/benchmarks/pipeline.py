"""The whole way of N lines, step by step, beside the bare floor of the same work.

    python -m tests.benchmarks.pipeline 1000 10000 100000

Prints seconds and peak memory per step, the ratio to the floor, and seconds per 1,000 lines. The
floor is what the work costs with nothing around it: an lxml pass, COPY, UPDATE and event rows on
plain tables of the same server, in the same run. The bank's own time is left out on both sides.
"""

from __future__ import annotations

import datetime as dt
import gc
import os
import pickle
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Measured = tuple[float, float]
DAYS_APART = 30  # so that the bank's clock, which only moves forward, fits each size


def main(sizes: list[int]) -> None:
    """Starts servers of its own, then measures each size on a fresh database."""
    from tests.benchmarks.servers import standing

    with standing(durable=True) as (folder, urls):
        import django

        django.setup()
        from tests import kit
        from tests.benchmarks import floor

        with kit.Bank(folder / "bank", interval=3600) as bank:
            rows = {n: _one_size(n, place, bank, folder) for place, n in enumerate(sizes, 1)}
        bare = {n: floor.measure(n, urls.owner, folder, in_child) for n in sizes}
    _report(rows, bare)


def in_child(work: Callable[[], Any]) -> tuple[Measured, Any]:
    """Runs work in a forked child: ((seconds, peak MiB above the start), what it returned)."""
    from django.db import connections

    connections.close_all()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = _peak_mib()
        began = time.perf_counter()
        try:
            result: Any = work()
            told: Any = ((time.perf_counter() - began, _peak_mib() - before), result)
        except BaseException:
            import traceback

            told = traceback.format_exc()
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(told, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pickle.load(pipe)
    os.waitpid(pid, 0)
    if isinstance(told, str):
        raise SystemExit(told)
    return told


def _peak_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_upload(path: Path, n: int, account: str, number: str, due: dt.date) -> None:
    """A pain.001.001.09 of one payment with n lines, KIDs on every second."""
    from banking import numbers
    from tests import kit

    accounts = [kit.account(1000 + i) for i in range(50)]
    lines = [
        kit.Line(
            f"{number}-{i}",
            f"{100 + i % 900}.{i % 100:02d}",
            accounts[i % 50],
            kid=numbers.make_kid(f"{1000000 + i}", modulus="MOD10") if i % 2 else "",
            message="" if i % 2 else f"Faktura {i}",
        )
        for i in range(n)
    ]
    path.write_bytes(kit.pain001({number: lines}, account=account, due=due))


def _one_size(n: int, place: int, bank: Any, folder: Path) -> dict[str, Measured]:
    from tests import kit

    file = folder / f"upload-{n}.xml"

    due = dt.date.today() + dt.timedelta(days=DAYS_APART * place)

    def prepare() -> Any:
        made = kit.stage(bank, place=place, balance="99999999999.00")
        write_upload(file, n, made.agreement.account.number, f"P{n}", due)
        return made

    _cost, made = in_child(prepare)
    steps: dict[str, Measured] = {}
    for name, work in _steps(made, bank, file, n, due):
        steps[name], _result = in_child(work)
        print(f"  {n:>7,} {name:<22} {steps[name][0]:7.2f} s {steps[name][1]:6.0f} MiB", flush=True)
    return steps


def _steps(
    made: Any, bank: Any, file: Path, n: int, due: dt.date
) -> Iterator[tuple[str, Callable[[], Any]]]:
    from banking import inbox
    from payments import outcomes, sending
    from tests.flows import test_main_job as job

    yield "upload → stored", lambda: _upload(made, file)
    yield "first approval", lambda: job.sign(made, made.users["anne"])
    yield "second approval", lambda: job.sign(made, made.users["bjorn"])

    def make() -> list[int]:
        with made.scope():
            return sending.make_files(company=made.company)

    yield "bank file made", make

    def deliver() -> None:
        with made.scope():
            for pk in sending.undelivered(company=made.company):
                sending.deliver(file_id=pk)

    yield "file delivered", deliver

    def answers() -> None:
        inbox.poll(made.channel.pk)
        outcomes.take_answers()

    bank.work()
    yield "pain.002 carried out", answers
    after = dt.datetime.combine(due + dt.timedelta(days=8), dt.time(12), dt.UTC)
    bank.ask("/clock", {"to": after.isoformat()})
    bank.work()
    yield "camt.054 carried out", answers
    yield "ERP events read", lambda: _read_events(made, n)


def _upload(made: Any, file: Path) -> None:
    import hashlib

    from payments import intake
    from portal import clock
    from portal.access import actors

    with made.scope(), file.open("rb") as body:
        digest = hashlib.file_digest(body, "sha256").digest()
        intake.take(
            company=made.company,
            user=made.users["erp"],
            by=actors.erp(made.users["erp"]),
            key=file.name,
            media_type=intake.XML,
            body=body,
            body_sha256=digest,
            at=clock.now(),
            today=clock.today(),
        )


def _read_events(made: Any, n: int) -> None:
    import json

    from portal.erp import feed

    cursor, settled = 0, 0
    while True:
        with made.scope():
            page = feed.after(company=made.company, cursor=cursor, limit=5000, language="nb")
        json.dumps(page)
        settled += sum(1 for event in page["events"] if event["erp_code"] == 5)
        cursor = page["next_after"]
        if not page["more"]:
            break
    if settled != n:
        raise SystemExit(f"{settled} of {n} lines were told as settled")


def _report(rows: dict[int, dict[str, Measured]], bare: dict[int, dict[str, Measured]]) -> None:
    print()
    for n, steps in rows.items():
        print(f"{n:,} lines             Kvitt       peak      floor      ratio")
        for name, (seconds, peak) in steps.items():
            least = bare[n].get(name, (0.0, 0.0))[0]
            ratio = f"{seconds / least:8.2f}" if least else "       –"
            print(f"  {name:<22}{seconds:7.2f} s {peak:6.0f} MiB {least:7.2f} s {ratio}")
        total = sum(seconds for seconds, _peak in steps.values())
        least = sum(seconds for seconds, _peak in bare[n].values())
        peak = max(peak for _seconds, peak in steps.values())
        print(
            f"  {'together':<22}{total:7.2f} s {peak:6.0f} MiB {least:7.2f} s {total / least:8.2f}"
            f"   {total / n * 1000:.3f} s per 1,000 lines, {n / total:,.0f} lines a second\n"
        )


if __name__ == "__main__":
    main([int(word.replace("_", "")) for word in sys.argv[1:]] or [1000, 10000])
