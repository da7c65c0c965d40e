"""Vectors of questions that were asked before, in Redis, by the weights that made them.

A help, and nothing else: without Redis, or with other weights, questions are embedded anew, and none is
waited for. Texts of questions are not kept, only their digests.
"""

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence

import numpy as np
import redis
from django.conf import settings
from numpy.typing import NDArray

from searchapp.backends import get_redis
from searchapp.embedding import PROBE_TEXTS, Embedder
from searchapp.services import fingerprints

logger = logging.getLogger(__name__)

# A question that nobody asked again in a day is not worth its room.
LIFETIME_S = 86_400
# Redis that fails is left alone for so long, so that it costs a question its timeout only now and then.
PAUSE_S = 30.0
# For so long after the weights were last seen, vectors of theirs are taken from here without asking. Other weights
# are noticed with the first question that is new, and the passages that they are compared with are older still.
TRUSTED_S = 300.0
PREFIX = "isogloss:question:"
USES = "isogloss:questions"
# In one step, so that what is dropped from the order of use is dropped itself. Expired ones count until they are.
_KEEP = """
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 2], 'EX', ARGV[3])
  redis.call('ZADD', KEYS[1], ARGV[2], KEYS[i])
end
local excess = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[1])
if excess > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[1], excess)
  for i = 1, #oldest, 2 do redis.call('DEL', oldest[i]) end
end
"""

_paused_until = 0.0


def embed_query(embedder: Embedder, text: str, *, instructions: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return the vector of a question for each instruction; what is new is sent to the service in one request.

    Returns:
        ``(dimensions,)`` float32, unit L2 norm, by instruction.

    Raises:
        EmbeddingUnavailableError, EmbeddingBusyError, EmbeddingRefusedError: as `Embedder.embed_documents`.
    """
    framed = {instruction: embedder.frame_query(text, instruction=instruction) for instruction in instructions}
    # Models that take no instruction see one text.
    by_text = {seen: instruction for instruction, seen in reversed(framed.items())}
    is_cached = bool(settings.QUERY_CACHE_ENTRIES) and time.monotonic() > _paused_until
    vectors = _look_up(embedder, list(by_text)) if is_cached else {}
    missing = [seen for seen in by_text if seen not in vectors]
    if missing:
        vectors |= _embed(embedder, text, {seen: by_text[seen] for seen in missing}, is_cached=is_cached)
    return {instruction: vectors[seen] for instruction, seen in framed.items()}


def _embed(
    embedder: Embedder, text: str, by_text: Mapping[str, str], *, is_cached: bool
) -> dict[str, NDArray[np.float32]]:
    asked_at = time.monotonic()
    fingerprint = fingerprints.known_fingerprint(embedder, within_s=fingerprints.LIFETIME_S)
    # In the same request, so that looking at the weights costs a question no second one.
    beside = PROBE_TEXTS if is_cached and fingerprint is None else ()
    found = embedder.embed_queries(text, instructions=list(by_text.values()), beside=beside)
    if not is_cached:
        return dict(zip(by_text, found, strict=True))
    if fingerprint is None:
        fingerprint = fingerprints.note_probe(embedder, found[len(by_text) :], asked_at=asked_at)
    stored = {seen: vector.astype("<f2").tobytes() for seen, vector in zip(by_text, found, strict=False)}
    _store(fingerprint.pk, stored)
    # Read back from what is kept, so that a question asked again finds the same to the last digit.
    return {seen: _vector(content) for seen, content in stored.items()}


def _look_up(embedder: Embedder, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    fingerprint = fingerprints.known_fingerprint(embedder, within_s=TRUSTED_S)
    if fingerprint is None:
        return {}
    keys = [_key(fingerprint.pk, text) for text in texts]
    try:
        with get_redis().pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.getex(key, ex=LIFETIME_S)
            pipeline.zadd(USES, dict.fromkeys(keys, time.time()), xx=True)
            contents = pipeline.execute()[: len(keys)]
    except redis.RedisError as exc:
        _pause(exc)
        return {}
    known = {text: _vector(content) for text, content in zip(texts, contents, strict=True) if content}
    return {text: vector for text, vector in known.items() if vector.shape == (fingerprint.dimensions,)}


def _store(fingerprint_id: str, contents: Mapping[str, bytes]) -> None:
    keys = [_key(fingerprint_id, text) for text in contents]
    limits = (settings.QUERY_CACHE_ENTRIES, time.time(), LIFETIME_S)
    try:
        get_redis().eval(_KEEP, len(keys) + 1, USES, *keys, *limits, *contents.values())
    except redis.RedisError as exc:
        _pause(exc)


def _pause(exc: redis.RedisError) -> None:
    global _paused_until
    _paused_until = time.monotonic() + PAUSE_S
    logger.warning("questions are embedded anew, since Redis does not keep their vectors: %s", exc)


def _key(fingerprint_id: str, text: str) -> str:
    return f"{PREFIX}{fingerprint_id}:{hashlib.sha256(text.encode()).hexdigest()}"


def _vector(content: bytes) -> NDArray[np.float32]:
    vector = np.frombuffer(content, dtype="<f2").astype(np.float32)
    unit: NDArray[np.float32] = vector / np.linalg.norm(vector)
    return unit
