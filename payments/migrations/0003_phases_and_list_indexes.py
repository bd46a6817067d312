import django.db.models.functions.comparison
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0003_sorted_names_and_shortcuts"),
        ("banking", "0002_walls"),
        ("payments", "0002_walls"),
    ]

    operations = [
        migrations.AddField(
            model_name="payment",
            name="phase",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(status__in=["awaiting", "partly"], then=models.Value("open")),
                    models.When(
                        status__in=[
                            "approved",
                            "sending",
                            "sent",
                            "received",
                            "pending",
                            "accepted",
                        ],
                        then=models.Value("way"),
                    ),
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
                        then=models.Value("deviating"),
                    ),
                    models.When(
                        status__in=["settled", "cancelled", "cancelled_bank", "refused"],
                        then=models.Value("done"),
                    ),
                ),
                output_field=models.CharField(max_length=10),
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                fields=["company", "phase", "-due_date", "-id"], name="payment_by_phase"
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                fields=["company", "account", "-due_date", "-id"], name="payment_by_account"
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                fields=["company", "agreement", "-due_date", "-id"], name="payment_by_agreement"
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                fields=["company", "-created_at", "-id"], name="payment_by_received"
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                models.F("company"),
                django.db.models.functions.comparison.Collate("number", "C"),
                name="payment_by_number_start",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("kind", "salary")),
                fields=["company", "-due_date", "-id"],
                name="payment_salary_by_date",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("kind", "salary")),
                fields=["company", "phase", "-due_date", "-id"],
                name="payment_salary_by_phase",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("kind", "salary")),
                fields=["company", "status", "-due_date", "-id"],
                name="payment_salary_by_status",
            ),
        ),
    ]
