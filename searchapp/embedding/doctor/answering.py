"""Whether the answers are vectors, of the right length, in the right order, the same alone as among others."""

import numpy as np
from numpy.typing import NDArray

from searchapp.embedding.doctor import samples
from searchapp.embedding.doctor.visit import SkippedError, StopError, Visit
from searchapp.embedding.doctor.wire import SMALLEST_NORM, Embedded, FaultError

# Norms of a server that normalises in bf16 are within 0.3 % of one (measured on SGLang).
NORM_TOLERANCE = 0.01
# Cosine of the same text twice: rounding in bf16 and other company in the batch stay above (measured on SGLang:
# 0.9999999 in bf16 on a CPU; quantised models on cards reach 0.999). Below, something else decides the vector.
SAME_COSINE = 0.995
# Between two different texts: vectors that are equal to this are one vector.
CONSTANT_COSINE = 0.999999
DIMENSIONS_PROBE = 32
# What a service that cannot answer in base64 may do when it is asked to.
PACKING_CODES = frozenset({"request_refused", "server_error", "answer_unreadable", "vector_lengths", "vector_form"})


def check_vectors(visit: Visit) -> None:
    """Look at single vectors: finite, not zero, not all the same, the same for the same text."""
    alone = [visit.wire.embed([text]) for text in samples.VARIED[:4]]
    for answer in alone:
        _check_numbers(visit, answer)
    units = np.concatenate([answer.units for answer in alone])
    again = visit.wire.embed([samples.VARIED[1]]).units[0]
    same = float(units[1] @ again)
    others = units @ units.T
    if same < SAME_COSINE:
        visit.find("vector_random", f"cosine of the same text twice: {same:.3f}", cosine=round(same, 3))
        raise StopError
    if others.min() > CONSTANT_COSINE:
        visit.find("vector_constant", f"cosine of unlike texts: {others.min():.7f}")
        raise StopError
    norms = np.concatenate([answer.norms for answer in alone])
    if np.abs(norms - 1).max() > NORM_TOLERANCE:
        visit.find(
            "vector_not_normalised",
            f"norms {norms.min():.3f} to {norms.max():.3f}",
            smallest=round(float(norms.min()), 3),
            largest=round(float(norms.max()), 3),
        )
    _check_base64(visit, units[0])


def check_dimensions(visit: Visit) -> None:
    """Compare the length of the vectors with the settings and the index, and try to have shorter ones."""
    expected = visit.expectations
    visit.measurements["dimensions"] = visit.dimensions
    if expected.dimensions > visit.dimensions:
        visit.find("dimensions_too_large", wanted=expected.dimensions, given=visit.dimensions)
        return
    stored = expected.dimensions or visit.dimensions
    if expected.index_dimensions and expected.index_dimensions != stored:
        visit.find("dimensions_index", indexed=expected.index_dimensions, given=stored)
    wanted = expected.dimensions or min(DIMENSIONS_PROBE, visit.dimensions // 2)
    if not 0 < wanted < visit.dimensions:
        return
    text = samples.VARIED[1]
    full = visit.wire.embed([text]).vectors[0]
    try:
        short = visit.wire.embed([text], dimensions=wanted).units[0]
    except FaultError as exc:
        if not exc.status:
            raise
        visit.measurements["supports_dimensions"] = "no"
        if expected.dimensions:
            visit.find("dimensions_unsupported", exc.finding.evidence, wanted=wanted)
        return
    if len(short) != wanted:
        visit.measurements["supports_dimensions"] = "no"
        if expected.dimensions:
            visit.find("dimensions_unsupported", f"{len(short)} numbers came", wanted=wanted)
        return
    visit.measurements["supports_dimensions"] = "yes"
    cut = full[:wanted] / max(float(np.linalg.norm(full[:wanted])), SMALLEST_NORM)
    cosine = float(cut @ short)
    if cosine < SAME_COSINE:
        visit.find(
            "dimensions_wrong", f"cosine to the cut vector: {cosine:.3f}", wanted=wanted, cosine=round(cosine, 3)
        )


def check_batches(visit: Visit) -> None:
    """Send texts together that were sent alone: same order, same vectors; and as many as the site sends."""
    texts = list(samples.VARIED)
    alone = np.concatenate([visit.wire.embed([text]).units for text in texts])
    _compare(visit, alone, texts)
    items = visit.expectations.batch_items
    if items <= 1:
        raise SkippedError
    many = [f"{texts[number % len(texts)].strip()} {number // len(texts)}" for number in range(items)]
    try:
        together = visit.wire.embed(many)
    except FaultError as exc:
        if exc.finding.code not in ("request_refused", "server_error", "url_wrong_path"):
            raise
        visit.find("batch_refused", exc.finding.evidence, items=items)
        return
    _check_numbers(visit, together)
    # A few of them alone: the ends and some between, where a shuffled answer cannot have them all in place.
    picked = sorted({0, 1, items // 3, items // 2, items - 2, items - 1})
    some = np.concatenate([visit.wire.embed([many[index]]).units for index in picked])
    _judge(visit, some @ together.units.T, picked)


def _compare(visit: Visit, alone: NDArray[np.float32], texts: list[str]) -> None:
    # One text twice: a server that drops doubles, or sorts by length, shows it here.
    together = visit.wire.embed([*texts, texts[1]])
    _check_numbers(visit, together)
    _judge(visit, np.concatenate([alone, alone[1:2]]) @ together.units.T, list(range(len(texts) + 1)))


def _judge(visit: Visit, cosines: NDArray[np.float32], places: list[int]) -> None:
    """Compare each text alone with all vectors of the batch, among which its own is at its place."""
    own = np.array([cosines[row, place] for row, place in enumerate(places)])
    lowest = float(own.min())
    visit.measurements["batch_cosine"] = min(round(lowest, 6), float(visit.measurements.get("batch_cosine", 1.0)))  # type: ignore[arg-type]
    if lowest >= SAME_COSINE:
        return
    best = cosines.max(axis=1)
    elsewhere = [place for row, place in enumerate(places) if own[row] < SAME_COSINE <= best[row]]
    if elsewhere:
        visit.find("order_shuffled", f"places {elsewhere}", places=len(elsewhere), texts=len(places))
    else:
        visit.find("batch_differs", f"lowest cosine {lowest:.4f}", cosine=round(lowest, 4))
    raise StopError


def _check_numbers(visit: Visit, answer: Embedded) -> None:
    norms = answer.norms
    is_odd = ~np.isfinite(norms)
    if is_odd.any():
        visit.find("vector_not_finite", f"{int(is_odd.sum())} of {len(norms)} vectors")
        raise StopError
    is_zero = norms < SMALLEST_NORM
    if is_zero.any():
        visit.find("vector_zero", f"{int(is_zero.sum())} of {len(norms)} vectors")
        raise StopError


def _check_base64(visit: Visit, unit: NDArray[np.float32]) -> None:
    """The client of the site asks for base64: the same vector has to come."""
    try:
        packed = visit.wire.embed([samples.VARIED[0]], encoding="base64")
    except FaultError as exc:
        if exc.finding.code not in PACKING_CODES:
            raise
        visit.find("base64_differs", exc.finding.evidence)
        return
    cosine = float(packed.units[0] @ unit) if packed.vectors.shape[1] == len(unit) else 0.0
    if not cosine >= SAME_COSINE:
        visit.find("base64_differs", f"cosine {cosine:.3f}, length {packed.vectors.shape[1]} for {len(unit)}")
