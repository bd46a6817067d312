"""The codec's benchmark works: both sides of each comparison touch the same; no time is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import etree

from banking.iso20022 import pain001
from tests.benchmarks import codec
from tests.benchmarks.codec import Figures

N = 200
FILES = {
    "pain.001 written": "ours.xml",
    "camt.054 read": "camt054.xml",
    "camt.053 read": "camt053.xml",
    "pain.002 read": "pain002.xml",
    "pain.001 read, by XSD": "ours.xml",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a benchmark of 200 transactions, ours and the bare loop's."""
    made = tmp_path_factory.mktemp("codec")
    codec.prepare(made, N)
    for job in codec.jobs(made, N):
        job.ours()
        job.bare()
    return made


def test_both_sides_touch_every_element_that_holds_a_text(folder: Path) -> None:
    touched = {job.name: codec.compare(job) for job in codec.jobs(folder, N)}
    for name, file in FILES.items():
        elements = list(ElementTree.parse(folder / file).iter())
        assert touched.pop(name) == sum(bool((one.text or "").strip()) for one in elements)
    assert touched == {"OCR giro read": N * 14}


def test_an_element_that_only_one_side_touches_is_told(folder: Path, tmp_path: Path) -> None:
    codec.prepare(tmp_path, N)
    advice = tmp_path / "camt054.xml"
    advice.write_bytes(advice.read_bytes().replace(b"<Ntry>", b"<Ntry><NtryRef>9</NtryRef>", 1))
    job = next(job for job in codec.jobs(tmp_path, N) if job.name == codec.ADVICE)
    with pytest.raises(codec.Differs, match="camt.054 read"):
        codec.compare(job)


def test_the_files_are_valid(folder: Path, official: Callable[[str], etree.XMLSchema]) -> None:
    for file in ("ours.xml", "bare.xml"):
        with (folder / file).open("rb") as source:
            pain001.check_schema(source, version="09")
    for file, name in (
        ("camt054.xml", "camt.054.001.08"),
        ("camt053.xml", "camt.053.001.08"),
        ("pain002.xml", "pain.002.001.10"),
    ):
        official(name).assertValid(etree.parse(folder / file))


def test_the_command_prints_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert codec.main(["--transactions", str(N), "--rounds", "1"]) in (0, 1)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == "200 transactions elements ours bare ratio at most peak MiB".split()
    for name in (*FILES, "OCR giro read", "an idle process"):
        line = next(line for line in lines if line.startswith(name))
        assert 5 < float(line.split()[-1]) < codec.MIB_BELOW


@pytest.mark.parametrize(
    ("ours", "peak", "code", "words"),
    [
        (1.5, 99.9, 0, ""),
        (1.6, 50.0, 1, "camt.054 read takes 1.60 bare loops, more than 1.5."),
        (1.0, 100.0, 1, "camt.054 read takes 100 MiB, not less than 100."),
    ],
)
def test_a_bound_that_is_not_met_ends_with_one_and_a_sentence(
    capsys: pytest.CaptureFixture[str], ours: float, peak: float, code: int, words: str
) -> None:
    figures = {
        codec.ADVICE: Figures(elements=1, ours=ours, bare=1.0, peak=peak),
        "pain.002 read": Figures(elements=1, ours=9.0, bare=1.0, peak=500.0),
    }
    assert codec.report(figures, 20.0, N) == code
    assert capsys.readouterr().out.rstrip().endswith(words or "20.0")
