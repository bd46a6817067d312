"""Whether a company asks for a code at each upload."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0011_bounds"),
    ]

    operations = [
        migrations.AddField(
            model_name="company",
            name="two_factor_to_upload",
            field=models.BooleanField(default=False),
        ),
    ]
