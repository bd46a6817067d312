"""Whom the ERP named when it used its signing key last; companies of a customer by name."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0005_terms_and_two_factor"),
    ]

    operations = [
        migrations.AddField(
            model_name="signingkey",
            name="last_used_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="company",
            index=models.Index(fields=["customer", "name_key", "id"], name="company_by_name"),
        ),
    ]
