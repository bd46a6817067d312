"""Saved views of the lists of all a user's companies."""

from django.db import migrations, models

from portal.access.tenancy import OF_COMPANIES, OF_CUSTOMERS, wall

OWN = (
    f"{OF_CUSTOMERS} OR (company_id IS NULL AND customer_id IS NULL"
    " AND user_id = (SELECT kvitt_user()))"
)
BEFORE = (
    f"CREATE POLICY company_wall ON lists_savedview USING (({OF_COMPANIES}) OR ({OF_CUSTOMERS}))"
    f" WITH CHECK (({OF_COMPANIES}) OR ({OF_CUSTOMERS}))"
)


class Migration(migrations.Migration):
    dependencies = [("lists", "0003_views_at_customers")]

    operations = [
        migrations.RemoveConstraint(
            model_name="savedview",
            name="saved_view_of_company_or_customer",
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("company__isnull", True), ("customer__isnull", True), _connector="OR"
                ),
                name="saved_view_of_one_owner",
            ),
        ),
        migrations.RunSQL("DROP POLICY company_wall ON lists_savedview", BEFORE),
        wall("lists_savedview", also=OWN),
    ]
