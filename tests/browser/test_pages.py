"""What people do, in a browser."""

import json
from pathlib import Path

import polib
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from playwright.sync_api import APIResponse, Page, Route, expect

from searchapp.models import Collection, Document
from searchapp.services import diagnosing, indexing
from tests.browser.conftest import OpenPage, index_queued
from tests.factories import index, upload

pytestmark = pytest.mark.browser

LUGGAGE = "# Lost luggage\n\nReport a lost suitcase at the counter within two days."
BREAKFAST = "# 早餐\n\n餐车每天早上六点到九点供应早餐。"
QUESTION = "我的行李箱丢了"
LONG_TEXT = "# Rules\n\n" + "The carriage door closes before departure and stays closed. " * 60
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "luggage.md", tmp_path / "breakfast.md", tmp_path / "picture.png"]
    paths[0].write_text(LUGGAGE, encoding="utf-8")
    paths[1].write_text(BREAKFAST, encoding="utf-8")
    paths[2].write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    return paths


def drop_file(page: Page, *, name: str, text: str) -> None:
    transfer = page.evaluate_handle(
        "([name, text]) => { const transfer = new DataTransfer(); transfer.items.add(new File([text], name));"
        " return transfer; }",
        [name, text],
    )
    page.dispatch_event("[data-drop-zone]", "drop", {"dataTransfer": transfer})


def test_upload_by_picker_gives_each_file_its_result_and_rows_become_ready(
    open_page: OpenPage, admin: User, collection: Collection, files: list[Path]
) -> None:
    page = open_page("/collections/handbook/", user=admin)
    page.locator("input[type=file]").set_input_files(files)
    expect(page.locator("[data-outcome=created]")).to_have_count(2)
    expect(page.locator(".is-refused")).to_contain_text("This type of file cannot be read")
    expect(page.locator(".document-row")).to_have_count(2)
    expect(page.locator(".document-row .state-queued")).to_have_count(2)
    index_queued()
    expect(page.locator(".document-row .state-ready")).to_have_count(2)
    expect(page.locator("#document-counts")).to_contain_text("Ready 2")
    expect(page.locator("[hx-trigger='every 2s']")).to_have_count(0)


def test_upload_by_drop_takes_the_file(open_page: OpenPage, admin: User, collection: Collection) -> None:
    page = open_page("/collections/handbook/", user=admin)
    drop_file(page, name="luggage.md", text=LUGGAGE)
    expect(page.locator(".document-row")).to_contain_text("luggage.md")


def test_upload_finished_while_the_list_is_fetched_still_gets_its_row(
    open_page: OpenPage, admin: User, collection: Collection
) -> None:
    page = open_page("/collections/handbook/", user=admin)
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/collections/handbook/", lambda route: held.append((route, route.fetch())), times=1)
    drop_file(page, name="luggage.md", text=LUGGAGE)
    expect(page.locator("[data-outcome=created]")).to_have_count(1)
    drop_file(page, name="breakfast.md", text=BREAKFAST)
    expect(page.locator("[data-outcome=created]")).to_have_count(2)
    ((route, first_list),) = held
    route.fulfill(response=first_list)
    expect(page.locator(".document-row")).to_have_count(2)


def test_upload_file_over_the_limit_is_refused_before_it_is_sent(
    open_page: OpenPage, admin: User, collection: Collection, settings
) -> None:
    settings.MAX_UPLOAD_BYTES = 10
    page = open_page("/collections/handbook/", user=admin)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.method))
    drop_file(page, name="luggage.md", text=LUGGAGE)
    expect(page.locator(".is-refused")).to_contain_text("larger than this site takes")
    assert "POST" not in requests


