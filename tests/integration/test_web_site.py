"""Collections, accounts, health, error pages and translations, without a browser."""

import re
import shutil
from pathlib import Path

import polib
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from searchapp.models import Collection, Membership
from searchapp.services.tokens import find_user
from searchapp.web.views.collections import PAGE_COLLECTIONS
from tests.factories import CollectionFactory, UserFactory, index
from tests.integration.conftest import forget_backends

FIELDS = {
    "name": "常见问题",
    "slug": "faq",
    "description": "",
    "task": "faq",
    "instruction": "",
    "visibility": "restricted",
}
CHINESE = {"Accept-Language": "zh-CN"}


@pytest.fixture
def staff(site: None, client: Client) -> User:
    user = UserFactory.create(username="staff", is_staff=True)
    client.force_login(user)
    return user


def test_collections_list_counts_documents_and_number_of_queries_does_not_grow(
    client: Client, collection: Collection, django_assert_max_num_queries
) -> None:
    index(collection, "# Lost\n\nReport it.")
    index(collection, b"%PDF-1.4 broken", name="broken.pdf")
    CollectionFactory.create_batch(PAGE_COLLECTIONS, name="Zoo")
    with django_assert_max_num_queries(3):
        page = client.get("/collections/").text
    assert re.search(r"Ready</dt><dd>1<.*Failed</dt><dd>1<", page, re.S)
    assert "Page 1 of 2" in page


def test_collections_restricted_one_is_listed_and_opens_for_members_only(
    client: Client, restricted: Collection, bob: User, charlie: User
) -> None:
    client.force_login(bob)
    assert restricted.name in client.get("/collections/").text
    assert client.get(f"/collections/{restricted.slug}/").status_code == 200
    client.force_login(charlie)
    assert restricted.name not in client.get("/collections/").text
    assert client.get(f"/collections/{restricted.slug}/").status_code == 404


def test_create_collection_belongs_to_its_maker(client: Client, staff: User) -> None:
    client.post("/new-collection/", FIELDS)
    made = Collection.objects.get(slug="faq")
    assert (made.owner, made.task) == (staff, "faq")


def test_create_collection_without_short_name_takes_it_from_the_name_or_asks(client: Client, staff: User) -> None:
    client.post("/new-collection/", FIELDS | {"slug": "", "name": "Help Centre"})
    assert Collection.objects.filter(slug="help-centre").exists()
    assert "Give a short name" in client.post("/new-collection/", FIELDS | {"slug": ""}).text


def test_create_collection_short_name_taken_is_refused(client: Client, staff: User, collection: Collection) -> None:
    assert "already exists" in client.post("/new-collection/", FIELDS | {"slug": collection.slug}).text


