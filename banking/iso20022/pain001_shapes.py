"""Reads transfers of a shape met before without walking their tree again.

A transfer that holds anything unusual is left to the ordinary reader. It is only right for
transfers that the official schema has let through.
"""

from collections.abc import Callable
from decimal import Decimal

from lxml import etree

from banking.iso20022.elements import Names
from banking.iso20022.shapes import Plan, Shapes
from banking.iso20022.values import Account, Party, Transfer
from banking.located import Place

Walk = Callable[..., Transfer]
_SLOTS = (
    "PmtId/InstrId",
    "PmtId/EndToEndId",
    "Amt/InstdAmt",
    "ChrgBr",
    "CdtrAgt/FinInstnId/BICFI",
    "CdtrAgt/FinInstnId/ClrSysMmbId/ClrSysId/Cd",
    "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId",
    "Cdtr/Nm",
    "Cdtr/PstlAdr/StrtNm",
    "Cdtr/PstlAdr/BldgNb",
    "Cdtr/PstlAdr/PstCd",
    "Cdtr/PstlAdr/TwnNm",
    "Cdtr/PstlAdr/Ctry",
    "CdtrAcct/Id/IBAN",
    "CdtrAcct/Id/Othr/Id",
    "CdtrAcct/Id/Othr/SchmeNm/Cd",
    "Purp/Cd",
    "RmtInf/Strd/CdtrRefInf/Tp/CdOrPrtry/Cd",
    "RmtInf/Strd/CdtrRefInf/Ref",
)
_SAME = {
    "CdtrAgt/FinInstnId/BIC": "CdtrAgt/FinInstnId/BICFI",
    "CdtrAcct/Id/Othr/SchmeNm/Prtry": "CdtrAcct/Id/Othr/SchmeNm/Cd",
}
_SEVERAL = ("Cdtr/PstlAdr/AdrLine", "RmtInf/Ustrd")
_LINES, _MESSAGE = range(2)
_AMOUNT = "Amt/InstdAmt"


class TransferShapes:
    """Reads one file's transfers; walk is the ordinary reader, which every plan must equal."""

    def __init__(self, *, names: Names, walk: Walk) -> None:
        self._names = names
        self._walk = walk
        self._shapes = Shapes(names=names, slots=_SLOTS, several=_SEVERAL, same=_SAME)

    def read(self, element: etree._Element, position: int, place: Place) -> Transfer:
        """The transfer in element, as walk would read it."""
        shape = self._shapes.read(element)
        read = None
        if shape is not None and _AMOUNT in shape[0].paths:
            read = _transfer(*shape, position, place)
        if read is None:
            return self._walk(element, self._names, position=position, place=place)
        return read


def _transfer(
    plan: Plan, picked: list[str], texts: list[str], position: int, place: Place
) -> Transfer | None:
    """The value of one transfer; None where its texts, not its shape, need the walk."""
    (
        instruction_id,
        end_to_end_id,
        amount,
        bearer,
        bic,
        system,
        member,
        name,
        street,
        building,
        post_code,
        town,
        country,
        iban,
        number,
        scheme,
        purpose,
        kid_type,
        kid,
    ) = picked
    account: Account | None = None
    if iban:
        account = Account("IBAN", iban)
    elif number:
        account = Account("BBAN", number) if scheme == "BBAN" else Account("OTHER", number, scheme)
    if kid_type not in ("SCOR", ""):
        return None
    address_lines, message = plan.several
    return Transfer(
        position,
        instruction_id,
        end_to_end_id,
        Decimal(amount),
        plan.currencies[_AMOUNT],
        Party(
            name,
            street,
            building,
            post_code,
            town,
            country,
            plan.texts(_LINES, texts) if address_lines else (),
        ),
        account,
        bic,
        member,
        kid or None,
        plan.texts(_MESSAGE, texts) if message else (),
        (),
        purpose,
        place,
        system,
        (),
        bearer,
    )
