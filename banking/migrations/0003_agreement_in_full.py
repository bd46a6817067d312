"""Gives agreements all their facts: identifiers by bank, services, mails, ERP, cut-over; and stops."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import portal.access.models
from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
        ("banking", "0002_walls"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="bankaccount",
            name="tax_withholding",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="approve_mails",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="bank_approval",
            field=models.CharField(
                choices=[
                    ("none", "No: what is approved here is paid"),
                    ("net_bank", "Yes: payments are approved once more in the net bank"),
                    ("accounting", "Accounting-approved: the net bank shows them as approved"),
                ],
                default="none",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="card_transactions",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="cut_over_date",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="division",
            field=models.CharField(blank=True, max_length=35),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="erp_name",
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="erp_system",
            field=models.CharField(blank=True, max_length=80),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="file_format",
            field=models.CharField(
                choices=[
                    ("iso20022", "ISO 20022"),
                    ("nets_iso", "ISO 20022 by Nets"),
                    ("nets", "Direkte remittering (the old format)"),
                ],
                default="iso20022",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="incoming",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="reject_mails",
            field=models.JSONField(default=list),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="remittance",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="settlement_return",
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="signer_id",
            field=models.CharField(blank=True, max_length=35),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="split_incoming",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="statements",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="two_factor_to_upload",
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name="bankagreement",
            name="agreement_id",
            field=models.CharField(blank=True, max_length=35),
        ),
        migrations.AlterField(
            model_name="bankagreement",
            name="customer_number",
            field=models.CharField(blank=True, max_length=35),
        ),
        migrations.CreateModel(
            name="AgreementSetup",
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
                ("values", models.JSONField(default=dict)),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "agreement",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="setups",
                        to="banking.bankagreement",
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
                    "user",
                    models.ForeignKey(
                        db_index=False,
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
            name="SendingStop",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
                ("stopped_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True)),
                (
                    "agreement",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stops",
                        to="banking.bankagreement",
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
                    "started_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "stopped_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("started_at__isnull", True)),
                        fields=("company", "agreement"),
                        name="sending_stopped_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        wall("banking_agreementsetup"),
        wall("banking_sendingstop"),
    ]
