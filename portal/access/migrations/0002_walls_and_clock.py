"""Row-level security on what companies own, and the one row of the business clock."""

from __future__ import annotations

from django.db import migrations

from portal.access.tenancy import FUNCTIONS, wall

CLOCK = """
CREATE TABLE clock_offset (
  id smallint PRIMARY KEY CHECK (id = 1),
  seconds bigint NOT NULL CHECK (seconds >= 0)
);
INSERT INTO clock_offset VALUES (1, 0);
CREATE FUNCTION clock_only_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR NEW.seconds < OLD.seconds THEN
    RAISE EXCEPTION 'the business clock only moves forward';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER clock_only_forward BEFORE UPDATE OR DELETE ON clock_offset
  FOR EACH ROW EXECUTE FUNCTION clock_only_forward();
"""

# A user sees their own grants before any company is chosen; grants at a customer belong to no
# single company and are seen by whoever the guard has let in.
OWN_GRANTS = (
    "company_id IS NULL OR user_id = (SELECT kvitt_user()) OR group_id IN"
    " (SELECT usergroup_id FROM access_usergroup_members WHERE user_id = (SELECT kvitt_user()))"
)


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial")]

    operations = [
        migrations.RunSQL(
            FUNCTIONS,
            "DROP FUNCTION kvitt_companies; DROP FUNCTION kvitt_user; DROP FUNCTION kvitt_unclaimed",
        ),
        migrations.RunSQL(CLOCK, "DROP TABLE clock_offset; DROP FUNCTION clock_only_forward"),
        wall("access_serviceactivation"),
        wall("access_signingkey"),
        wall("access_rolegrant", also=OWN_GRANTS),
    ]
