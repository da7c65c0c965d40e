"""Whether the answers are vectors, of the right length, in the right order, the same alone as among others."""

import json

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
# What becomes of a request with more texts than a service takes.
BATCH_CODES = frozenset({"request_refused", "server_error", "url_wrong_path", "busy"})


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


def check_letters(visit: Visit) -> None:
    """Tell words of the same length apart in each script: their letters reach the model."""
    # What a model does not claim to know is no fault of it.
    languages = [code for code in samples.LETTERS if code == samples.PLAIN_LANGUAGE or visit.claims(code)]
    try:
        answer = visit.wire.embed([word for language in languages for word in samples.LETTERS[language]])
    except FaultError as exc:
        refused = [code for code in languages if exc.status and not visit.wire.takes(samples.LETTERS[code][:1])]
        if not refused or samples.PLAIN_LANGUAGE in refused:
            return  # whatever it is, it is no matter of letters, and is found by the next checks
        visit.find("language_unread", exc.finding.evidence, languages=refused)
        raise StopError from exc
    if not np.isfinite(answer.norms).all():
        return
    cosines = (answer.units[0::2] * answer.units[1::2]).sum(axis=1)
    unread = [language for language, cosine in zip(languages, cosines, strict=True) if cosine > CONSTANT_COSINE]
    if unread and samples.PLAIN_LANGUAGE not in unread:
        words = samples.LETTERS[unread[0]]
        visit.find("language_unread", f"the same vector for {' and '.join(words)}", languages=unread)


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
    _check_unlike(visit, alone, texts)
    # One text twice: a server that drops doubles, or sorts by length, shows it here.
    _compare(visit, np.concatenate([alone, alone[1:2]]), [*texts, texts[1]])
    items = visit.expectations.batch_items
    if items <= 1:
        raise SkippedError
    many = [f"{texts[number % len(texts)].strip()} {number // len(texts)}" for number in range(items)]
    # Few at once are known to be right by now, so all places of the large request are looked at.
    few = [visit.wire.embed(many[start : start + len(texts)]).units for start in range(0, items, len(texts))]
    _compare(visit, np.concatenate(few), many)


def _check_unlike(visit: Visit, units: NDArray[np.float32], texts: list[str]) -> None:
    cosines = units @ units.T
    np.fill_diagonal(cosines, -1)
    first, second = np.unravel_index(cosines.argmax(), cosines.shape)
    if cosines[first, second] > CONSTANT_COSINE:
        words = " and ".join(json.dumps(texts[place][:60], ensure_ascii=False) for place in (first, second))
        visit.find("vector_constant", f"the same vector for {words}")
        raise StopError


def _compare(visit: Visit, few: NDArray[np.float32], texts: list[str]) -> None:
    """Compare texts that were sent alone, or few at once, with the same in one request."""
    try:
        together = visit.wire.embed(texts)
    except FaultError as exc:
        if exc.finding.code not in BATCH_CODES:
            raise
        _find_most_items(visit, texts)
        visit.find("batch_refused", exc.finding.evidence, items=visit.expectations.batch_items)
        return
    _check_numbers(visit, together)
    _judge(visit, few @ together.units.T, texts)


def _find_most_items(visit: Visit, texts: list[str]) -> None:
    """Halve a request that is refused until it is taken, and send no larger ones from then on.

    Raises:
        FaultError: one text alone is refused as well.
    """
    items = len(texts)
    while items > 1:
        items //= 2
        try:
            visit.wire.embed(texts[:items])
        except FaultError as exc:
            if exc.finding.code not in BATCH_CODES or items == 1:
                raise
        else:
            break
    visit.wire.most_items = items
    visit.measurements["batch_items"] = items


def _judge(visit: Visit, cosines: NDArray[np.float32], texts: list[str]) -> None:
    """Judge by the cosines of each text's vector with all of a request, among which its own is at its place."""
    own = cosines.diagonal()
    lowest = float(own.min())
    visit.measurements["batch_cosine"] = min(round(lowest, 6), float(visit.measurements.get("batch_cosine", 1.0)))  # type: ignore[arg-type]
    if lowest >= SAME_COSINE:
        return
    best = cosines.max(axis=1)
    elsewhere = [place for place in range(len(texts)) if own[place] < SAME_COSINE <= best[place]]
    worst = texts[int(own.argmin())]
    again = [visit.wire.embed([worst]).units[0] for _turn in range(3)]
    if (same := min(float(one @ other) for one in again for other in again)) < SAME_COSINE:
        visit.find("vector_random", f"cosine of the same text twice: {same:.3f}", cosine=round(same, 3))
    elif elsewhere:
        visit.find("order_shuffled", f"places {elsewhere}", places=len(elsewhere), texts=len(texts))
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
