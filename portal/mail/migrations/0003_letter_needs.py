from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mail", "0002_wall"),
    ]

    operations = [
        migrations.AddField(
            model_name="letter",
            name="needs",
            field=models.CharField(blank=True, max_length=60),
        ),
    ]
