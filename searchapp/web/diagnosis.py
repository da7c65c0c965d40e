"""How the doctor's report looks on a page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from searchapp.embedding.doctor import Finding, Severity
from searchapp.services.remedies import Remedy, describe
from searchapp.web.presentation import language_name

_GROUPS: Mapping[Severity, str | Promise] = {
    Severity.ERROR: _("Errors"),
    Severity.WARNING: _("Warnings"),
    Severity.INFO: _("Good to know"),
}
_PARTS: Mapping[str, str | Promise] = {
    "database": _("Database"),
    "disk": _("Disk"),
    "broker": _("Broker"),
    "vector_store": _("Vector store"),
    "workers": _("Workers"),
    "documents": _("Documents"),
    "embedding": _("Embedding service"),
    "reranker": _("Reranker"),
}
_CHECKS: Mapping[str, str | Promise] = {
    "connection": _("Connection, address and key"),
    "model": _("Model name"),
    "vectors": _("Vectors"),
    "dimensions": _("Dimensions"),
    "batches": _("Batches"),
    "weights": _("Same weights as in the index"),
    "instruction": _("Instruction"),
    "reference": _("Published scores"),
    "lengths": _("Long texts"),
    "pooling": _("Pooling"),
    "languages": _("Languages"),
    "pairs": _("Near and far pairs"),
    "speed": _("Speed"),
    "scores": _("Scores"),
}
_OUTCOMES: Mapping[str, str | Promise] = {"passed": _("passed"), "found": _("see above"), "skipped": _("left out")}
_MEASUREMENTS: Mapping[str, str | Promise] = {
    "dimensions": _("Dimensions"),
    "first_answer_s": _("First answer (s)"),
    "query_ms": _("Question (ms)"),
    "tokens_per_s": _("Tokens a second"),
    "passages_per_s": _("Passages a second"),
    "context_tokens": _("Longest text (tokens)"),
    "near_similarity": _("Similarity of near pairs"),
    "far_similarity": _("Similarity of far pairs"),
    "translations_found": _("Translations found"),
    "batch_cosine": _("Alone against in a batch"),
    "points": _("Points"),
    "passages": _("Passages"),
    "waiting": _("Waiting"),
    "free_mb": _("Free (MB)"),
    "messages": _("Messages"),
    "seen_s_ago": _("Seen (s ago)"),
    "rerank_right": _("Right answers first"),
}


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding with its sentences."""

    finding: Finding
    part: str
    remedy: Remedy


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """The findings of one severity; ``icon`` names the sprite's symbol."""

    title: str
    icon: str
    rows: tuple[FindingRow, ...]


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check of one part, in words."""

    part: str
    name: str
    outcome: str


def finding_groups(findings: Iterable[Finding]) -> list[FindingGroup]:
    """Return the findings by severity, worst first, without empty groups."""
    rows = [FindingRow(finding, _part(finding.part), describe(_in_words(finding))) for finding in findings]
    groups = [
        FindingGroup(str(title), severity.value, tuple(row for row in rows if row.finding.severity is severity))
        for severity, title in _GROUPS.items()
    ]
    return [group for group in groups if group.rows]


def check_rows(steps: Iterable[Mapping[str, str]]) -> list[CheckRow]:
    """Return what was checked, in words."""
    return [
        CheckRow(
            _part(step["part"]),
            "" if step["name"] == step["part"] else str(_CHECKS.get(step["name"], step["name"])),
            str(_OUTCOMES.get(step["outcome"], step["outcome"])),
        )
        for step in steps
    ]


def measurement_rows(measurements: Mapping[str, Mapping[str, object]]) -> list[tuple[str, list[tuple[str, object]]]]:
    """Return the figures that people ask for, by part."""
    rows = [
        (_part(part), [(str(label), values[name]) for name, label in _MEASUREMENTS.items() if name in values])
        for part, values in measurements.items()
    ]
    return [(part, figures) for part, figures in rows if figures]


def _part(part: str) -> str:
    return str(_PARTS.get(part, part))


def _in_words(finding: Finding) -> Finding:
    """Name languages as the pages do."""
    codes = finding.values.get("languages")
    if not isinstance(codes, list):
        return finding
    values = {**finding.values, "languages": [language_name(code) for code in codes]}
    return Finding(finding.code, finding.severity, values, finding.evidence, finding.part)
