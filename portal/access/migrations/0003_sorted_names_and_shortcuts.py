import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0002_walls_and_clock"),
    ]

    operations = [
        migrations.AddField(
            model_name="company",
            name="name_key",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(
                    django.db.models.functions.text.Replace(
                        django.db.models.functions.text.Lower("name"),
                        models.Value("aa"),
                        models.Value("å"),
                    ),
                    models.Value("äöéèêëàáâãíìîïóòôõúùûüýÿñçšžđðå"),
                    models.Value("æøeeeeaaaaiiiioooouuuuyyncszddā"),
                    function="translate",
                    output_field=models.CharField(),
                ),
                output_field=models.CharField(max_length=140),
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="shortcuts",
            field=models.BooleanField(default=True),
        ),
    ]
