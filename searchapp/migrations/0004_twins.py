from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("searchapp", "0003_evaluation_base")]

    operations = [
        migrations.AddField("collection", "twins_found_at", models.DateTimeField(null=True, editable=False)),
        migrations.AddField("document", "twins", models.UUIDField(null=True, editable=False, db_index=True)),
        migrations.AddField("chunk", "twins", models.UUIDField(null=True, editable=False, db_index=True)),
    ]
