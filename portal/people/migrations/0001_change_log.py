"""The change log and the accepted terms: walled in, and never changed afterwards."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.access.tenancy import OF_COMPANIES, OF_CUSTOMERS, wall

APPEND_ONLY = """
CREATE FUNCTION changes_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the change log is append-only: % refused', TG_OP;
END $$;
CREATE TRIGGER change_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON people_change
  FOR EACH STATEMENT EXECUTE FUNCTION changes_are_final();
CREATE TRIGGER terms_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON people_termsacceptance
  FOR EACH STATEMENT EXECUTE FUNCTION changes_are_final();
"""
UNDO = """
DROP TRIGGER change_not_changed ON people_change;
DROP TRIGGER terms_not_changed ON people_termsacceptance;
DROP FUNCTION changes_are_final;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("access", "0005_terms_and_two_factor"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("user_name", models.CharField(max_length=140)),
                ("address", models.GenericIPAddressField(null=True)),
                ("act", models.CharField(max_length=40)),
                ("subject_name", models.CharField(blank=True, max_length=254)),
                ("before", models.JSONField(default=dict)),
                ("after", models.JSONField(default=dict)),
                (
                    "about",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.customer",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["customer", "-id"], name="change_of_customer"),
                    models.Index(
                        condition=models.Q(("company__isnull", False)),
                        fields=["company", "-id"],
                        name="change_of_company",
                    ),
                    models.Index(
                        condition=models.Q(("about__isnull", False)),
                        fields=["about", "-id"],
                        name="change_about",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TermsAcceptance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.CharField(max_length=20)),
                ("at", models.DateTimeField()),
                ("address", models.GenericIPAddressField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="terms",
                        to="access.customer",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("customer", "version"), name="terms_accepted_once"
                    )
                ],
            },
        ),
        wall("people_change", own=OF_CUSTOMERS, also=OF_COMPANIES),
        wall("people_termsacceptance", own=OF_CUSTOMERS),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
