"""Remembers where the values of like-shaped elements stand, so that trees are walked only once.

The parts of one file mostly look alike. A shape is the list of element names of a part; a plan
says which of its texts are which values. Parts with anything in them that the plan's owner has
not named get no plan and are walked as ever. It knows no message.
"""

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from lxml import etree

PLAN_LIMIT = 200


class Plan:
    """One shape: pick takes the slots' texts from a part's texts, "" for slots it lacks.

    several holds, for each path that may repeat, the indexes of its texts; places the indexes of
    every path.
    """

    def __init__(
        self,
        *,
        tags: list[Any],
        places: dict[str, list[int]],
        slots: Sequence[str],
        several: Sequence[str],
    ) -> None:
        absent = len(tags)
        self.tags = tags
        self.places = places
        self.pick = itemgetter(*[places.get(slot, [absent])[0] for slot in slots])
        self.several = [places.get(path, []) for path in several]

    def texts(self, number: int, texts: list[str | None]) -> tuple[str, ...]:
        """The texts of the path at that position among several."""
        return tuple([(texts[index] or "").strip() for index in self.several[number]])


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
        self._plans: dict[tuple[Any, ...], Plan | None] = {}
        self._last: Plan | None = None

    def plan(self, top: etree._Element, found: list[etree._Element]) -> Plan | None:
        """The plan for the elements found below (and with) top; None where they must be walked."""
        tags: list[Any] = [one.tag for one in found]
        last = self._last
        if last is not None and last.tags == tags:
            return last
        key = tuple(tags)
        if key in self._plans:
            plan = self._plans[key]
        else:
            plan = self._make(top, tags, found)
            if len(self._plans) < PLAN_LIMIT:
                self._plans[key] = plan
        if plan is not None:
            self._last = plan
        return plan

    def _make(
        self, top: etree._Element, tags: list[Any], found: list[etree._Element]
    ) -> Plan | None:
        places: dict[str, list[int]] = {}
        for index, one in enumerate(found):
            if one is top or (len(one) and one[0] in found):
                continue
            names = [self._names[one.tag]]
            for above in one.iterancestors():
                if above is top:
                    break
                names.append(self._names[above.tag])
            names.reverse()
            if any("/".join(names[:steps]) in self._ignored for steps in range(1, len(names) + 1)):
                continue
            path = "/".join(names)
            path = self._same.get(path, path)
            if path not in self._known:
                return None
            places.setdefault(path, []).append(index)
        if any(len(places.get(slot, ())) > 1 for slot in self._slots):
            return None
        return Plan(tags=tags, places=places, slots=self._slots, several=self._several)
