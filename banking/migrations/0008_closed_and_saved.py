"""When the bank said that it has closed an agreement; what came of a form that is saved."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("banking", "0007_sharing"),
    ]

    operations = [
        migrations.AddField(
            model_name="agreementsetup",
            name="saved_as",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="banking.bankagreement",
            ),
        ),
        migrations.AddField(
            model_name="bankagreement",
            name="closed_at",
            field=models.DateTimeField(null=True),
        ),
    ]
