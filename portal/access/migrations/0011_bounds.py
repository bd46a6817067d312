"""Slow bounds on guesses, on text messages, and whether a password may stand alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0010_customer_key"),
    ]

    operations = [
        migrations.CreateModel(
            name="GuessWindow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.BinaryField(max_length=32, unique=True)),
                ("began_at", models.DateTimeField(db_index=True)),
                ("tries", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="factortries",
            name="sent",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="factortries",
            name="sent_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="factortries",
            name="sent_day",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="user",
            name="password_alone",
            field=models.BooleanField(default=False),
        ),
    ]