def test_tags_given_at_upload_and_edited_filter_the_search(
    open_page: OpenPage, admin: User, collection: Collection
) -> None:
    index(collection, BREAKFAST, name="breakfast.md")
    page = open_page("/collections/handbook/", user=admin)
    page.get_by_label("Tags").fill("Travel, counter")
    drop_file(page, name="luggage.md", text=LUGGAGE)
    row = page.locator(".document-row", has_text="luggage.md")
    expect(row.locator(".tag")).to_have_text(["counter", "Travel"])
    index_queued()
    document = Document.objects.get(source_name="luggage.md")
    page.goto(page.url.split("/collections/")[0] + f"/documents/{document.pk}/")
    page.locator("summary", has_text="Tags").click()
    page.get_by_role("textbox", name="Tags").fill("Travel, 行李")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".page-header .tag")).to_have_text(["Travel", "行李"])
    indexing.settle_sweeps()
    page.goto(page.url.split("/documents/")[0] + "/")
    page.get_by_role("searchbox").press_sequentially("suitcase 早餐")
    expect(page.locator("[data-hit]")).to_have_count(2)
    page.get_by_label("Tag of the documents").select_option(label="行李 (1)")
    expect(page.locator("[data-hit]")).to_have_count(1)
    expect(page.locator("[data-hit] .tag")).to_have_text(["Travel", "行李"])


def test_search_while_typing_shows_the_hits_and_then_marks_them(open_page: OpenPage, collection: Collection) -> None:
    text = LUGGAGE + " The trains are painted dark blue. The conductor speaks four languages."
    index(collection, text)
    page = open_page("/")
    page.get_by_role("searchbox").press_sequentially(QUESTION)
    expect(page.locator("[data-hit] mark")).to_have_text("Report a lost suitcase at the counter within two days.")
    expect(page.locator(".hit-excerpt")).to_have_text(text.partition("\n\n")[2])


def test_search_question_in_another_language_finds_opens_and_copies_the_passage(
    open_page: OpenPage, collection: Collection
) -> None:
    index(collection, LUGGAGE)
    page = open_page("/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("searchbox").press_sequentially(QUESTION)
    hit = page.locator("[data-hit]").first
    expect(hit).to_contain_text("Report a lost suitcase")
    expect(page.locator(".result-summary")).to_contain_text("question in Chinese")
    assert "?q=" in page.url
    hit.get_by_role("button", name="Copy").click()
    expect(hit.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "Report a lost suitcase at the counter within two days."
    hit.get_by_role("link", name="Lost luggage").click()
    expect(page.locator("li:target")).to_contain_text("Report a lost suitcase")
    page.go_back()
    expect(page.locator("[data-hit]").first).to_contain_text("Report a lost suitcase")


def test_copy_without_clipboard_access_still_copies(open_page: OpenPage, collection: Collection) -> None:
    index(collection, LUGGAGE)
    page = open_page(f"/?q={QUESTION}", permissions=["clipboard-read"])
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.evaluate("delete navigator.clipboard")
    assert page.evaluate("navigator.clipboard.readText()").startswith("Report a lost suitcase")


def test_search_filter_changed_asks_again(open_page: OpenPage, collection: Collection) -> None:
    index(collection, LUGGAGE)
    index(collection, BREAKFAST)
    page = open_page("/?q=suitcase")
    expect(page.locator("[data-hit]")).to_have_count(2)
    page.get_by_label("Language of the passages").select_option("zh")
    expect(page.locator("[data-hit]")).to_have_count(1)
    assert "language=zh" in page.url


def test_search_keys_move_open_and_copy(open_page: OpenPage, collection: Collection) -> None:
    index(collection, LUGGAGE)
    index(collection, BREAKFAST)
    page = open_page(f"/?q={QUESTION}", permissions=["clipboard-read", "clipboard-write"])
    links = page.locator("[data-hit-link]")
    expect(links).to_have_count(2)
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("c")
    expect(page.locator(".is-done")).to_have_count(1)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("li:target")).to_be_visible()


def test_pages_without_javascript_upload_and_search(
    open_page: OpenPage, admin: User, collection: Collection, files: list[Path]
) -> None:
    page = open_page("/collections/handbook/", user=admin, java_script_enabled=False)
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator(".notice-success")).to_have_count(2)
    expect(page.locator(".notice-error:visible")).to_contain_text("picture.png")
    index_queued()
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_role("searchbox").fill(QUESTION)
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("[data-hit]").first).to_contain_text("Report a lost suitcase")


def test_delete_document_asks_first_then_deletes(open_page: OpenPage, admin: User, collection: Collection) -> None:
    document = index(collection, LUGGAGE)
    page = open_page("/collections/handbook/", user=admin)
    page.get_by_role("link", name="Delete Lost luggage").click()
    expect(page.locator("main")).to_contain_text("The file and its 1 passage are deleted for good.")
    assert Document.objects.filter(pk=document.pk).exists()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator(".notice-success")).to_contain_text("is deleted")
    assert not Document.objects.exists()


