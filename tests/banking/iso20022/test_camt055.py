"""Requests to cancel, and the bank's answers: valid by the official schemas, read as they stand."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from banking.iso20022 import camt029, camt055
from banking.iso20022.values import (
    CancellationRequest,
    CancellationStatus,
    CancelledPayment,
    CancelledTransfer,
    Party,
    Reason,
    Resolution,
)
from banking.located import InvalidOutput, Unreadable

Official = Callable[[str], etree.XMLSchema]
NAME = "pain.001.001.09"
ASKED = CancellationRequest(
    "KVITT000000000042",
    dt.datetime(2026, 11, 26, 9, 15, tzinfo=dt.UTC),
    Party("Fisk & Nett AS", identifiers=(("CUST", "00123456"),)),
    "DNBANOKK",
    3,
    Decimal("300.00"),
)
CUSTOMER = Reason("CUST", False, "Betalt to ganger")
WHOLE = CancelledPayment("KVITT000000000007", NAME, "P-1", 2, Decimal("200.00"), True, CUSTOMER)
PART = CancelledPayment("KVITT000000000008", NAME, "P-2", 1, Decimal("100.00"), False)
LINE = CancelledTransfer(
    "1", "L-1", Decimal("100.00"), "NOK", dt.date(2026, 11, 27), Reason("DUPL", False, "")
)


def written(version: str, request: CancellationRequest, asked: Any) -> bytes:
    target = io.BytesIO()
    camt055.write(target, request=request, asked=asked, version=version)
    return target.getvalue()


def back(content: bytes) -> list[camt055.Value]:
    return list(camt055.read(io.BytesIO(content)))


@pytest.mark.parametrize("version", camt055.VERSIONS)
def test_a_request_is_valid_and_read_back_the_same(official: Official, version: str) -> None:
    content = written(version, ASKED, [(WHOLE, []), (PART, [LINE])])
    official(f"camt.055.001.{version}").assertValid(etree.parse(io.BytesIO(content)))
    assert back(content) == [
        dataclasses.replace(ASKED, version=version),
        WHOLE,
        PART,
        LINE,
    ]


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=35).filter(
    lambda one: one == one.strip() and "\ufffe" not in one and "\uffff" not in one
)
some = texts.filter(bool)
amounts = st.decimals("0.01", "9999999999", places=2, allow_nan=False)
reasons = st.none() | st.builds(
    Reason, st.sampled_from(["CUST", "DUPL", "TECH"]), st.just(False), texts
)
lines = st.builds(CancelledTransfer, some, some, amounts, st.just("NOK"), st.dates(), reasons)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_is_asked_is_read_back(official: Official, data: st.DataObject) -> None:
    asked: list[tuple[CancelledPayment, list[CancelledTransfer]]] = []
    count, total = 0, Decimal(0)
    for n in range(data.draw(st.integers(1, 4))):
        rows = data.draw(st.lists(lines, max_size=3))
        summed = sum((one.amount or Decimal(0) for one in rows), Decimal(0))
        whole = not rows
        told = data.draw(amounts) if whole else summed
        number = len(rows) or 5
        count, total = count + number, total + told
        payment = CancelledPayment(
            f"M{n // 2}", NAME, f"P{n}", number, told, whole, data.draw(reasons)
        )
        asked.append((payment, rows))
    request = dataclasses.replace(ASKED, declared_count=count, declared_sum=total)
    content = written("09", request, asked)
    official("camt.055.001.09").assertValid(etree.parse(io.BytesIO(content)))
    expected = [dataclasses.replace(request, version="09")]
    assert back(content) == expected + [one for pair in asked for one in (pair[0], *pair[1])]


@pytest.mark.parametrize(
    ("request_change", "asked", "code"),
    [
        ({"declared_count": 4}, [(WHOLE, []), (PART, [LINE])], "totals"),
        ({"declared_sum": Decimal("299.99")}, [(WHOLE, []), (PART, [LINE])], "totals"),
        ({}, [(WHOLE, []), (PART, [LINE, LINE])], "totals"),
        ({}, [(WHOLE, []), (PART, [])], "totals"),
        ({}, [], "totals"),
        ({"id": "x" * 36}, [(WHOLE, [])], "too-long"),
        ({"created_at": None}, [(WHOLE, [])], "value"),
        ({}, [(PART, [dataclasses.replace(LINE, currency="1")])], "value"),
        ({}, [(PART, [dataclasses.replace(LINE, end_to_end_id="a\0")])], "illegal-character"),
    ],
)
def test_what_must_not_leave_is_refused(
    request_change: dict[str, Any], asked: Any, code: str
) -> None:
    with pytest.raises(InvalidOutput) as caught:
        written("09", dataclasses.replace(ASKED, **request_change), asked)
    assert caught.value.code == code


def test_another_message_is_no_request() -> None:
    with pytest.raises(Unreadable) as caught:
        camt055.read(io.BytesIO(answer("09")))
    assert caught.value.code == "wrong-message"


# --- the bank's answer ---------------------------------------------------------------------------


def answer(version: str) -> bytes:
    """An answer that takes one payment back, refuses a transfer of another, and waits for one."""
    date = "<Dt>2026-11-27</Dt>" if version == "09" else "2026-11-27"
    party = "<Pty><Nm>Bank</Nm></Pty>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.029.001.{version}"><RsltnOfInvstgtn>
<Assgnmt><Id>B-1</Id><Assgnr>{party}</Assgnr><Assgne>{party}</Assgne>
<CreDtTm>2026-11-26T10:00:00+01:00</CreDtTm></Assgnmt>
<RslvdCase><Id>KVITT000000000042</Id><Cretr>{party}</Cretr></RslvdCase>
<Sts><Conf>PECR</Conf></Sts>
<CxlDtls><OrgnlGrpInfAndSts><OrgnlMsgId>M7</OrgnlMsgId><OrgnlMsgNmId>{NAME}</OrgnlMsgNmId>
<GrpCxlSts>PACR</GrpCxlSts></OrgnlGrpInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>P-1</OrgnlPmtInfId><PmtInfCxlSts>ACCR</PmtInfCxlSts>
</OrgnlPmtInfAndSts>
<OrgnlPmtInfAndSts><OrgnlPmtInfId>P-2</OrgnlPmtInfId>
<TxInfAndSts><CxlStsId>C1</CxlStsId><OrgnlInstrId>1</OrgnlInstrId>
<OrgnlEndToEndId>L-1</OrgnlEndToEndId><TxCxlSts>RJCR</TxCxlSts>
<CxlStsRsnInf><Rsn><Prtry>ARDT</Prtry></Rsn><AddtlInf>Betalt alt</AddtlInf></CxlStsRsnInf>
<OrgnlInstdAmt Ccy="NOK">100.00</OrgnlInstdAmt><OrgnlReqdExctnDt>{date}</OrgnlReqdExctnDt>
</TxInfAndSts><TxInfAndSts><OrgnlEndToEndId>L-2</OrgnlEndToEndId><TxCxlSts>PDCR</TxCxlSts>
</TxInfAndSts></OrgnlPmtInfAndSts></CxlDtls></RsltnOfInvstgtn></Document>""".encode()


