"""Norwegian order: æ ø å last, aa with å, other accents with their letter; in SQL as in Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.access import norwegian
from portal.access.models import Company, Customer
from tests import kit

IN_ORDER = [
    "Alta", "Émile", "Essen", "Olav", "Zürich", "Æsop", "Ära", "Ødegård", "Öst", "Aas", "Ås", "Åsane",
]  # fmt: skip


def test_names_sort_as_in_a_norwegian_telephone_book() -> None:
    assert sorted(IN_ORDER, key=norwegian.key) == [
        "Alta", "Émile", "Essen", "Olav", "Zürich", "Ära", "Æsop", "Ødegård", "Öst", "Aas", "Ås", "Åsane",
    ]  # fmt: skip


@pytest.mark.django_db
def test_the_database_makes_the_same_key() -> None:
    customer = Customer.objects.create(name="K", organisation_number=kit.organisation(1))
    names = [*IN_ORDER, "Çelik Ñandú ŠKODA Žižek", "BLÅBÆR & SØNN AS 123"]
    for place, name in enumerate(names, 1):
        Company.objects.create(
            customer=customer, name=name, organisation_number=kit.organisation(place)
        )
    stored = dict(Company.objects.values_list("name", "name_key"))
    assert stored == {name: norwegian.key(name) for name in names}
    by_database = list(Company.objects.order_by("name_key", "pk").values_list("name", flat=True))
    assert by_database == sorted(names, key=norwegian.key)


@given(st.text(alphabet="abcæøåäöéaAÅ -", max_size=20))
def test_the_key_ignores_case_and_keeps_length_or_shortens(name: str) -> None:
    assert norwegian.key(name) == norwegian.key(name.upper())
    assert len(norwegian.key(name)) <= len(name)
