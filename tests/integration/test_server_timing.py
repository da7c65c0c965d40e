"""What a search page says about its time."""

from django.test import Client

from tests.factories import CollectionFactory, index


def test_search_page_names_the_parts_of_its_time(site: None, client: Client) -> None:
    index(CollectionFactory.create(), "# Kettle\n\nThe kettle is descaled with vinegar. Rinse it twice.")
    response = client.get("/", {"q": "kettle"})
    parts = {
        entry.partition(";dur=")[0]: entry.partition(";dur=")[2] for entry in response["Server-Timing"].split(", ")
    }
    assert {"clean", "detect", "access", "embed", "index", "join", "group", "page"} <= parts.keys()
    assert all(float(took_ms) >= 0 for took_ms in parts.values())