@pytest.mark.parametrize("version", ["03", "09"])
def test_an_answer_is_read_at_every_level(official: Official, version: str) -> None:
    content = answer(version)
    official(f"camt.029.001.{version}").assertValid(etree.parse(io.BytesIO(content)))
    values = list(camt029.read(io.BytesIO(content)))
    oslo = dt.timezone(dt.timedelta(hours=1))
    assert values[0] == Resolution(
        "B-1",
        dt.datetime(2026, 11, 26, 10, tzinfo=oslo),
        "KVITT000000000042",
        "PECR",
        (),
        version,
    )
    told = [one for one in values if isinstance(one, CancellationStatus)]
    assert [(one.level, one.message_id, one.number, one.status) for one in told] == [
        ("group", "M7", "", "PACR"),
        ("payment", "M7", "P-1", "ACCR"),
        ("payment", "M7", "P-2", ""),
        ("transfer", "M7", "P-2", "RJCR"),
        ("transfer", "M7", "P-2", "PDCR"),
    ]
    refused = told[3]
    assert (refused.end_to_end_id, refused.amount) == ("L-1", Decimal("100.00"))
    assert refused.reasons == (Reason("ARDT", True, "Betalt alt"),)


def test_an_answer_of_a_group_alone_and_one_without_namespace_are_read() -> None:
    content = b"""<Document><RsltnOfInvstgtn><Assgnmt><Id>B-2</Id></Assgnmt>
<Sts><Conf>RJCR</Conf></Sts><CxlDtls><OrgnlGrpInfAndSts><OrgnlMsgId>M</OrgnlMsgId>
<GrpCxlSts>RJCR</GrpCxlSts><CxlStsRsnInf><Rsn><Cd>ARDT</Cd></Rsn></CxlStsRsnInf>
</OrgnlGrpInfAndSts></CxlDtls></RsltnOfInvstgtn></Document>"""
    head, group = camt029.read(io.BytesIO(content))
    assert isinstance(head, Resolution)
    assert (head.confirmation, head.version, head.created_at) == ("RJCR", "", None)
    assert isinstance(group, CancellationStatus)
    assert (group.status, group.reasons[0].code) == ("RJCR", "ARDT")
