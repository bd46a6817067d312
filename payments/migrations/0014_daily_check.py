"""What the daily three-way check found."""

import django.db.models.deletion
from django.db import migrations, models

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0013_pre_approval"),
        ("payments", "0013_pre_approvals"),
    ]

    operations = [
        migrations.CreateModel(
            name="DailyCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("made_at", models.DateTimeField()),
                ("figures", models.JSONField()),
                ("unfetched", models.IntegerField(default=0)),
                ("fetched_until", models.DateTimeField(null=True)),
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
                    models.UniqueConstraint(fields=("company", "day"), name="daily_check_once")
                ],
            },
        ),
        wall("payments_dailycheck"),
    ]
