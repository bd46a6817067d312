"""What a passkey said when payments were signed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0005_what_deviates"),
    ]

    operations = [
        migrations.AddField(
            model_name="ceremony",
            name="evidence",
            field=models.JSONField(null=True),
        ),
    ]
