"""A file brought into a company is kept once there; the bank's own copy is kept besides."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0012_two_factor_to_upload"),
        ("banking", "0008_closed_and_saved"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="bankfile",
            name="bank_file_once",
        ),
        migrations.AddConstraint(
            model_name="bankfile",
            constraint=models.UniqueConstraint(
                condition=models.Q(("imported_by", None)),
                fields=("channel", "direction", "name", "sha256"),
                name="bank_file_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="bankfile",
            constraint=models.UniqueConstraint(
                condition=models.Q(("imported_by__isnull", False)),
                fields=("company", "channel", "sha256"),
                name="bank_file_brought_in_once",
            ),
        ),
    ]
