import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("access", "0002_walls_and_clock"),
        ("banking", "0002_walls"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Ceremony",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("factor", models.CharField(max_length=20)),
                ("device_id", models.BigIntegerField()),
                ("totals", models.JSONField()),
                ("payment_count", models.IntegerField()),
                ("line_count", models.IntegerField()),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
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
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=100)),
                ("body_sha256", models.BinaryField(max_length=32)),
                ("media_type", models.CharField(max_length=60)),
                ("message_id", models.CharField(blank=True, max_length=70)),
                ("created_at", models.DateTimeField()),
                ("lines", models.IntegerField(default=0)),
                ("answer", models.JSONField(null=True)),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
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
        migrations.CreateModel(
            name="Payment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.CharField(max_length=35)),
                ("due_date", models.DateField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("supplier", "supplier"), ("salary", "salary")],
                        default="supplier",
                        max_length=10,
                    ),
                ),
                ("urgent", models.BooleanField(default=False)),
                ("source", models.CharField(default="erp", max_length=20)),
                ("created_at", models.DateTimeField()),
                ("line_count", models.IntegerField()),
                ("totals", models.JSONField()),
                ("digest", models.BinaryField(max_length=32)),
                ("status", models.CharField(db_default="awaiting", max_length=20)),
                ("line_counts", models.JSONField(default=dict)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="banking.bankaccount",
                    ),
                ),
                (
                    "agreement",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="banking.bankagreement",
                    ),
                ),
                (
                    "bank_file",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="banking.bankfile",
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
                    "upload",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="payments.upload",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PaymentLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.IntegerField()),
                ("reference", models.CharField(max_length=35)),
                ("instruction_id", models.CharField(blank=True, max_length=35)),
                ("amount", models.DecimalField(decimal_places=2, max_digits=18)),
                ("currency", models.CharField(max_length=3)),
                ("payee_name", models.CharField(max_length=140)),
                ("payee_address", models.JSONField(null=True)),
                ("payee_account", models.CharField(max_length=34)),
                (
                    "payee_account_kind",
                    models.CharField(
                        choices=[("BBAN", "BBAN"), ("IBAN", "IBAN"), ("OTHER", "OTHER")],
                        max_length=5,
                    ),
                ),
                ("payee_bic", models.CharField(blank=True, max_length=11)),
                ("kid", models.CharField(blank=True, max_length=35)),
                ("message", models.TextField(blank=True)),
                ("documents", models.JSONField(null=True)),
                ("extra", models.JSONField(null=True)),
                ("status", models.CharField(db_default="awaiting", max_length=20)),
                ("reasons", models.JSONField(null=True)),
                ("booked_date", models.DateField(null=True)),
                ("bank_reference", models.CharField(blank=True, max_length=35)),
                (
                    "company",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("payment", "reference"), name="line_reference_once"
                    ),
                    models.UniqueConstraint(
                        fields=("payment", "position"), name="line_position_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gt", 0)), name="line_amount_above_zero"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "awaiting",
                                    "partly",
                                    "approved",
                                    "sending",
                                    "sent",
                                    "received",
                                    "pending",
                                    "accepted",
                                    "settled",
                                    "rejected",
                                    "cancelled",
                                    "cancelled_bank",
                                    "returned",
                                    "refused",
                                    "held",
                                    "stopped",
                                    "undelivered",
                                    "unknown",
                                ],
                            )
                        ),
                        name="line_status",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Signature",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("signed_at", models.DateTimeField()),
                ("statement", models.TextField()),
                ("mac", models.BinaryField(max_length=32)),
                ("voided_at", models.DateTimeField(null=True)),
                ("void_reason", models.CharField(blank=True, max_length=200)),
                (
                    "ceremony",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signatures",
                        to="payments.ceremony",
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
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signatures",
                        to="payments.payment",
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
                        condition=models.Q(("voided_at__isnull", True)),
                        fields=("payment", "user"),
                        name="signature_two_different_people",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="upload",
            constraint=models.UniqueConstraint(fields=("company", "key"), name="upload_key_once"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["company", "-due_date", "-id"], name="payment_by_date"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                fields=["company", "status", "-due_date", "-id"], name="payment_by_status"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                fields=("company", "number"), name="payment_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "awaiting",
                            "partly",
                            "approved",
                            "sending",
                            "sent",
                            "received",
                            "pending",
                            "accepted",
                            "settled",
                            "rejected",
                            "cancelled",
                            "cancelled_bank",
                            "returned",
                            "refused",
                            "held",
                            "stopped",
                            "undelivered",
                            "unknown",
                            "ended",
                        ],
                    )
                ),
                name="payment_status",
            ),
        ),
    ]
