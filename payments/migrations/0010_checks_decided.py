"""What a company's checks do, and who let a line pass that one of them stops."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
        ("payments", "0009_findings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="GuardSetting",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=30)),
                (
                    "severity",
                    models.CharField(
                        choices=[("stop", "stop"), ("warn", "warn"), ("inform", "inform")],
                        max_length=6,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="finding",
            name="pass_reason",
            field=models.CharField(blank=True, db_default="", max_length=200),
        ),
        migrations.AddField(
            model_name="finding",
            name="passed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="finding",
            name="passed_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="finding",
            name="severity",
            field=models.CharField(
                choices=[("stop", "stop"), ("warn", "warn"), ("inform", "inform")], max_length=6
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(("passed_at__isnull", True), ("severity", "stop")),
                fields=["company", "id"],
                name="finding_that_stops",
            ),
        ),
        migrations.AddField(
            model_name="guardsetting",
            name="company",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="access.company"
            ),
        ),
        migrations.AddConstraint(
            model_name="guardsetting",
            constraint=models.UniqueConstraint(
                fields=("company", "code"), name="guard_setting_once"
            ),
        ),
        wall("payments_guardsetting"),
    ]
