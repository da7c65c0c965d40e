"""What an examination says: findings with a severity, measurements, and which checks were made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Value = str | int | float | list[str]


class Severity(StrEnum):
    """How much a finding matters: an error makes search wrong or impossible, a warning makes it worse."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 - the table below is read in columns

# Every code that an examination of a service can find. Once released a code never changes.
CODES: Mapping[str, Severity] = {
    # the way to the service
    "address_missing": E,
    "address_invalid": E,
    "dns": E,
    "refused": E,
    "unreachable": E,
    "timeout": E,
    "tls_on_plain_port": E,
    "plain_on_tls_port": E,
    "tls_certificate": E,
    "connection_broken": E,
    "url_endpoint": E,
    "url_double_slash": E,
    "url_without_v1": E,
    "url_wrong_path": E,
    "url_redirect": E,
    "key_missing": E,
    "key_refused": E,
    "key_unsendable": E,
    # what it serves
    "model_colon": E,
    "model_not_served": E,
    "model_not_listed": W,
    "model_differs": W,
    "not_embedding": E,
    "busy": W,
    "server_error": E,
    "request_refused": E,
    "answer_unreadable": E,
    # vectors
    "vector_count": E,
    "vector_lengths": E,
    "vector_index": E,
    "vector_form": E,
    "vector_not_finite": E,
    "vector_zero": E,
    "vector_constant": E,
    "vector_random": E,
    "vector_not_normalised": I,
    "base64_differs": E,
    "base64_unasked": I,
    "dimensions_too_large": E,
    "dimensions_index": E,
    "dimensions_unsupported": I,
    "dimensions_wrong": W,
    "order_shuffled": E,
    "batch_differs": E,
    "batch_refused": W,
    # how texts are read
    "reference_differs": E,
    "pooling_mean": E,
    "end_token_missing": E,
    "instruction_ignored": W,
    "instruction_on_documents": E,
    "text_truncated": E,
    "context_small": E,
    "long_text_cut": I,
    "long_text_breaks": W,
    # what vectors mean
    "meaning_absent": E,
    "language_unread": E,
    "language_weak": W,
    "near_far_mixed": E,
    "near_far_scale": I,
    "weights_changed": E,
    "slow": W,
    # rerankers
    "rerank_absent": E,
    "rerank_constant": E,
    "rerank_meaningless": E,
    "rerank_order": E,
}
# What a model with random weights gets, however well it is served.
MEANING_CODES = frozenset({"reference_differs", "meaning_absent", "language_weak", "near_far_mixed", "near_far_scale"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Name a service as the settings do.

    Attributes:
        base_url: address, usually ends in ``/v1``.
        model: name under which the service is asked for the model.
        api_key: ``EMPTY`` or nothing where the service wants none.
        timeout_s: longest wait for one answer.
        prefix: the settings' names begin with it, for the findings: ``EMBEDDING`` or ``RERANK``.
    """

    base_url: str
    model: str
    api_key: str = "EMPTY"
    timeout_s: float = 60.0
    prefix: str = "EMBEDDING"


@dataclass(frozen=True, slots=True)
class Expectations:
    """Say what the site needs of the service.

    Attributes:
        dimensions: length that the settings cut vectors to; 0 for the model's own.
        index_dimensions: length of the vectors in the index; 0 where there is none yet.
        text_tokens: the longest text that is sent, in tokens.
        batch_items: the most texts in one request.
        instruction: what queries carry.
        probe_texts: texts whose vectors were kept when the index was made; none where there is none yet.
        probe_vectors: ``(len(probe_texts), dimensions)`` float32, those vectors.
    """

    dimensions: int = 0
    index_dimensions: int = 0
    text_tokens: int = 512
    batch_items: int = 64
    instruction: str = "Given a web search query, retrieve relevant passages that answer the query"
    probe_texts: tuple[str, ...] = ()
    probe_vectors: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Name one fault.

    Attributes:
        code: one of `CODES`, or of the site's own.
        severity: how much it matters.
        values: what the sentences about it need.
        evidence: the very words or numbers it was found by.
        part: ``embedding``, ``reranker``, or a part of the site.
    """

    code: str
    severity: Severity
    values: Mapping[str, Value] = field(default_factory=dict)
    evidence: str = ""
    part: str = "embedding"


class Outcome(StrEnum):
    """What became of a check."""

    PASSED = "passed"
    FOUND = "found"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One check and what became of it; it is skipped where an earlier finding leaves no sense in it."""

    name: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Examination:
    """The whole result, worst findings first.

    Attributes:
        findings: worst first, each code once.
        measurements: figures by name.
        steps: the checks in their order.
    """

    findings: tuple[Finding, ...]
    measurements: Mapping[str, Value]
    steps: tuple[Step, ...]

    @property
    def has_errors(self) -> bool:
        """Return whether any finding is an error."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)
