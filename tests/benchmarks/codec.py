"""The bank codec over N transactions, beside bare lxml loops that touch the same elements.

    python -m tests.benchmarks.codec [--transactions 50000] [--rounds 7]

Prints, for each kind of file, the best seconds of ours and of the bare loop (taken in turns), their
ratio, and the peak memory of a fresh process that does ours alone. Ours makes every value; writing
begins with plain rows on both sides. Fails where writing pain.001 or reading camt.054 takes more
than 1.5 bare loops, or 100 MiB and more. That both sides touch the same is checked before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from banking.iso20022 import camt053, camt054, pain001, pain002
from banking.nets import reader
from tests.benchmarks import codec_files, codec_floor, codec_touched
from tests.benchmarks.codec_touched import Touched
from tests.benchmarks.pipeline import _peak_mib

ROOT = Path(__file__).resolve().parents[2]
RATIO_MOST, MIB_BELOW = 1.5, 100
IDLE = "idle"
WRITTEN, ADVICE = "pain.001 written", "camt.054 read"
BOUNDED = (WRITTEN, ADVICE)
Read = Callable[[BinaryIO], Iterable[Any]]
Bare = Callable[[], Iterable[Iterable[str | None]]]


class Differs(Exception):
    """The two sides of a comparison did not touch the same."""


class Job(NamedTuple):
    """One kind of file: what is timed on either side, and what each side touched."""

    name: str
    ours: Callable[[], object]
    bare: Callable[[], object]
    touched: Callable[[], tuple[Touched, Touched]]


class Figures(NamedTuple):
    """Of one kind of file: elements touched, best seconds of each side, peak MiB of ours."""

    elements: int
    ours: float
    bare: float
    peak: float


def main(words: list[str]) -> int:
    """Measures and prints; 1 where a bound is not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.codec")
    parser.add_argument("--transactions", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.alone:
        for job in jobs(asked.folder, asked.transactions):
            if job.name == asked.alone:
                job.ours()
        print(_peak_mib())
        return 0
    with tempfile.TemporaryDirectory(prefix="kvitt-codec-") as folder:
        figures, idle = measure(Path(folder), asked.transactions, asked.rounds)
    return report(figures, idle, asked.transactions)


def measure(folder: Path, n: int, rounds: int) -> tuple[dict[str, Figures], float]:
    """(figures by name, peak MiB of a process that only imports). Raises Differs."""
    prepare(folder, n)
    all_jobs = jobs(folder, n)
    elements = {job.name: compare(job) for job in all_jobs}
    took: dict[str, tuple[list[float], list[float]]] = {job.name: ([], []) for job in all_jobs}
    for _round in range(rounds):
        for job in all_jobs:
            for work, times in zip((job.ours, job.bare), took[job.name], strict=True):
                began = time.perf_counter()
                work()
                times.append(time.perf_counter() - began)
    figures = {
        name: Figures(elements[name], min(ours), min(bare), peak_of(name, folder, n))
        for name, (ours, bare) in took.items()
    }
    return figures, peak_of(IDLE, folder, n)


def compare(job: Job) -> int:
    """How many elements each side touches. Raises Differs unless they are the same."""
    ours, bare = job.touched()
    if ours != bare:
        raise Differs(f"{job.name}: ours touched {ours}, the bare loop {bare}")
    return ours.elements


def peak_of(name: str, folder: Path, n: int) -> float:
    """Peak MiB of a new process that does ours of that job, or nothing.

    It reads its own high-water mark: that of a waited-for child begins with its parent's.
    """
    command = [sys.executable, "-m", "tests.benchmarks.codec", "--alone", name]
    command += ["--folder", str(folder), "--transactions", str(n)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def report(figures: dict[str, Figures], idle: float, n: int) -> int:
    """Prints the table and what is not met; 1 for that, else 0."""
    head = f"{n:,} transactions"
    print(f"{head:<22}{'elements':>10}     ours     bare  ratio  at most  peak MiB")
    failures = []
    for name, (elements, ours, bare, peak) in figures.items():
        ratio = ours / bare
        most = f"{RATIO_MOST:.2f}" if name in BOUNDED else "–"
        times = f"{ours:>7.2f} s{bare:>7.2f} s{ratio:>7.2f}"
        print(f"{name:<22}{elements:>10,}{times}{most:>9}{peak:>10.1f}")
        if name in BOUNDED and ratio > RATIO_MOST:
            failures.append(f"{name} takes {ratio:.2f} bare loops, more than {RATIO_MOST}.")
        if name in BOUNDED and peak >= MIB_BELOW:
            failures.append(f"{name} takes {peak:.0f} MiB, not less than {MIB_BELOW}.")
    print(f"{'an idle process':<66}{idle:>10.1f}")
    for failure in failures:
        print(failure)
    return 1 if failures else 0


# --- the jobs ----------------------------------------------------------------------------------


def prepare(folder: Path, n: int) -> None:
    """Makes the files that are read; a pain.001 is read as our writer leaves it."""
    codec_files.write_camt(folder / "camt054.xml", n)
    codec_files.write_camt(folder / "camt053.xml", n, statement=True)
    codec_files.write_pain002(folder / "pain002.xml", n)
    codec_files.write_ocr(folder / "ocr.txt", n)
    _write_ours(folder / "ours.xml", n, codec_files.payments(n))


def jobs(folder: Path, n: int) -> list[Job]:
    """What is measured, over files that prepare has made."""
    total = codec_files.sum_of(n)
    payments = codec_files.payments(n)
    ours, bare = folder / "ours.xml", folder / "bare.xml"

    def write_bare() -> None:
        codec_floor.write_pain001(bare, n, payments)

    def written() -> tuple[Touched, Touched]:
        write_bare()
        return codec_touched.of_file(ours), codec_touched.of_file(bare)

    def reading(
        name: str, file: str, read: Read, namespace: str, freed: str, total: Decimal = total
    ) -> Job:
        path, parts = folder / file, tuple(freed.split())
        return _reading(name, path, read, partial(codec_floor.texts, path, namespace, parts), total)

    camt, ocr = "TxDtls Ntry", folder / "ocr.txt"
    statuses, transfers = "TxInfAndSts OrgnlPmtInfAndSts", "CdtTrfTxInf PmtInf"
    by_schema = partial(pain001.read, schema=True)
    return [
        Job(WRITTEN, lambda: _write_ours(ours, n, payments), write_bare, written),
        reading(ADVICE, "camt054.xml", camt054.read, codec_files.CAMT054, camt),
        reading("camt.053 read", "camt053.xml", camt053.read, codec_files.CAMT053, camt),
        reading(
            "pain.002 read", "pain002.xml", pain002.read, codec_files.PAIN002, statuses, Decimal(0)
        ),
        reading("pain.001 read, by XSD", "ours.xml", by_schema, codec_files.PAIN001, transfers),
        _reading("OCR giro read", ocr, reader.read, partial(codec_floor.receipts, ocr), total),
    ]


def _write_ours(path: Path, n: int, payments: list[codec_files.Payment]) -> None:
    with path.open("wb") as file:
        pain001.write(
            file,
            initiation=codec_files.initiation(n),
            payments=(
                (codec_files.instruction(one), codec_files.transfers(one)) for one in payments
            ),
            version="09",
            profile=pain001.WriterProfile(),
        )


def _reading(name: str, path: Path, read: Read, bare: Bare, total: Decimal) -> Job:
    """A file of transactions of that sum, read by ours to its last value and by the bare loop."""

    def ours() -> None:
        with path.open("rb") as file:
            deque(read(file), maxlen=0)

    def touched() -> tuple[Touched, Touched]:
        with path.open("rb") as file:
            values = codec_touched.of_values(read(file))
        return values, codec_touched.of_texts(chain.from_iterable(bare()), total)

    return Job(name, ours, lambda: deque(bare(), maxlen=0), touched)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
