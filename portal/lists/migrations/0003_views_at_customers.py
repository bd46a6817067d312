"""Saved views of a customer's own lists."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from portal.access.tenancy import OF_COMPANIES, OF_CUSTOMERS, wall

BEFORE = (
    f"CREATE POLICY company_wall ON lists_savedview USING ({OF_COMPANIES})"
    f" WITH CHECK ({OF_COMPANIES})"
)


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0005_terms_and_two_factor"),
        ("lists", "0002_wall"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="savedview",
            name="saved_view_name_once",
        ),
        migrations.AddField(
            model_name="savedview",
            name="customer",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="access.customer",
            ),
        ),
        migrations.AlterField(
            model_name="savedview",
            name="company",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="access.company",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(
                fields=("company", "customer", "user", "list_name", "name"),
                name="saved_view_name_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("company__isnull", True), ("customer__isnull", True), _connector="XOR"
                ),
                name="saved_view_of_company_or_customer",
            ),
        ),
        migrations.RunSQL("DROP POLICY company_wall ON lists_savedview", BEFORE),
        wall("lists_savedview", also=OF_CUSTOMERS),
    ]
