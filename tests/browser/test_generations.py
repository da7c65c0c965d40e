"""The page of the index generations, in a browser."""

import json
import os
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from pytest_django import Settings

from searchapp.models import Collection
from searchapp.services import comparing, generations, history, reindexing
from tests.browser.conftest import OpenPage
from tests.factories import index
from tests.models import Model, serving, worthless

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def bad_model(settings: Settings) -> Iterator[Model]:
    with serving(worthless) as model:
        settings.NEXT_EMBEDDING_BASE_URL = model.url
        settings.NEXT_EMBEDDING_MODEL = "a-model-whose-name-has-no-place-to-break-it-on-a-narrow-telephone"
        yield model


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_page_in_each_state_is_accessible_and_never_wider_than_the_window(
    open_page: OpenPage, admin: User, collection: Collection, bad_model: Model, viewport: dict[str, int], colours: str
) -> None:
    rows = "".join(f"Where is the desk of number {n}?,On floor {n}.\n" for n in range(9))
    index(collection, f"question,answer\n{rows}", name="faq.csv")
    page = open_page("/generations/", user=admin, viewport=viewport, color_scheme=colours, reduced_motion="reduce")

    def check(state: str) -> None:
        page.reload()
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{state}-{colours}-{viewport['width']}.png", full_page=True)
        excess = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert excess <= 0, f"{state} is {excess} px too wide"
        violations = Axe().run(page).response["violations"]
        found = [{"rule": rule["id"], "where": [node["html"] for node in rule["nodes"]]} for rule in violations]
        assert found == [], f"{state}: {json.dumps(found, ensure_ascii=False, indent=1)}"

    check("wanted")
    new = generations.start()
    check("building")
    reindexing.catch_up(new.pk)
    new.refresh_from_db()
    history.note_query("Where is number 3?", "en")
    history.flush()
    comparing.make_report(new)
    check("built")
    page.locator("details.detail summary").click()
    new.refresh_from_db()
    comparing.switch(new, accepts_regression=True)
    check("switched")
