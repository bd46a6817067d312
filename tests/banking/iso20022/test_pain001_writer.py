"""Writing pain.001: what is written is valid by the official schema and is read back the same."""

import dataclasses
import datetime
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banking.iso20022 import pain001
from banking.iso20022.values import Account, Document, Initiation, Instruction, Party, Transfer
from banking.located import InvalidOutput, Place

Written = Callable[[str], bytes]
NOWHERE = Place(0, "")
PLAIN = pain001.WriterProfile(default_category="", default_service_level="")

letters = st.characters(
    exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff", codec="utf-8"
)


def text(longest: int, *, shortest: int = 1) -> st.SearchStrategy[str]:
    """Text as a file carries it: without outer blanks."""
    some = st.text(letters, min_size=1, max_size=longest).filter(lambda one: one == one.strip())
    return some if shortest else st.just("") | some


def code(pattern: str) -> st.SearchStrategy[str]:
    return st.from_regex(pattern, fullmatch=True)


amounts = st.decimals("0.00001", "9999999999", places=2, allow_nan=False) | st.just(Decimal("7.5"))
countries = st.just("") | code("[A-Z]{2}")
kids = st.none() | code("[0-9]{1,24}[0-9-]")
bics = code("[A-Z]{6}[A-Z2-9][A-NP-Z0-9]([A-Z0-9]{3})?")
accounts = st.one_of(
    st.builds(Account, st.just("BBAN"), code("[0-9]{11}")),
    st.builds(Account, st.just("IBAN"), code("[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{1,30}")),
    st.builds(
        Account,
        st.just("OTHER"),
        text(34),
        st.just("") | text(35).filter(lambda one: one != "BBAN"),
    ),
)
parties = st.builds(
    Party,
    text(140, shortest=0),
    text(70, shortest=0),
    text(16, shortest=0),
    text(16, shortest=0),
    text(35, shortest=0),
    countries,
    st.lists(text(70), max_size=7).map(tuple),
)
papers = st.builds(Document, st.sampled_from(["CINV", "CREN"]), text(35), amounts, code("[A-Z]{3}"))
papers = papers | st.builds(
    Document, st.just("CINV"), text(35), st.none(), st.just(""), kids.filter(bool)
)
lines = st.builds(
    Transfer,
    position=st.just(1),
    instruction_id=text(35, shortest=0),
    end_to_end_id=text(35),
    amount=amounts,
    currency=code("[A-Z]{3}"),
    payee=parties,
    payee_account=st.none() | accounts,
    payee_bic=st.just("") | bics,
    clearing_id=st.just(""),
    kid=kids,
    message=st.lists(text(140), max_size=3).map(tuple),
    documents=st.lists(papers, max_size=3).map(tuple),
    purpose=st.just("") | code("[A-Z]{4}"),
    place=st.just(NOWHERE),
    additional=st.lists(text(140), max_size=3).map(tuple),
    charge_bearer=st.sampled_from(["", "SHAR", "DEBT", "SLEV"]),
    service_level=st.sampled_from(["", "SEPA"]),
    category=st.sampled_from(["", "SALA"]),
    transfer_currency=st.just("") | code("[A-Z]{3}"),
    regulatory=st.lists(st.tuples(text(10), text(35, shortest=0)), max_size=2).map(tuple),
)
clearings = st.one_of(
    st.just(("", "")), st.tuples(st.sampled_from(["", "USABA", "GBDSC"]), code("[0-9]{9}"))
)
heads = st.builds(
    Instruction,
    number=text(35),
    execution_date=st.dates(datetime.date(2000, 1, 1), datetime.date(2100, 1, 1)),
    debtor=parties,
    debit_account=accounts,
    debit_currency=st.just("") | code("[A-Z]{3}"),
    debtor_bic=st.just("") | bics,
    category=st.sampled_from(["", "SUPP", "SALA"]),
    service_level=st.sampled_from(["", "NURG", "URGP", "SEPA", "Own word"]),
    priority=st.sampled_from(["", "NORM", "HIGH"]),
    batch_booking=st.none() | st.booleans(),
    charge_bearer=st.sampled_from(["", "SHAR", "CRED"]),
    declared_count=st.none(),
    declared_sum=st.none(),
    place=st.just(NOWHERE),
)
zones = st.integers(-12, 14).map(lambda hours: datetime.timezone(datetime.timedelta(hours=hours)))
files = st.builds(
    Initiation,
    message_id=text(35),
    created_at=st.datetimes(
        datetime.datetime(2000, 1, 1), datetime.datetime(2099, 1, 1), timezones=zones
    ).map(lambda one: one.replace(microsecond=0)),
    declared_count=st.just(0),
    declared_sum=st.none(),
    initiator=parties,
    authorisations=st.lists(text(128), max_size=2).map(tuple),
    version=st.just(""),
)
identifiers = st.lists(
    st.tuples(st.sampled_from(["CUST", "BANK", "", "Long scheme"]), text(35)), max_size=3
)


