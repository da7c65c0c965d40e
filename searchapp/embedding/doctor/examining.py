"""The order of an examination: from whether there is a service at all to what its vectors mean.

A fault found early ends what would only repeat it: who cannot be reached is asked nothing else, and
vectors that are no vectors are not asked for their meaning.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from searchapp.embedding.doctor.report import (
    Endpoint,
    Examination,
    Expectations,
    Finding,
    Outcome,
    Severity,
    Step,
    Value,
)
from searchapp.embedding.doctor.wire import FaultError, ServiceFacts, Wire

Depth = Literal["fast", "full"]
Progress = Callable[[str], None]

# Families whose vector is the state of the last token, an end token (model cards of Qwen3-Embedding, gte-Qwen2,
# e5-mistral); for all others the mean or the first token may be right.
_LAST_TOKEN = re.compile(r"qwen3|gte-qwen|e5-mistral", re.IGNORECASE)


@dataclass(slots=True)
class Visit:
    """What the checks of one examination share."""

    wire: Wire
    expectations: Expectations
    facts: ServiceFacts = field(default_factory=ServiceFacts)
    findings: list[Finding] = field(default_factory=list)
    measurements: dict[str, Value] = field(default_factory=dict)
    dimensions: int = 0

    def find(self, code: str, evidence: str = "", /, **values: Value) -> None:
        """Note a finding."""
        self.findings.append(self.wire.finding(code, evidence, **values))

    @property
    def names(self) -> str:
        """Return every name that the model goes by, in lower case."""
        reported = [str(self.facts.info.get(key, "")) for key in ("model_path", "served_model_name", "model_type")]
        return " ".join([self.wire.endpoint.model, *self.facts.served, *reported]).lower()

    @property
    def is_last_token_model(self) -> bool:
        """Return whether the vector has to be the state of a last, ending token."""
        has_causal_attention = self.facts.embedding.get("attention") == "causal"
        return has_causal_attention or bool(_LAST_TOKEN.search(self.names))

    @property
    def takes_instructions(self) -> bool:
        """Return whether an instruction has to have an effect; a service may say that its model takes none."""
        return self.facts.embedding.get("takes_instructions") is not False


class SkippedError(Exception):
    """Raise in a check that makes no sense for this service."""


class StopError(Exception):
    """Raise in a check after whose findings no other makes sense."""


def examine(
    endpoint: Endpoint,
    *,
    expectations: Expectations | None = None,
    depth: Depth = "full",
    progress: Progress | None = None,
) -> Examination:
    """Examine an embedding service; whatever it does becomes a finding, never an error.

    Args:
        endpoint: the service.
        expectations: what the site needs of it.
        depth: ``fast`` asks a handful of requests, ``full`` also for long texts, all languages and speed.
        progress: told the name of each check before it begins.
    """
    from searchapp.embedding.doctor import answering, connecting, framing, lengths, meaning, speed

    checks: dict[str, Callable[[Visit], None]] = {
        "connection": connecting.check_connection,
        "model": connecting.check_model,
        "vectors": answering.check_vectors,
        "dimensions": answering.check_dimensions,
        "batches": answering.check_batches,
        "weights": meaning.check_weights,
        "instruction": framing.check_instruction,
    }
    if depth == "full":
        checks |= {
            "reference": meaning.check_reference,
            "lengths": lengths.check_lengths,
            "pooling": framing.check_pooling,
            "languages": meaning.check_languages,
            "pairs": meaning.check_pairs,
            "speed": speed.check_speed,
        }
    with Wire(endpoint) as wire:
        return run_checks(Visit(wire, expectations or Expectations()), checks, progress=progress)


def run_checks(
    visit: Visit, checks: Mapping[str, Callable[[Visit], None]], *, progress: Progress | None = None
) -> Examination:
    """Make the checks in order, until one stops the examination."""
    steps: list[Step] = []
    is_stopped = False
    for name, check in checks.items():
        if is_stopped:
            steps.append(Step(name, Outcome.SKIPPED))
            continue
        if progress:
            progress(name)
        before = len(visit.findings)
        outcome = Outcome.PASSED
        try:
            check(visit)
        except SkippedError:
            outcome = Outcome.SKIPPED
        except StopError:
            is_stopped = True
        except FaultError as exc:
            visit.findings.append(exc.finding)
            # A service that has gone in the middle of the examination is not asked on.
            is_stopped = not exc.status
        steps.append(Step(name, Outcome.FOUND if len(visit.findings) > before else outcome))
    order = list(Severity)
    findings = sorted(_distinct(visit.findings), key=lambda finding: order.index(finding.severity))
    return Examination(tuple(findings), _plain(visit.measurements), tuple(steps))


def _distinct(findings: list[Finding]) -> list[Finding]:
    """Keep the first finding of each code."""
    return list({finding.code: finding for finding in reversed(findings)}.values())[::-1]


def _plain(measurements: Mapping[str, Value]) -> dict[str, Value]:
    """Return numbers that JSON can write."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in measurements.items()}
