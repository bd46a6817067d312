"""The second wall: row-level security on all that companies own, for a role it binds."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, transaction
from django.db.utils import InternalError
from django.utils import timezone

from payments.models import Payment
from portal.access import actors, tenancy
from portal.access.apps import demo_only_in_demo, role_faults
from portal.access.models import Company
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.flows.test_main_job import upload

pytestmark = pytest.mark.django_db


def owned_tables() -> list[str]:
    """Every table with a company column, but the directory's own."""
    tables = []
    for model in apps.get_models():
        fields = {field.name for field in model._meta.fields}
        if "company" in fields and model is not Company:
            tables.append(model._meta.db_table)
    return sorted(tables)


def test_every_company_owned_table_is_walled_in_and_forced() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
            " AND relname = ANY(%s)",
            [owned_tables()],
        )
        walled = sorted(row[0] for row in cursor.fetchall())
    assert walled == owned_tables()
    assert {"payments_paymentline", "events_event", "banking_bankfile"} <= set(walled)


def test_the_application_role_is_bound_by_the_wall() -> None:
    assert role_faults() == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False)


def test_outside_acting_for_nothing_is_seen() -> None:
    made = kit.stage()
    upload(made)
    assert Payment.objects.count() == 0
    assert Event.objects.count() == 0
    with made.scope():
        assert Payment.objects.count() == 2


def test_without_the_first_wall_the_second_still_hides_other_companies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine, theirs = kit.stage(), kit.stage(place=2)
    upload(mine)
    upload(theirs)
    monkeypatch.setattr(tenancy.CompanyQuerySet, "of", lambda self, company: self.all())
    anne = kit.signed_in(mine.users["anne"])
    with theirs.scope():
        other = Payment.objects.first()
        assert other is not None
    page = anne.get(f"/c/{mine.company.public_id}/outgoing/")
    assert page.status_code == 200
    assert page.content.count(b'name="payment"') == 2
    address = f"/c/{mine.company.public_id}/outgoing/{other.pk}/"
    assert anne.get(address).status_code == 404
    with mine.scope():
        assert set(Payment.objects.of(None).values_list("company_id", flat=True)) == {
            mine.company.pk
        }


def test_a_row_cannot_be_written_for_another_company() -> None:
    mine, theirs = kit.stage(), kit.stage(place=2)
    with mine.scope(), pytest.raises(ProgrammingError, match="row-level security"):
        with transaction.atomic():
            moves.record(
                company_id=theirs.company.pk,
                event="x",
                subject="payment",
                subject_id=1,
                by=actors.CLOCK,
                at=timezone.now(),
            )


def test_a_failure_inside_leaves_no_scope_behind() -> None:
    made = kit.stage()
    upload(made)
    with pytest.raises(ZeroDivisionError), made.scope():
        raise ZeroDivisionError
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events_event SET detail = '{}'",
        "UPDATE events_event SET sequence = 7 WHERE sequence IS NOT NULL",
        "DELETE FROM events_event",
        "TRUNCATE events_event",
    ],
)
def test_events_cannot_be_changed(statement: str) -> None:
    made = kit.stage()
    upload(made)
    erp = kit.Erp(made)
    erp.events()
    with (
        made.scope(),
        pytest.raises((InternalError, ProgrammingError)),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE payments_payment DISABLE ROW LEVEL SECURITY",
        "DROP POLICY company_wall ON payments_payment",
        "ALTER TABLE events_event DISABLE TRIGGER ALL",
        "TRUNCATE payments_paymentline CASCADE",
    ],
)
def test_the_application_role_cannot_tear_the_walls_down(statement: str) -> None:
    with (
        pytest.raises(ProgrammingError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_the_demo_cannot_stand_open(settings: object) -> None:
    assert demo_only_in_demo(None) == []
    settings.DEMO = False  # type: ignore[attr-defined]
    assert [fault.id for fault in demo_only_in_demo(None)] == ["access.E002"]
    settings.DEMO = True  # type: ignore[attr-defined]
    settings.BASE_URL = "https://kvitt.example"  # type: ignore[attr-defined]
    assert [fault.id for fault in demo_only_in_demo(None)] == ["access.E002"]
