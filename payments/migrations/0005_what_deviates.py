"""What deviates is found by an index, also where the rest of a payment goes on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0003_sorted_names_and_shortcuts"),
        ("banking", "0002_walls"),
        ("payments", "0004_what_went_wrong"),
    ]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="deviates",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(
                        status__in=[
                            "held",
                            "stopped",
                            "undelivered",
                            "unknown",
                            "rejected",
                            "returned",
                            "ended",
                        ],
                        then=models.Value(True),
                    ),
                    models.When(
                        line_counts__has_any_keys=[
                            "held",
                            "stopped",
                            "undelivered",
                            "unknown",
                            "rejected",
                            "returned",
                        ],
                        then=models.Value(True),
                    ),
                    default=models.Value(False),
                ),
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("deviates", True)),
                fields=["company", "-due_date", "-id"],
                name="payment_deviating_by_date",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("deviates", True), ("kind", "salary")),
                fields=["company", "-due_date", "-id"],
                name="payment_salary_deviating",
            ),
        ),
    ]
