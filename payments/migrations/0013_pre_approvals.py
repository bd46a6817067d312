"""Invoices that are approved before their payments come."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0013_pre_approval"),
        ("payments", "0012_ceremony_act"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PreApproval",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("payee_name", models.CharField(max_length=140)),
                ("payee_account", models.CharField(max_length=34)),
                (
                    "payee_account_kind",
                    models.CharField(max_length=5),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=18)),
                ("currency", models.CharField(max_length=3)),
                ("kid", models.CharField(blank=True, max_length=35)),
                ("reference", models.CharField(blank=True, max_length=140)),
                ("valid_until", models.DateField()),
                ("made_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "line",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pre_approval",
                        to="payments.paymentline",
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PreApprovalSignature",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("signed_at", models.DateTimeField()),
                ("factor", models.CharField(max_length=20)),
                ("device_id", models.BigIntegerField()),
                ("evidence", models.JSONField(null=True)),
                ("statement", models.TextField()),
                ("mac", models.BinaryField(max_length=32)),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
                (
                    "pre_approval",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signatures",
                        to="payments.preapproval",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="preapproval",
            index=models.Index(fields=["company", "-id"], name="pre_approval_by_age"),
        ),
        migrations.AddConstraint(
            model_name="preapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="pre_approval_above_zero"
            ),
        ),
        migrations.AddConstraint(
            model_name="preapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kid", ""), ("reference", ""), _negated=True),
                    models.Q(("kid", ""), ("reference", ""), _connector="OR"),
                ),
                name="pre_approval_for_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="preapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("line__isnull", True), ("ended_at__isnull", True), _connector="OR"
                ),
                name="pre_approval_used_or_ended",
            ),
        ),
        migrations.AddConstraint(
            model_name="preapproval",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True), ("line__isnull", True)),
                fields=("company", "payee_account", "kid", "reference", "amount", "currency"),
                name="pre_approval_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="preapprovalsignature",
            constraint=models.UniqueConstraint(
                fields=("pre_approval", "user"), name="pre_approval_two_different_people"
            ),
        ),
        wall("payments_preapproval"),
        wall("payments_preapprovalsignature"),
    ]
