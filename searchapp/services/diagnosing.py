"""Look at every part of the site and say what is wrong, how it shows and what to do.

Nothing here is changed but the reports themselves, and a sign that the database takes writing. The
fast form takes seconds; the full one asks the embedding service for minutes.
"""

import logging
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import Error as DatabaseFault
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Sum
from django.utils import timezone, translation
from kombu.exceptions import OperationalError

from searchapp import celery
from searchapp.backends import get_embedder, get_index
from searchapp.embedding import PROBE_TEXTS, frame_of
from searchapp.embedding.doctor import (
    Depth,
    Endpoint,
    Examination,
    Expectations,
    Finding,
    Outcome,
    Severity,
    Step,
    Value,
    examine,
    examine_reranker,
)
from searchapp.errors import IsoglossError
from searchapp.models import Chunk, DoctorReport, Document, Heartbeat, IndexGeneration
from searchapp.services import generations, reasons, remedies

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]

# Twice what beat sends, and time for a worker that is slow to take it.
HEARTBEAT_LIFETIME_S = 30
PING_TIMEOUT_S = 2.0
BROKER_TIMEOUT_S = 3
# Written to see whether the broker takes writing: a replica, or one whose disk is full, answers but takes none.
BROKER_PROBE = "isogloss:doctor"
# An upload is indexed in seconds; what waits this long waits for something.
LONG_WAIT = timedelta(minutes=10)
FULL_DISK_BYTES = 500 * 2**20
LOW_DISK_BYTES = 2 * 2**30
# Leases last 20 s.
CLOCK_TOLERANCE_S = 10
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "glusterfs"}
)
MOUNTS = Path("/proc/mounts")
KEPT_REPORTS = 30
# An examination that is still not done was killed.
ABANDONED_AFTER = timedelta(minutes=30)
# Passages carry headings or a question beside the budget, and the estimate of tokens is no upper bound.
TEXT_TOKENS_PER_BUDGET = 4
E, W = Severity.ERROR, Severity.WARNING

# Every code of the site's own parts; those of services are in `searchapp.embedding.doctor`.
SITE_CODES: Mapping[str, Severity] = {
    "database_unreachable": E,
    "database_read_only": E,
    "migrations_missing": E,
    "sqlite_on_network": W,
    "broker_unreachable": E,
    "broker_refused": E,
    "broker_not_persistent": W,
    "workers_absent": E,
    "beat_absent": E,
    "documents_waiting": W,
    "documents_failed": W,
    "vector_store_unreachable": E,
    "vector_store_key_refused": E,
    "vector_store_refused": E,
    "index_missing": E,
    "index_model_changed": E,
    "index_model_drifted": E,
    "index_incomplete": W,
    "disk_full": E,
    "disk_low": W,
    "data_folder_read_only": E,
    "clock_skew": W,
}


