"""How far each company's ERP has read its feed."""

import django.db.models.deletion
from django.db import migrations, models

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0013_pre_approval"),
        ("erp", "0003_customer_nonces"),
    ]

    operations = [
        migrations.CreateModel(
            name="FeedPosition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("cursor", models.BigIntegerField()),
                ("asked_at", models.DateTimeField()),
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
                "constraints": [
                    models.UniqueConstraint(fields=("company",), name="feed_position_one")
                ],
            },
        ),
        wall("erp_feedposition"),
    ]
