"""The terms that a customer accepted, and where a second factor is asked for at sign-in too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0004_membership"),
    ]

    operations = [
        migrations.AddField(
            model_name="company",
            name="two_factor_to_sign_in",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="customer",
            name="accepted_terms",
            field=models.CharField(blank=True, max_length=20),
        ),
        # Until today everybody was asked for one everywhere.
        migrations.RunSQL(
            "UPDATE access_company SET two_factor_to_sign_in = true", migrations.RunSQL.noop
        ),
    ]