@dataclass(frozen=True, slots=True)
class PartStep:
    """One check of one part."""

    part: str
    step: Step


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an examination of several parts found."""

    depth: Depth
    took_ms: int
    findings: tuple[Finding, ...]
    measurements: Mapping[str, Mapping[str, Value]]
    steps: tuple[PartStep, ...]

    def count(self, severity: Severity) -> int:
        """Return how many findings are of this severity."""
        return sum(finding.severity is severity for finding in self.findings)


@dataclass(slots=True)
class _Round:
    """What the checks of the site write into."""

    findings: list[Finding] = field(default_factory=list)
    measurements: dict[str, dict[str, Value]] = field(default_factory=dict)
    steps: list[PartStep] = field(default_factory=list)

    def find(self, part: str, code: str, evidence: str = "", /, **values: Value) -> None:
        self.findings.append(Finding(code, SITE_CODES[code], values, " ".join(evidence.split())[:300], part))

    def measure(self, part: str, **values: Value) -> None:
        self.measurements.setdefault(part, {}).update(values)

    def add(self, part: str, examination: Examination) -> None:
        self.findings += examination.findings
        self.measure(part, **examination.measurements)
        self.steps += [PartStep(part, step) for step in examination.steps]


def examine_endpoint(
    endpoint: Endpoint | None = None,
    *,
    depth: Depth = "full",
    dimensions: int = 0,
    index_dimensions: int = 0,
    progress: Progress | None = None,
) -> Examination:
    """Examine one embedding service, by default the configured one, as it is before a re-embedding.

    Args:
        endpoint: the service.
        depth: see `searchapp.embedding.doctor.examine`.
        dimensions: length that its vectors are to be cut to; 0 for their own.
        index_dimensions: length of the vectors in the index that they are for; 0 for a new one.
        progress: told the name of each check before it begins.
    """
    expectations = _expectations(dimensions=dimensions, index_dimensions=index_dimensions)
    return examine(endpoint or configured_endpoint(), expectations=expectations, depth=depth, progress=progress)


def configured_endpoint() -> Endpoint:
    """Return the embedding service that the settings name."""
    return Endpoint(
        settings.EMBEDDING_BASE_URL,
        settings.EMBEDDING_MODEL,
        settings.EMBEDDING_API_KEY,
        float(settings.EMBEDDING_TIMEOUT_S),
    )


def diagnose(*, depth: Depth = "full", has_workers: bool = True, progress: Progress | None = None) -> Diagnosis:
    """Examine all parts of the site.

    Args:
        depth: ``fast`` or ``full``.
        has_workers: whether the site is meant to run now; workers are looked for only then.
        progress: told which part and check comes next.
    """
    started = time.perf_counter()
    found = _Round()
    tell = progress or (lambda _name: None)
    checks: dict[str, Callable[[_Round], None]] = {
        "database": _check_database,
        "disk": _check_disk,
        "broker": _check_broker,
        "vector_store": _check_vector_store,
    }
    if has_workers:
        checks |= {"workers": _check_workers}
    checks |= {"documents": _check_documents}
    is_database_down = False
    for part, check in checks.items():
        tell(part)
        if is_database_down and part in ("documents", "workers", "vector_store"):
            found.steps.append(PartStep(part, Step(part, Outcome.SKIPPED)))
            continue
        _make(found, part, check)
        is_database_down = is_database_down or any(item.code == "database_unreachable" for item in found.findings)
    try:
        index = None if is_database_down else _index_of_the_model()
        expectations = _expectations(dimensions=settings.EMBEDDING_DIMENSIONS, index=index)
    except DatabaseFault:  # there are findings about it
        expectations = _expectations(dimensions=settings.EMBEDDING_DIMENSIONS)
    examination = examine(
        configured_endpoint(), expectations=expectations, depth=depth, progress=lambda name: tell(f"embedding: {name}")
    )
    found.add("embedding", examination)
    if settings.RERANK_BASE_URL:
        tell("reranker")
        endpoint = Endpoint(
            settings.RERANK_BASE_URL,
            settings.RERANK_MODEL,
            settings.RERANK_API_KEY,
            float(settings.EMBEDDING_TIMEOUT_S),
            prefix="RERANK",
        )
        found.add("reranker", examine_reranker(endpoint))
    took_ms = round((time.perf_counter() - started) * 1000)
    order = list(Severity)
    findings = sorted(found.findings, key=lambda finding: order.index(finding.severity))
    logger.info("examined the site", extra={"depth": depth, "findings": len(findings), "took_ms": took_ms})
    return Diagnosis(depth, took_ms, tuple(findings), found.measurements, tuple(found.steps))


def begin_report(depth: Depth) -> DoctorReport:
    """Note that an examination is about to begin."""
    return DoctorReport.objects.create(depth=depth, started_at=timezone.now())


def write_report(report: DoctorReport, *, has_workers: bool = True) -> DoctorReport:
    """Make the examination that was begun and keep what it finds; old reports are deleted."""

    def tell(name: str) -> None:
        DoctorReport.objects.filter(pk=report.pk).update(step=name[:60])

    diagnosis = diagnose(depth=report.depth, has_workers=has_workers, progress=tell)  # type: ignore[arg-type] # a choice
    return keep_report(diagnosis, report=report)


def keep_report(diagnosis: Diagnosis, *, report: DoctorReport | None = None) -> DoctorReport:
    """Keep what was found as the last report.

    Raises:
        DatabaseError: the database does not take it.
    """
    if report is None:
        took = timedelta(milliseconds=diagnosis.took_ms)
        report = DoctorReport(depth=diagnosis.depth, started_at=timezone.now() - took)
    report.finished_at = timezone.now()
    report.step = ""
    report.error_count = diagnosis.count(Severity.ERROR)
    report.warning_count = diagnosis.count(Severity.WARNING)
    report.content = content_of_diagnosis(diagnosis)
    report.save()
    kept = DoctorReport.objects.order_by("-started_at").values_list("pk", flat=True)[:KEPT_REPORTS]
    DoctorReport.objects.exclude(pk__in=list(kept)).delete()
    return report


def last_report() -> DoctorReport | None:
    """Return the last examination that came to its end."""
    return DoctorReport.objects.filter(finished_at__isnull=False).first()


def running_report() -> DoctorReport | None:
    """Return the examination that is under way, if there is one."""
    since = timezone.now() - ABANDONED_AFTER
    return DoctorReport.objects.filter(finished_at=None, started_at__gt=since).first()


def note_maintenance() -> None:
    """Leave a sign that beat sends and a worker works."""
    Heartbeat.objects.update_or_create(name=Heartbeat.MAINTENANCE, defaults={"seen_at": timezone.now()})


def findings_of(report: DoctorReport) -> list[Finding]:
    """Return the findings of a report; one of a code that is no longer known is left out."""
    return [
        Finding(row["code"], Severity(row["severity"]), row["values"], row["evidence"], row["part"])
        for row in report.content.get("findings", [])
        if row["code"] in remedies.known_codes()
    ]


def as_json(report: DoctorReport) -> dict[str, Any]:
    """Return a report for machines, with the English sentences."""
    return {
        "started_at": report.started_at.isoformat(),
        "finished_at": report.finished_at.isoformat() if report.finished_at else None,
        "depth": report.depth,
        **with_sentences(report.content),
    }


def with_sentences(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report's content with what each finding means in English."""
    with translation.override("en"):
        findings = [
            {
                **row,
                **asdict(
                    remedies.describe(
                        Finding(row["code"], Severity(row["severity"]), row["values"], row["evidence"], row["part"])
                    )
                ),
            }
            for row in content.get("findings", [])
        ]
    return {**content, "findings": findings}


