"""The doctor of the whole site: its parts, its reports, its page, its JSON and its command."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from searchapp import celery, tasks
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


@pytest.fixture
def writable_again(site: None) -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA query_only = OFF")
        else:
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")


def test_diagnose_database_that_takes_no_writing_is_named(working: None, writable_again: None) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA query_only = ON")
        else:
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    assert codes(diagnosing.diagnose(depth="fast")) == {"database_read_only"}


def test_diagnose_missing_migrations_are_named_and_counted(working: None) -> None:
    applied = MigrationRecorder(connection)
    name = max(name for app, name in applied.applied_migrations() if app == "searchapp")
    applied.record_unapplied("searchapp", name)
    try:
        (finding,) = diagnosing.diagnose(depth="fast").findings
    finally:
        applied.record_applied("searchapp", name)
    assert (finding.code, finding.values["count"], finding.evidence) == ("migrations_missing", 1, f"searchapp.{name}")


def test_diagnose_sqlite_on_a_network_disk_is_a_warning(
    working: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the database is no file")
    folder = str(Path(connection.settings_dict["NAME"]).resolve().parent).replace(" ", "\\040")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 {folder} ext4 rw 0 0\nnas:/data {folder} nfs4 rw 0 0\n")
    monkeypatch.setattr(diagnosing, "MOUNTS", mounts)
    (finding,) = diagnosing.diagnose(depth="fast").findings
    assert (finding.code, finding.values["kind"]) == ("sqlite_on_network", "nfs4")


@pytest.fixture
def redis_server(site: None, settings: Settings) -> Iterator[redis.Redis]:
    """Give the broker of the tests, and put right afterwards what a test made wrong."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client
        client.replicaof("NO", "ONE")
        client.config_set("appendonly", "yes")
        client.config_set("requirepass", "")


def test_diagnose_broker_that_keeps_nothing_is_a_warning(working: None, redis_server: redis.Redis) -> None:
    redis_server.config_set("appendonly", "no")
    assert codes(diagnosing.diagnose(depth="fast")) == {"broker_not_persistent"}


def test_diagnose_broker_that_is_a_replica_is_named(working: None, redis_server: redis.Redis) -> None:
    redis_server.replicaof("127.0.0.1", str(faults.closed_port()))
    assert codes(diagnosing.diagnose(depth="fast")) == {"broker_refused"}


def test_diagnose_broker_with_another_password_is_named(working: None, redis_server: redis.Redis) -> None:
    redis_server.config_set("requirepass", "guess")
    assert codes(diagnosing.diagnose(depth="fast")) == {"broker_refused"}


def test_diagnose_broker_with_a_port_of_another_program_is_named(working: None, settings: Settings) -> None:
    settings.REDIS_URL = settings.QDRANT_URL.replace("http://", "redis://") + "/0"
    assert codes(diagnosing.diagnose(depth="fast")) == {"broker_unreachable"}


@pytest.mark.parametrize("seconds", [-90, 90])
def test_diagnose_clock_of_another_machine_is_compared(working: None, settings: Settings, seconds: int) -> None:
    with faults.broker(clock_s=time.time() + seconds) as address:
        settings.REDIS_URL = address
        (finding,) = diagnosing.diagnose(depth="fast").findings
    assert (finding.code, finding.values["other"]) == ("clock_skew", "broker")
    assert 85 <= finding.values["seconds"] <= 95


def test_diagnose_vector_store_that_is_another_program_is_named(working: None, settings: Settings) -> None:
    page = faults.healthy(faults.tiny_qwen3(), answer_all=lambda path: (200, "text/html", b"<html>Log in</html>"))
    with faults.serving(page) as address:
        settings.QDRANT_URL = address
        forget_backends()
        assert codes(diagnosing.diagnose(depth="fast")) == {"vector_store_refused"}


def test_diagnose_index_of_a_model_that_no_service_has_is_named(
    working: None, collection: Collection, settings: Settings
) -> None:
    index(collection, "# Lost\n\nReport it.")
    settings.EMBEDDING_MODEL = "another-model"
    forget_backends()
    assert "index_model_changed" in codes(diagnosing.diagnose(depth="fast"))


def test_diagnose_index_of_other_weights_is_named(working: None, collection: Collection) -> None:
    index(collection, "# Lost\n\nReport it.")
    IndexGeneration.objects.update(error_code="index_model_drifted")
    assert codes(diagnosing.diagnose(depth="fast")) == {"index_model_drifted"}


