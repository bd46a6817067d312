"""Row-level security on the outbox, and the function that says whether it may be seen whole."""

from __future__ import annotations

from django.db import migrations

from portal.access.tenancy import wall

FUNCTION = """
CREATE FUNCTION kvitt_letters() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(current_setting('kvitt.letters', true), '') = 'on'
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("mail", "0001_initial"), ("access", "0002_walls_and_clock")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION kvitt_letters"),
        wall("mail_letter", also="(SELECT kvitt_letters())"),
    ]
