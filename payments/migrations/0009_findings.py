"""What looks like a mistake or a fraud among lines, and how payees are known again."""

import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
        ("payments", "0008_cancellation_asks"),
    ]

    operations = [
        migrations.CreateModel(
            name="Finding",
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
                        choices=[("warn", "warn"), ("inform", "inform")], max_length=6
                    ),
                ),
                ("facts", models.JSONField(default=dict)),
                ("found_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="paymentline",
            name="payee_key",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    django.db.models.functions.text.Lower("payee_name"),
                    models.Value("[^[:alnum:]]+"),
                    models.Value(""),
                    models.Value("g"),
                    function="regexp_replace",
                    output_field=models.CharField(max_length=140),
                ),
                output_field=models.CharField(max_length=140),
            ),
        ),
        migrations.AddIndex(
            model_name="paymentline",
            index=models.Index(
                fields=["company", "payee_account", "-id"], name="line_by_payee_account"
            ),
        ),
        migrations.AddIndex(
            model_name="paymentline",
            index=models.Index(fields=["company", "payee_key", "-id"], name="line_by_payee"),
        ),
        migrations.AddIndex(
            model_name="paymentline",
            index=models.Index(
                models.F("company"),
                models.F("payee_account"),
                models.Func(models.F("kid"), models.Value("0"), function="ltrim"),
                condition=models.Q(("kid", ""), _negated=True),
                name="line_by_payee_kid",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="company",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="access.company"
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="line",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="findings",
                to="payments.paymentline",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="other",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="payments.paymentline",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="payment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="findings",
                to="payments.payment",
            ),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.UniqueConstraint(fields=("line", "code"), name="finding_once"),
        ),
        wall("payments_finding"),
    ]
