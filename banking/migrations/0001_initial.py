import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import portal.access.crypto


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("access", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BankAccount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.CharField(max_length=11)),
                ("iban", models.CharField(blank=True, max_length=34)),
                ("bic", models.CharField(blank=True, max_length=11)),
                ("currency", models.CharField(default="NOK", max_length=3)),
                ("name", models.CharField(max_length=80)),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Authority",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("bank_identity", models.CharField(max_length=35)),
                ("holds_authority", models.BooleanField(default=False)),
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
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="authorities",
                        to="banking.bankaccount",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BankChannel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "bank",
                    models.CharField(
                        help_text="The bank's data file in banking/banks.", max_length=40
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("host", models.CharField(max_length=255)),
                ("port", models.PositiveIntegerField(default=22)),
                ("username", models.CharField(max_length=80)),
                ("private_key", portal.access.crypto.SecretField()),
                (
                    "host_key",
                    models.TextField(help_text="The bank's public host key, as in known_hosts."),
                ),
                ("upload_folder", models.CharField(default="pain001", max_length=80)),
                ("archive_folder", models.CharField(blank=True, default="archive", max_length=80)),
                ("download_folders", models.JSONField(default=list)),
                ("is_active", models.BooleanField(default=True)),
                ("last_contact_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("bank", "username"), name="channel_once_per_user"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BankAgreement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("account_number", models.CharField(editable=False, max_length=11)),
                ("description", models.CharField(blank=True, max_length=140)),
                ("customer_number", models.CharField(max_length=35)),
                ("agreement_id", models.CharField(max_length=35)),
                (
                    "pain_version",
                    models.CharField(
                        choices=[
                            ("pain.001.001.09", "pain.001.001.09"),
                            ("pain.001.001.03", "pain.001.001.03"),
                        ],
                        default="pain.001.001.09",
                        max_length=20,
                    ),
                ),
                (
                    "approvers_required",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "One approver"), (2, "Two approvers")], default=2
                    ),
                ),
                (
                    "bank_approvers_required",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "One approver"), (2, "Two approvers")], default=1
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("ordered", "Ordered"),
                            ("active", "Active"),
                            ("deactivated", "Deactivated"),
                        ],
                        db_default="draft",
                        max_length=20,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="agreements",
                        to="banking.bankaccount",
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
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="agreements",
                        to="banking.bankchannel",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BankFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "direction",
                    models.CharField(
                        choices=[("out", "To the bank"), ("in", "From the bank")], max_length=3
                    ),
                ),
                ("kind", models.CharField(blank=True, max_length=40)),
                ("name", models.CharField(max_length=200)),
                ("message_id", models.CharField(blank=True, max_length=70)),
                ("sha256", models.BinaryField(max_length=32)),
                ("size", models.BigIntegerField()),
                ("salary", models.BooleanField(default=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("stored", "Stored"),
                            ("uploading", "Being delivered"),
                            ("delivered", "Delivered"),
                            ("received", "Received by the bank"),
                            ("refused", "Refused by the bank"),
                            ("undelivered", "Not delivered"),
                            ("fetched", "Fetched"),
                            ("read", "Read"),
                            ("set_aside", "Set aside"),
                        ],
                        max_length=20,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("transactions", models.IntegerField(null=True)),
                ("totals", models.JSONField(null=True)),
                ("error", models.JSONField(null=True)),
                ("remarks", models.JSONField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("last_attempt_at", models.DateTimeField(null=True)),
                ("next_attempt_at", models.DateTimeField(null=True)),
                (
                    "agreement",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="banking.bankagreement",
                    ),
                ),
                (
                    "answers_to",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answers",
                        to="banking.bankfile",
                    ),
                ),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="files",
                        to="banking.bankchannel",
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BankFilePart",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("content", models.BinaryField()),
                (
                    "company",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="parts",
                        to="banking.bankfile",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="bankaccount",
            constraint=models.UniqueConstraint(
                fields=("company", "number"), name="account_once_per_company"
            ),
        ),
        migrations.AddConstraint(
            model_name="bankaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__regex", "^[0-9]{11}$")), name="account_eleven_digits"
            ),
        ),
        migrations.AddConstraint(
            model_name="authority",
            constraint=models.UniqueConstraint(fields=("account", "user"), name="authority_once"),
        ),
        migrations.AddConstraint(
            model_name="bankagreement",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "active")),
                fields=("account_number",),
                name="agreement_one_active_per_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankagreement",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["draft", "ordered", "active", "deactivated"])),
                name="agreement_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankagreement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approvers_required__in", [1, 2]),
                    ("bank_approvers_required__in", [1, 2]),
                    ("approvers_required__gte", models.F("bank_approvers_required")),
                ),
                name="agreement_approvers_possible",
            ),
        ),
        migrations.AddIndex(
            model_name="bankfile",
            index=models.Index(fields=["company", "-id"], name="bank_file_of_company"),
        ),
        migrations.AddIndex(
            model_name="bankfile",
            index=models.Index(
                condition=models.Q(("status__in", ["stored", "uploading", "fetched"])),
                fields=["id"],
                name="bank_file_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankfile",
            constraint=models.UniqueConstraint(
                fields=("channel", "direction", "name", "sha256"), name="bank_file_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="bankfile",
            constraint=models.UniqueConstraint(
                condition=models.Q(("direction", "out")),
                fields=("channel", "message_id"),
                name="bank_file_message_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankfile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "stored",
                            "uploading",
                            "delivered",
                            "received",
                            "refused",
                            "undelivered",
                            "fetched",
                            "read",
                            "set_aside",
                        ],
                    )
                ),
                name="bank_file_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankfilepart",
            constraint=models.UniqueConstraint(
                fields=("file", "position"), name="bank_file_part_once"
            ),
        ),
    ]
