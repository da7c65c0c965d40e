"""The page of the index generations."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from searchapp.models import Collection, IndexGeneration, RecentQuery
from searchapp.services import comparing, generations, history, reindexing
from tests.factories import UserFactory, index
from tests.models import serving, worthless

LUGGAGE = "# Lost luggage at the station\n\nReport a lost suitcase at the counter within two days."


@pytest.fixture
def staff(site: None, client: Client) -> User:
    user = UserFactory.create(username="dora", is_staff=True)
    client.force_login(user)
    return user


def test_page_people_who_are_not_staff_are_refused(site: None, client: Client) -> None:
    assert client.get("/generations/").status_code == 302
    client.force_login(UserFactory.create())
    assert client.get("/generations/").status_code == 403
    assert client.post("/generations/build/").status_code == 403


def test_page_without_an_index_says_so(staff: User, client: Client) -> None:
    assert "Nothing is indexed yet" in client.get("/generations/").content.decode()


def test_page_leads_from_build_to_switch_with_a_typed_yes_and_back(
    staff: User, client: Client, collection: Collection, settings: Settings
) -> None:
    index(collection, LUGGAGE)
    rows = "".join(f"Where is the desk of number {n}?,On floor {n}.\n" for n in range(9))
    index(collection, f"question,answer\n{rows}", name="faq.csv")
    with serving(worthless) as model:
        settings.NEXT_EMBEDDING_BASE_URL, settings.NEXT_EMBEDDING_MODEL = model.url, "worthless"
        page = client.get("/generations/").content.decode()
        assert "worthless" in page
        assert "To embed: 10 passages of 2 documents" in page

        page = client.post("/generations/build/", {"rate": "5000"}, follow=True).content.decode()
        new = generations.candidate()
        assert new is not None
        assert (new.rate, new.status) == (5000, "building")
        assert 'hx-trigger="every 2s"' in page
        reindexing.catch_up(new.pk)
        new.refresh_from_db()
        comparing.make_report(new)

        panel = client.get("/generations/", headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in panel
        assert "answers clearly worse than the live one: By meaning alone: all questions together" in " ".join(
            panel.replace("As on the site: by meaning and words: all questions together; ", "").split()
        )
        chinese = client.get(
            "/generations/", headers={"HX-Request": "true", "Accept-Language": "zh-CN"}
        ).content.decode()
        assert "：全部问题" in chinese
        assert "Where is the desk of number" in panel
        address = f"/generations/{new.pk}/switch/"
        assert "answers clearly worse" in client.post(address, follow=True).content.decode()
        assert IndexGeneration.objects.get(status="live").model != "worthless"
        client.post(address, {"accept": " Yes "})
        assert IndexGeneration.objects.get(status="live").model == "worthless"
        client.post("/generations/rollback/")
        assert IndexGeneration.objects.get(status="live").model != "worthless"
        client.post("/generations/prune/")
        assert not IndexGeneration.objects.filter(status="retired").exists()


def test_pages_model_changed_under_the_index_staff_is_told_on_every_page(
    staff: User, client: Client, collection: Collection, settings: Settings
) -> None:
    index(collection, LUGGAGE)
    settings.EMBEDDING_MODEL = "another"
    told = "made with a model that no configured service has"  # also where words alone answer
    assert told in client.get("/collections/").content.decode()
    client.logout()
    assert told not in client.get("/collections/").content.decode()
    assert told in client.get("/", {"q": "suitcase"}).content.decode()


def test_search_question_is_kept_when_it_was_sent_not_while_it_is_typed(client: Client, collection: Collection) -> None:
    index(collection, LUGGAGE)
    client.get("/", {"q": "lost suit"}, headers={"HX-Request": "true", "HX-Trigger": "query"})
    client.get("/", {"q": "lost suitcase"}, headers={"HX-Request": "true"})
    client.get("/", {"q": "lost bag", "collection": "handbook"})
    history.flush()
    assert list(RecentQuery.objects.values_list("text", "collections")) == [
        ("lost bag", ["handbook"]),
        ("lost suitcase", []),
    ]