def test_create_collection_without_the_right_is_refused(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.post("/new-collection/", FIELDS).status_code == 403


def test_edit_collection_changes_it_and_keeps_its_documents(
    client: Client, restricted: Collection, alice: User
) -> None:
    index(restricted, "# Lost\n\nReport it.")
    client.force_login(alice)
    client.post(f"/collections/{restricted.slug}/edit/", FIELDS)
    restricted.refresh_from_db()
    assert (restricted.slug, restricted.name, restricted.documents.count()) == ("faq", "常见问题", 1)


@pytest.mark.parametrize("page", ["edit", "members", "delete"])
def test_collection_administration_is_for_its_owner(
    client: Client, restricted: Collection, bob: User, charlie: User, page: str
) -> None:
    address = f"/collections/{restricted.slug}/{page}/"
    assert client.get(address).status_code == 302
    client.force_login(bob)
    assert client.post(address, {"name": restricted.name}).status_code == 403
    client.force_login(charlie)
    assert client.post(address, {"name": restricted.name}).status_code == 404
    assert Collection.objects.filter(pk=restricted.pk).exists()


def test_members_added_may_see_and_removed_may_not(
    client: Client, restricted: Collection, alice: User, charlie: User
) -> None:
    client.force_login(alice)
    address = f"/collections/{restricted.slug}/members/"
    assert "nobody with this user name" in client.post(address, {"username": "nobody", "role": "viewer"}).text
    client.post(address, {"username": "charlie", "role": "viewer"})
    client.post(address, {"username": "charlie", "role": "editor"})
    membership = Membership.objects.get(collection=restricted, user=charlie)
    assert membership.role == Membership.Role.EDITOR
    client.post(f"{address}{membership.pk}/remove/")
    assert not Membership.objects.filter(user=charlie).exists()


def test_delete_collection_wants_its_name(client: Client, restricted: Collection, alice: User) -> None:
    client.force_login(alice)
    address = f"/collections/{restricted.slug}/delete/"
    assert "This is not its name." in client.post(address, {"name": "another"}).text
    assert Collection.objects.filter(pk=restricted.pk).exists()
    client.post(address, {"name": restricted.name})
    assert not Collection.objects.filter(pk=restricted.pk).exists()


def test_profile_token_is_shown_once_works_and_can_be_deleted_by_its_user_only(
    client: Client, alice: User, bob: User
) -> None:
    client.force_login(alice)
    page = client.post("/profile/tokens/")
    token = re.search(r"<code>(isogloss_[^<]+)</code>", page.text)
    assert token
    assert find_user(token[1]) == alice
    assert "no-store" in page["Cache-Control"]
    assert token[1] not in client.get("/profile/").text
    address = f"/profile/tokens/{alice.api_tokens.get().pk}/delete/"
    client.force_login(bob)
    assert client.post(address).status_code == 404
    client.force_login(alice)
    client.post(address)
    assert find_user(token[1]) is None


def test_theme_is_remembered_and_an_unknown_one_is_not(client: Client, site: None) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": "/collections/"})
    assert response["Location"] == "/collections/"
    assert 'data-theme="dark"' in client.get("/").text
    client.post("/theme/", {"theme": '"><script>'})
    assert 'data-theme="dark"' in client.get("/").text


def test_theme_does_not_lead_to_another_site(client: Client, site: None) -> None:
    assert client.post("/theme/", {"theme": "dark", "next": "https://example.org/"})["Location"] == "/"


def test_language_follows_the_browser_then_the_choice(client: Client, site: None) -> None:
    assert '<html lang="zh-hans"' in client.get("/", headers=CHINESE).text
    client.post("/language/", {"language": "en", "next": "/"})
    assert '<html lang="en"' in client.get("/", headers=CHINESE).text


def test_policy_allows_nothing_but_this_site(client: Client, site: None) -> None:
    policy = client.get("/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_healthz_needs_no_database(client: Client) -> None:
    assert client.get("/healthz").text == "ok"


def test_readyz_all_parts_up_is_200(client: Client, site: None) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert set(response.json()) == {"database", "broker", "vector_store", "embedding"}


def test_readyz_part_down_is_503_and_names_it(client: Client, site: None, settings) -> None:
    settings.QDRANT_URL = "http://127.0.0.1:9"
    forget_backends()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() | {"vector_store": ""} == {
        "database": "ok",
        "broker": "ok",
        "vector_store": "",
        "embedding": "ok",
    }
    assert response.json()["vector_store"] == "vector_store_unreachable"


def test_page_that_does_not_exist_is_404_in_the_language_of_the_visitor(client: Client, site: None) -> None:
    page = client.get("/nothing/", headers=CHINESE)
    assert page.status_code == 404
    assert "未找到" in page.text


def test_error_of_ours_is_500_with_a_page(client: Client, collection: Collection, settings) -> None:
    client.raise_request_exception = False
    settings.MAX_QUERY_CHARACTERS = None
    page = client.get("/", {"q": "suitcase"})
    assert page.status_code == 500
    assert "Something went wrong on our side" in page.text


def test_translations_are_complete_and_up_to_date(tmp_path: Path, settings) -> None:
    committed = Path(django_settings.LOCALE_PATHS[0])
    copy = tmp_path / "site"
    for folder in ("searchapp", "templates"):
        shutil.copytree(django_settings.BASE_DIR / folder, copy / folder, ignore=shutil.ignore_patterns("data"))
    settings.LOCALE_PATHS = [copy / "searchapp" / "locale"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        call_command("makemessages", locale=["zh_Hans"], add_location="file", no_obsolete=True, verbosity=0)
    path = Path("zh_Hans", "LC_MESSAGES", "django.po")
    extracted = polib.pofile(str(copy / "searchapp" / "locale" / path))
    catalogue = polib.pofile(str(committed / path))
    assert _entries(extracted) == _entries(catalogue), "run makemessages"
    assert [entry.msgid for entry in catalogue if entry.fuzzy or not entry.translated()] == []
    compiled = polib.mofile(str(committed / path.with_suffix(".mo")))
    assert _texts(compiled) == _texts(catalogue), "run compilemessages"


def _entries(catalogue: polib.POFile) -> dict[str, tuple[str, list[tuple[str, str]], bool]]:
    return {entry.msgid: (entry.msgid_plural, sorted(entry.occurrences), entry.obsolete) for entry in catalogue}


def _texts(catalogue: polib.POFile | polib.MOFile) -> dict[str, tuple[str, dict[int, str]]]:
    return {entry.msgid: (entry.msgstr, entry.msgstr_plural) for entry in catalogue}
