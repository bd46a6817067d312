"""Row-level security on payments and all that hangs on them; room for changes of status."""

from __future__ import annotations

from django.db import migrations

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("access", "0002_walls_and_clock")]

    operations = [
        wall("payments_upload"),
        wall("payments_payment"),
        wall("payments_paymentline"),
        wall("payments_ceremony"),
        wall("payments_signature"),
        # A line changes status some seven times and no index holds it: with room in its page
        # the new version needs no index entries and takes the dead one's place.
        migrations.RunSQL(
            "ALTER TABLE payments_paymentline SET (fillfactor = 50)",
            "ALTER TABLE payments_paymentline RESET (fillfactor)",
        ),
    ]
