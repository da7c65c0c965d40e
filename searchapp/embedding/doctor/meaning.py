"""What the vectors mean: published scores, translations, near and far pairs, and whether the weights are the same."""

import numpy as np
from numpy.typing import NDArray

from searchapp.embedding.doctor import samples
from searchapp.embedding.doctor.framing import framed
from searchapp.embedding.doctor.visit import SkippedError, Visit
from searchapp.embedding.probing import SAME_MODEL_COSINE

# The share of a language's sentences that find their translation, over all other languages. A model that knows the
# language finds nearly all; chance is one in six.
KNOWN_SHARE = 0.5
ABSENT_SHARE = 0.35
# Of all comparisons of a near with a far pair.
ORDERED_SHARE = 0.9


def check_weights(visit: Visit) -> None:
    """Compare vectors with those that the service gave when the index was made."""
    expected = visit.expectations
    if expected.probe_vectors is None:
        raise SkippedError
    before, now = expected.probe_vectors, visit.wire.embed(expected.probe_texts).vectors
    if before.shape[1] < now.shape[1]:
        now = now[:, : before.shape[1]]
    if before.shape != now.shape:
        visit.find("weights_changed", f"{before.shape} then, {now.shape} now", cosine=0.0)
        return
    lowest = float((_units(before) * _units(now)).sum(axis=1).min())
    visit.measurements["weights_cosine"] = round(lowest, 5)
    if lowest < SAME_MODEL_COSINE:
        visit.find("weights_changed", f"lowest cosine {lowest:.4f}", cosine=round(lowest, 4))


def check_reference(visit: Visit) -> None:
    """Reach the scores that the authors of the model published, where it is one that they did for."""
    reference = next(
        (
            found
            for found in samples.REFERENCES
            if found.dimensions == visit.dimensions and any(name in visit.names for name in found.names)
        ),
        None,
    )
    if reference is None:
        raise SkippedError
    queries = visit.wire.embed([framed(text, reference.instruction) for text in reference.queries]).units
    documents = visit.wire.embed(reference.documents).units
    scores = queries @ documents.T
    difference = float(np.abs(scores - np.array(reference.scores)).max())
    visit.measurements["reference_difference"] = round(difference, 4)
    visit.measurements["reference"] = "equal" if difference <= samples.REFERENCE_TOLERANCE else "different"
    if difference > samples.REFERENCE_TOLERANCE:
        visit.find(
            "reference_differs",
            f"scores {np.round(scores, 3).tolist()}, published {list(reference.scores)}",
            reference=reference.names[0],
            difference=round(difference, 3),
        )


def check_languages(visit: Visit) -> None:
    """Have each sentence find its translation in each other language, among five unlike sentences."""
    if any(finding.code == "language_unread" for finding in visit.findings):
        raise SkippedError
    languages = list(samples.SENTENCES)
    count = len(samples.SENTENCES["en"])
    units = np.stack([visit.wire.embed(samples.SENTENCES[language]).units for language in languages])
    shares = np.full((len(languages), len(languages)), np.nan)
    for row, first in enumerate(units):
        for column, second in enumerate(units):
            if row != column:
                found = (first @ second.T).argmax(axis=1)
                shares[row, column] = float((found == np.arange(count)).mean())
    # A language stands in both directions: as the question's and as the passage's.
    both = np.fmin(shares, shares.T)
    # The median, so that one language's strength is not judged by the weakness of others.
    median = np.nanmedian(both, axis=1)
    visit.measurements["languages"] = [f"{code} {share:.2f}" for code, share in zip(languages, median, strict=True)]
    pairs = [
        f"{languages[row]}-{languages[column]} {both[row, column]:.2f}"
        for row in range(len(languages))
        for column in range(row)
        if both[row, column] < KNOWN_SHARE
    ]
    overall = float(np.nanmean(shares))
    visit.measurements["translations_found"] = round(overall, 3)
    if overall < ABSENT_SHARE:
        visit.find("meaning_absent", f"{overall:.2f} of the translations found", share=round(overall, 2))
        return
    visit.measurements["weak_pairs"] = pairs
    weak = [code for code, share in zip(languages, median, strict=True) if share < KNOWN_SHARE]
    # What a model does not claim to know is no fault of it.
    surprising = [code for code in weak if visit.claims(code)]
    if surprising:
        visit.find("language_weak", ", ".join(pairs[:12]), languages=surprising)


def check_pairs(visit: Visit) -> None:
    """Put pairs that say nearly the same above pairs that do not."""
    near, far = _similarities(visit, samples.NEAR_PAIRS), _similarities(visit, samples.FAR_PAIRS)
    visit.measurements["near_similarity"] = round(float(near.mean()), 3)
    visit.measurements["far_similarity"] = round(float(far.mean()), 3)
    ordered = float((near[:, None] > far[None, :]).mean())
    if ordered < ORDERED_SHARE:
        visit.find("near_far_mixed", f"near {np.round(near, 2)}, far {np.round(far, 2)}", share=round(ordered, 2))
    elif "qwen3" in visit.names and (near.min() < samples.NEAR_SIMILARITY or far.max() > samples.FAR_SIMILARITY):
        visit.find(
            "near_far_scale",
            f"near {np.round(near, 2)}, far {np.round(far, 2)}",
            near=round(float(near.min()), 2),
            far=round(float(far.max()), 2),
        )


def _similarities(visit: Visit, pairs: tuple[tuple[str, str], ...]) -> NDArray[np.float32]:
    units = visit.wire.embed([text for pair in pairs for text in pair]).units
    similarities: NDArray[np.float32] = (units[0::2] * units[1::2]).sum(axis=1)
    return similarities


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return units
