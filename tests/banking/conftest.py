"""What the codec's tests share: third-party samples and schemas, read where they lie, and a small
file."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from banking.iso20022 import pain001
from banking.iso20022.values import Account, Document, Initiation, Instruction, Party, Transfer
from banking.located import NOWHERE

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of third-party material; tests that need it skip where it is absent."""
    if not REFERENCE.is_dir():
        pytest.skip(f"third-party samples are not at {REFERENCE}")
    return REFERENCE


@pytest.fixture(scope="session")
def sample(reference: Path) -> Callable[[str], io.BytesIO]:
    """Opens a sample by its name below the samples folder."""
    return lambda name: io.BytesIO((reference / "samples" / name).read_bytes())


@pytest.fixture(scope="session")
def official(reference: Path) -> Callable[[str], etree.XMLSchema]:
    """The official schema of a message, by its full name such as camt.055.001.09."""
    return lambda name: etree.XMLSchema(etree.parse(reference / "xsd" / f"{name}.xsd"))


def _transfers() -> list[Transfer]:
    payee = Party("Strøm & Nett AS", post_code="0155", town="OSLO", country="NO")
    account = Account("BBAN", "15034040505")
    papers = (
        Document("CINV", "55501", Decimal("3500.00"), "NOK", "1234567890128"),
        Document("CREN", "55502", Decimal("500.00"), "NOK", "100008-"),
    )
    return [
        Transfer(
            position=1,
            instruction_id="1",
            end_to_end_id="L-1",
            amount=Decimal("12500.00"),
            currency="NOK",
            payee=payee,
            payee_account=account,
            payee_bic="",
            clearing_id="",
            kid="1234567890128",
            message=(),
            documents=(),
            purpose="",
            place=NOWHERE,
        ),
        Transfer(
            position=2,
            instruction_id="2",
            end_to_end_id="L-2",
            amount=Decimal("3000.00"),
            currency="NOK",
            payee=payee,
            payee_account=account,
            payee_bic="",
            clearing_id="",
            kid=None,
            message=(),
            documents=papers,
            purpose="SUPP",
            place=NOWHERE,
            additional=("Netted",),
        ),
        Transfer(
            position=3,
            instruction_id="3",
            end_to_end_id="L-3",
            amount=Decimal("100.10"),
            currency="USD",
            payee=Party("Supplier <Inc>", town="New York", country="US", address_lines=("7 Sq",)),
            payee_account=Account("OTHER", "123456789"),
            payee_bic="CHASUS33",
            clearing_id="021000021",
            kid=None,
            message=("Invoice 1", "Invoice 2"),
            documents=(),
            purpose="",
            place=NOWHERE,
            clearing_system="USABA",
            charge_bearer="SHAR",
            regulatory=(("14", "Goods"),),
        ),
    ]


@pytest.fixture
def transfers() -> list[Transfer]:
    """A KID payment, a netted credit note and a payment abroad; 15600.10 together."""
    return _transfers()


@pytest.fixture
def instruction() -> Instruction:
    """The head of the payment that holds the transfers."""
    return Instruction(
        number="P-1",
        execution_date=datetime.date(2026, 11, 24),
        debtor=Party("Firma AS", country="NO"),
        debit_account=Account("BBAN", "86011117947"),
        debit_currency="NOK",
        debtor_bic="DNBANOKK",
        category="SUPP",
        service_level="NURG",
        priority="NORM",
        batch_booking=False,
        charge_bearer="",
        declared_count=3,
        declared_sum=Decimal("15600.10"),
        place=NOWHERE,
    )


@pytest.fixture
def initiation() -> Initiation:
    """The head of the file that holds the payment."""
    return Initiation(
        message_id="M-1",
        created_at=datetime.datetime(2026, 11, 23, 9, 15, tzinfo=datetime.UTC),
        declared_count=3,
        declared_sum=Decimal("15600.10"),
        initiator=Party("Firma AS", identifiers=(("CUST", "00920058817"), ("BANK", "LEVBET"))),
        authorisations=("KARI01", "OLA02"),
        version="09",
    )


@pytest.fixture
def written(
    initiation: Initiation, instruction: Instruction, transfers: list[Transfer]
) -> Callable[[str], bytes]:
    """The small file in a version."""

    def write(version: str) -> bytes:
        target = io.BytesIO()
        pain001.write(
            target,
            initiation=initiation,
            payments=[(instruction, transfers)],
            version=version,
            profile=pain001.WriterProfile(),
        )
        return target.getvalue()

    return write
