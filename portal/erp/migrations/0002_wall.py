"""Row-level security on the nonces of each company's key."""

from __future__ import annotations

from django.db import migrations

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [("erp", "0001_initial"), ("access", "0002_walls_and_clock")]

    operations = [wall("erp_usednonce")]
