"""That banks have been asked to cancel lines that they have got."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
        ("banking", "0008_closed_and_saved"),
        ("payments", "0007_limits_by_signature"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CancellationAsk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("reason", models.CharField(max_length=200)),
                ("answer", models.CharField(blank=True, max_length=4)),
                ("answered_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="banking.bankfile",
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cancellation_asks",
                        to="payments.paymentline",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["line"], name="cancellation_of_line")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("answered_at__isnull", True)),
                        fields=("line",),
                        name="cancellation_asked_once",
                    )
                ],
            },
        ),
        wall("payments_cancellationask"),
    ]
