"""Row-level security on accounts, agreements, authorities and bank files."""

from __future__ import annotations

from django.db import migrations

from portal.access.tenancy import wall

UNCLAIMED = "company_id IS NULL AND (SELECT kvitt_unclaimed())"


class Migration(migrations.Migration):
    dependencies = [("banking", "0001_initial"), ("access", "0002_walls_and_clock")]

    operations = [
        wall("banking_bankaccount"),
        wall("banking_bankagreement"),
        wall("banking_authority"),
        wall("banking_bankfile", also=UNCLAIMED),
        wall("banking_bankfilepart", also=UNCLAIMED),
        # The bytes are deflated already; PostgreSQL must not try again.
        migrations.RunSQL(
            "ALTER TABLE banking_bankfilepart ALTER COLUMN content SET STORAGE EXTERNAL",
            migrations.RunSQL.noop,
        ),
    ]
