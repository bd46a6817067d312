"""Nonces that a customer's key has signed with."""

import django.db.models.deletion
from django.db import migrations, models

from portal.access.tenancy import OF_CUSTOMERS, wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0010_customer_key"),
        ("erp", "0002_wall"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsedCustomerNonce",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("nonce", models.CharField(max_length=100)),
                ("used_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.customer",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("customer", "nonce"), name="customer_nonce_once"
                    )
                ],
            },
        ),
        wall("erp_usedcustomernonce", own=OF_CUSTOMERS),
    ]
