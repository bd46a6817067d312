"""Shows, to whom acts for a company, the changes at its customer that gave or took rights in it.

Which user group a change is about is kept, so that a company's log finds the groups it knows; and of
an imported list, which columns are not used.
"""

from django.db import migrations, models

from portal.access.tenancy import OF_COMPANIES, OF_CUSTOMERS, OF_THEIR_CUSTOMERS

OWN = f"({OF_CUSTOMERS}) OR ({OF_COMPANIES})"
RIGHTS = (
    "company_id IS NULL AND act IN ('role.granted', 'role.revoked', 'group.joined', 'group.left',"
    f" 'user.ended', 'user.resumed') AND {OF_THEIR_CUSTOMERS}"
)


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0002_company_imports"),
    ]

    operations = [
        migrations.AddField(
            model_name="change",
            name="group_number",
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name="companyimport",
            name="unused",
            field=models.JSONField(default=list),
        ),
        migrations.RunSQL(
            f"ALTER POLICY company_wall ON people_change USING ({OWN} OR ({RIGHTS}));",
            f"ALTER POLICY company_wall ON people_change USING ({OWN});",
        ),
    ]
