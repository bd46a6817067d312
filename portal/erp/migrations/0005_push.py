"""Where events are pushed to, and what waits to be taken."""

import django.db.models.deletion
from django.db import migrations, models

import portal.access.crypto
from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0013_pre_approval"),
        ("erp", "0004_feed_position"),
    ]

    operations = [
        migrations.CreateModel(
            name="PushTarget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("address", models.CharField(max_length=500)),
                ("language", models.CharField(default="nb", max_length=5)),
                ("secret", portal.access.crypto.SecretField()),
                ("old_secret", portal.access.crypto.SecretField(null=True)),
                ("old_until", models.DateTimeField(null=True)),
                ("active", models.BooleanField(default=True)),
                ("cursor", models.BigIntegerField()),
                ("made_at", models.DateTimeField()),
                ("busy_until", models.DateTimeField(null=True)),
                ("next_try_at", models.DateTimeField()),
                ("failures", models.IntegerField(default=0)),
                ("failing_since", models.DateTimeField(null=True)),
                ("told_at", models.DateTimeField(null=True)),
                ("last_at", models.DateTimeField(null=True)),
                ("answer", models.CharField(blank=True, max_length=40)),
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
                    models.UniqueConstraint(fields=("company",), name="push_target_one")
                ],
            },
        ),
        migrations.CreateModel(
            name="PushWaiting",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sequence", models.BigIntegerField()),
                ("number", models.CharField(blank=True, max_length=140)),
                ("tries", models.IntegerField(default=0)),
                ("first_at", models.DateTimeField()),
                ("next_try_at", models.DateTimeField()),
                ("given_up_at", models.DateTimeField(null=True)),
                ("answer", models.CharField(blank=True, max_length=40)),
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
                "indexes": [
                    models.Index(
                        condition=models.Q(("given_up_at__isnull", True)),
                        fields=["company", "number"],
                        name="push_waiting_of_number",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("company", "sequence"), name="push_waiting_once"
                    )
                ],
            },
        ),
        wall("erp_pushtarget"),
        wall("erp_pushwaiting"),
    ]