def test_theme_chosen_is_in_the_first_byte_of_the_next_page(open_page: OpenPage) -> None:
    page = open_page("/")
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    response = page.goto(page.url)
    assert response is not None
    assert 'data-theme="dark"' in response.text()


def all_pages(collection: Collection) -> list[str]:
    """Return the pages of a site with documents in every state."""
    ready = index(collection, LONG_TEXT, name="a-very-long-file-name-that-has-no-place-to-break-" * 3 + ".md")
    index(collection, "# العربية\n\nأبلغ عن الحقيبة المفقودة عند المكتب خلال يومين.")
    upload(collection, "# Waiting\n\nIn the queue.")
    columns = index(collection, "colour;number;other\nred;1;x\nblue;2;y\n", name="numbers.csv")
    assert columns.error_code == "faq_columns_needed"
    diagnosing.write_report(diagnosing.begin_report("fast"))
    return [
        "/",
        "/?q=door",
        "/?q=door&language=ja",
        "/?q=" + "x" * (django_settings.MAX_QUERY_CHARACTERS - 1),
        "/collections/",
        "/collections/handbook/",
        "/collections/handbook/edit/",
        "/collections/handbook/members/",
        "/collections/handbook/delete/",
        "/new-collection/",
        f"/documents/{ready.pk}/",
        f"/documents/{columns.pk}/",
        f"/documents/{ready.pk}/delete/",
        "/profile/",
        "/profile/password/",
        "/doctor/",
    ]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_pages_are_accessible_and_never_wider_than_the_window(
    open_page: OpenPage, admin: User, collection: Collection, viewport: dict[str, int], colours: str
) -> None:
    paths = all_pages(collection)
    page = open_page("/", user=admin, viewport=viewport, color_scheme=colours, reduced_motion="reduce")
    origin = page.url.rstrip("/")
    for path in paths:
        page.goto(origin + path)
        excess = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert excess <= 0, f"{path} is {excess} px too wide"
        violations = Axe().run(page).response["violations"]
        found = [{"rule": rule["id"], "where": [node["html"] for node in rule["nodes"]]} for rule in violations]
        assert found == [], f"{path}: {json.dumps(found, ensure_ascii=False, indent=1)}"


def test_administration_pages_work_under_the_policy(
    open_page: OpenPage, admin: User, collection: Collection, files: list[Path]
) -> None:
    page = open_page("/admin/searchapp/document/add/", user=admin)
    page.locator("select[name=collection]").select_option(label="Handbook")
    page.locator("input[type=file]").set_input_files(files)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".messagelist .success")).to_have_count(2)
    expect(page.locator(".messagelist .error")).to_contain_text("picture.png")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    page.locator("#result_list th a").first.click()
    expect(page.locator("#content")).to_contain_text("Handbook")


def test_pages_in_chinese_have_no_untranslated_text(open_page: OpenPage, admin: User, collection: Collection) -> None:
    catalogue = polib.pofile(str(django_settings.LOCALE_PATHS[0] / "zh_Hans" / "LC_MESSAGES" / "django.po"))
    english = {entry.msgid for entry in catalogue if entry.msgid != entry.msgstr}
    english |= {entry.msgid_plural for entry in catalogue if entry.msgid_plural}
    paths = all_pages(collection)
    page = open_page("/", user=admin, locale="zh-CN")
    origin = page.url.rstrip("/")
    for path in paths:
        page.goto(origin + path)
        assert page.locator("html").get_attribute("lang") == "zh-hans"
        shown = page.evaluate(
            """() => {
              const texts = [];
              const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
              while (walker.nextNode()) texts.push(walker.currentNode.data);
              for (const element of document.querySelectorAll("[title], [placeholder], [aria-label]"))
                for (const name of ["title", "placeholder", "aria-label"]) texts.push(element.getAttribute(name));
              return texts.filter(Boolean).map((text) => text.trim());
            }"""
        )
        assert english.isdisjoint(shown), f"{path}: {english.intersection(shown)}"
