import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("access", "0002_walls_and_clock"),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("sequence", models.BigIntegerField(null=True)),
                ("at", models.DateTimeField()),
                (
                    "recorded_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("event", models.CharField(max_length=40)),
                ("subject", models.CharField(max_length=20)),
                ("subject_id", models.BigIntegerField()),
                ("group_id", models.BigIntegerField(null=True)),
                ("number", models.CharField(blank=True, max_length=140)),
                ("reference", models.CharField(blank=True, max_length=140)),
                ("status", models.CharField(blank=True, max_length=20)),
                ("erp_code", models.SmallIntegerField(null=True)),
                ("told", models.BooleanField(default=False)),
                ("salary", models.BooleanField(default=False)),
                ("rows", models.IntegerField(default=1)),
                ("reasons", models.JSONField(null=True)),
                ("detail", models.JSONField(null=True)),
                ("actor_kind", models.CharField(max_length=10)),
                ("actor_id", models.BigIntegerField(null=True)),
                ("actor_name", models.CharField(blank=True, max_length=140)),
                (
                    "company",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="access.company",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["company", "sequence"], name="event_feed"),
                    models.Index(
                        condition=models.Q(("group_id__isnull", False)),
                        fields=["group_id", "id"],
                        name="event_of_group",
                    ),
                    models.Index(
                        condition=models.Q(("group_id__isnull", True)),
                        fields=["subject_id", "id"],
                        name="event_of_row",
                    ),
                    models.Index(
                        condition=models.Q(("sequence__isnull", True)),
                        fields=["id"],
                        name="event_unnumbered",
                    ),
                ],
            },
        ),
    ]
