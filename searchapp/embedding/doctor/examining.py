"""The order of an examination: from whether there is a service at all to what its vectors mean.

A fault found early ends what would only repeat it: who cannot be reached is asked nothing else, and
vectors that are no vectors are not asked for their meaning.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from searchapp.embedding.doctor import answering, connecting, framing, lengths, meaning, speed
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
from searchapp.embedding.doctor.visit import SkippedError, StopError, Visit
from searchapp.embedding.doctor.wire import FaultError, Wire

Depth = Literal["fast", "full"]
Progress = Callable[[str], None]
Check = Callable[[Visit], None]

FAST_CHECKS: dict[str, Check] = {
    "connection": connecting.check_connection,
    "model": connecting.check_model,
    "letters": answering.check_letters,
    "vectors": answering.check_vectors,
    "dimensions": answering.check_dimensions,
    "batches": answering.check_batches,
    "weights": meaning.check_weights,
    "instruction": framing.check_instruction,
}
FULL_CHECKS: dict[str, Check] = {
    "reference": meaning.check_reference,
    "lengths": lengths.check_lengths,
    "pooling": framing.check_pooling,
    "languages": meaning.check_languages,
    "pairs": meaning.check_pairs,
    "speed": speed.check_speed,
}


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
    checks = FAST_CHECKS if depth == "fast" else FAST_CHECKS | FULL_CHECKS
    with Wire(endpoint) as wire:
        return run_checks(Visit(wire, expectations or Expectations()), checks, progress=progress)


def run_checks(visit: Visit, checks: Mapping[str, Check], *, progress: Progress | None = None) -> Examination:
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