@st.composite
def whole_files(
    draw: st.DrawFn,
) -> tuple[Initiation, list[tuple[Instruction, list[Transfer]]]]:
    """A file whose counts, sums and positions are right."""
    payments = []
    count, total = 0, Decimal(0)
    for number in range(1, draw(st.integers(1, 2)) + 1):
        transfers = []
        for position, one in enumerate(draw(st.lists(lines, min_size=1, max_size=3)), 1):
            system, member = draw(clearings)
            place = Place(0, f"PmtInf[{number}]/CdtTrfTxInf[{position}]")
            transfers.append(
                dataclasses.replace(
                    one,
                    position=position,
                    place=place,
                    clearing_system=system,
                    clearing_id=member,
                )
            )
        own = sum((one.amount for one in transfers), Decimal(0))
        head = dataclasses.replace(
            draw(heads),
            declared_count=len(transfers),
            declared_sum=own,
            place=Place(0, f"PmtInf[{number}]"),
        )
        payments.append((head, transfers))
        count, total = count + len(transfers), total + own
    file = draw(files)
    initiator = dataclasses.replace(file.initiator, identifiers=tuple(draw(identifiers)))
    file = dataclasses.replace(file, declared_count=count, declared_sum=total, initiator=initiator)
    return file, payments


def without_line(value: Initiation | Instruction | Transfer) -> object:
    if isinstance(value, Initiation):
        return value
    return dataclasses.replace(value, place=Place(0, value.place.path))


def write(
    file: Initiation,
    payments: list[tuple[Instruction, list[Transfer]]],
    *,
    version: str = "09",
    profile: pain001.WriterProfile = PLAIN,
) -> bytes:
    target = io.BytesIO()
    pain001.write(target, initiation=file, payments=payments, version=version, profile=profile)
    return target.getvalue()


@pytest.mark.parametrize("version", pain001.VERSIONS)
@given(whole_files())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_valid_and_read_back_the_same(
    version: str, whole: tuple[Initiation, list[tuple[Instruction, list[Transfer]]]]
) -> None:
    file, payments = whole
    data = write(file, payments, version=version)
    pain001.check_schema(io.BytesIO(data), version=version)
    expected: list[object] = [dataclasses.replace(file, version=version)]
    for head, transfers in payments:
        expected += [head, *transfers]
    for schema in (True, False):
        values = pain001.read(io.BytesIO(data), schema=schema)
        assert [without_line(value) for value in values] == expected


def test_the_versions_differ_where_the_standard_does(written: Written) -> None:
    old, new = written("03"), written("09")
    assert b"<ReqdExctnDt>2026-11-24</ReqdExctnDt>" in old
    assert b"<ReqdExctnDt><Dt>2026-11-24</Dt></ReqdExctnDt>" in new
    assert b"<BIC>DNBANOKK</BIC>" in old
    assert b"<BICFI>DNBANOKK</BICFI>" in new


def test_a_kid_is_a_structured_reference_and_a_credit_note_has_its_own(written: Written) -> None:
    data = written("09").decode()
    kid = "<CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp><Ref>{}</Ref></CdtrRefInf>"
    assert f"<RmtInf><Strd>{kid.format('1234567890128')}</Strd></RmtInf>" in data
    assert (
        "<Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CREN</Cd></CdOrPrtry></Tp><Nb>55502</Nb></RfrdDocInf>"
        '<RfrdDocAmt><CdtNoteAmt Ccy="NOK">500.00</CdtNoteAmt></RfrdDocAmt>'
        f"{kid.format('100008-')}<AddtlRmtInf>Netted</AddtlRmtInf></Strd>"
    ) in data


