"""Lists of companies that were read from a file."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import portal.access.models
from portal.access.tenancy import OF_CUSTOMERS, wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0006_keys_and_order"),
        ("people", "0001_change_log"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CompanyImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=portal.access.models.new_public_id,
                        editable=False,
                        max_length=10,
                        unique=True,
                    ),
                ),
                ("file_name", models.CharField(max_length=200)),
                ("rows", models.JSONField()),
                ("at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
                ("made", models.PositiveIntegerField(default=0)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
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
        ),
        wall("people_companyimport", own=OF_CUSTOMERS),
    ]
