"""Tries of the way to a bank, kept with their steps."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
        ("banking", "0004_file_brought_in"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ConnectionTest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("steps", models.JSONField(default=list)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "agreement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="connection_tests",
                        to="banking.bankagreement",
                    ),
                ),
                (
                    "asked_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        wall("banking_connectiontest"),
    ]
