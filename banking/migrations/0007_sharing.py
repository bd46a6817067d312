"""Agreements that are shared by organisation number, for payments alone."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
        ("banking", "0006_connection_request"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AgreementShare",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("organisation_number", models.CharField(db_index=True, max_length=9)),
                ("made_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="bankagreement",
            name="agreement_one_active_per_account",
        ),
        migrations.AddField(
            model_name="agreementshare",
            name="agreement",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="shares",
                to="banking.bankagreement",
            ),
        ),
        migrations.AddField(
            model_name="agreementshare",
            name="company",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="access.company"
            ),
        ),
        migrations.AddField(
            model_name="agreementshare",
            name="ended_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="agreementshare",
            name="made_by",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="share",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="uses",
                to="banking.agreementshare",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankagreement",
            constraint=models.UniqueConstraint(
                condition=models.Q(("share", None), ("status", "active")),
                fields=("account_number",),
                name="agreement_one_active_per_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankagreement",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "active")),
                fields=("company", "account_number"),
                name="agreement_one_active_per_company_and_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankagreement",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "deactivated"), _negated=True),
                fields=("company", "share"),
                name="agreement_one_use_of_a_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankagreement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("share", None),
                    models.Q(
                        ("incoming", False), ("settlement_return", False), ("statements", False)
                    ),
                    _connector="OR",
                ),
                name="agreement_shared_for_payments_only",
            ),
        ),
        migrations.AddConstraint(
            model_name="agreementshare",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("agreement", "organisation_number"),
                name="share_once",
            ),
        ),
        wall("banking_agreementshare"),
    ]