def test_diagnose_without_an_embedding_service_under_a_full_index_says_so(
    working: None, collection: Collection, settings: Settings
) -> None:
    index(collection, "# Lost\n\nReport it.")
    settings.EMBEDDING_BASE_URL = ""
    forget_backends()
    assert codes(diagnosing.diagnose(depth="fast")) == {"address_missing"}


def test_diagnose_vector_store_with_another_key_is_named(working: None, settings: Settings) -> None:
    settings.QDRANT_API_KEY = "guess"
    forget_backends()
    assert "vector_store_key_refused" in codes(diagnosing.diagnose(depth="fast"))


def test_diagnose_without_a_worker_it_is_missing(site: None) -> None:
    Heartbeat.objects.create(name=Heartbeat.MAINTENANCE, seen_at=timezone.now() - timedelta(minutes=5))
    assert codes(diagnosing.diagnose(depth="fast")) == {"workers_absent"}


def test_diagnose_workers_that_nobody_sends_are_told_from_none(site: None) -> None:
    Heartbeat.objects.create(name=Heartbeat.MAINTENANCE, seen_at=timezone.now() - timedelta(minutes=5))
    with start_worker(celery.app, pool="threads", perform_ping_check=False, shutdown_timeout=30):
        found = diagnosing.diagnose(depth="fast").findings
    assert [finding.code for finding in found] == ["beat_absent"]
    assert 300 <= found[0].values["seconds"] <= 330


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


def test_diagnose_data_folder_that_takes_no_writing_is_named(working: None, settings: Settings) -> None:
    settings.DATA_DIR = Path("/proc/self/isogloss")  # takes none from anyone, root included
    assert "data_folder_read_only" in codes(diagnosing.diagnose(depth="fast"))


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


def addresses(settings: Settings) -> dict[str, str]:
    """Return the environment that names the servers and the database of the tests."""
    names = ("REDIS_URL", "QDRANT_URL", "QDRANT_API_KEY", "EMBEDDING_BASE_URL", "EMBEDDING_API_KEY", "EMBEDDING_MODEL")
    named = {name: str(getattr(settings, name)) for name in names}
    if connection.vendor == "sqlite":
        return named | {"DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}"}
    pytest.skip("the command would open the database of the site, not that of the tests")


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


def down() -> dict[str, str]:
    closed = f"127.0.0.1:{faults.closed_port()}"
    return {
        "REDIS_URL": f"redis://{closed}/0",
        "QDRANT_URL": f"http://{closed}",
        "EMBEDDING_BASE_URL": f"http://{closed}/v1",
    }


@pytest.mark.parametrize(
    ("database", "code"),
    [
        ("sqlite:///{folder}/empty.sqlite3", "migrations_missing"),
        ("sqlite:///{folder}/missing/isogloss.sqlite3", "database_unreachable"),
        ("sqlite:///{folder}/broken.sqlite3", "database_unreachable"),
        ("postgres://user:word@127.0.0.1:{port}/isogloss", "database_unreachable"),
    ],
)
def test_doctor_command_on_a_database_out_of_order_names_it_and_goes_on(
    tmp_path: Path, database: str, code: str
) -> None:
    (tmp_path / "broken.sqlite3").write_bytes(b"not a database" * 1000)
    address = database.format(folder=tmp_path, port=faults.closed_port())
    done = run_doctor("--fast", "--json", **down(), DATA_DIR=str(tmp_path), DATABASE_URL=address)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    found = {finding["code"] for finding in json.loads(done.stdout)["findings"]}
    assert {code, "broker_unreachable", "refused"} <= found


# What `manage.py serve` says at the start


def test_doctor_command_at_the_start_says_in_one_line_what_is_wrong(site: None, settings: Settings) -> None:
    closed = f"http://127.0.0.1:{faults.closed_port()}/v1"
    done = run_doctor("--fast", "--start", **addresses(settings) | {"EMBEDDING_BASE_URL": closed})
    assert done.returncode == 1
    assert done.stdout == "something is wrong: embedding refused. The page /doctor/ says what to do.\n"


def test_doctor_command_at_the_start_says_nothing_where_nothing_is_wrong(site: None, settings: Settings) -> None:
    done = run_doctor("--fast", "--start", **addresses(settings))
    assert (done.returncode, done.stdout) == (0, "")


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
