"""Who belongs to which customer; whoever holds a role today has accepted."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.access.tenancy import CUSTOMERS, OF_CUSTOMERS, OF_THEIR_CUSTOMERS, wall

# The wall of grants stands for the owner of the tables too: all companies are named to it.
HOLDERS = """
SELECT set_config('kvitt.companies',
  (SELECT coalesce('{' || string_agg(id::text, ',') || '}', '{}') FROM access_company), true);
INSERT INTO access_membership
  (customer_id, user_id, invited_name, invited_at, accepted_at)
SELECT DISTINCT coalesce(role.customer_id, company.customer_id), holder.id, holder.name,
  holder.created_at, holder.created_at
FROM access_rolegrant role
LEFT JOIN access_company company ON company.id = role.company_id
LEFT JOIN access_usergroup_members member ON member.usergroup_id = role.group_id
JOIN access_user holder ON holder.id = coalesce(role.user_id, member.user_id);
SELECT set_config('kvitt.companies', '', true);
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""
OWN = f"user_id = (SELECT kvitt_user()) OR {OF_THEIR_CUSTOMERS}"


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0003_sorted_names_and_shortcuts"),
    ]

    operations = [
        migrations.AlterField(
            model_name="rolegrant",
            name="role",
            field=models.CharField(
                choices=[
                    ("customer_administrator", "Customer administrator"),
                    ("support_user", "Support user"),
                    ("autopay_administrator", "AutoPay Administrator"),
                    ("autopay_approver", "AutoPay Approver"),
                    ("autopay_accountant", "AutoPay Accountant"),
                    ("autopay_payroll_approver", "AutoPay Payroll Approver"),
                    ("autopay_payroll_accountant", "AutoPay Payroll Accountant"),
                    ("autopay_uploader", "AutoPay Uploader"),
                    ("collection_administrator", "Collection Administrator"),
                    ("collection_handler", "Collection Handler"),
                    ("collection_viewer", "Collection Viewer"),
                    ("agency_case_handler", "Agency case handler"),
                ],
                max_length=40,
            ),
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("invited_name", models.CharField(blank=True, max_length=140)),
                ("invited_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="memberships",
                        to="access.customer",
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("customer", "user"), name="membership_once")
                ],
            },
        ),
        migrations.RunSQL(HOLDERS, migrations.RunSQL.noop),
        migrations.RunSQL(CUSTOMERS, "DROP FUNCTION kvitt_customers"),
        wall("access_membership", own=OF_CUSTOMERS, also=OWN),
    ]
