"""Row-level security on saved views."""

from __future__ import annotations

from django.db import migrations

from portal.access.tenancy import wall


class Migration(migrations.Migration):
    dependencies = [("lists", "0001_initial"), ("access", "0002_walls_and_clock")]

    operations = [wall("lists_savedview")]
