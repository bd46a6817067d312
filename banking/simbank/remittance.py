"""Holds the reading of Direkte remittering, the format before ISO 20022, as values of `orders`."""

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from .orders import Header, Payment, Transfer, UnreadableError

LENGTH = 80
MESSAGE_NAME = "direkte-remittering"
MESSAGE = slice(19, 59)


def read(path: Path) -> Iterator[Header | Payment | Transfer]:
    """Yields the header, then a payment for each assignment and date, and its transfers."""
    records = _records(path)
    assignments = _assignments(records)
    first, last = records[0], records[-1]
    msg_id = f"{first[8:16]}-{first[16:23]}"
    transfers = [
        transfer for _, by_day in assignments for day in by_day.values() for transfer in day
    ]
    total = sum((Decimal(transfer.amount) for transfer in transfers), Decimal(0))
    if _whole(last[8:16]) != len(transfers) or _whole(last[16:24]) != len(records):
        raise UnreadableError("Record 89: the counts disagree with the content", msg_id)
    if _kroner(last[24:41]) != total:
        raise UnreadableError("Record 89: the sum disagrees with the content", msg_id)
    yield Header(
        message_name=MESSAGE_NAME,
        msg_id=msg_id,
        transactions=str(len(transfers)),
        control_sum=str(total),
        customer_number="",
        agreement_id=assignments[0][0][8:17] if assignments else "",
        approvers=(),
    )
    for start, by_day in assignments:
        for day, orders in by_day.items():
            yield Payment(
                payment=f"{start[17:24]}-{day}",
                debit_account=start[24:35],
                requested_date=day,
                batch_booked=False,
                salary=False,
            )
            yield from orders


def _records(path: Path) -> list[str]:
    records = [line for line in path.read_text("iso-8859-1").splitlines() if line.strip()]
    if any(len(record) != LENGTH or record[:2] != "NY" for record in records):
        raise UnreadableError("A record is not 80 characters that begin with NY")
    if not records or records[0][6:8] != "10" or records[-1][6:8] != "89":
        raise UnreadableError("The file lacks its first record (10) or its last (89)")
    return records


def _assignments(records: list[str]) -> list[tuple[str, dict[str, list[Transfer]]]]:
    found: list[tuple[str, dict[str, list[Transfer]]]] = []
    group: list[str] = []
    inside = False
    for record in records[1:-1]:
        kind = record[6:8]
        if record[2:4] != "04":
            raise UnreadableError(f"Service {record[2:4]} is not taken here")
        if kind == "20":
            found.append((record, {}))
            inside = True
            continue
        if not inside:
            raise UnreadableError("A record outside any assignment (20)")
        if kind in ("30", "88") and group:
            day, transfer = _transfer(group)
            found[-1][1].setdefault(day, []).append(transfer)
            group = []
        inside = kind != "88"
        if inside:
            group.append(record)
    if inside:
        raise UnreadableError("An assignment has no end (88)")
    return found


def _transfer(group: list[str]) -> tuple[str, Transfer]:
    head = group[0]
    if head[6:8] != "30":
        raise UnreadableError("A transaction does not begin with record 30")
    kid = head[49:74].strip()
    kids = [kid] if kid else []
    name, reference, lines = "", "", []
    for record in group[1:]:
        kind = record[6:8]
        if kind == "31":
            reference = record[25:50].strip()
        elif kind == "40":
            name = record[15:45].strip()
        elif kind == "49":
            lines.append(record[MESSAGE].rstrip())
        elif kind == "50":
            kids.append(record[15:40].strip())
    try:
        day = datetime.datetime.strptime(head[15:21], "%d%m%y").date()  # noqa: DTZ007 - a day
    except ValueError as fault:
        raise UnreadableError(f"Date {head[15:21]!r} is not DDMMYY") from fault
    return day.isoformat(), Transfer(
        instruction_id=head[8:15],
        end_to_end_id=reference,
        amount=str(_kroner(head[32:49])),
        currency="NOK",
        creditor_account=head[21:32],
        is_iban=False,
        creditor_bank="",
        creditor_name=name,
        kids=tuple(kids),
        message=" ".join(lines),
        documents=0,
    )


def _whole(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise UnreadableError(f"{digits!r} is not a number")
    return int(digits)


def _kroner(digits: str) -> Decimal:
    return Decimal(_whole(digits)).scaleb(-2)
