"""Payments that people write, who entered a payment, and which line one is paid instead of."""

import secrets

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import portal.access.models
from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
        ("payments", "0010_checks_decided"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Draft",
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
                (
                    "key",
                    models.CharField(default=secrets.token_urlsafe, editable=False, max_length=43),
                ),
                ("writers", models.JSONField(default=list)),
                ("salary", models.BooleanField(default=False)),
                ("values", models.JSONField(default=dict)),
                ("version", models.IntegerField(default=1)),
                ("made_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="payment",
            name="entered_by",
            field=models.JSONField(db_default=models.Value([], models.JSONField()), default=list),
        ),
        migrations.AddField(
            model_name="paymentline",
            name="corrects",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corrected_by",
                to="payments.paymentline",
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="source",
            field=models.CharField(
                choices=[("erp", "erp"), ("hand", "hand"), ("file", "file")],
                default="erp",
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="paymentline",
            index=models.Index(
                condition=models.Q(("corrects__isnull", False)),
                fields=["corrects"],
                name="line_by_corrected",
            ),
        ),
        migrations.AddField(
            model_name="draft",
            name="author",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="draft",
            name="company",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="access.company"
            ),
        ),
        migrations.AddField(
            model_name="draft",
            name="corrects",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="drafts",
                to="payments.payment",
            ),
        ),
        migrations.AddField(
            model_name="draft",
            name="payment",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="draft",
                to="payments.payment",
            ),
        ),
        migrations.AddIndex(
            model_name="draft",
            index=models.Index(fields=["company", "-changed_at"], name="draft_by_change"),
        ),
        wall("payments_draft"),
    ]
