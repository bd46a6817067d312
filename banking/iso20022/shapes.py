"""Remembers where the values of like-written elements stand, so that trees are walked only once.

The parts of one file mostly look alike. A part is serialised and cut into markup and texts, which
is much faster than touching its elements one by one. Its shape is all of its markup, attributes
included; a plan says which of its texts are which values. Parts with anything in them that the
plan's owner has not named get no plan and are walked as ever. It knows no message.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from xml.sax import saxutils

from lxml import etree

PLAN_LIMIT = 200
# A longer part is walked: shapes are kept to the end of a file, and must not add up.
LENGTH_LIMIT = 10_000
_CUT = re.compile(r">([^<]+)<").split
_REFERENCES = {"&#13;": "\r"}


class Plan:
    """One shape: pick takes the slots' texts from a part's texts, "" for slots it lacks.

    several holds, for each path that may repeat, the indexes of its texts. currencies holds the
    Ccy attribute of the paths that have one.
    """

    def __init__(
        self,
        *,
        markup: list[str],
        places: dict[str, list[int]],
        currencies: dict[str, str],
        slots: Sequence[str],
        several: Sequence[str],
    ) -> None:
        absent = len(markup) - 1
        self.markup = markup
        self.paths = frozenset(places)
        self.currencies = currencies
        self.pick = itemgetter(*[places.get(slot, [absent])[0] for slot in slots])
        self.several = [places.get(path, []) for path in several]
        self.absent = sum(slot not in places for slot in slots)

    def texts(self, number: int, texts: list[str]) -> tuple[str, ...]:
        """The texts of the path at that position among several."""
        return tuple([texts[index].strip() for index in self.several[number]])


class Shapes:
    """The plans of one file's parts of one kind.

    slots are paths of elements that occur once at most, several of those that may repeat; ignored
    are beginnings of paths that hold nothing wanted; same maps a path to the slot it equals.
    """

    def __init__(
        self,
        *,
        names: Mapping[str, str],
        slots: Sequence[str],
        several: Sequence[str] = (),
        ignored: Collection[str] = (),
        same: Mapping[str, str] | None = None,
    ) -> None:
        self._names = names
        self._slots = slots
        self._several = several
        self._ignored = frozenset(ignored)
        self._same = same or {}
        self._known = frozenset(slots) | frozenset(several)
        self._plans: dict[tuple[str, ...], Plan | None] = {}
        self._last: dict[int, Plan] = {}

    def read(self, part: etree._Element) -> tuple[Plan, list[str], list[str]] | None:
        """The plan for a part, its slots' texts without outer blanks, and all its texts.

        None where the part must be walked, which a blank slot is a reason for.
        """
        written = etree.tostring(part, encoding="unicode", with_tail=False)
        if len(written) > LENGTH_LIMIT:
            return None
        pieces = _CUT(written)
        markup, texts = pieces[::2], pieces[1::2]
        # Shapes come in turns, and mostly differ in length: to compare is cheaper than to hash.
        plan = self._last.get(len(markup))
        if plan is None or plan.markup != markup:
            plan = self._plan(part, markup)
            if plan is None:
                return None
            self._last[len(markup)] = plan
        if "&" in written:
            texts = [saxutils.unescape(one, _REFERENCES) if "&" in one else one for one in texts]
        texts.append("")
        picked = list(map(str.strip, plan.pick(texts)))
        return (plan, picked, texts) if picked.count("") == plan.absent else None

    def _plan(self, part: etree._Element, markup: list[str]) -> Plan | None:
        key = tuple(markup)
        if key not in self._plans:
            if len(self._plans) >= PLAN_LIMIT:
                return None
            self._plans[key] = self._make(part, markup)
        return self._plans[key]

    def _make(self, part: etree._Element, markup: list[str]) -> Plan | None:
        """The plan of a shape met for the first time."""
        places: dict[str, list[int]] = {}
        currencies: dict[str, str] = {}
        holders: set[str] = set()
        index = 0
        for path, element, has_text in self._walk(part, ""):
            if path and len(element) and not self._is_ignored(path):
                # Two of what holds others: which one counts is the walk's to say.
                if path in holders:
                    return None
                holders.add(path)
            if not has_text:
                if path and not self._is_ignored(path) and len(element) == 0:
                    return None
                continue
            here = index
            index += 1
            if not path or len(element) or self._is_ignored(path):
                continue
            slot = self._same.get(path, path)
            if slot not in self._known:
                return None
            places.setdefault(slot, []).append(here)
            currencies[slot] = element.get("Ccy", "")
        repeated = any(len(places.get(slot, ())) > 1 for slot in self._slots)
        if repeated or index != len(markup) - 1:
            return None
        return Plan(
            markup=markup,
            places=places,
            currencies=currencies,
            slots=self._slots,
            several=self._several,
        )

    def _walk(
        self, element: etree._Element, path: str
    ) -> Iterator[tuple[str, etree._Element, bool]]:
        """(path, element, has text) in the order of the texts; a tail comes with the path ""."""
        yield path, element, bool(element.text)
        for child in element:
            name = self._names[child.tag]
            yield from self._walk(child, f"{path}/{name}" if path else name)
            if child.tail:
                yield "", child, True

    def _is_ignored(self, path: str) -> bool:
        steps = path.split("/")
        return any("/".join(steps[:count]) in self._ignored for count in range(1, len(steps) + 1))