def test_no_creditor_agent_is_written_where_there_is_none(written: Written) -> None:
    assert written("09").count(b"<CdtrAgt>") == 1


def test_who_approved_and_who_sends_stand_in_the_header(written: Written) -> None:
    data = written("09").decode()
    assert "<Authstn><Prtry>KARI01</Prtry></Authstn><Authstn><Prtry>OLA02</Prtry></Authstn>" in data
    assert "<Othr><Id>00920058817</Id><SchmeNm><Cd>CUST</Cd></SchmeNm></Othr>" in data


def test_a_banks_profile_leaves_out_what_it_forbids(
    initiation: Initiation, instruction: Instruction, transfers: list[Transfer]
) -> None:
    strict = pain001.WriterProfile(
        payment_totals=False,
        charge_bearer=False,
        batch_booking=False,
        priority=False,
        account_scheme=False,
        debit_currency=False,
        authorisations=False,
        instruction_ids=False,
    )
    bare = dataclasses.replace(instruction, category="", service_level="", charge_bearer="SHAR")
    data = write(initiation, [(bare, transfers)], profile=strict).decode()
    payment = data[data.index("<PmtInf>") :]
    for name in ("NbOfTxs", "CtrlSum", "ChrgBr", "BtchBookg", "InstrPrty", "InstrId", "BBAN"):
        assert name not in payment
    assert "Authstn" not in data
    assert "<SvcLvl><Cd>NURG</Cd></SvcLvl><CtgyPurp><Cd>SUPP</Cd></CtgyPurp>" in payment
    pain001.check_schema(io.BytesIO(data.encode()), version="09")


def test_identifiers_without_a_value_are_left_out(
    initiation: Initiation, instruction: Instruction, transfers: list[Transfer]
) -> None:
    empty = dataclasses.replace(
        initiation, initiator=Party("Firma AS", identifiers=(("CUST", ""), ("BANK", "")))
    )
    data = write(empty, [(instruction, transfers)])
    assert b"<InitgPty><Nm>Firma AS</Nm></InitgPty>" in data


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("end_to_end_id", "x" * 36, "too-long"),
        ("instruction_id", "x" * 36, "too-long"),
        ("kid", "1" * 36, "too-long"),
        ("amount", Decimal(-1), "value"),
        ("amount", Decimal("NaN"), "value"),
        ("currency", 'N"K', "value"),
        ("message", ("a\x00b",), "illegal-character"),
        ("message", ("a\ud800b",), "illegal-character"),
        ("additional", ("a", "b", "c", "d"), "value"),
    ],
)
def test_what_no_file_can_hold_is_refused_at_its_place(
    initiation: Initiation,
    instruction: Instruction,
    transfers: list[Transfer],
    field: str,
    value: Any,
    fault: str,
) -> None:
    transfers[1] = dataclasses.replace(transfers[1], **{field: value})
    with pytest.raises(InvalidOutput) as caught:
        write(initiation, [(instruction, transfers)])
    assert caught.value.code == fault
    assert caught.value.place.path == "PmtInf[1]/CdtTrfTxInf[2]"


def test_totals_that_do_not_fit_the_transfers_are_refused(
    initiation: Initiation, instruction: Instruction, transfers: list[Transfer]
) -> None:
    with pytest.raises(InvalidOutput) as caught:
        write(initiation, [(instruction, transfers[:2])])
    assert (caught.value.code, caught.value.place.path) == ("totals", "PmtInf[1]")
    few = dataclasses.replace(instruction, declared_count=None, declared_sum=None)
    with pytest.raises(InvalidOutput) as caught:
        write(initiation, [(few, transfers[:2])])
    assert caught.value.place.path == "GrpHdr"


def test_a_third_authorisation_has_no_place(
    initiation: Initiation, instruction: Instruction, transfers: list[Transfer]
) -> None:
    three = dataclasses.replace(initiation, authorisations=("a", "b", "c"))
    with pytest.raises(InvalidOutput):
        write(three, [(instruction, transfers)])


def test_an_unknown_version_is_a_programming_error(initiation: Initiation) -> None:
    with pytest.raises(ValueError, match="pain.001.001.08"):
        write(initiation, [], version="08")
