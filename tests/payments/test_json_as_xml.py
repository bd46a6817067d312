"""The same payment as JSON and as pain.001 is the same in the database."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from banking import numbers
from payments.models import Payment, PaymentLine
from portal import clock
from tests import kit
from tests.kit import Erp

GOOD = numbers.make_kid("100042", modulus="MOD10")
FULL = """<PmtInf><PmtInfId>X1</PmtInfId><PmtMtd>TRF</PmtMtd><BtchBookg>false</BtchBookg>
<PmtTpInf><SvcLvl><Cd>URGP</Cd></SvcLvl><CtgyPurp><Cd>SUPP</Cd></CtgyPurp></PmtTpInf>
<ReqdExctnDt><Dt>{due}</Dt></ReqdExctnDt><Dbtr><Nm>Firma AS</Nm></Dbtr><DbtrAcct><Id><Othr>
<Id>{account}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id></DbtrAcct>
<DbtrAgt><FinInstnId><Othr><Id>NOTPROVIDED</Id></Othr></FinInstnId></DbtrAgt>
<CdtTrfTxInf><PmtId><InstrId>1</InstrId><EndToEndId>L1</EndToEndId></PmtId>
<Amt><InstdAmt Ccy="NOK">95.00</InstdAmt></Amt><Cdtr><Nm>Ånd &amp; Co «1» AS</Nm><PstlAdr>
<StrtNm>Gata</StrtNm><BldgNb>3</BldgNb><PstCd>0155</PstCd><TwnNm>OSLO</TwnNm><Ctry>NO</Ctry>
</PstlAdr></Cdtr><CdtrAcct><Id><Othr><Id>{payee}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id>
</CdtrAcct><RmtInf>
<Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CINV</Cd></CdOrPrtry></Tp><Nb>7</Nb></RfrdDocInf>
<RfrdDocAmt><RmtdAmt Ccy="NOK">100.00</RmtdAmt></RfrdDocAmt><CdtrRefInf><Tp><CdOrPrtry>
<Cd>SCOR</Cd></CdOrPrtry></Tp><Ref>{kid}</Ref></CdtrRefInf></Strd>
<Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CREN</Cd></CdOrPrtry></Tp><Nb>8</Nb></RfrdDocInf>
<RfrdDocAmt><CdtNoteAmt Ccy="NOK">5.00</CdtNoteAmt></RfrdDocAmt></Strd></RmtInf></CdtTrfTxInf>
<CdtTrfTxInf><PmtId><InstrId>2</InstrId><EndToEndId>L2</EndToEndId></PmtId>
<Amt><InstdAmt Ccy="EUR">10.00</InstdAmt></Amt><CdtrAgt><FinInstnId><BICFI>NDEASESS</BICFI>
</FinInstnId></CdtrAgt><Cdtr><Nm>Svea AB</Nm><PstlAdr><TwnNm>LUND</TwnNm><Ctry>SE</Ctry></PstlAdr>
</Cdtr><CdtrAcct><Id><IBAN>SE4550000000058398257466</IBAN></Id></CdtrAcct><Purp><Cd>GDDS</Cd></Purp>
<RmtInf><Ustrd>Order 7 – «rest»</Ustrd></RmtInf></CdtTrfTxInf></PmtInf>"""


def test_json_is_stored_just_as_xml_is(db: None, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    made = kit.stage()
    erp, due, account = Erp(made), clock.today(), made.agreement.account.number
    shell = kit.pain001({}, account=account, due=due, totals=(2, Decimal("105.00"))).decode()
    words = {"due": due, "account": account, "payee": kit.account(70), "kid": GOOD}
    payment = FULL.format(**words).replace("\n", "")
    xml = shell.replace("</CstmrCdtTrfInitn>", payment + "</CstmrCdtTrfInitn>").encode()
    body = {
        "totals": {"lines": 2, "sum": "105.00"},
        "payments": [
            {
                "number": "J1",
                "due_date": str(due),
                "debit_account": account,
                "kind": "supplier",
                "urgent": True,
                "lines": [
                    {
                        "reference": "L1",
                        "amount": "95.00",
                        "payee": {
                            "name": "Ånd & Co «1» AS",
                            "street": "Gata",
                            "building": "3",
                            "post_code": "0155",
                            "town": "OSLO",
                            "country": "NO",
                        },
                        "account": kit.account(70),
                        "documents": [
                            {"kind": "CINV", "number": "7", "amount": "100.00", "kid": GOOD},
                            {"kind": "CREN", "number": "8", "amount": "5.00"},
                        ],
                    },
                    {
                        "reference": "L2",
                        "amount": "10.00",
                        "currency": "EUR",
                        "payee": {"name": "Svea AB", "town": "LUND", "country": "SE"},
                        "account": "SE45 5000 0000 0583 9825 7466",
                        "bic": "NDEASESS",
                        "purpose": "GDDS",
                        "message": "Order 7 – «rest»",
                    },
                ],
            }
        ],
    }
    for answer in (
        erp.post("payments", xml),
        erp.post("payments", json.dumps(body).encode(), media_type="application/json"),
    ):
        assert answer.status_code == 201, answer.content
        assert answer.json()["erp_code"] == 2, answer.content
    apart = {"id", "payment_id", "number", "upload_id", "digest", "created_at"}
    with made.scope():
        of_xml, of_json = (
            [
                {name: value for name, value in row.items() if name not in apart}
                for row in [
                    Payment.objects.filter(number=number).values().get(),
                    *PaymentLine.objects.filter(payment__number=number)
                    .order_by("position")
                    .values(),
                ]
            ]
            for number in ("X1", "J1")
        )
    assert of_json == of_xml
    assert of_json[0]["urgent"] is True
    assert len(of_json) == 3
