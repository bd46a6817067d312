"""The request whose answer a connection test waits for."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("banking", "0005_connection_tests"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectiontest",
            name="request",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="connection_tests",
                to="banking.bankfile",
            ),
        ),
    ]
