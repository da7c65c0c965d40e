"""The doctor of the whole site: its parts, its reports, its page, its JSON and its command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from celery import Celery
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from searchapp import tasks
from searchapp.embedding.doctor import CODES, Examination, Severity
from searchapp.models import Collection, DoctorReport, Document, Heartbeat, IndexGeneration
from searchapp.services import diagnosing, generations, remedies
from searchapp.services.diagnosing import SITE_CODES, Diagnosis
from searchapp.services.tokens import create_api_token
from tests import faults
from tests.factories import UserFactory, index, live_index, upload
from tests.integration.conftest import forget_backends

ROOT = Path(__file__).resolve().parents[2]
CHINESE = {"Accept-Language": "zh-CN"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def working(site: None) -> Iterator[None]:
    """Have a worker that was seen just now."""
    diagnosing.note_maintenance()
    yield
    forget_backends()


@pytest.fixture
def staff(site: None, client: Client) -> User:
    user = UserFactory.create(username="staff", is_staff=True)
    client.force_login(user)
    return user


def codes(diagnosis: Diagnosis | Examination) -> set[str]:
    return {finding.code for finding in diagnosis.findings}


def serious(diagnosis: Diagnosis) -> set[str]:
    return {finding.code for finding in diagnosis.findings if finding.severity is not Severity.INFO}


# The whole site


def test_diagnose_healthy_site_finds_nothing(working: None, collection: Collection) -> None:
    index(collection, "# Lost\n\nReport a lost suitcase at the counter.")
    diagnosis = diagnosing.diagnose(depth="full")
    assert serious(diagnosis) == set()
    assert diagnosis.measurements["vector_store"]["points"] == diagnosis.measurements["vector_store"]["passages"] == 1


def test_diagnose_services_that_are_down_are_each_named(working: None, settings: Settings) -> None:
    closed = f"127.0.0.1:{faults.closed_port()}"
    settings.REDIS_URL = f"redis://{closed}/0"
    settings.QDRANT_URL = f"http://{closed}"
    settings.EMBEDDING_BASE_URL = f"http://{closed}/v1"
    forget_backends()
    assert codes(diagnosing.diagnose(depth="fast")) == {"broker_unreachable", "vector_store_unreachable", "refused"}


def test_diagnose_vector_store_with_another_key_is_named(working: None, settings: Settings) -> None:
    settings.QDRANT_API_KEY = "guess"
    forget_backends()
    assert "vector_store_key_refused" in codes(diagnosing.diagnose(depth="fast"))


def test_diagnose_without_a_worker_it_is_missing(site: None) -> None:
    Heartbeat.objects.create(name=Heartbeat.MAINTENANCE, seen_at=timezone.now() - timedelta(minutes=5))
    assert codes(diagnosing.diagnose(depth="fast")) == {"workers_absent"}


def test_diagnose_site_that_is_not_meant_to_run_looks_for_no_worker(site: None) -> None:
    assert codes(diagnosing.diagnose(depth="fast", has_workers=False)) == set()


def test_maintain_leaves_the_sign_that_the_doctor_looks_for(site: None) -> None:
    tasks.maintain()
    assert codes(diagnosing.diagnose(depth="fast")) == set()


def test_diagnose_lost_index_is_named(working: None, collection: Collection) -> None:
    index(collection, "# Lost\n\nReport it.")
    live_index().drop()
    assert codes(diagnosing.diagnose(depth="fast")) == {"index_missing"}


def test_diagnose_lost_points_are_counted(working: None, collection: Collection) -> None:
    document = index(collection, "# Lost\n\nReport it.")
    live_index().delete_document(document.pk)
    assert codes(diagnosing.diagnose(depth="fast")) == {"index_incomplete"}


def test_diagnose_index_of_other_dimensions_is_named(working: None, collection: Collection, settings: Settings) -> None:
    index(collection, "# Lost\n\nReport it.")
    found = diagnosing.examine_endpoint(depth="fast", index_dimensions=live_index().dimensions() + 1)
    assert codes(found) == {"dimensions_index"}


def test_diagnose_documents_that_wait_and_that_failed_are_told(working: None, collection: Collection) -> None:
    index(collection, b"%PDF-1.4 broken", name="broken.pdf")
    waiting = upload(collection, "# Waits\n\nFor a worker.").document
    Document.objects.filter(pk=waiting.pk).update(created_at=timezone.now() - timedelta(hours=1))
    found = {finding.code: finding for finding in diagnosing.diagnose(depth="fast").findings}
    assert set(found) == {"documents_failed", "documents_waiting"}
    assert found["documents_waiting"].values["minutes"] == 60
    assert found["documents_failed"].values["codes"] == ["file_broken 1"]


def test_diagnose_data_folder_without_room_is_named(working: None, monkeypatch: pytest.MonkeyPatch) -> None:
    # Both limits above what any disk has.
    monkeypatch.setattr(diagnosing, "LOW_DISK_BYTES", 2**62)
    assert codes(diagnosing.diagnose(depth="fast")) == {"disk_low"}
    monkeypatch.setattr(diagnosing, "FULL_DISK_BYTES", 2**62)
    assert codes(diagnosing.diagnose(depth="fast")) == {"disk_full"}


def test_diagnose_reranker_that_is_an_embedding_server_is_named(working: None, settings: Settings) -> None:
    settings.RERANK_BASE_URL = settings.EMBEDDING_BASE_URL
    settings.RERANK_API_KEY = settings.EMBEDDING_API_KEY
    assert codes(diagnosing.diagnose(depth="fast")) == {"rerank_absent"}


# Reports


def test_write_report_is_the_last_one_and_old_ones_go(working: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosing, "KEPT_REPORTS", 1)
    first = diagnosing.write_report(diagnosing.begin_report("fast"))
    second = diagnosing.write_report(diagnosing.begin_report("fast"))
    assert diagnosing.last_report() == second
    assert not DoctorReport.objects.filter(pk=first.pk).exists()


def test_write_report_other_weights_under_the_same_name_are_found_only_while_there_is_an_index(
    working: None, collection: Collection, settings: Settings
) -> None:
    def examined() -> set[str]:
        diagnosing.write_report(diagnosing.begin_report("fast"))
        report = diagnosing.last_report()
        assert report
        return {finding.code for finding in diagnosing.findings_of(report)}

    index(collection, "# Lost\n\nReport it.")
    assert examined() == set()
    fingerprint = generations.live_or_first().fingerprint
    fingerprint.probe = np.roll(np.frombuffer(bytes(fingerprint.probe), dtype="<f4"), 1).tobytes()
    fingerprint.save()
    assert "weights_changed" in examined()
    IndexGeneration.objects.all().delete()
    assert examined() == set()


def test_diagnose_fast_on_the_site_asks_for_few_queries(working: None, django_assert_max_num_queries) -> None:
    with django_assert_max_num_queries(20):
        diagnosing.diagnose(depth="fast")


# The page


def test_doctor_page_is_for_staff_alone(client: Client, alice: User) -> None:
    assert client.get("/doctor/").status_code == 302
    client.force_login(alice)
    assert client.get("/doctor/").status_code == 403
    assert client.post("/doctor/examine/").status_code == 403
    assert client.get("/doctor.json").status_code == 403


def test_doctor_page_without_a_report_says_so(client: Client, staff: User) -> None:
    assert "There is no report yet." in client.get("/doctor/").text


def test_examine_now_shows_what_is_wrong_and_what_to_do(client: Client, staff: User, settings: Settings) -> None:
    settings.EMBEDDING_BASE_URL = f"http://127.0.0.1:{faults.closed_port()}/v1"
    page = client.post("/doctor/examine/", {"depth": "fast"}, follow=True).text
    assert f"Nothing listens at {settings.EMBEDDING_BASE_URL}." in page
    assert "EMBEDDING_BASE_URL" in page
    chinese = client.get("/doctor/", headers=CHINESE).text
    assert "EMBEDDING_BASE_URL" in chinese
    assert "Nothing listens" not in chinese


def test_examine_on_a_healthy_site_says_that_nothing_is_wrong(client: Client, staff: User, working: None) -> None:
    assert "Nothing is wrong." in client.post("/doctor/examine/", {"depth": "fast"}, follow=True).text


def test_examine_in_full_is_a_workers_work_and_the_page_waits_for_it(client: Client, staff: User) -> None:
    page = client.post("/doctor/examine/", {"depth": "full"}, follow=True).text
    assert "An examination is under way." in page
    assert client.post("/doctor/examine/", {"depth": "fast"}).status_code == 302
    report = DoctorReport.objects.get()
    polled = client.get("/doctor/", headers=HTMX)
    assert "HX-Refresh" not in polled
    tasks.examine(report.pk)
    assert client.get("/doctor/", headers=HTMX)["HX-Refresh"] == "true"
    assert diagnosing.last_report() == report


def test_examine_in_full_without_a_broker_says_so_and_leaves_nothing_behind(
    client: Client, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = Celery("down", broker=f"redis://127.0.0.1:{faults.closed_port()}/0", set_as_current=False)
    down.conf.broker_transport_options = django_settings.CELERY_BROKER_TRANSPORT_OPTIONS
    monkeypatch.setattr(tasks.examine, "_get_app", lambda: down)
    page = client.post("/doctor/examine/", {"depth": "full"}, follow=True).text
    assert "The broker does not answer" in page
    assert not DoctorReport.objects.exists()


# JSON


def test_doctor_json_has_codes_and_english_and_takes_a_token(client: Client, site: None, settings: Settings) -> None:
    user = UserFactory.create(username="probe", is_staff=True)
    headers = {"Authorization": f"Bearer {create_api_token(user)}"} | CHINESE
    assert client.get("/doctor.json").status_code == 401
    assert client.get("/doctor.json", headers=headers).status_code == 404
    settings.EMBEDDING_BASE_URL = f"http://127.0.0.1:{faults.closed_port()}/v1"
    diagnosing.write_report(diagnosing.begin_report("fast"), has_workers=False)
    response = client.get("/doctor.json", headers=headers)
    assert response.status_code == 503
    (finding,) = response.json()["findings"]
    assert (finding["code"], finding["severity"], finding["part"]) == ("refused", "error", "embedding")
    assert finding["what"].startswith("Nothing listens")


def test_doctor_json_of_a_healthy_site_is_200(client: Client, staff: User, working: None) -> None:
    diagnosing.write_report(diagnosing.begin_report("fast"))
    response = client.get("/doctor.json")
    assert (response.status_code, response.json()["errors"]) == (200, 0)


# The command


def run_doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "doctor", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(django_settings.DATA_DIR)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_doctor_command_examines_another_service_and_its_exit_code_says_whether_it_serves() -> None:
    model = faults.tiny_qwen3()
    with faults.serving(faults.healthy(model, api_key="secret")) as address:
        arguments = ["--fast", "--json", "--url", f"{address}/v1", "--model", faults.MODEL_NAME]
        refused = run_doctor(*arguments)
        taken = run_doctor(*arguments, "--api-key", "secret")
    assert (refused.returncode, taken.returncode) == (1, 0)
    assert [finding["code"] for finding in json.loads(refused.stdout)["findings"]] == ["key_missing"]
    assert json.loads(taken.stdout)["measurements"]["embedding"]["dimensions"] == 32


def test_doctor_command_never_prints_a_key() -> None:
    answer = (400, "application/json", b'{"message": "bad key hunter2hunter2"}')
    service = faults.healthy(faults.tiny_qwen3(), answer_all=lambda path: answer)
    with faults.serving(service) as address:
        done = run_doctor("--fast", "--url", f"{address}/v1", "--api-key", "hunter2hunter2")
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr


# What is said


def test_describe_every_code_has_sentences_in_both_languages() -> None:
    assert remedies.known_codes() == set(CODES) | set(SITE_CODES)
    for code in remedies.known_codes():
        finding = diagnosing.Finding(code, Severity.ERROR, {})
        with translation.override("en"):
            english = remedies.describe(finding)
        with translation.override("zh-hans"):
            chinese = remedies.describe(finding)
        for name in ("what", "shows", "remedy"):
            assert getattr(english, name) != getattr(chinese, name), (code, name)


def test_documentation_names_the_codes_and_severities_of_the_doctor() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    documented = {row[1].strip().strip("`"): row[2].strip() for row in rows}
    assert documented == {code: severity.value for code, severity in {**CODES, **SITE_CODES}.items()}
