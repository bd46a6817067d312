"""Text messages stand in the outbox too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0003_letter_needs"),
    ]

    operations = [
        migrations.AddField(
            model_name="letter",
            name="channel",
            field=models.CharField(
                choices=[("mail", "e-mail"), ("sms", "SMS")], default="mail", max_length=4
            ),
        ),
        migrations.AlterField(
            model_name="letter",
            name="address",
            field=models.CharField(max_length=254),
        ),
    ]
