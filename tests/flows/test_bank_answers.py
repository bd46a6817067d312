"""How the bank may answer, and what becomes of lines, signatures and files."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.db import connection, transaction

from banking import inbox
from banking import lifecycle as banking_lifecycle
from banking.models import BankAccount, BankAgreement, BankFile
from payments import approval, lifecycle, outcomes, sending, signable
from payments.models import Payment, PaymentLine, Signature
from portal import clock
from portal.access import actors, tenancy
from portal.access.acting import Acting
from portal.access.roles import Role, permissions_of
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.flows import test_main_job as job
from tests.flows.test_sent_exactly_once import approved
from tests.kit import Bank, Erp, Line, Stage

APPROVER = permissions_of([Role.APPROVER])


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    return kit.stage(bank, balance="5000.00")


def keep(made: Stage, name: str, content: bytes) -> bool:
    """Stores a file as if it had been fetched; whether it is new."""
    with tenancy.acting_for((), unclaimed=True):
        _file, new = inbox.keep(bank_channel=made.channel, name=name, content=io.BytesIO(content))
    return new


def settle(made: Stage, bank: Bank, *, days: int = 5) -> None:
    bank.pass_days(days)
    bank.work()
    job.fetch(made)


def event_names(made: Stage, number: str) -> list[str]:
    with made.scope():
        return list(
            Event.objects.filter(number=number).order_by("id").values_list("event", flat=True)
        )


def test_a_file_refused_as_a_whole_must_be_approved_again(made: Stage, bank: Bank) -> None:
    approved(made, "W1")
    customer = {
        "customer_number": made.agreement.customer_number,
        "name": made.company.name,
        "organisation_number": made.company.organisation_number,
        "channel": "kvitt",
        "agreement_id": made.agreement.agreement_id,
        "active": False,
        "approvers_required": 1,
        "people": [],
        "accounts": [],
    }
    bank.ask("/setup", {"customers": [customer]})
    (file_id,) = job.send(made)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"awaiting"}
    with made.scope():
        assert BankFile.objects.get(pk=file_id).status == banking_lifecycle.REFUSED
        assert not Signature.objects.filter(voided_at=None).exists()
        back = Event.objects.get(event="sent_back")
        assert back.reasons[0]["code"] == "BE06"
        assert back.why[0]["cure"]
    kari = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    client = kit.signed_in(kari)
    client.cookies["kvitt_language"] = "en"
    page = client.get(f"/c/{made.company.public_id}/files/{file_id}/").content.decode()
    assert "Customer unknown to the bank" in page
    assert "What to do:" in page
    log = client.post(
        f"/c/{made.company.public_id}/lists/bank_files/export/",
        {"query": "made_from=2026-01-01&made_to=2026-12-31", "format": "csv"},
    )
    name = f"kvitt-bank-files-{made.company.organisation_number}-2026.csv"
    assert name in log["Content-Disposition"]
    assert "BE06" in b"".join(log.streaming_content).decode("utf-8-sig")
    kit.tell(bank, made, balance="5000.00")
    job.sign(made, made.users["bjorn"])
    job.sign(made, made.users["anne"])
    (again,) = job.send(made)
    assert again != file_id
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}


@pytest.mark.parametrize("fault", ["answer_twice", "camt_first", "dt06"])
def test_odd_answers_end_in_the_same_state(fault: str, made: Stage, bank: Bank) -> None:
    approved(made, "O1")
    bank.ask("/scripts", {"what": fault})
    job.send(made)
    bank.work()
    job.fetch(made)
    for _ in range(3):
        settle(made, bank)
    assert set(job.statuses(made).values()) == {"settled"}
    assert event_names(made, "O1").count("settled") == 3
    with made.scope():
        files = BankFile.objects.filter(direction="in")
        assert set(files.values_list("status", flat=True)) == {"read"}


def test_a_late_refusal_for_want_of_cover_turns_accepted_into_rejected(
    own_database: str, bank: Bank
) -> None:
    made = kit.stage(bank, balance="205.00")
    approved(made, "A1")
    bank.ask("/scripts", {"what": "late_am04"})
    job.send(made)
    bank.work()
    job.fetch(made)
    settle(made, bank)
    settle(made, bank)
    assert sorted(job.statuses(made).values()) == ["rejected", "settled", "settled"]
    with made.scope():
        line = PaymentLine.objects.filter(status="rejected").first()
        assert line is not None
        assert line.why[0]["code"] == "AM04"
        assert Payment.objects.get().status == "ended"


def test_the_same_file_again_changes_nothing(made: Stage, bank: Bank) -> None:
    approved(made, "S1")
    job.send(made)
    bank.work()
    job.fetch(made)
    settle(made, bank)
    with made.scope():
        events = Event.objects.exclude(subject="bankfile").count()
        files = list(BankFile.objects.filter(direction="in"))
    for file in files:
        with made.scope(), inbox.opened(file) as content:
            raw = content.read()
        assert not keep(made, file.name, raw)
        # Under another name it is another file, and still moves nothing.
        assert keep(made, f"again-{file.name}", raw)
    outcomes.take_answers()
    with made.scope():
        assert Event.objects.exclude(subject="bankfile").count() == events
        assert BankFile.objects.filter(direction="in", status="read").count() == 2 * len(files)
    assert set(job.statuses(made).values()) == {"settled"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"not a bank file", "unknown-kind"),
        (
            b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.002.001.03'><Cstmr",
            "unknown-kind",
        ),
        (
            b"<Document><CstmrPmtStsRpt><GrpHdr><MsgId>X</MsgId></GrpHdr><OrgnlGrpInfAndSts>"
            b"<OrgnlMsgId>NOTOURS</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>"
            b"<GrpSts>ACCP</GrpSts></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>",
            "unknown-message",
        ),
        (b"<Document><CstmrPmtStsRpt><GrpHdr><MsgId>X</MsgId></GrpHdr>", "truncated"),
    ],
)
def test_what_cannot_be_read_is_set_aside_with_its_error_and_stops_nothing(
    content: bytes, code: str, made: Stage, bank: Bank
) -> None:
    keep(made, "odd.xml", content)
    approved(made, "U1")
    job.send(made)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}
    with tenancy.acting_for((), unclaimed=True):
        odd = BankFile.objects.get(name="odd.xml")
        assert odd.status == banking_lifecycle.SET_ASIDE
        assert odd.error["code"] == code
        assert odd.error["cure"]
        with inbox.opened(odd) as kept:
            assert kept.read() == content


def test_a_half_bad_file_changes_nothing(made: Stage, bank: Bank) -> None:
    approved(made, "H1")
    (file_id,) = job.send(made)
    with made.scope():
        sent = BankFile.objects.get(pk=file_id)
    good = (
        "<Document><CstmrPmtStsRpt><GrpHdr><MsgId>X</MsgId></GrpHdr><OrgnlGrpInfAndSts>"
        f"<OrgnlMsgId>{sent.message_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>"
        "</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>H1</OrgnlPmtInfId><TxInfAndSts>"
        "<OrgnlEndToEndId>H1-0</OrgnlEndToEndId><TxSts>RJCT</TxSts></TxInfAndSts><broken"
    )
    keep(made, "half.xml", good.encode())
    outcomes.take_answers()
    assert set(job.statuses(made).values()) == {"sent"}
    assert "rejected" not in event_names(made, "H1")


def test_an_answer_that_nobody_knows_is_stored_and_shown_and_is_never_final(
    made: Stage, bank: Bank
) -> None:
    approved(made, "X1")
    (file_id,) = job.send(made)
    with made.scope():
        sent = BankFile.objects.get(pk=file_id)
    odd = (
        "<Document><CstmrPmtStsRpt><GrpHdr><MsgId>X</MsgId></GrpHdr><OrgnlGrpInfAndSts>"
        f"<OrgnlMsgId>{sent.message_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>"
        "</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>X1</OrgnlPmtInfId><TxInfAndSts>"
        "<OrgnlEndToEndId>X1-0</OrgnlEndToEndId><TxSts>BLCK</TxSts><StsRsnInf><Rsn><Cd>ZZ99</Cd>"
        "</Rsn><AddtlInf>Noe nytt</AddtlInf></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    )
    keep(made, "odd.xml", odd.encode())
    outcomes.take_answers()
    assert job.statuses(made)["X1-0"] == "unknown"
    with made.scope():
        line = PaymentLine.objects.get(reference="X1-0")
        assert line.reasons == [{"code": "ZZ99", "text": "Noe nytt"}]
    bank.work()
    job.fetch(made)
    settle(made, bank)
    assert job.statuses(made)["X1-0"] == "settled"


@pytest.mark.parametrize(
    "change",
    [
        "payee_account = '97100600025'",
        "amount = amount + 1",
        "payee_name = 'Noen Andre AS'",
        "kid = '1000421', message = ''",
        "currency = 'EUR'",
    ],
)
def test_a_line_altered_after_signing_is_not_sent(change: str, made: Stage, bank: Bank) -> None:
    approved(made, "T1")
    approved(made, "T2")
    with made.scope(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE payments_paymentline SET {change} WHERE reference = 'T1-1'")
        assert cursor.rowcount == 1
    job.send(made)
    bank.work()
    assert {row["payment"] for row in bank.transfers()} == {"T2"}
    statuses = job.statuses(made)
    assert {statuses[f"T1-{i}"] for i in range(3)} == {"awaiting"}
    assert "signature_broken" in event_names(made, "T1")


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE payments_payment SET due_date = due_date + 1",
        "UPDATE payments_signature SET user_id = (SELECT max(user_id) FROM payments_signature)"
        " WHERE false; DELETE FROM payments_signature WHERE user_id = ("
        "SELECT min(user_id) FROM payments_signature)",
        "UPDATE payments_signature SET mac = decode(repeat('00', 32), 'hex')",
    ],
)
def test_a_forged_signature_or_head_is_not_sent(forgery: str, made: Stage, bank: Bank) -> None:
    approved(made, "F1")
    with made.scope(), connection.cursor() as cursor:
        cursor.execute(forgery)
    job.send(made)
    bank.work()
    assert bank.transfers() == []
    assert set(job.statuses(made).values()) == {"awaiting"}


def test_holding_a_line_leaves_the_others_signed_and_it_cannot_follow_later(
    made: Stage, bank: Bank
) -> None:
    approved(made, "P1")
    with made.scope():
        payment = Payment.objects.get(number="P1")
        held = PaymentLine.objects.get(reference="P1-1")
        common: dict[str, Any] = {
            "company": made.company,
            "user": made.users["anne"],
            "permissions": APPROVER,
            "payment_id": payment.pk,
            "line_ids": [held.pk],
        }
        approval.hold(**common, reason="Feil vare", at=clock.now())
    job.send(made)
    with made.scope(), pytest.raises(approval.PartlySent):
        approval.release(**common, at=clock.now())
    bank.work()
    job.fetch(made)
    assert sorted(row["end_to_end_id"] for row in bank.transfers()) == ["P1-0", "P1-2"]
    assert job.statuses(made) == {"P1-0": "accepted", "P1-1": "held", "P1-2": "accepted"}
    with made.scope():
        approval.cancel_lines(**common, reason="Betales på nytt", at=clock.now())
    settle(made, bank)
    assert job.statuses(made) == {"P1-0": "settled", "P1-1": "cancelled", "P1-2": "settled"}


def test_a_refusal_told_twice_is_carried_out_once_and_stops_no_other_file(
    made: Stage, bank: Bank
) -> None:
    approved(made, "R1")
    bank.ask("/scripts", {"what": "answer_twice"})
    with made.scope():
        account = made.agreement.account
        account.authorities.update(bank_identity="UKJENT")
    job.send(made)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"awaiting"}
    assert event_names(made, "R1").count("sent_back") == 1
    with tenancy.acting_for([made.company], unclaimed=True):
        assert not BankFile.objects.filter(status="fetched").exists()


def test_a_debit_for_what_was_not_sent_is_told_and_alarmed(made: Stage, bank: Bank) -> None:
    approved(made, "Z1")
    job.send(made)
    bank.work()
    job.fetch(made)
    with made.scope(), connection.cursor() as cursor:
        cursor.execute("UPDATE payments_paymentline SET status = 'held' WHERE reference = 'Z1-0'")
    settle(made, bank)
    assert job.statuses(made)["Z1-0"] == "held"
    with made.scope():
        advice = BankFile.objects.get(kind="camt.054")
        assert advice.remarks == [
            {"code": "debit-not-expected", "count": 1, "references": ["Z1-0"]}
        ]


def test_anothers_draft_on_our_account_does_not_get_our_advice(made: Stage, bank: Bank) -> None:
    other = kit.company(place=9, name="Kaprer AS")
    with tenancy.acting_for([other]):
        number = made.agreement.account.number
        account = BankAccount.objects.create(company=other, number=number, name="Ikke deres")
        BankAgreement.objects.create(
            company=other,
            channel=made.channel,
            account=account,
            customer_number="X",
            agreement_id="X",
        )
    approved(made, "V1")
    job.send(made)
    bank.work()
    job.fetch(made)
    settle(made, bank)
    assert set(job.statuses(made).values()) == {"settled"}
    with tenancy.acting_for([other]):
        assert not BankFile.objects.exists()


def test_a_file_that_our_own_fault_stops_is_set_aside_after_three_tries(
    made: Stage, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    approved(made, "Q1")
    (file_id,) = job.send(made)
    with made.scope():
        sent = BankFile.objects.get(pk=file_id)
    odd = (
        "<Document><CstmrPmtStsRpt><GrpHdr><MsgId>X</MsgId></GrpHdr><OrgnlGrpInfAndSts>"
        f"<OrgnlMsgId>{sent.message_id}</OrgnlMsgId><OrgnlMsgNmId>p</OrgnlMsgNmId>"
        "<GrpSts>ACTC</GrpSts></OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
    )
    keep(made, "first.xml", odd.encode())

    def broken(*_args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setitem(outcomes.READERS, "pain.002", broken)
        for _ in range(3):
            outcomes.take_answers()
    with made.scope():  # it answers a file of theirs, so it is theirs to see
        assert BankFile.objects.get(name="first.xml").error["code"] == "internal"
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}


def test_the_same_person_cannot_sign_twice_even_in_sql(made: Stage) -> None:
    body = kit.pain001(
        {"D1": [Line("D1-0", "10.00", kit.account(70), message="x")]},
        account=made.agreement.account.number,
        due=kit.soon(),
    )
    Erp(made).post("payments", body)
    job.sign(made, made.users["anne"])
    with made.scope():
        payment = Payment.objects.select_related("agreement__account").get()
        (row,) = signable.shown([payment])
        assert (
            signable.by(
                rights=signable.rights(
                    user=made.users["anne"],
                    places=[Acting(made.company, frozenset(), permissions_of([Role.APPROVER]))],
                    at=clock.now(),
                ),
                payments=[row],
            )
            == []
        )
        with pytest.raises(approval.AlreadySigned):
            approval.sign(
                company=made.company,
                user=made.users["anne"],
                permissions=APPROVER,
                fingerprints={payment.pk: row.fingerprint()},
                proof=approval.Proof("totp", 1, None, clock.now()),  # type: ignore[arg-type]
                at=clock.now(),
            )
        with pytest.raises(Exception, match="signature_two_different_people"):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO payments_signature (company_id, payment_id, ceremony_id, user_id,"
                    " signed_at, statement, mac, amount, void_reason) SELECT company_id, payment_id,"
                    " ceremony_id, user_id, signed_at, statement, mac, amount, ''"
                    " FROM payments_signature"
                )


def test_one_approver_is_enough_where_the_agreement_says_so(own_database: str, bank: Bank) -> None:
    made = kit.stage(bank, approvers=1)
    job.upload(made)
    job.sign(made, made.users["anne"])
    assert set(job.statuses(made).values()) == {"approved"}
    job.send(made)
    bank.work()
    assert len(bank.transfers()) == 2


def test_the_bank_refuses_an_approver_without_authority_and_the_cure_is_told(
    own_database: str, bank: Bank
) -> None:
    made = kit.stage(bank, approvers=2, bank_approvers=2)
    with made.scope():
        account = made.agreement.account
        account.authorities.filter(user=made.users["anne"]).update(bank_identity="UKJENT")
    job.upload(made)
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])
    job.send(made)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"awaiting"}
    with made.scope():
        reason = Event.objects.filter(event="sent_back").first()
        assert reason is not None
        assert reason.why[0]["code"] == "DS0G"
        assert reason.why[0]["cure"]


@pytest.mark.parametrize("version", ["pain.001.001.03", "pain.001.001.09"])
def test_both_versions_of_pain_001_are_sent(version: str, own_database: str, bank: Bank) -> None:
    made = kit.stage(bank, version=version)
    job.upload(made)
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])
    (file_id,) = job.send(made)
    with made.scope():
        file = BankFile.objects.get(pk=file_id)
        assert file.kind == version
        with inbox.opened(file) as content:
            assert version.encode() in content.read(300)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}
    assert sending.undelivered(company=made.company) == []


def test_a_batch_entry_settles_the_lines_that_were_sent_and_stays_within_the_salary_axis(
    made: Stage, bank: Bank
) -> None:
    lines = [
        Line("S1", "100.00", kit.account(70), name="Ansatt En"),
        Line("S2", "50.00", kit.account(71), kid="1000422", name="Ansatt To"),
    ]
    account = made.agreement.account.number
    body = kit.pain001({"LONN": lines}, account=account, due=kit.soon(), category="SALA")
    assert Erp(made).post("payments", body).status_code == 201
    with made.scope():
        payment = Payment.objects.get(number="LONN")
        anne = actors.person(made.users["anne"])
        for change, by in (
            (lifecycle.APPROVE, anne),
            (lifecycle.SEND, actors.CLOCK),
            (lifecycle.SENT_TO_BANK, actors.CLOCK),
        ):
            rows = PaymentLine.objects.filter(reference="S1")
            moves.move(rows, change, by=by, at=clock.now(), within=[payment.pk], expected=1)
    advice = (
        "<Document><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>X</MsgId></GrpHdr><Ntfctn><Id>1</Id>"
        f'<Acct><Id><Othr><Id>{account}</Id></Othr></Id></Acct><Ntry><Amt Ccy="NOK">100.00</Amt>'
        "<CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-11-24</Dt></BookgDt>"
        "<AcctSvcrRef>B1</AcctSvcrRef><NtryDtls><Btch><PmtInfId>LONN</PmtInfId>"
        "<NbOfTxs>1</NbOfTxs></Btch></NtryDtls></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )
    keep(made, "batch.xml", advice.encode())
    outcomes.take_answers()
    assert job.statuses(made) == {"S1": "settled", "S2": "stopped"}
    with made.scope():
        assert BankFile.objects.get(name="batch.xml").salary


@pytest.mark.parametrize(
    ("number", "batch", "hidden"),
    [
        ("LEV", True, False),
        ("LEV", False, False),
        ("UKJENT", True, True),
        ("UKJENT", False, True),
        ("lev", False, True),
        ("", False, True),
    ],
)
def test_an_advice_that_fits_no_supplier_payment_may_be_salary(
    made: Stage, bank: Bank, number: str, batch: bool, hidden: bool
) -> None:
    account = made.agreement.account.number
    lines = [Line("L1", "100.00", kit.account(70), message="x")]
    body = kit.pain001({"LEV": lines}, account=account, due=kit.soon())
    assert Erp(made).post("payments", body).status_code == 201
    reference = f"<PmtInfId>{number}</PmtInfId>" if number else ""
    detail = (
        f"<Btch>{reference}<NbOfTxs>1</NbOfTxs></Btch>"
        if batch
        else f"<TxDtls><Refs>{reference}<EndToEndId>L1</EndToEndId></Refs>"
        '<Amt Ccy="NOK">100.00</Amt></TxDtls>'
    )
    advice = (
        "<Document><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>X</MsgId></GrpHdr><Ntfctn><Id>1</Id>"
        f'<Acct><Id><Othr><Id>{account}</Id></Othr></Id></Acct><Ntry><Amt Ccy="NOK">100.00</Amt>'
        "<CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-11-24</Dt></BookgDt>"
        f"<AcctSvcrRef>B1</AcctSvcrRef><NtryDtls>{detail}</NtryDtls></Ntry></Ntfctn>"
        "</BkToCstmrDbtCdtNtfctn></Document>"
    )
    keep(made, "advice.xml", advice.encode())
    outcomes.take_answers()
    with made.scope():
        file = BankFile.objects.get(name="advice.xml")
    assert (file.company, file.salary) == (made.company, hidden)
    seen = kit.signed_in(made.users["erp"]).get(f"/c/{made.company.public_id}/files/{file.pk}/")
    assert seen.status_code == (404 if hidden else 200)


def test_money_that_comes_back_says_why_on_each_line(made: Stage, bank: Bank) -> None:
    approved(made, "R1")
    job.send(made)
    bank.work()
    job.fetch(made)
    settle(made, bank)
    assert set(job.statuses(made).values()) == {"settled"}
    with made.scope():
        lines = list(PaymentLine.objects.filter(payment__number="R1").order_by("position"))
    entry = lines[0]
    advice = (
        "<Document><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>R</MsgId></GrpHdr><Ntfctn><Id>1</Id>"
        f"<Acct><Id><Othr><Id>{made.agreement.account.number}</Id></Othr></Id></Acct>"
        f'<Ntry><Amt Ccy="NOK">{entry.amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>'
        "<BookgDt><Dt>2026-11-30</Dt></BookgDt><AcctSvcrRef>BACK1</AcctSvcrRef><NtryDtls><TxDtls>"
        f"<Refs><PmtInfId>R1</PmtInfId><EndToEndId>{entry.reference}</EndToEndId></Refs><AmtDtls>"
        f'<TxAmt><Amt Ccy="NOK">{entry.amount}</Amt></TxAmt></AmtDtls><RtrInf><Rsn><Cd>AC04</Cd>'
        "</Rsn></RtrInf></TxDtls></NtryDtls></Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )
    keep(made, "back.xml", advice.encode())
    outcomes.take_answers()
    with made.scope():
        back, *others = PaymentLine.objects.filter(payment__number="R1").order_by("position")
        assert (back.status, [reason["code"] for reason in back.reasons]) == ("returned", ["AC04"])
        assert {(other.status, str(other.reasons)) for other in others} <= {("settled", "None")}
