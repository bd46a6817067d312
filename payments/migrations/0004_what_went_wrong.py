"""The index by which the overview finds what went wrong lately, in a log of millions of events.

Here and not with the log, which knows no event by name; payments.queries.WRONG lists the same.
"""

from django.db import migrations

NAMES = "'stopped', 'rejected', 'returned', 'undelivered', 'unknown'"


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0003_phases_and_list_indexes"),
        ("events", "0002_walls_and_append_only"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX event_went_wrong ON events_event (company_id, id DESC)"
            f" WHERE event IN ({NAMES})",
            "DROP INDEX event_went_wrong",
        )
    ]