def content_of(examination: Examination, *, depth: Depth, part: str = "embedding") -> dict[str, Any]:
    """Return the examination of one service in the form of a report."""
    steps = tuple(PartStep(part, step) for step in examination.steps)
    return content_of_diagnosis(Diagnosis(depth, 0, examination.findings, {part: examination.measurements}, steps))


def content_of_diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return what was found in the form of a report: plain values, codes in place of sentences."""
    return {
        "depth": diagnosis.depth,
        "took_ms": diagnosis.took_ms,
        "errors": diagnosis.count(Severity.ERROR),
        "warnings": diagnosis.count(Severity.WARNING),
        "findings": [
            {
                "part": finding.part,
                "code": finding.code,
                "severity": finding.severity.value,
                "values": dict(finding.values),
                "evidence": finding.evidence,
            }
            for finding in diagnosis.findings
        ],
        "measurements": {part: dict(values) for part, values in diagnosis.measurements.items()},
        "steps": [
            {"part": item.part, "name": item.step.name, "outcome": item.step.outcome.value} for item in diagnosis.steps
        ],
    }


def _make(found: _Round, part: str, check: Callable[[_Round], None]) -> None:
    before = len(found.findings)
    try:
        check(found)
    except DatabaseFault as exc:
        # Tables that are missing are the database's fault, and so is its end in the middle of an examination.
        if not any(item.part == "database" for item in found.findings):
            found.find("database", "database_unreachable", str(exc))
        found.steps.append(PartStep(part, Step(part, Outcome.SKIPPED)))
        return
    is_found = len(found.findings) > before
    found.steps.append(PartStep(part, Step(part, Outcome.FOUND if is_found else Outcome.PASSED)))


def _check_database(found: _Round) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseFault as exc:
        connection.close()
        found.find("database", "database_unreachable", str(exc))
        return
    if missing:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _backwards in missing)
        found.find("database", "migrations_missing", names, count=len(missing))
        return
    try:
        Heartbeat.objects.update_or_create(name="doctor", defaults={"seen_at": timezone.now()})
    except DatabaseFault as exc:
        found.find("database", "database_read_only", str(exc))
    found.measure("database", engine=connection.vendor)
    if connection.vendor == "sqlite":
        kind = _file_system(Path(str(connection.settings_dict["NAME"])))
        if kind in NETWORK_FILE_SYSTEMS:
            found.find("database", "sqlite_on_network", kind=kind)
    elif connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXTRACT(EPOCH FROM clock_timestamp())")
            _compare_clocks(found, "database", float(cursor.fetchone()[0]))


def _check_disk(found: _Round) -> None:
    folder = next(path for path in (settings.DATA_DIR, *settings.DATA_DIR.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    found.measure("disk", free_mb=free // 2**20)
    if free < LOW_DISK_BYTES:
        found.find("disk", "disk_full" if free < FULL_DISK_BYTES else "disk_low", free=free // 2**20)
    try:
        # Tried, not asked for: to root everything seems to be allowed, also on a disk that is mounted read-only.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        found.find("disk", "data_folder_read_only", str(exc))


def _check_broker(found: _Round) -> None:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=BROKER_TIMEOUT_S, socket_connect_timeout=BROKER_TIMEOUT_S
        ) as broker:
            broker.set(BROKER_PROBE, "1", ex=BROKER_TIMEOUT_S)
            persistence: Any = broker.info("persistence")
            seconds, microseconds = broker.time()
            queued: Any = broker.llen(settings.CELERY_TASK_DEFAULT_QUEUE)
            keeps_snapshots = _keeps_snapshots(broker)
    except (redis.AuthenticationError, redis.ResponseError) as exc:
        found.find("broker", "broker_refused", str(exc))
        return
    except (redis.RedisError, ValueError, OSError) as exc:
        found.find("broker", "broker_unreachable", str(exc) or "REDIS_URL is not set")
        return
    found.measure("broker", messages=int(queued))
    if not persistence.get("aof_enabled") and not keeps_snapshots:
        found.find("broker", "broker_not_persistent")
    _compare_clocks(found, "broker", seconds + microseconds / 1e6)


def _keeps_snapshots(broker: "redis.Redis") -> bool:
    try:
        saved: Any = broker.config_get("save")
    except redis.RedisError:
        return True  # a managed server keeps its configuration to itself
    return bool(saved.get("save"))


def _compare_clocks(found: _Round, part: str, theirs: float) -> None:
    seconds = round(abs(theirs - time.time()))
    if seconds > CLOCK_TOLERANCE_S and not any(item.code == "clock_skew" for item in found.findings):
        found.find(part, "clock_skew", other=part, seconds=seconds)


def _store_code(exc: IsoglossError) -> str:
    known = {"vector_store_key_refused", "vector_store_refused"}
    return exc.code if exc.code in known else "vector_store_unreachable"


def _check_vector_store(found: _Round) -> None:
    generation = generations.live_row()
    if generation is None:
        try:
            generations.ask_vector_store()
        except IsoglossError as exc:
            found.find("vector_store", _store_code(exc), exc.detail)
        return
    # That no service is configured is a finding about the service.
    if (code := generations.problem_of(generation)) in SITE_CODES:
        found.find("vector_store", code, model=generation.model)
    try:
        index = get_index(generation)
        points, dimensions = index.count(), index.dimensions()
    except IsoglossError as exc:
        found.find("vector_store", _store_code(exc), exc.detail)
        return
    found.measure("vector_store", points=points, dimensions=dimensions, index=index.name)
    live = Document.objects.filter(live_version__isnull=False)
    passages = live.aggregate(n=Sum("passage_count"))["n"] or 0
    found.measure("vector_store", passages=passages)
    if passages and not dimensions:
        found.find("vector_store", "index_missing", passages=passages, name=index.name)
    # What is being indexed has points before it has passages.
    is_settled = not Document.objects.exclude(status__in=[Document.Status.READY, Document.Status.FAILED]).exists()
    if dimensions and is_settled and points < passages:
        found.find("vector_store", "index_incomplete", points=points, passages=passages)


def _check_workers(found: _Round) -> None:
    seen = Heartbeat.objects.filter(name=Heartbeat.MAINTENANCE).first()
    age_s = (timezone.now() - seen.seen_at).total_seconds() if seen else None
    if age_s is not None and age_s < HEARTBEAT_LIFETIME_S:
        found.measure("workers", seen_s_ago=round(age_s))
        return
    words = "never seen" if seen is None else f"last seen at {seen.seen_at:%Y-%m-%d %H:%M:%S} UTC"
    if any(item.code in ("broker_unreachable", "broker_refused") for item in found.findings):
        return  # the broker's fault says it all
    try:
        answers = celery.app.control.inspect(timeout=PING_TIMEOUT_S).ping() or {}
    except (OSError, redis.RedisError, OperationalError) as exc:
        found.find("workers", "workers_absent", f"{words}; {exc}")
        return
    if answers:
        found.find("workers", "beat_absent", words, seconds=round(age_s) if age_s is not None else "–")
    else:
        found.find("workers", "workers_absent", words)


def _check_documents(found: _Round) -> None:
    now = timezone.now()
    waiting = Document.objects.filter(status=Document.Status.QUEUED)
    count = waiting.count()
    found.measure("documents", passages=Chunk.objects.count(), waiting=count)
    # A replaced document keeps the time of its first upload; what was ready once is not the oldest that waits.
    oldest = waiting.filter(live_version__isnull=True).order_by("created_at").first() or waiting.first()
    if oldest and (now - oldest.created_at > LONG_WAIT) and (oldest.error_code or oldest.live_version is None):
        minutes = int((now - oldest.created_at).total_seconds() // 60)
        with translation.override("en"):
            reason = reasons.sentence(oldest.error_code) if oldest.error_code else "–"
        found.find("documents", "documents_waiting", oldest.error_code, count=count, minutes=minutes, reason=reason)
    failed = Counter(
        Document.objects.filter(status=Document.Status.FAILED).order_by().values_list("error_code", flat=True)
    )
    if failed:
        codes = [f"{code} {number}" for code, number in failed.most_common(8)]
        found.find("documents", "documents_failed", count=sum(failed.values()), codes=codes)


def _file_system(path: Path) -> str:
    """Return the type of the file system that holds a path, nothing where it cannot be known."""
    best, kind = "", ""
    try:
        lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        _device, mount, found, *_rest = line.split(" ")
        # A later mount at the same place lies over the earlier one. Blanks are written as \040 (man fstab).
        mount = mount.replace("\\040", " ")
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _expectations(*, dimensions: int, index_dimensions: int = 0, index: IndexGeneration | None = None) -> Expectations:
    """Return what is expected of a service: of any, or of the one that an index was made with."""
    if index is None:
        return Expectations(dimensions=dimensions, index_dimensions=index_dimensions, text_tokens=_text_tokens())
    try:
        frame = frame_of(get_embedder(index).family, index.model)
    except IsoglossError:
        # The service of the index is not configured, or does not answer: the examination itself says so.
        return Expectations(dimensions=dimensions, index_dimensions=index.dimensions, text_tokens=_text_tokens())
    return Expectations(
        dimensions=dimensions,
        index_dimensions=index.dimensions,
        text_tokens=_text_tokens(),
        probe_texts=tuple(frame.frame_document(text) for text in PROBE_TEXTS),
        probe_vectors=index.fingerprint.vectors,
    )


def _text_tokens() -> int:
    return settings.CHUNK_TOKENS * TEXT_TOKENS_PER_BUDGET


def _index_of_the_model() -> IndexGeneration | None:
    """Return the live index where it was made with the model that the settings name."""
    generation = generations.live_row()
    return generation if generation and generation.model == settings.EMBEDDING_MODEL else None
