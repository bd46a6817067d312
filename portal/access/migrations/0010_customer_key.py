"""The key that a bureau's ERP makes companies with."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import portal.access.crypto
from portal.access.tenancy import OF_CUSTOMERS, wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0009_limits_and_deputies"),
    ]

    operations = [
        migrations.CreateModel(
            name="CustomerKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("secret", portal.access.crypto.SecretField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("retired_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.customer",
                    ),
                ),
                (
                    "last_used_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("retired_at__isnull", True)),
                        fields=("customer",),
                        name="customer_key_one_alive",
                    )
                ],
            },
        ),
        wall("access_customerkey", own=OF_CUSTOMERS),
    ]
