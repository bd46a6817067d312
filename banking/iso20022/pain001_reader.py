"""Reads a pain.001 as a stream of values; it refuses what it cannot read and judges nothing else.

A file is refused for its syntax, its schema and its totals; what a payment may be is decided by
those who take it in.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import BinaryIO

from lxml import etree

from banking.iso20022 import elements, pain001_parts, pain001_schema, pain001_shapes, xmlio
from banking.iso20022.elements import NO_REMITTANCE
from banking.iso20022.pain001_parts import Part
from banking.iso20022.values import Initiation, Instruction, Party, Transfer
from banking.iso20022.xmlio import text
from banking.located import Place, Unreadable

NOBODY = Party()


def read(source: BinaryIO, *, schema: bool) -> Iterator[Initiation | Instruction | Transfer]:
    """The values of a pain.001 in file order: head, then each payment and its lines.

    With schema only .03 and .09 are read, and every part is held to the official XSD before it is
    yielded; without it any version and national namespace is. Memory is bounded by one transfer.
    Nothing may be kept before the iterator ends: totals are told at the end.
    Raises Unreadable, whose code is one of those in Unreadable; totals has the params
    level (group, payment), number, total (NbOfTxs, CtrlSum), declared, found.
    """
    guarded = pain001_parts.open_pain001(source, any_version=not schema)
    version = guarded.root.version
    checker = pain001_schema.schema_of(version) if schema else None
    reader = _Reader(guarded, schema=schema)
    return reader.values(pain001_parts.Cutter(guarded=guarded, schema=checker).parts())


class _Reader:
    """Makes values of parts and adds up their amounts."""

    def __init__(self, guarded: xmlio.Guarded, *, schema: bool) -> None:
        self._names = xmlio.LocalNames(namespace=guarded.root.namespace)
        self._version = guarded.root.version
        self._offset = guarded.line_offset
        names = self._names
        shapes = pain001_shapes.TransferShapes(names=names, walk=transfer)
        self._shapes = shapes if schema else None

    def values(self, parts: Iterator[Part]) -> Iterator[Initiation | Instruction | Transfer]:
        """The values of the parts in order, and at each end the totals held against them."""
        names, offset, shapes = self._names, self._offset, self._shapes
        head: Initiation | None = None
        payment: Instruction | None = None
        payment_sum, path = Decimal(0), ""
        group_count, group_sum = 0, Decimal(0)
        for part in parts:
            if part.name == "CdtTrfTxInf":
                position = part.transfer
                element = part.element
                place = Place(xmlio.line(element, offset), f"{path}{position}]")
                if shapes is not None:
                    line = shapes.read(element, position, place)
                else:
                    line = transfer(element, names, position=position, place=place)
                payment_sum += line.amount
                group_count += 1
                yield line
            elif part.name == "PmtInf":
                payment = self._instruction(part)
                path = f"PmtInf[{part.payment}]/CdtTrfTxInf["
                yield payment
            elif part.name == "end of PmtInf" and payment is not None:
                self._check_payment(payment, part.transfer, payment_sum)
                group_sum += payment_sum
                payment_sum = Decimal(0)
            elif part.name == "GrpHdr":
                head = self._initiation(part.element)
                yield head
        if head is not None:
            self._check_group(head, group_count, group_sum)

    def _check_payment(self, payment: Instruction, count: int, total: Decimal) -> None:
        level = {"level": "payment", "number": payment.number}
        if payment.declared_count not in (None, count):
            raise _totals(level, "NbOfTxs", payment.declared_count, count, payment.place)
        if payment.declared_sum not in (None, total):
            raise _totals(level, "CtrlSum", payment.declared_sum, total, payment.place)

    def _check_group(self, head: Initiation, count: int, total: Decimal) -> None:
        level = {"level": "group", "number": head.message_id}
        place = Place(0, "GrpHdr")
        if head.declared_count != count:
            raise _totals(level, "NbOfTxs", head.declared_count, count, place)
        if head.declared_sum not in (None, total):
            raise _totals(level, "CtrlSum", head.declared_sum, total, place)

    def _place(self, element: etree._Element, path: str) -> Place:
        return Place(xmlio.line(element, self._offset), path)

    def _initiation(self, element: etree._Element) -> Initiation:
        names = self._names
        message_id = ""
        created: datetime.datetime | None = None
        count: int | None = None
        total: Decimal | None = None
        initiator = NOBODY
        authorisations: tuple[str, ...] = ()
        unread: tuple[str, ...] = ()
        for child in element:
            name = names[child.tag]
            place = self._place(child, f"GrpHdr/{name}")
            if name == "MsgId":
                message_id = text(child)
            elif name == "CreDtTm":
                created = moment_at(text(child), place)
            elif name == "NbOfTxs":
                count = xmlio.count(text(child), place)
            elif name == "CtrlSum":
                total = xmlio.amount(text(child), place)
            elif name == "InitgPty":
                initiator, more = elements.party(child, names)
                unread += tuple(f"InitgPty/{one}" for one in more)
            elif name == "Authstn":
                authorisations += (elements.choice(child, names),)
            else:
                unread += (name,)
        place = self._place(element, "GrpHdr")
        if not message_id or created is None or count is None:
            missing = "MsgId" if not message_id else "CreDtTm" if created is None else "NbOfTxs"
            raise pain001_schema.missing_fault(element="GrpHdr", missing=missing, place=place)
        return Initiation(
            message_id, created, count, total, initiator, authorisations, self._version, unread
        )

    def _instruction(self, part: Part) -> Instruction:
        names, path = self._names, part.path()
        found = {"PmtInfId": "", "PmtMtd": "", "ChrgBr": "", "BtchBookg": ""}
        count: int | None = None
        total: Decimal | None = None
        date: datetime.date | None = None
        debtor, account, currency, bic = NOBODY, None, "", ""
        kind = ("", "", "")
        unread: tuple[str, ...] = ()
        for child in islice(part.element, part.stop):
            name = names[child.tag]
            place = self._place(child, f"{path}/{name}")
            if name in found:
                found[name] = text(child)
            elif name == "NbOfTxs":
                count = xmlio.count(text(child), place)
            elif name == "CtrlSum":
                total = xmlio.amount(text(child), place)
            elif name == "PmtTpInf":
                kind, more = payment_type(child, names)
                unread += more
            elif name == "ReqdExctnDt":
                date = day_at(text(child[0] if len(child) else child), place)
            elif name == "Dbtr":
                debtor, more = elements.party(child, names)
                unread += tuple(f"Dbtr/{one}" for one in more)
            elif name == "DbtrAcct":
                account, currency = elements.account(child, names)
            elif name == "DbtrAgt":
                bic = elements.agent(child, names)[0]
            else:
                unread += (name,)
        place = self._place(part.element, path)
        if date is None or account is None or not found["PmtInfId"]:
            missing = "ReqdExctnDt" if date is None else "DbtrAcct/Id" if account is None else ""
            raise pain001_schema.missing_fault(
                element="PmtInf", missing=missing or "PmtInfId", place=place
            )
        batch = {"true": True, "1": True, "false": False, "0": False}.get(found["BtchBookg"])
        return Instruction(
            number=found["PmtInfId"],
            execution_date=date,
            debtor=debtor,
            debit_account=account,
            debit_currency=currency,
            debtor_bic=bic,
            category=kind[2],
            service_level=kind[1],
            priority=kind[0],
            batch_booking=batch,
            charge_bearer=found["ChrgBr"],
            declared_count=count,
            declared_sum=total,
            place=place,
            method=found["PmtMtd"],
            unread=unread,
        )


def transfer(
    element: etree._Element, names: elements.Names, *, position: int, place: Place
) -> Transfer:
    """One CdtTrfTxInf. Raises Unreadable value or missing, where no schema has done so."""
    instruction_id = end_to_end_id = currency = bic = system = member = ""
    purpose = bearer = converted = ""
    amount: Decimal | None = None
    payee, account = NOBODY, None
    kind = ("", "", "")
    remittance = NO_REMITTANCE
    regulatory: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()
    for child in element:
        name = names[child.tag]
        if name == "PmtId":
            instruction_id, end_to_end_id, more = _identification(child, names)
            unread += more
        elif name == "Amt":
            amount, currency, converted = _amount(child, names, place)
        elif name == "Cdtr":
            payee, more = elements.party(child, names)
            unread += tuple([f"Cdtr/{one}" for one in more])
        elif name == "CdtrAcct":
            account = elements.account(child, names)[0]
        elif name == "RmtInf":
            remittance = _remittance(child, names, place)
        elif name == "CdtrAgt":
            bic, system, member = elements.agent(child, names)
        elif name == "PmtTpInf":
            kind, more = payment_type(child, names)
            unread += (*more, "PmtTpInf/InstrPrty") if kind[0] else more
        elif name == "ChrgBr":
            bearer = text(child)
        elif name == "Purp":
            purpose = elements.choice(child, names)
        elif name == "RgltryRptg":
            more_details, more = _regulatory(child, names)
            regulatory += more_details
            unread += more
        else:
            unread += (name,)
    if amount is None:
        raise pain001_schema.missing_fault(element="CdtTrfTxInf", missing="Amt", place=place)
    unread += tuple([f"RmtInf/{one}" for one in remittance.unread])
    return Transfer(
        position,
        instruction_id,
        end_to_end_id,
        amount,
        currency,
        payee,
        account,
        bic,
        member,
        remittance.kid,
        remittance.message,
        remittance.documents,
        purpose,
        place,
        system,
        remittance.additional,
        bearer,
        kind[1],
        kind[2],
        converted,
        regulatory,
        unread,
    )


def _identification(
    element: etree._Element, names: elements.Names
) -> tuple[str, str, tuple[str, ...]]:
    """(InstrId, EndToEndId, unread) of PmtId."""
    instruction_id = end_to_end_id = ""
    unread: tuple[str, ...] = ()
    for child in element:
        name = names[child.tag]
        if name == "EndToEndId":
            end_to_end_id = text(child)
        elif name == "InstrId":
            instruction_id = text(child)
        else:
            unread += (f"PmtId/{name}",)
    return instruction_id, end_to_end_id, unread


def _amount(
    element: etree._Element, names: elements.Names, place: Place
) -> tuple[Decimal | None, str, str]:
    """(amount, its currency, currency of the transfer where that is another)."""
    for form in element:
        if names[form.tag] == "InstdAmt":
            code = xmlio.currency(form.get("Ccy", ""), place)
            return xmlio.money(text(form), place), code, ""
        amount: Decimal | None = None
        currency = converted = ""
        for part in form:
            if names[part.tag] == "Amt":
                amount = xmlio.money(text(part), place)
                currency = xmlio.currency(part.get("Ccy", ""), place)
            elif names[part.tag] == "CcyOfTrf":
                converted = text(part)
        return amount, currency, converted
    return None, "", ""


def _remittance(
    element: etree._Element, names: elements.Names, place: Place
) -> elements.Remittance:
    try:
        return elements.remittance(element, names)
    except ValueError as error:
        raise xmlio.bad_value(what="RmtInf", value=str(error), place=place) from error


def _regulatory(
    element: etree._Element, names: elements.Names
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    found: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()
    for child in element:
        if names[child.tag] != "Dtls":
            unread += (f"RgltryRptg/{names[child.tag]}",)
            continue
        code = ""
        words: list[str] = []
        for part in child:
            name = names[part.tag]
            if name == "Cd":
                code = text(part)
            elif name == "Inf":
                words.append(text(part))
            else:
                unread += (f"RgltryRptg/Dtls/{name}",)
        found += ((code, " ".join(words)),)
    return found, unread


def payment_type(
    element: etree._Element, names: elements.Names
) -> tuple[tuple[str, str, str], tuple[str, ...]]:
    """((priority, first service level, category), unread) of PmtTpInf."""
    priority = level = category = ""
    unread: tuple[str, ...] = ()
    for child in element:
        name = names[child.tag]
        if name == "InstrPrty":
            priority = text(child)
        elif name == "SvcLvl" and not level:
            level = elements.choice(child, names)
        elif name == "CtgyPurp":
            category = elements.choice(child, names)
        else:
            unread += (f"PmtTpInf/{name}",)
    return (priority, level, category), unread


def day_at(value: str, place: Place) -> datetime.date:
    """A date; Unreadable value at place."""
    try:
        return elements.day(value)
    except ValueError as error:
        raise xmlio.bad_value(what="date", value=value, place=place) from error


def moment_at(value: str, place: Place) -> datetime.datetime:
    """A time; Unreadable value at place."""
    try:
        return elements.moment(value)
    except ValueError as error:
        raise xmlio.bad_value(what="time", value=value, place=place) from error


def _totals(
    level: dict[str, str], total: str, declared: object, found: object, place: Place
) -> Unreadable:
    where = "file" if level["level"] == "group" else f"payment {level['number']}"
    return Unreadable(
        code="totals",
        problem=f"The {where} says {total} {declared}, but its content gives {found}.",
        cure=f"Correct {total}, or send the whole {level['level']} again if lines are missing.",
        place=place,
        params={**level, "total": total, "declared": str(declared), "found": str(found)},
    )
