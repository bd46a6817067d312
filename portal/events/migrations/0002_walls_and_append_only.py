"""Events belong to companies, are numbered once, and are never changed or removed."""

from __future__ import annotations

from django.db import migrations

from portal.access.tenancy import wall

COLUMNS = (
    "id, company_id, at, recorded_at, event, subject, subject_id, group_id, number, reference,"
    " status, erp_code, told, salary, rows, reasons, detail, actor_kind, actor_id, actor_name"
)
APPEND_ONLY = f"""
CREATE FUNCTION events_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are append-only: % refused', TG_OP;
END $$;
CREATE TRIGGER event_not_changed BEFORE UPDATE OF {COLUMNS} ON events_event
  FOR EACH STATEMENT EXECUTE FUNCTION events_are_final();
CREATE TRIGGER event_numbered_once BEFORE UPDATE OF sequence ON events_event
  FOR EACH ROW WHEN (OLD.sequence IS NOT NULL) EXECUTE FUNCTION events_are_final();
CREATE TRIGGER event_not_removed BEFORE DELETE OR TRUNCATE ON events_event
  FOR EACH STATEMENT EXECUTE FUNCTION events_are_final();
CREATE TABLE event_numbers (
  id smallint PRIMARY KEY CHECK (id = 1),
  last_sequence bigint NOT NULL
);
INSERT INTO event_numbers VALUES (1, 0);
"""
UNDO = """
DROP TRIGGER event_not_changed ON events_event;
DROP TRIGGER event_numbered_once ON events_event;
DROP TRIGGER event_not_removed ON events_event;
DROP FUNCTION events_are_final;
DROP TABLE event_numbers;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_initial"), ("access", "0002_walls_and_clock")]

    operations = [wall("events_event"), migrations.RunSQL(APPEND_ONLY, UNDO)]
