"""Whether a company approves invoices before their payments come."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
    ]

    operations = [
        migrations.AddField(
            model_name="company",
            name="pre_approval",
            field=models.BooleanField(default=False),
        ),
    ]
